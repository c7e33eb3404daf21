"""Undoing what one session published: the live table is as it was, and the feed and the audit say so."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from loaders import barriers
from loaders.database import schema_name, statements
from loaders.errors import PropertyManagerError
from scripts.sync import require_history

_SQL = statements("rollback.sql", Path(__file__).parent / "sql")
_NAMED = 10
"""How many listings a refusal names for each session that stands in the way."""


class RollbackRefusedError(PropertyManagerError):
    """The session cannot be undone now; nothing was changed."""

    code = "rollback_refused"


@dataclass(frozen=True)
class Rollback:
    """What undoing a session did, or would do. Listings are counted once.

    `restored` have their earlier state again and `retracted`, which the session had created, are no longer published.
    `adjusted` lose only what the session added beside their fields: a scope, flags or a held price. `sync_id` is None
    where nothing was written: for a dry run, and for a session that `was_undone` before.
    """

    session_id: uuid.UUID
    source: str
    scope: str
    is_dry_run: bool
    was_undone: bool = False
    sync_id: uuid.UUID | None = None
    restored: int = 0
    retracted: int = 0
    adjusted: int = 0
    feed_rows: int = 0
    sightings: int = 0

    def as_json(self) -> dict[str, Any]:
        """The rollback in the stable shape that commands print with --json."""
        return {
            **asdict(self),
            "session_id": str(self.session_id),
            "sync_id": None if self.sync_id is None else str(self.sync_id),
        }


def rollback_session(connection: psycopg.Connection, session_id: uuid.UUID, *, is_dry_run: bool = False) -> Rollback:
    """Undo what a session published, in one transaction under the publish lock; audited.

    The caller holds the run lock. A dry run does the same and takes it back, so its counts are those of the rollback.
    Raises RollbackRefusedError for a session that is not complete, whose listings were changed later, or that was
    published before this project kept what a rollback needs.
    """
    with connection.transaction(force_rollback=is_dry_run):
        undone = _undo(connection, session_id, is_dry_run)
        barriers.reach("before_rollback_commit")
    barriers.reach("after_rollback_commit")
    return undone


def _undo(connection: psycopg.Connection, session_id: uuid.UUID, is_dry_run: bool) -> Rollback:
    _use_models(connection)
    connection.execute(_SQL["take_publish_lock"])
    session = connection.execute(_SQL["session"], {"session_id": session_id}).fetchone()
    assert session is not None
    _, source, scope, status = session
    if status == "rolled_back":
        return Rollback(session_id, source, scope, is_dry_run, was_undone=True)
    _require_complete(connection, session_id, status)
    _prepare(connection, session_id)
    counts = _one(connection, "counts", session_id=session_id)
    sync_id = uuid.uuid4()
    connection.execute(_SQL["open_rollback"], {"sync_id": sync_id, "session_id": session_id, **counts})
    connection.execute(_SQL["write_feed"], {"sync_id": sync_id})
    connection.execute(_SQL["record_sequence"], {"sync_id": sync_id})
    for step in ("close_versions", "open_versions", "forget_versions", "clear_live", "write_live", "undo_erasures"):
        connection.execute(_SQL[step])
    for step in ("forget_sightings", "forget_replaced", "move_on"):
        connection.execute(_SQL[step], {"session_id": session_id})
    undone = Rollback(session_id, source, scope, is_dry_run, sync_id=None if is_dry_run else sync_id, **counts)
    connection.execute(_SQL["audit"], {"session_id": session_id, "details": Jsonb(undone.as_json())})
    connection.execute(_SQL["notify"], {"sync_id": sync_id})
    return undone


def _use_models(connection: psycopg.Connection) -> None:
    """Let names of dbt's intermediate models be found, until the transaction ends."""
    schemas = [sql.Identifier(schema_name()), sql.Identifier(f"{schema_name()}_intermediate")]
    connection.execute(sql.SQL("set local search_path = {}").format(sql.SQL(", ").join(schemas)))


def _require_complete(connection: psycopg.Connection, session_id: uuid.UUID, status: str) -> None:
    require_history(connection, RollbackRefusedError)
    if status != "complete":
        raise RollbackRefusedError(
            f"session {session_id} is {status}: nothing of it is published, so there is nothing to undo",
            "`property-manager list-sessions` shows the sessions that are complete.",
        )
    if connection.execute(_SQL["has_views"]).fetchone() == (False,):
        raise RollbackRefusedError(
            "the database lacks the views that a rollback reads",
            "Run `property-manager dbt -- build` once, then try again.",
        )


def _prepare(connection: psycopg.Connection, session_id: uuid.UUID) -> None:
    """Put down what will be written, or raise RollbackRefusedError where the session cannot be undone."""
    not_kept = connection.execute(_SQL["not_kept"], {"session_id": session_id}).fetchone()
    if not_kept is not None and not_kept[0]:
        raise RollbackRefusedError(
            f"what session {session_id} replaced in {not_kept[0]} listings was not kept: an older version published it",
            "Import corrected data as a new session instead.",
        )
    for view in ("prepare_restored", "prepare_compensations"):
        connection.execute(_SQL[view], {"session_id": session_id})
    later = connection.execute(_SQL["later_changes"], {"session_id": session_id}).fetchall()
    if later:
        told = "; ".join(f"session {by} changed {_some(listings)}" for by, listings in later)
        raise RollbackRefusedError(
            f"listings of session {session_id} were changed later: {told}",
            f"Undo the later session first: property-manager rollback --session-id {later[0][0]}",
        )


def _some(listings: list[str]) -> str:
    named = ", ".join(listings[:_NAMED])
    return named if len(listings) <= _NAMED else f"{named} and {len(listings) - _NAMED} more"


def _one(connection: psycopg.Connection, statement: str, **parameters: Any) -> dict[str, Any]:
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_SQL[statement], parameters).fetchone()
    assert row is not None
    return row
