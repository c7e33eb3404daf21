"""Small generated feeds: a table of listings a test edits from one session to the next, written as CSV."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from tests.python.conftest import Command

COLUMNS = ("id", "title", "price", "area", "rooms", "city", "tax")
MAPPING = (
    *(
        "--map",
        "source_listing_id=id",
        "title=title",
        "price=price",
        "area_m2=area",
        "rooms=rooms",
        "city=city",
    ),
    "attributes.tax=tax",
)

Row = dict[str, Any]


def flats(count: int, *, start: int = 1) -> dict[str, Row]:
    """Listings by id, alike but for number and price."""
    return {
        f"flat-{number}": {
            "id": f"flat-{number}",
            "title": f"Flat {number}",
            "price": 100_000 + 1_000 * number,
            "area": "50.5",
            "rooms": 2,
            "city": "Kraków",
            "tax": 900 + number,
        }
        for number in range(start, start + count)
    }


def without(listings: dict[str, Row], *ids: str) -> dict[str, Row]:
    """The listings but for some."""
    return {key: row for key, row in listings.items() if key not in ids}


def edited(listings: dict[str, Row], listing_id: str, **values: Any) -> dict[str, Row]:
    """The listings with other values for one of them."""
    return {**listings, listing_id: {**listings[listing_id], **values}}


def write_csv(path: Path, listings: dict[str, Row]) -> Path:
    """Write the listings as a CSV file with a header."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(listings.values())
    return path


def tables(connection: psycopg.Connection) -> dict[str, list[tuple[Any, ...]]]:
    """What readers see, without ids and times of runs: two databases with the same past have equal tables."""
    queries = {
        "live": """
            select
                source_listing_id, source, listing_status, title, price, area_m2, rooms, city, attributes,
                quality_flags, scopes, version, spell_number, first_seen_at, spell_started_at, removed_at, observed_at
            from properties_live order by source, source_listing_id
        """,
        "changes": """
            select
                property_id, change_type, field_name, old_value, new_value, status, reason, observed_at, is_published
            from property_changes order by source, observed_at, property_id, change_type, field_name
        """,
        "history": """
            select source_listing_id, listing_status, price, title, version, valid_from, valid_to
            from properties_history order by source, source_listing_id, version
        """,
        "sightings": """
            select property_id, observed_at from listing_sightings order by property_id, observed_at
        """,
        "sessions": """
            select source, scope, observed_at, status, is_complete, may_remove, verdict_reason
            from scrape_sessions order by source, scope, observed_at
        """,
    }
    return {name: connection.execute(query).fetchall() for name, query in queries.items()}


def empty(connection: psycopg.Connection) -> None:
    """Take away everything that was imported, and what syncs made of it."""
    connection.execute(
        """
        truncate
            property_scrapes_staging, landing_rejects, listing_sightings, property_changes, properties_live,
            properties_history, sync_sessions, sync_metadata, sync_requests, scrape_sessions, scrape_pages
        """
    )


def land_day(
    command: Command,
    folder: Path,
    day: int,
    listings: dict[str, Row],
    *options: str,
    scope: str = "all",
    codes: Sequence[int] = (0,),
) -> str:
    """Import and sync the listings of a day in May as a complete session that ends with one of the codes; its id."""
    file = write_csv(folder / f"{day}-{scope}.csv", listings)
    landed = command.run(
        *("import", file, "--source", "feed", "--scope", scope, "--complete", *MAPPING, "--json", *options),
        *("--observed-at", f"2024-05-{day:02d}T06:00:00Z"),
    )
    assert landed.code in codes, landed.stdout + landed.stderr
    return landed.json["session_ids"][0]
