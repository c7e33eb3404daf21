"""Judging stored rows again: what rules or the gate held back goes through the next sync without being scraped anew."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from loaders import barriers
from loaders.database import schema_name, statements
from loaders.sessions import finish_session, open_session, record_progress

_SQL = statements("replay.sql", Path(__file__).parent / "sql")


@dataclass(frozen=True)
class Replay:
    """What waits for the next sync: listings copied into sessions of their own, and sessions that were reopened.

    `quarantined_sessions` counts those that the gate still holds back; each is judged again by its own id.
    `retired_listings` stay held back because their scope was retired.
    """

    listings: int
    replay_sessions: tuple[uuid.UUID, ...]
    reopened_sessions: tuple[uuid.UUID, ...]
    quarantined_sessions: int
    retired_listings: int

    def as_json(self) -> dict[str, Any]:
        """The replay in the stable shape that commands print with --json."""
        told = asdict(self)
        for name in ("replay_sessions", "reopened_sessions"):
            told[name] = [str(session_id) for session_id in told[name]]
        return told


def prepare_replay(
    connection: psycopg.Connection, *, source: str | None = None, session_id: uuid.UUID | None = None
) -> Replay:
    """Hand what is held back to the next sync, of one source or one session; all of it in one transaction.

    Listings that rules hold back are copied from the session that was rejected last; a session that the gate
    quarantined goes back to `scraped`, only when it is named. Repeating it finds what waits already and adds nothing.
    """
    with connection.transaction():
        connection.execute(_SQL["lock_replays"])
        # The view of what is held back stands in the schema of dbt's marts.
        connection.execute(
            sql.SQL("set local search_path = {}, {}").format(
                sql.Identifier(schema_name()), sql.Identifier(f"{schema_name()}_marts")
            )
        )
        reopened = _reopen(connection, session_id) if session_id is not None else ()
        held = [] if reopened else _held_back(connection, source, session_id)
        living = [rejected for rejected in held if not rejected["is_retired"]]
        replays = tuple(_copy(connection, rejected) for rejected in living)
        left = connection.execute(_SQL["quarantined_sessions"], {"source": source}).fetchone()
        assert left is not None
        barriers.reach("before_replay_commit")
    listings, retired = _listings(living), _listings(held) - _listings(living)
    return Replay(listings, replays, reopened, left[0], retired)


def _listings(held: Sequence[dict[str, Any]]) -> int:
    return sum(len(rejected["property_ids"]) for rejected in held)


def _reopen(connection: psycopg.Connection, session_id: uuid.UUID) -> tuple[uuid.UUID, ...]:
    before = connection.execute(_SQL["reopen_session"], {"session_id": session_id}).fetchone()
    if before is None:
        return ()
    _audit(connection, session_id, {"reopened": True, "verdict_reason": before[0]})
    return (session_id,)


def _held_back(
    connection: psycopg.Connection, source: str | None, session_id: uuid.UUID | None
) -> list[dict[str, Any]]:
    if connection.execute(_SQL["quarantine_exists"]).fetchone() == (False,):
        return []
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL["held_back"], {"source": source, "session_id": session_id}).fetchall()


def _copy(connection: psycopg.Connection, rejected: dict[str, Any]) -> uuid.UUID:
    count = len(rejected["property_ids"])
    replay = open_session(
        connection,
        source=rejected["source"],
        scope=rejected["scope"],
        kind="replay",
        observed_at=rejected["observed_at"],
        session_name=f"replay of {rejected['session_id']}",
    )
    rows = connection.execute(
        _SQL["copy_rows"],
        {**rejected, "replay_id": replay.session_id, "replay_opened_at": replay.opened_at},
    ).rowcount
    record_progress(connection, replay.session_id, rows_read=rows, rows_landed=rows)
    finish_session(
        connection,
        replay.session_id,
        is_complete=False,
        incomplete_reason=f"a replay of what session {rejected['session_id']} held back",
    )
    _audit(connection, rejected["session_id"], {"replay_session_id": str(replay.session_id), "listings": count})
    return replay.session_id


def _audit(connection: psycopg.Connection, session_id: uuid.UUID, details: dict[str, Any]) -> None:
    connection.execute(_SQL["audit"], {"target": str(session_id), "details": Jsonb(details)})
