"""What the tables must hold after two imports, computed in plain Python from the two feeds alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg

from tests.python.integration.snapshots import Row

_FIELDS = {"title": "title", "price": "price", "rooms": "rooms", "city": "city", "area": "area_m2"}


@dataclass
class _Listing:
    row: Row
    status: str = "active"
    version: int = 1
    since: datetime | None = None


@dataclass
class Expected:
    """Complete sessions of one scope with `removal_after_sessions = 1`; prices move less than is suspicious."""

    live: dict[str, _Listing] = field(default_factory=dict)
    changes: list[tuple[Any, ...]] = field(default_factory=list)
    history: list[tuple[Any, ...]] = field(default_factory=list)
    sightings: list[tuple[str, datetime]] = field(default_factory=list)

    def observe(self, at: datetime, listings: dict[str, Row]) -> None:
        """Take one complete session."""
        for key, row in listings.items():
            self.sightings.append((key, at))
            known = self.live.get(key)
            if known is None:
                self.live[key] = _Listing(row, since=at)
                self.changes.append((key, "created", None, at))
            else:
                moved = [name for column, name in _FIELDS.items() if known.row[column] != row[column]]
                if moved:
                    self.changes += [(key, "updated", name, at) for name in moved]
                    self._replace(key, at, row, "active")
        for key in self.live.keys() - listings.keys():
            if self.live[key].status == "active":
                self.changes.append((key, "removed", None, at))
                self._replace(key, at, self.live[key].row, "removed")

    def as_tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """The tables in the order in which `found` reads them."""
        return {
            "live": sorted((key, each.status, each.row["price"], each.version) for key, each in self.live.items()),
            "changes": sorted(self.changes, key=str),
            "history": sorted(
                [
                    *self.history,
                    *((key, each.version, each.status, each.since, None) for key, each in self.live.items()),
                ],
                key=str,
            ),
            "sightings": sorted(self.sightings),
        }

    def _replace(self, key: str, at: datetime, row: Row, status: str) -> None:
        old = self.live[key]
        self.history.append((key, old.version, old.status, old.since, at))
        self.live[key] = _Listing(row, status, old.version + 1, at)


def found(connection: psycopg.Connection) -> dict[str, list[tuple[Any, ...]]]:
    """The same tables as the database holds them."""
    queries = {
        "live": "select source_listing_id, listing_status, price, version from properties_live",
        "changes": """
            select live.source_listing_id, change_type, field_name, changes.observed_at
            from property_changes as changes inner join properties_live as live using (property_id)
        """,
        "history": "select source_listing_id, version, listing_status, valid_from, valid_to from properties_history",
        "sightings": """
            select live.source_listing_id, seen.observed_at
            from listing_sightings as seen inner join properties_live as live using (property_id)
        """,
    }
    return {
        name: sorted(connection.execute(query).fetchall(), key=str if name in ("changes", "history") else None)
        for name, query in queries.items()
    }
