"""Checks of everything a run needs, each with what to do where it fails."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import psycopg

from loaders.database import connect
from loaders.errors import PropertyManagerError
from loaders.migrate import pending_migrations
from scripts.config import MINIMUM_FREE_BYTES, configured_database_url, free_bytes, property_home
from scripts.database import data_directory, database_url

_LOOKS = 3


@dataclass(frozen=True)
class Check:
    """One check: what was looked at, whether it is fine, what was found, and the mend if it is not."""

    name: str
    ok: bool
    finding: str
    mend: str = ""


def run_checks() -> list[Check]:
    """Check interpreter, packages, database, migrations, browser and disk."""
    checks = [_python(), *map(_package, ("dbt-core", "dbt-postgres", "playwright", "psycopg"))]
    checks += _database()
    checks += [_browser(), *_disks()]
    return checks


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    is_supported = (3, 11) <= sys.version_info[:2] <= (3, 14)
    return Check("Python", is_supported, found, "Run `make env` with Python 3.11 to 3.14.")


def _package(name: str) -> Check:
    try:
        return Check(name, True, version(name))
    except PackageNotFoundError:
        return Check(name, False, "not installed", "Run `make env`.")


def _database() -> list[Check]:
    kind = "configured by DATABASE_URL" if configured_database_url() else "embedded"
    try:
        with connect(database_url()) as connection, connect(database_url()) as other:
            server = connection.info.parameter_status("server_version")
            pending = pending_migrations(connection)
            seen = [(_server_process(connection), _server_process(other)) for _ in range(_LOOKS)]
    except PropertyManagerError as error:
        return [Check("Database", False, error.message, error.hint)]
    return [
        Check("Database", True, f"PostgreSQL {server}, {kind}"),
        Check("Migrations", True, f"{len(pending)} to apply; the next command does" if pending else "all applied"),
        _pooler(seen),
    ]


def shares_server_processes(seen: Sequence[tuple[int, int]]) -> bool:
    """Whether two connections did not keep a server process each, by the ids both saw side by side at several moments.

    Behind a pooler in transaction mode every statement gets the process that is free: the same one as the other
    connection's, or another one than before.
    """
    ours, others = (set(processes) for processes in zip(*seen, strict=True))
    return len(ours) > 1 or len(others) > 1 or bool(ours & others)


def _server_process(connection: psycopg.Connection) -> int:
    row = connection.execute("select pg_backend_pid()", prepare=False).fetchone()
    assert row is not None
    return row[0]


def _pooler(seen: Sequence[tuple[int, int]]) -> Check:
    if shares_server_processes(seen):
        return Check(
            "Sessions",
            False,
            "a pooler in transaction mode stands before the server: locks and settings do not stay with a connection",
            "Let DATABASE_URL name the server itself, or the pooler in session mode (at Supabase port 5432, not 6543).",
        )
    return Check("Sessions", True, "each connection keeps its server process")


def _browser() -> Check:
    from loaders.browser import find_browser

    return _attempt("Browser", lambda: str(find_browser()))


def _disks() -> list[Check]:
    places = {"Disk": property_home(), "Disk of the database": data_directory()}
    checks = []
    for name, place in places.items():
        if place is None:
            checks.append(Check(name, True, "another server's, not seen from here"))
            continue
        free = free_bytes(place)
        mend = f"Free some space on the disk of {place}."
        checks.append(Check(name, free >= MINIMUM_FREE_BYTES, f"{free / 1e9:.1f} GB free", mend))
    return checks


def _attempt(name: str, find: Callable[[], str]) -> Check:
    try:
        return Check(name, True, find())
    except PropertyManagerError as error:
        return Check(name, False, error.message, error.hint)
