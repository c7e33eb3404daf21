"""Errors a user can act on: a message, what to do next, and the exit code of the command that raised it."""

from __future__ import annotations

from collections.abc import Iterable

EXIT_QUALITY_GATE = 3
"""What was scraped or compared did not pass: the gate put a session aside, a check failed, a replay differs."""

_FROM_BEST_TO_WORST = (0, 75, EXIT_QUALITY_GATE, 2, 1, 130)


def worst_exit_code(codes: Iterable[int]) -> int:
    """The one exit code for several pieces of work: done, busy, put aside, misconfigured, failed, interrupted."""
    return max(codes, key=_FROM_BEST_TO_WORST.index, default=0)


class PropertyManagerError(Exception):
    """Base of every expected failure. `code` is stable for programs, `hint` says what to do next."""

    code = "failed"
    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(PropertyManagerError):
    """The command was called with values that cannot work."""

    code = "usage"
    exit_code = 2


class BusyError(PropertyManagerError):
    """Another run holds the lock this command needs."""

    code = "busy"
    exit_code = 75


class DatabaseUnavailableError(PropertyManagerError):
    """The database cannot be reached, or is not one this project can use."""

    code = "database"


class FetchError(PropertyManagerError):
    """A page could not be fetched, and asking again will not help."""

    code = "fetch"


class TransportError(FetchError):
    """The server could not be reached, took too long or broke off; worth another try."""

    code = "transport"


class RefusedAddressError(FetchError):
    """An address this project does not open."""

    code = "refused_address"
