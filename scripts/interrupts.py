"""Ending a command early: SIGTERM acts as Ctrl-C does: queries are cancelled, sessions stay resumable."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from loaders.errors import PropertyManagerError


class InterruptedCommandError(PropertyManagerError):
    """The command was ended by SIGINT or SIGTERM."""

    code = "interrupted"
    exit_code = 130

    def __init__(self) -> None:
        super().__init__(
            "interrupted; the running query was cancelled",
            "Nothing is lost: `property-manager status` shows what waits, `sync-pending` goes on with what was landed, "
            "and the same scrape goes on where it stopped.",
        )


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Within it SIGTERM raises KeyboardInterrupt in the main thread; other threads cannot set it up, and need not."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
