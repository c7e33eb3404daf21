"""Retiring a scope that is no longer crawled, so that it keeps no listing active, and taking that back."""

from __future__ import annotations

import shlex
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from loaders.database import statements
from loaders.errors import PropertyManagerError, UsageError
from loaders.sessions import finish_session, open_session

_SQL = statements("sources.sql", Path(__file__).parent / "sql")


class MassRemovalError(PropertyManagerError):
    """Retiring the scope would remove more listings than the source allows without being asked."""

    code = "mass_removal"


@dataclass(frozen=True)
class Retirement:
    """A scope that is retired, or would be. Listings are counted as published now.

    `removed` are listed by retired scopes alone, `kept` by another scope, too. `session_id` is the session whose sync
    removes them, None for a dry run.
    """

    source: str
    scope: str
    removed: int
    kept: int
    session_id: uuid.UUID | None


def retire_scope(
    connection: psycopg.Connection,
    source: str,
    scope: str,
    *,
    is_dry_run: bool = False,
    allows_mass_removal: bool = False,
) -> Retirement:
    """Retire a scope and open the session whose sync removes what only retired scopes list; audited.

    Raises UsageError for a scope that is unknown, retired or being crawled, and MassRemovalError when more than
    `max_removal_share` of the source's active listings would go and `allows_mass_removal` is off.
    """
    if _is_retired(connection, source, scope):
        raise UsageError(f"the scope {scope} of {source} is retired already")
    crawl = connection.execute(_SQL["living_crawl"], {"source": source, "scope": scope}).fetchone()
    if crawl is not None:
        raise UsageError(f"session {crawl[0]} is reading this scope at this moment", "Wait until it is done.")
    expected = _expected_removals(connection, source, scope)
    removed, active, limit = expected["removed"], expected["active"], expected["max_removal_share"]
    if is_dry_run:
        return Retirement(source, scope, removed, expected["kept"], None)
    if not allows_mass_removal and limit is not None and removed > limit * active:
        raise MassRemovalError(
            f"{removed} of {active} active listings of {source} would be removed, more than the limit of {limit:.0%}",
            "If they are to go, add --allow-mass-removal.",
        )
    with connection.transaction():
        connection.execute(_SQL["retire_scope"], {"source": source, "scope": scope})
        session = open_session(connection, source=source, scope=scope, kind="retirement")
        finish_session(connection, session.session_id, is_complete=True)
        connection.execute(_SQL["permit_mass_removal"], {"session_id": session.session_id})
        details = {"scope": scope, "session_id": str(session.session_id), "removed": removed}
        _audit(connection, "retire scope", source, details)
    return Retirement(source, scope, removed, expected["kept"], session.session_id)


def restore_scope(connection: psycopg.Connection, source: str, scope: str) -> None:
    """Let a retired scope be crawled again; audited. Raises UsageError for a scope that is not retired."""
    if not _is_retired(connection, source, scope):
        raise UsageError(f"the scope {scope} of {source} is not retired")
    with connection.transaction():
        connection.execute(_SQL["restore_scope"], {"source": source, "scope": scope})
        _audit(connection, "restore scope", source, {"scope": scope})


def _is_retired(connection: psycopg.Connection, source: str, scope: str) -> bool:
    known = dict(connection.execute(_SQL["scopes"], {"source": source}).fetchall())
    if scope not in known:
        raise UsageError(
            f"{source} has no scope {scope!r}", f"Its scopes are: {shlex.join(known) or 'none, nothing landed yet'}"
        )
    return known[scope]


def _expected_removals(connection: psycopg.Connection, source: str, scope: str) -> dict[str, Any]:
    if connection.execute(_SQL["published"]).fetchone() == (False,):
        return {"removed": 0, "kept": 0, "active": 0, "max_removal_share": None}
    with connection.cursor(row_factory=dict_row) as cursor:
        expected = cursor.execute(_SQL["expected_removals"], {"source": source, "scope": scope}).fetchone()
    assert expected is not None
    return expected


def _audit(connection: psycopg.Connection, action: str, source: str, details: dict[str, Any]) -> None:
    connection.execute(_SQL["audit"], {"action": action, "target": source, "details": Jsonb(details)})
