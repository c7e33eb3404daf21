"""Ending a command early: SIGTERM acts as Ctrl-C does: queries are cancelled, sessions stay resumable."""

from __future__ import annotations

import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

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


def wait_interruptibly(connection: Any) -> None:
    """Wait for a statement of psycopg2, which by itself hears of no signal before the statement has ended.

    On KeyboardInterrupt the statement is cancelled and the connection given up.
    """
    from psycopg2 import Error
    from psycopg2.extensions import POLL_OK, POLL_WRITE

    try:
        while (state := connection.poll()) != POLL_OK:
            waited_for = [connection.fileno()]
            if state == POLL_WRITE:
                select.select([], waited_for, [])
            else:
                select.select(waited_for, [], [])
    except KeyboardInterrupt:
        with suppress(Error):
            connection.cancel()
        raise


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
