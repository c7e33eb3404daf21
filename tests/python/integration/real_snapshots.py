"""How the real snapshots are imported, and the transition counts that come with them."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psycopg

SETTINGS = (
    *("--set", "removal_after_sessions=1", "max_removal_share=null", "min_volume_ratio=null"),
    "suspicious_price_change=null",
)

POLAND_WITH_DEFAULTS = (
    *("--source", "poland", "--complete", "--map", "source_listing_id=id", "city=city"),
    *("property_type=type", "area_m2=squareMeters", "rooms=rooms", "floor=floor", "floor_count=floorCount"),
    *("year_built=buildYear", "latitude=latitude", "longitude=longitude", "ownership=ownership"),
    *("building_material=buildingMaterial", "condition=condition", "has_parking=hasParkingSpace"),
    *("has_balcony=hasBalcony", "has_elevator=hasElevator", "has_security=hasSecurity"),
    *("has_storage_room=hasStorageRoom", "price=price", "currency='PLN'"),
)

POLAND = (*POLAND_WITH_DEFAULTS, *SETTINGS)

REDFIN = (
    *(
        "--source",
        "redfin",
        "--complete",
        *SETTINGS,
        "--split-by",
        "date",
        "--observed-at-column",
        "date",
        "--map",
    ),
    "source_listing_id={ADDRESS}|{CITY}|{STATE OR PROVINCE}|{ZIP OR POSTAL CODE}",
    *("street_address=ADDRESS", "city=CITY", "region=STATE OR PROVINCE", "postal_code=ZIP OR POSTAL CODE"),
    *("price=PRICE", "attributes.tax_assessed_value=tax_assessed_value"),
)

_COLUMNS = {
    "n_to": "observed",
    "new_first_seen": "created",
    "returning": "reactivated",
    "removed": "removed",
    "price_changed": "price_changed",
    "price_up": "price_up",
    "price_down": "price_down",
    "changed_any": "updated",
    "unchanged": "unchanged",
}

Counts = dict[str, int]


def expected(transitions: Path) -> list[Counts]:
    """The known counts of each session, under the names that syncs use."""
    with transitions.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [_with_derived({ours: int(row[theirs]) for theirs, ours in _COLUMNS.items()}, row) for row in rows]


def known_days(transitions: Path) -> list[tuple[str, str]]:
    """The day or month of the session before, empty for the first, and that of each session."""
    with transitions.open(newline="", encoding="utf-8") as file:
        return [(row["from"], row["to"]) for row in csv.DictReader(file)]


def days_of_syncs(document: dict[str, Any]) -> list[tuple[str, str]]:
    """The same days of observation, from what `--json` printed, in its order."""
    days = [session["observed_at"][:10] for sync in document["syncs"] for session in sync["sessions"]]
    return list(zip(["", *days], days, strict=False))


def counted_by_syncs(document: dict[str, Any]) -> list[Counts]:
    """The counts that `--json` printed, in order of observation."""
    sessions = [session for sync in document["syncs"] for session in sync["sessions"]]
    sessions.sort(key=lambda session: session["observed_at"])
    return _derived([{name: session[name] for name in _COLUMNS.values()} for session in sessions])


def counted_from_feed(connection: psycopg.Connection, source: str) -> list[Counts]:
    """The same counts, independently, from sightings and the change feed alone."""
    rows = connection.execute(
        """
        with feed as (
            select
                session_id,
                count(distinct property_id) filter (where change_type in ('created', 'relisted')) as created,
                count(distinct property_id) filter (where change_type = 'reactivated') as reactivated,
                count(distinct property_id) filter (where change_type = 'removed') as removed,
                count(distinct property_id) filter (where change_type = 'updated') as updated,
                count(*) filter (
                    where field_name = 'price' and jsonb_typeof(old_value) = 'number' and new_value > old_value
                    and jsonb_typeof(new_value) = 'number'
                ) as price_up,
                count(*) filter (
                    where field_name = 'price' and jsonb_typeof(new_value) = 'number' and new_value < old_value
                    and jsonb_typeof(old_value) = 'number'
                ) as price_down
            from property_changes
            where is_published and source = %(source)s
            group by session_id
        ),
        seen as (
            select session_id, count(*) as observed from listing_sightings group by session_id
        )
        select
            seen.observed, coalesce(feed.created, 0), coalesce(feed.reactivated, 0), coalesce(feed.removed, 0),
            coalesce(feed.price_up, 0) + coalesce(feed.price_down, 0), coalesce(feed.price_up, 0),
            coalesce(feed.price_down, 0), coalesce(feed.updated, 0),
            seen.observed - coalesce(feed.created + feed.reactivated + feed.updated, 0)
        from scrape_sessions as sessions
        inner join seen on sessions.session_id = seen.session_id
        left join feed on sessions.session_id = feed.session_id
        where sessions.source = %(source)s
        order by sessions.observed_at
        """,
        {"source": source},
    )
    return _derived([dict(zip(_COLUMNS.values(), row, strict=True)) for row in rows])


def differences(found: Iterable[Counts], known: Iterable[Counts]) -> list[tuple[int, Counts, Counts]]:
    """Sessions whose counts differ, with what was found and what is known."""
    pairs = zip(found, known, strict=True)
    return [(position, ours, theirs) for position, (ours, theirs) in enumerate(pairs) if ours != theirs]


def _derived(sessions: list[Counts]) -> list[Counts]:
    """Counts with those that follow from them: listings of the session before, in common, and changed but in price."""
    before = [0, *(counts["observed"] for counts in sessions)]
    return [
        {
            **counts,
            "observed_before": observed_before,
            "common": counts["observed"] - counts["created"] - counts["reactivated"],
            "changed_other_only": counts["updated"] - counts["price_changed"],
        }
        for observed_before, counts in zip(before, sessions, strict=False)
    ]


def _with_derived(counts: Counts, row: dict[str, str]) -> Counts:
    derived = {"observed_before": "n_from", "common": "common", "changed_other_only": "changed_other_only"}
    return {**counts, **{ours: int(row[theirs]) for ours, theirs in derived.items()}}
