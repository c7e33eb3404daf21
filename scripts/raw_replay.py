"""Replaying a source from its raw rows in a schema of its own, and comparing changes and history with the live ones."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from loaders.database import connect, schema_name, statements
from loaders.errors import PropertyManagerError
from loaders.migrate import migrate
from scripts.rollback import rollback_session
from scripts.sync import require_history, run_lock, sync_pending

_SQL = statements("raw_replay.sql", Path(__file__).parent / "sql")
_MARK = "A replay of property-manager; may be dropped."
_SCHEMAS = ("_staging", "_intermediate", "_marts", "")
_TOLD = 20
"""How many differences are told in full."""


class ReplayRefusedError(PropertyManagerError):
    """The source cannot be replayed now; nothing was changed."""

    code = "replay_refused"


@dataclass(frozen=True)
class Step:
    """A sync that took a session of the source, or the rollback of one, with the instants that replaying it needs."""

    sync_kind: str
    started_at: datetime
    published_at: datetime
    session_id: uuid.UUID
    is_forced: bool


@dataclass(frozen=True)
class RawReplay:
    """What a replay did and found.

    `changes` and `versions` count the live rows that were compared, without those of `erased_listings`, whose personal
    data were blanked, in the raw rows as well. `differences` counts rows that are missing in the replay, are only
    there, or have other values; `examples` holds the first of them with both contents, as JSON. `schema` is where the
    replay stands, None when it was dropped.
    """

    source: str
    syncs: int
    rollbacks: int
    changes: int
    versions: int
    erased_listings: int
    differences: int
    examples: tuple[dict[str, Any], ...]
    schema: str | None

    def as_json(self) -> dict[str, Any]:
        """The replay in the stable shape that commands print with --json."""
        return asdict(self)


def replay_from_raw(
    database_url: str,
    source: str,
    *,
    keeps_schema: bool = False,
    wait: bool = False,
    on_step: Callable[[int, int], None] | None = None,
) -> RawReplay:
    """Sync all sessions of a source anew, in the order of publication, and compare; audited. Live tables only are read.

    Rules, settings, ids and retired scopes are those of each sync's time, known from the audit log, and so are
    `--force` and permitted removals; rollbacks are repeated, too. `on_step` is told how many of how many are done.
    Raises ReplayRefusedError when raw rows are gone or nothing was published, BusyError when another command syncs.
    """
    live, replay = schema_name(), f"{schema_name()}_replay"
    with (
        connect(database_url, application_name="property-manager replay") as connection,
        run_lock(connection, wait=wait),
    ):
        steps = _steps(connection, source)
        _drop_replay(connection, replay)
        try:
            with _working_in(replay):
                _prepare(database_url, live, replay)
                for done, step in enumerate(steps):
                    if on_step is not None:
                        on_step(done, len(steps))
                    _repeat(database_url, live, source, step)
            with connection.cursor(row_factory=dict_row) as cursor:
                statement = _statement("compared", live=live, replay=replay)
                compared = cursor.execute(statement, {"source": source, "told": _TOLD}).fetchone()
            assert compared is not None
        finally:
            if not keeps_schema:
                _drop_replay(connection, replay)
        rollbacks = sum(step.sync_kind == "rollback" for step in steps)
        found = RawReplay(
            source,
            len(steps) - rollbacks,
            rollbacks,
            **{**compared, "examples": tuple(compared["examples"])},
            schema=replay if keeps_schema else None,
        )
        details = {name: value for name, value in found.as_json().items() if name not in ("source", "examples")}
        connection.execute(_SQL["audit"], {"source": source, "details": Jsonb(details)})
    return found


def _steps(connection: psycopg.Connection, source: str) -> list[Step]:
    """What is to be repeated, or ReplayRefusedError."""
    require_history(connection, ReplayRefusedError)
    with connection.cursor(row_factory=class_row(Step)) as cursor:
        steps = cursor.execute(_SQL["steps"], {"source": source}).fetchall()
    if not steps:
        raise ReplayRefusedError(
            f"nothing of {source} was synced yet, so there is nothing to compare with",
            "Run `property-manager sync-pending` first.",
        )
    asked = {"session_ids": [step.session_id for step in steps], "source": source}
    gone = connection.execute(_SQL["sessions_without_rows"], asked).fetchall()
    if gone:
        raise ReplayRefusedError(
            f"the raw rows of {len(gone)} sessions of {source} are gone, the first is {gone[0][0]}",
            "A replay needs all of them, from the first session on. Restore a backup that still has them.",
        )
    return steps


@contextmanager
def _working_in(schema: str) -> Iterator[None]:
    """Let connections and dbt work in another schema."""
    before = os.environ.get("PROPERTY_SCHEMA")
    os.environ["PROPERTY_SCHEMA"] = schema
    try:
        yield
    finally:
        if before is None:
            del os.environ["PROPERTY_SCHEMA"]
        else:
            os.environ["PROPERTY_SCHEMA"] = before


def _prepare(database_url: str, live: str, replay: str) -> None:
    """Make the schema of the replay, with views on what it reads of the live one."""
    with connect(database_url) as connection:
        # A schema without its mark would be taken for somebody else's by every later replay.
        with connection.transaction():
            connection.execute(sql.SQL("create schema {}").format(sql.Identifier(replay)))
            connection.execute(sql.SQL("comment on schema {} is {}").format(sql.Identifier(replay), sql.Literal(_MARK)))
        migrate(database_url)
        connection.execute(_statement("look_back", live=live))


def _repeat(database_url: str, live: str, source: str, step: Step) -> None:
    with connect(database_url) as connection:
        connection.execute(_SQL["stop_clock"])
        connection.execute(_SQL["set_clock"], {"started_at": step.started_at, "published_at": step.published_at})
        if step.sync_kind == "rollback":
            rollback_session(connection, step.session_id)
            return
        connection.execute(_SQL["forget_rules"])
        connection.execute(_SQL["restore_rules"])
        handed = {"session_id": step.session_id, "is_forced": step.is_forced}
        connection.execute(_statement("hand_over", live=live), handed)
    sync_pending(database_url, source=source)


def _statement(name: str, **schemas: str) -> sql.Composed:
    """A statement that reads other schemas than that of its connection."""
    return sql.SQL(_SQL[name]).format(**{role: sql.Identifier(schema) for role, schema in schemas.items()})


def _drop_replay(connection: psycopg.Connection, replay: str) -> None:
    """Drop what a replay left; ReplayRefusedError for a schema of that name that is none."""
    found = connection.execute(_SQL["schema_comment"], {"schema": replay}).fetchone()
    if found is None:
        return
    if found != (_MARK,):
        raise ReplayRefusedError(
            f"there is a schema {replay} that no replay has made",
            "Rename it, or drop it when nobody needs it.",
        )
    for part in _SCHEMAS:
        connection.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(f"{replay}{part}")))
