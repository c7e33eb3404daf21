"""Reading what changed: the feed in its order, and the life of one listing."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from loaders.database import statements
from loaders.errors import UsageError

_SQL = statements("feed.sql", Path(__file__).parent / "sql")

CHANGE_TYPES = (
    "created",
    "relisted",
    "updated",
    "held",
    "reactivated",
    "missing",
    "removed",
    "restored",
    "retracted",
)
BATCH = 5_000
WAIT_SECONDS = 5.0
"""How long a follower waits for a notification before it looks by itself: a notification may get lost."""


@dataclass(frozen=True)
class FeedFilter:
    """Which rows of the feed are read; what is None or empty lets all pass."""

    source: str | None = None
    change_types: Sequence[str] = ()
    field_names: Sequence[str] = ()
    only_significant: bool = False

    def parameters(self) -> dict[str, Any]:
        """The filter as parameters of the feed's statements."""
        return {
            "source": self.source,
            "change_types": list(self.change_types) or None,
            "field_names": list(self.field_names) or None,
            "only_significant": self.only_significant,
        }


def read_changes(
    connection: psycopg.Connection, chosen: FeedFilter, *, since: int = 0, limit: int | None = None
) -> Iterator[dict[str, Any]]:
    """Published rows after the sequence number `since`, in order, read in batches so that memory stays bounded."""
    remaining = limit
    while _has_feed(connection) and remaining != 0:
        size = BATCH if remaining is None else min(BATCH, remaining)
        rows = _rows(connection, "changes", **chosen.parameters(), since=since, limit=size)
        yield from rows
        if len(rows) < size:
            return
        since = rows[-1]["sequence"]
        remaining = None if remaining is None else remaining - size


def latest_changes(connection: psycopg.Connection, chosen: FeedFilter, limit: int) -> Iterator[dict[str, Any]]:
    """The last published rows, oldest of them first."""
    if not _has_feed(connection):
        return
    row = connection.execute(_SQL["latest_changes_begin"], {**chosen.parameters(), "limit": limit}).fetchone()
    assert row is not None
    yield from read_changes(connection, chosen, since=row[0], limit=limit)


def follow_changes(
    connection: psycopg.Connection, chosen: FeedFilter, *, since: int | None = None
) -> Iterator[dict[str, Any]]:
    """Rows after `since`, or from now on, and then each new one as it is published; never ends by itself.

    Waits for the notification that a sync sends when it publishes, and reads the feed: a follower that was away
    misses nothing.
    """
    connection.execute("listen property_changes")
    position = _last_sequence(connection) if since is None else since
    while True:
        # Rows that the filter leaves out count as read, so the next look begins after them.
        end = _last_sequence(connection)
        for row in read_changes(connection, chosen, since=position):
            yield row
            end = max(end, row["sequence"])
        position = max(position, end)
        for _ in connection.notifies(timeout=WAIT_SECONDS, stop_after=1):
            break


def listing_history(connection: psycopg.Connection, name: str, source: str | None = None) -> dict[str, Any]:
    """One listing's live row, the published changes of its life, and its prices over time.

    `name` is the start of its property_id or its id at the portal. Raises UsageError unless exactly one listing fits.
    """
    found = _rows(connection, "listings_by_name", name=name.lower(), source=source) if _has_feed(connection) else []
    if not found and _has_feed(connection):
        found = _rows(connection, "listings_by_name", name=name, source=source)
    if not found:
        raise UsageError(
            f"there is no listing {name}",
            "Give its property_id, the first digits of it, or its id at the portal; see `property-manager changes`.",
        )
    if len(found) > 1:
        raise UsageError(
            f"more than one listing is called {name}: " + ", ".join(_called(row) for row in found[:5]),
            "Give more digits of the property_id, or --source.",
        )
    property_id: uuid.UUID = found[0]["property_id"]
    (listing,) = _rows(connection, "listing", property_id=property_id)
    return {
        "listing": listing,
        "changes": _rows(connection, "listing_changes", property_id=property_id),
        "prices": _rows(connection, "listing_prices", property_id=property_id),
    }


def _called(row: dict[str, Any]) -> str:
    return f"{str(row['property_id'])[:8]} ({row['source']} {row['source_listing_id']})"


def _has_feed(connection: psycopg.Connection) -> bool:
    return connection.execute(_SQL["has_feed"]).fetchone() == (True,)


def _last_sequence(connection: psycopg.Connection) -> int:
    if not _has_feed(connection):
        return 0
    row = connection.execute("select coalesce(max(sequence), 0) from property_changes where is_published").fetchone()
    assert row is not None
    return row[0]


def _rows(connection: psycopg.Connection, statement: str, **parameters: Any) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL[statement], parameters).fetchall()
