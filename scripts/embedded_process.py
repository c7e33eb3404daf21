"""Which running processes really belong to a data directory; a number in a file proves nothing."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_PS_LINE = re.compile(r"\s*(?P<pid>\d+)\s+(?P<parent>\d+)\s+(?P<command>.*)")


@dataclass(frozen=True)
class ServerProcess:
    """A live process of one cluster: its postmaster, or one of the postmaster's children."""

    pid: int
    is_postmaster: bool


@dataclass(frozen=True)
class _Seen:
    """What the system shows of a process: a new child bears its postmaster's name until it has set its own."""

    pid: int
    parent: int
    bears_postmaster_name: bool


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
    command = ["ps", "-axww", "-o", "pid=,ppid=,command="]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return from_ps_listing(listing, data, cluster_name)


def is_postmaster(pid: int | None, data: Path, cluster_name: str) -> bool:
    """Whether `pid` is a live postmaster of exactly this data directory."""
    return pid is not None and ServerProcess(pid, True) in server_processes(data, cluster_name)


def from_ps_listing(listing: str, data: Path, cluster_name: str) -> list[ServerProcess]:
    """The cluster's processes in the output of `ps -axww -o pid=,ppid=,command=`."""
    seen = []
    for line in listing.splitlines():
        match = _PS_LINE.fullmatch(line)
        if match is None:
            continue
        command = match["command"].rstrip()
        bears_postmaster_name = command.endswith(f"/postgres -D {data}")
        if bears_postmaster_name or command.startswith(f"postgres: {cluster_name}: "):
            seen.append(_Seen(int(match["pid"]), int(match["parent"]), bears_postmaster_name))
    return _told_apart(seen)


def _told_apart(seen: list[_Seen]) -> list[ServerProcess]:
    """A postmaster bears the name of one and is no child of another process of its cluster."""
    pids = {each.pid for each in seen}
    return [ServerProcess(each.pid, each.bears_postmaster_name and each.parent not in pids) for each in seen]


def _from_proc(data: Path) -> list[ServerProcess]:
    directory = data.stat()
    seen = []
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if (entry / "comm").read_text(encoding="utf-8", errors="replace").strip() != "postgres":
                continue
            if not os.path.samestat((entry / "cwd").stat(), directory):
                continue
            first_argument = (entry / "cmdline").read_bytes().partition(b"\0")[0]
            # The name in parentheses may hold anything; state and parent follow its last one.
            parent = int((entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # ended meanwhile, or another user's: then it cannot be this cluster's
        seen.append(_Seen(int(entry.name), parent, Path(os.fsdecode(first_argument)).name == "postgres"))
    return _told_apart(seen)
