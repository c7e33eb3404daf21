"""The same snapshots through portal and browser as through a file import: the same live table and changes."""

from __future__ import annotations

import csv
import gzip
import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from loaders.mapping import mapping_from_options
from scripts.demo.catalogue import Layout
from scripts.demo.portal import DemoPortal
from scripts.demo.snapshots import Snapshots
from scripts.scrape import scrape_portal
from tests.python.conftest import Command
from tests.python.integration.real_snapshots import POLAND, POLAND_WITH_DEFAULTS

ADVERTS = 200
DAYS = (datetime(2023, 8, 1, tzinfo=UTC), datetime(2023, 9, 1, tzinfo=UTC))


@pytest.mark.slow
def test_two_polish_months_scraped_equal_the_import(
    command: Command, connection: psycopg.Connection, shared_data: Path, tmp_path: Path
) -> None:
    months = _first_rows(shared_data / "poland_apartments", tmp_path)
    assert len(_imported(command, months)["syncs"]) == 2
    by_import = _published(connection)
    _empty(connection)

    by_browser = 0
    portal_days = Snapshots(tmp_path, _mapping(), limit=ADVERTS, layout=Layout.SCRIPT)
    with DemoPortal(portal_days) as portal:
        for number, day in enumerate(DAYS, start=1):
            portal.set_day(number)
            crawl = scrape_portal(
                command.database_url,
                url=f"{portal.url}/listings",
                source="demo_portal",
                scope="all",
                observed_at=day,
                assignments=("requests_per_second=500", "removal_after_sessions=1", "max_removal_share=null"),
            )
            assert crawl.is_complete, crawl.incomplete_reason
            by_browser += crawl.pages_browser
            command.ok("sync-pending")
    assert by_browser == 2 * ADVERTS
    assert _published(connection) == by_import


def _first_rows(folder: Path, target: Path) -> list[Path]:
    """The first adverts of the first two months, in files of their own."""
    files = []
    for month in sorted(folder.glob("apartments_*.csv.gz"))[:2]:
        with gzip.open(month, "rt", newline="", encoding="utf-8") as packed:
            rows = list(itertools.islice(csv.reader(packed), ADVERTS + 1))
        file = target / month.name.removesuffix(".gz")
        with file.open("w", newline="", encoding="utf-8") as written:
            csv.writer(written).writerows(rows)
        files.append(file)
    return files


def _imported(command: Command, months: list[Path]) -> dict[str, Any]:
    options = ["demo_portal" if option == "poland" else option for option in POLAND]
    syncs = []
    for month, day in zip(months, DAYS, strict=True):
        result = command.ok("import", month, *options, "--scope", "all", "--observed-at", day.isoformat(), "--json")
        syncs += result.json["syncs"]
    return {"syncs": syncs}


def _mapping() -> dict[str, dict[str, str]]:
    pairs = [option for option in POLAND_WITH_DEFAULTS if "=" in option]
    mapping = mapping_from_options(pairs)
    return {"fields": mapping.fields, "constants": mapping.constants}


def _published(connection: psycopg.Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Live rows and changes but for what only a page has: its address."""
    return {
        "live": connection.execute(
            """
            select
                source_listing_id, listing_status, property_type, price, currency, area_m2, rooms, floor, floor_count,
                year_built, city, latitude, longitude, ownership, building_material, condition, has_parking,
                has_balcony, has_elevator, has_security, has_storage_room, attributes, version, observed_at
            from properties_live order by source_listing_id
            """
        ).fetchall(),
        "changes": connection.execute(
            """
            select property_id, change_type, field_name, old_value, new_value - 'url', observed_at
            from property_changes where change_type <> 'updated'
            union all
            select property_id, change_type, field_name, old_value, new_value, observed_at
            from property_changes where change_type = 'updated'
            order by observed_at, property_id, change_type, field_name
            """
        ).fetchall(),
    }


def _empty(connection: psycopg.Connection) -> None:
    connection.execute(
        """
        truncate
            property_scrapes_staging, landing_rejects, listing_sightings, property_changes, properties_live,
            properties_history, sync_sessions, sync_metadata, sync_requests, scrape_sessions, scrape_pages
        """
    )
