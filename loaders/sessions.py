"""The life of a session on the loading side: opened, kept alive, and handed over as scraped."""

from __future__ import annotations

import shlex
import uuid
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import psycopg

from loaders import barriers
from loaders.database import statements
from loaders.errors import UsageError

_SQL = statements("sessions.sql")


@dataclass(frozen=True)
class Session:
    """One crawl or import of one scope. `opened_at` is the landing time of all its rows."""

    session_id: uuid.UUID
    source: str
    scope: str
    opened_at: datetime
    observed_at: datetime

    @cached_property
    def texts(self) -> tuple[str, str, str]:
        """Id, opening and time of observation as text, made once for all rows that carry them."""
        return str(self.session_id), self.opened_at.isoformat(), self.observed_at.isoformat()


def ensure_source(connection: psycopg.Connection, source: str) -> None:
    """Create the source with default settings where it does not exist."""
    connection.execute(_SQL["ensure_source"], [source])


def open_session(
    connection: psycopg.Connection,
    *,
    source: str,
    scope: str,
    kind: str,
    observed_at: datetime | None = None,
    session_name: str | None = None,
    target_url: str | None = None,
) -> Session:
    """Open a session and the staging partition its rows will land in.

    `kind` is `scrape`, `import`, `replay` or `retirement`.

    Raises RetiredScopeError where nothing may land any more.
    """
    if kind != "retirement":
        _require_living_scope(connection, source, scope)
    row = connection.execute(
        _SQL["open_session"],
        {
            "session_id": uuid.uuid4(),
            "source": source,
            "scope": scope,
            "kind": kind,
            "observed_at": observed_at,
            "session_name": session_name,
            "target_url": target_url,
        },
    ).fetchone()
    assert row is not None
    session = Session(*row)
    connection.execute("select ensure_staging_partition(%s)", [session.opened_at])
    barriers.reach("session_opened")
    return session


def record_progress(connection: psycopg.Connection, session_id: uuid.UUID, **counters: int | None) -> None:
    """Refresh the heartbeat and set the given counters (columns of `scrape_sessions`), such as `pages_done`."""
    parameters: dict[str, Any] = dict.fromkeys(
        (
            "pages_planned",
            "pages_done",
            "pages_failed",
            "pages_blocked",
            "pages_http",
            "pages_browser",
            "site_listing_count",
            "rows_read",
            "rows_landed",
            "rows_rejected",
        )
    )
    unknown = counters.keys() - parameters.keys()
    if unknown:
        raise TypeError(f"unknown counters: {', '.join(sorted(unknown))}")
    connection.execute(_SQL["record_progress"], {**parameters, **counters, "session_id": session_id})


def finish_session(
    connection: psycopg.Connection,
    session_id: uuid.UUID,
    *,
    is_complete: bool,
    incomplete_reason: str | None = None,
) -> None:
    """Hand a running session over to the next sync. `is_complete` claims that the whole scope was enumerated."""
    _compare_and_set(
        connection,
        "finish_session",
        session_id,
        is_complete=is_complete,
        incomplete_reason=None if is_complete else incomplete_reason,
    )


def fail_session(connection: psycopg.Connection, session_id: uuid.UUID, error: str) -> None:
    """End a running session that must never be synced, with the reason."""
    _compare_and_set(connection, "fail_session", session_id, error=error)


def interrupt_session(connection: psycopg.Connection, session_id: uuid.UUID, reason: str) -> None:
    """Mark a running session as stopped midway; it can be resumed."""
    _compare_and_set(connection, "interrupt_session", session_id, error=reason)


def resume_session(connection: psycopg.Connection, session_id: uuid.UUID) -> Session:
    """Take an interrupted (or abandoned running) session up again."""
    row = connection.execute(_SQL["resume_session"], {"session_id": session_id}).fetchone()
    if row is None:
        raise SessionMovedOnError(session_id)
    session = Session(*row)
    _require_living_scope(connection, session.source, session.scope)
    # Cleaning may have dropped the month of a session that waited for long.
    connection.execute("select ensure_staging_partition(%s)", [session.opened_at])
    return session


class RetiredScopeError(UsageError):
    """The scope was retired: its listings are no longer expected, so nothing lands in it."""

    code = "retired_scope"

    def __init__(self, source: str, scope: str) -> None:
        super().__init__(
            f"the scope {scope} of {source} is retired; nothing was landed",
            f"To crawl it again: property-manager source restore-scope {shlex.join([source, scope])}",
        )


class SessionMovedOnError(RuntimeError):
    """The session is not in the state this step starts from; another process took it over."""

    def __init__(self, session_id: uuid.UUID) -> None:
        super().__init__(f"session {session_id} is no longer in the state this step starts from")


def _require_living_scope(connection: psycopg.Connection, source: str, scope: str) -> None:
    if connection.execute(_SQL["retired_scope"], {"source": source, "scope": scope}).fetchone() is not None:
        raise RetiredScopeError(source, scope)


def _compare_and_set(connection: psycopg.Connection, statement: str, session_id: uuid.UUID, **values: Any) -> None:
    if connection.execute(_SQL[statement], {"session_id": session_id, **values}).rowcount != 1:
        raise SessionMovedOnError(session_id)
