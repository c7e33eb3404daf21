"""Which running processes really belong to a data directory; a number in a file proves nothing."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_PS_LINE = re.compile(r"\s*(?P<pid>\d+)\s+(?P<command>.*)")


@dataclass(frozen=True)
class ServerProcess:
    """A live process of one cluster: its postmaster, or one of the postmaster's children."""

    pid: int
    is_postmaster: bool


def recorded_pid(data: Path) -> int | None:
    """The pid in `postmaster.pid`, believed by nobody yet; None when the file is missing or damaged."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return None
    digits = lines[0].strip() if lines else ""
    return int(digits) if digits.isascii() and digits.isdigit() else None


def server_processes(data: Path, cluster_name: str) -> list[ServerProcess]:
    """All live processes of the cluster in `data`, also children whose postmaster was killed.

    Linux knows a server process by its working directory, which is the data directory even after a rename;
    elsewhere `ps` shows the directory in the postmaster's command and the cluster's name in its children's.
    """
    if not data.is_dir():
        return []
    if (_PROC / "self" / "cwd").exists():
        return _from_proc(data)
    listing = subprocess.run(["ps", "-axww", "-o", "pid=,command="], capture_output=True, text=True, check=True).stdout
    return from_ps_listing(listing, data, cluster_name)


def is_postmaster(pid: int | None, data: Path, cluster_name: str) -> bool:
    """Whether `pid` is a live postmaster of exactly this data directory."""
    return pid is not None and ServerProcess(pid, True) in server_processes(data, cluster_name)


def from_ps_listing(listing: str, data: Path, cluster_name: str) -> list[ServerProcess]:
    """The cluster's processes in the output of `ps -axww -o pid=,command=`."""
    found = []
    for line in listing.splitlines():
        match = _PS_LINE.fullmatch(line)
        if match is None:
            continue
        pid, command = int(match["pid"]), match["command"].rstrip()
        if command.startswith(f"postgres: {cluster_name}: "):
            found.append(ServerProcess(pid, False))
        elif command.endswith(f"/postgres -D {data}"):
            found.append(ServerProcess(pid, True))
    return found


def _from_proc(data: Path) -> list[ServerProcess]:
    directory = data.stat()
    found = []
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if (entry / "comm").read_text(encoding="utf-8", errors="replace").strip() != "postgres":
                continue
            if not os.path.samestat((entry / "cwd").stat(), directory):
                continue
            first_argument = (entry / "cmdline").read_bytes().partition(b"\0")[0]
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # ended meanwhile, or another user's: then it cannot be this cluster's
        found.append(ServerProcess(int(entry.name), Path(os.fsdecode(first_argument)).name == "postgres"))
    return found
