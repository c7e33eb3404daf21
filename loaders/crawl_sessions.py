"""Which session a worker crawls: one that was broken off, a new one, or one that others are crawling."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import psycopg
from psycopg.rows import class_row

from loaders.database import statements
from loaders.errors import BusyError, UsageError
from loaders.sessions import Session, SessionMovedOnError, ensure_source, finish_session, open_session, resume_session
from loaders.settings import change_settings

RESUME_WINDOW = timedelta(hours=24)

_SQL = statements("crawl_sessions.sql")


class CrawlTarget(NamedTuple):
    """What a worker needs to know of a crawl to take it up."""

    session_id: uuid.UUID
    source: str
    scope: str
    target_url: str
    status: str
    session_kind: str
    reader: str | None


class SourceSettings(NamedTuple):
    """How a source wants to be crawled: requests per second and at once per host, hours that a reading holds, days
    for which documents are kept.

    None is no limit.
    """

    requests_per_second: float | None = 1.0
    requests_in_flight: int | None = 4
    detail_ttl_hours: float | None = 24.0
    page_retention_days: float | None = 14.0

    @property
    def delay(self) -> float:
        """Seconds between two requests to a host."""
        return 1.0 / self.requests_per_second if self.requests_per_second else 0.0


def source_settings(connection: psycopg.Connection, source: str) -> SourceSettings:
    """The settings of a source, the defaults where it is not known yet."""
    with connection.cursor(row_factory=class_row(SourceSettings)) as cursor:
        return cursor.execute(_SQL["source_settings"], {"source": source}).fetchone() or SourceSettings()


def tried_settings(connection: psycopg.Connection, source: str, settings: Mapping[str, str | None]) -> SourceSettings:
    """What a source's settings would be with these changes; nothing is stored.

    Raises UsageError for a value that the setting does not allow.
    """
    with connection.transaction(force_rollback=True):
        ensure_source(connection, source)
        change_settings(connection, source, settings)
        return source_settings(connection, source)


def take_session(
    connection: psycopg.Connection,
    *,
    source: str,
    scope: str,
    target_url: str,
    session_name: str | None,
    reader: str | None = None,
    max_list_pages: int | None = None,
    observed_at: datetime | None = None,
) -> tuple[Session, bool]:
    """The session to crawl and whether it is resumed: one that was broken off within a day, else a new one.

    Older ones are closed as partial, so that what they saw is not lost. The connection works on the session until
    it leaves or is closed. Raises BusyError when another process crawls this scope.
    """
    with connection.transaction():
        ensure_source(connection, source)
        names = {"source": source, "scope": scope, "target_url": target_url}
        connection.execute(_SQL["lock_scope"], names)
        unfinished = connection.execute(_SQL["unfinished_sessions"], {**names, "window": RESUME_WINDOW}).fetchall()
        resumed: Session | None = None
        for session_id, is_stale in unfinished:
            session = _take_abandoned(connection, session_id, f"{source} ({scope})")
            if is_stale or resumed is not None:
                reason = "it was broken off and not taken up again within a day"
                connection.execute(_SQL["skip_open_pages"], {"session_id": session_id, "error": reason})
                finish_session(connection, session_id, is_complete=False, incomplete_reason=reason)
                connection.execute(_SQL["leave"], {"session_id": session_id})
            else:
                resumed = session
        if resumed is None:
            session = open_session(
                connection,
                source=source,
                scope=scope,
                kind="scrape",
                session_name=session_name,
                target_url=target_url,
                observed_at=observed_at,
            )
            connection.execute(_SQL["work_on"], {"session_id": session.session_id})
        else:
            session = resumed
        connection.execute(
            _SQL["limit_list_pages"], {"session_id": session.session_id, "max_list_pages": max_list_pages}
        )
        connection.execute(_SQL["set_reader"], {"session_id": session.session_id, "reader": reader})
        return session, resumed is not None


def crawl_target(connection: psycopg.Connection, session_id: uuid.UUID) -> CrawlTarget:
    """A crawl that can go on. Raises UsageError for a session that is no crawl or has come to its end."""
    with connection.cursor(row_factory=class_row(CrawlTarget)) as cursor:
        target = cursor.execute(_SQL["target"], {"session_id": session_id}).fetchone()
    if target is None:
        raise UsageError(f"there is no session {session_id}", "`property-manager list-sessions` shows the ids.")
    if target.session_kind != "scrape" or target.status not in ("running", "interrupted"):
        what = target.status if target.session_kind == "scrape" else f"no crawl but {target.session_kind}"
        raise UsageError(
            f"session {session_id} is {what}; only a crawl that was broken off can go on",
            "`property-manager status` shows such crawls, with the command that helps.",
        )
    return target


def take_named_session(connection: psycopg.Connection, target: CrawlTarget, reader: str) -> Session:
    """Take up a crawl that was broken off, however long ago. Raises BusyError while another process crawls it."""
    with connection.transaction():
        connection.execute(_SQL["lock_scope"], {"source": target.source, "scope": target.scope})
        session = _take_abandoned(connection, target.session_id, f"{target.source} ({target.scope})")
        connection.execute(_SQL["set_reader"], {"session_id": session.session_id, "reader": reader})
        return session


def require_same_reader(target: CrawlTarget, reader: str) -> None:
    """Raise UsageError where this machine would read the pages of a crawl otherwise than its other workers."""
    if target.reader not in (None, reader):
        raise UsageError(
            f"crawl {target.session_id} reads pages of {target.source} with other selectors than this machine has",
            f"Use the same release and the same source file {target.source}.yml in $PROPERTY_CONFIG_DIR/sources.",
        )


def join_session(connection: psycopg.Connection, session_id: uuid.UUID) -> Session:
    """Work on a crawl beside others, or alone where nobody does. Raises SessionMovedOnError when it is over."""
    keys = {"session_id": session_id}
    is_alone = _value(connection, "take_alone", session_id)
    if is_alone:
        connection.execute(_SQL["release_leases"], {**keys, "worker": None})
    connection.execute(_SQL["work_on"], keys)
    if is_alone:
        connection.execute(_SQL["let_others_in"], keys)
    try:
        return resume_session(connection, session_id)
    except SessionMovedOnError:
        connection.execute(_SQL["leave"], keys)
        raise


def leave_session(connection: psycopg.Connection, session_id: uuid.UUID, worker: str, reason: str) -> None:
    """Give back this worker's pages; the last worker to leave a running session marks it as interrupted."""
    connection.execute(_SQL["release_leases"], {"session_id": session_id, "worker": worker})
    connection.execute(_SQL["leave"], {"session_id": session_id})
    connection.execute(_SQL["interrupt_abandoned"], {"session_id": session_id, "reason": reason})


def running_crawls(connection: psycopg.Connection) -> list[uuid.UUID]:
    """Crawls with open pages that a worker may join, the oldest first."""
    return [session_id for (session_id,) in connection.execute(_SQL["running_crawls"])]


def _take_abandoned(connection: psycopg.Connection, session_id: uuid.UUID, name: str) -> Session:
    if not _value(connection, "take_alone", session_id):
        raise BusyError(
            f"another process is scraping {name}, session {session_id}",
            f"Wait for it to end, help it with `property-manager worker --session-id {str(session_id)[:8]}`, or stop "
            "it; `property-manager status` shows how far it is.",
        )
    connection.execute(_SQL["let_others_in"], {"session_id": session_id})
    return join_session(connection, session_id)


def _value(connection: psycopg.Connection, statement: str, session_id: uuid.UUID) -> bool:
    row = connection.execute(_SQL[statement], {"session_id": session_id}).fetchone()
    assert row is not None
    return row[0]
