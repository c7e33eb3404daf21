"""The legacy table `pulled_properties`: landing it, reconciling its rows, and the view that takes its name."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from loaders.database import statements
from loaders.errors import PropertyManagerError, UsageError
from loaders.mapping import Mapping
from loaders.staging import refresh_statistics

SOURCE = "legacy"

_REFUSALS = (
    psycopg.errors.DependentObjectsStillExist,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.DuplicateTable,
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.RaiseException,
)
_SQL = statements("legacy.sql", Path(__file__).parent / "sql")


class UnaccountedRowsError(PropertyManagerError):
    """Rows of the legacy table that are neither published nor held back for a reason that is known."""

    code = "unaccounted_rows"


@dataclass(frozen=True)
class Reconciliation:
    """What became of each row of the legacy table; all but `rows` add up to `rows`.

    `active` and `removed` are in the live table, `held_back` by validation rules, `left_before` were marked as gone or
    sold and were never published, `repeated` say again what another row says of the same listing, `without_id` name no
    listing.
    """

    rows: int
    active: int
    removed: int
    held_back: int
    left_before: int
    repeated: int
    without_id: int
    unaccounted: int


@dataclass(frozen=True)
class Quarantine:
    """The session of the legacy table that the gate holds back as a whole, and why."""

    session_id: uuid.UUID
    reason: str

    @property
    def next_step(self) -> str:
        """The commands that help."""
        prefix = str(self.session_id)[:8]
        return (
            f"`property-manager quality-checks --session-id {prefix}` shows what the gate found; "
            f"`property-manager sync --session-id {prefix}` judges it again with the settings of today, "
            "with --force it is published as it is"
        )


def land(connection: psycopg.Connection, mapping: Mapping | None) -> int:
    """Land the legacy table as one session; how many rows, 0 when this state of it has landed before.

    Raises UsageError when there is no such table, or when a field or column of the mapping does not exist.
    """
    landed = _call(connection, "land", {"chosen": Jsonb(_chosen(mapping))})
    refresh_statistics(connection)
    return landed


def reconcile(connection: psycopg.Connection) -> Reconciliation | None:
    """Account for every row of the legacy table after its sync; None where that has published nothing.

    Raises UnaccountedRowsError where a row is nowhere to be found.
    """
    row = connection.execute(_SQL["last_session"]).fetchone()
    if row is None or row[0] not in ("published", "complete"):
        return None
    with connection.cursor(row_factory=dict_row) as cursor:
        counts = cursor.execute(_SQL["reconciliation"], {"mapping": Jsonb(row[1]), "session_id": row[2]}).fetchone()
    assert counts is not None
    result = Reconciliation(**counts)
    if result.unaccounted:
        raise UnaccountedRowsError(
            f"{result.unaccounted} of {result.rows} rows of pulled_properties are not accounted for",
            "Rows that were written since the last migration are taken up by running it again.",
        )
    return result


def quarantine(connection: psycopg.Connection) -> Quarantine | None:
    """The last session of the legacy table where the gate holds it back, else None."""
    row = connection.execute(_SQL["last_session"]).fetchone()
    if row is None or row[0] != "quarantined":
        return None
    return Quarantine(row[2], row[3] or "no reason kept")


def switch(connection: psycopg.Connection) -> bool:
    """Let a view of the live table take the legacy table's name; False when it has it already."""
    return _call(connection, "switch")


def views_of_legacy_table(connection: psycopg.Connection) -> list[str]:
    """Views that were built on the legacy table: they keep reading it when a view takes its name."""
    return [name for (name,) in connection.execute(_SQL["views_of_legacy_table"])]


def restore(connection: psycopg.Connection) -> bool:
    """Undo the switch: the legacy table takes its name back; False when it has it already."""
    return _call(connection, "restore")


def _chosen(mapping: Mapping | None) -> dict[str, str]:
    if mapping is None:
        return {}
    if mapping.constants or mapping.ignore:
        raise UsageError("the legacy table is mapped by columns alone", "Write --map field=column.")
    return {**mapping.fields, **{f"attributes.{name}": column for name, column in mapping.attributes.items()}}


def _call(connection: psycopg.Connection, statement: str, parameters: dict[str, Any] | None = None) -> Any:
    """Run a function of the database; what it refuses is told with its hint."""
    try:
        with connection.transaction():
            row = connection.execute(_SQL[statement], parameters).fetchone()
    except _REFUSALS as error:
        raise UsageError(error.diag.message_primary or str(error), error.diag.message_hint or "") from error
    assert row is not None
    return row[0]
