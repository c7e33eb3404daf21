"""What a command and all its descendants cost: processor seconds and resident memory."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil

SAMPLE_SECONDS = 0.05


@dataclass(frozen=True)
class Cost:
    """Of a command: what it printed, its exit code, processor seconds and peak megabytes of its process tree.

    Time that a process spent after its last sample, up to 50 ms before its end, is not seen.
    """

    output: str
    code: int
    cpu_seconds: float
    peak_mb: float


def run(command: Sequence[str], environment: Mapping[str, str]) -> Cost:
    """Run a command to its end while watching its process tree."""
    seconds: dict[tuple[int, float], float] = {}
    peak = 0
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as output,
        subprocess.Popen(command, env=environment, stdout=output) as process,
    ):
        root = psutil.Process(process.pid)
        while process.poll() is None:
            resident = 0
            for member in _tree(root):
                with suppress(psutil.Error), member.oneshot():
                    times = member.cpu_times()
                    seconds[member.pid, member.create_time()] = times.user + times.system
                    resident += member.memory_info().rss
            peak = max(peak, resident)
            time.sleep(SAMPLE_SECONDS)
        output.seek(0)
        said = output.read()
    return Cost(said, process.returncode, sum(seconds.values()), peak / 2**20)


def _tree(root: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return [root, *root.children(recursive=True)]
    return []
