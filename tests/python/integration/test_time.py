"""Zones, nights on which clocks change, and clocks that are wrong: intervals hold, order holds, nothing moves back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from loaders.sessions import open_session
from tests.python.conftest import Command
from tests.python.integration.snapshots import MAPPING, edited, flats, write_csv

pytestmark = pytest.mark.slow

_NIGHTS = (
    "2024-03-31T01:30:00+01:00",  # In Warsaw, just before 2 o'clock becomes 3.
    "2024-03-31T03:30:00+02:00",
    "2024-10-27T02:30:00+02:00",  # Half past two comes twice.
    "2024-10-27T02:30:00+01:00",
)


@pytest.fixture
def foreign_zones(connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Client, session and database each think in another zone, all of them with clocks that change."""
    monkeypatch.setenv("TZ", "America/St_Johns")
    monkeypatch.setenv("PGTZ", "Europe/Warsaw")
    time.tzset()
    connection.execute(f"alter database {connection.info.dbname} set timezone = 'Pacific/Chatham'")
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_crawl_comes_after_those_before_it_when_the_clock_was_set_back(connection: psycopg.Connection) -> None:
    connection.execute("insert into sources (source) values ('portal'), ('other')")
    first = open_session(connection, source="portal", scope="all", kind="scrape")
    connection.execute("update scrape_sessions set observed_at = observed_at + interval '1 hour'")
    second, third = (open_session(connection, source="portal", scope=scope, kind="scrape") for scope in ("all", "new"))
    ahead = first.observed_at + timedelta(hours=1)
    assert [second.observed_at - ahead, third.observed_at - ahead] == [timedelta(microseconds=n) for n in (1, 2)]
    assert open_session(connection, source="other", scope="all", kind="scrape").observed_at < ahead
    stated = open_session(connection, source="portal", scope="all", kind="import", observed_at=first.observed_at)
    assert stated.observed_at == first.observed_at


def test_an_undated_import_comes_after_what_its_source_holds_when_the_clock_was_set_back(
    connection: psycopg.Connection,
) -> None:
    connection.execute("insert into sources (source) values ('feed'), ('dated')")
    tick = timedelta(microseconds=1)

    def land(source: str, observed_at: datetime | None = None) -> datetime:
        return open_session(connection, source=source, scope="all", kind="import", observed_at=observed_at).observed_at

    first = land("feed")
    connection.execute("update scrape_sessions set observed_at = observed_at + interval '3 days'")
    second, third = land("feed"), land("feed")
    assert (second, third) == (first + timedelta(days=3) + tick, second + tick)

    # What a user states is kept as it is; it counts as far as clocks may differ.
    past, hour_ahead, days_ahead = datetime(2024, 5, 1, tzinfo=UTC), *(first + timedelta(hours=n) for n in (1, 72))
    assert (land("dated", past), past < land("dated") < hour_ahead) == (past, True)
    assert (land("dated", hour_ahead), land("dated")) == (hour_ahead, hour_ahead + tick)
    assert land("dated", days_ahead) == days_ahead
    assert hour_ahead < land("dated") < days_ahead
    # The clock went on for a week and was set back: what landed in it came before.
    connection.execute("update scrape_sessions set opened_at = opened_at + interval '7 days'")
    assert land("dated") > days_ahead + timedelta(days=4)


def test_the_legacy_table_lands_in_order_when_the_clock_was_set_back(connection: psycopg.Connection) -> None:
    connection.execute(
        "create table pulled_properties (id text, cost text); insert into pulled_properties values ('a', '1')"
    )
    migrate = "select migrate_pulled_properties_to_live(%s)"
    landed = (
        "select observed_at, landed_at from scrape_sessions inner join legacy_migrations using (session_id) order by 1"
    )
    connection.execute(migrate, ["{}"])
    connection.execute("update scrape_sessions set observed_at = observed_at + interval '3 days'")
    connection.execute("update legacy_migrations set landed_at = landed_at + interval '3 days'")
    connection.execute(migrate, ['{"price": "cost"}'])
    (first, _), (second, recorded) = connection.execute(landed).fetchall()
    assert (second - first, recorded) == (timedelta(microseconds=1), second)
    rows = connection.execute("select observed_at from property_scrapes_staging where price_text = '1'").fetchall()
    assert rows == [(second,)]
    assert connection.execute(migrate, ['{"price": "cost"}']).fetchone() == (0,), "this state was the last to land"


@pytest.mark.usefixtures("foreign_zones")
def test_zones_and_wrong_clocks_leave_intervals_and_order_alone(
    command: Command, connection: psycopg.Connection, tmp_path: Path
) -> None:
    def land(observed_at: str, price: int, *options: str) -> None:
        listings = edited(flats(2), "flat-1", price=price)
        file = write_csv(tmp_path / f"{price}.csv", listings)
        command.ok("import", file, "--source", "feed", *MAPPING, "--observed-at", observed_at, *options)

    now = datetime.now(UTC)
    day_ahead, day_behind = (now + timedelta(days=days) for days in (1, -1))
    for hour, instant in enumerate((*_NIGHTS, day_ahead.isoformat())):
        land(instant, 100_000 + 1_000 * hour, "--no-sync", "--set", "time_zone=Europe/Warsaw")
    command.ok("sync-pending")
    land(day_behind.isoformat(), 150_000)

    starts = [*map(datetime.fromisoformat, _NIGHTS), day_ahead]
    versions = connection.execute(
        "select price::integer, valid_from, valid_to from properties_history "
        "where source_listing_id = 'flat-1' order by version"
    ).fetchall()
    assert versions == [
        (100_000 + 1_000 * number, start, end)
        for number, (start, end) in enumerate(zip(starts, [*starts[1:], None], strict=True))
    ]
    feed = connection.execute(
        "select new_value, observed_at from property_changes where field_name = 'price' order by sequence"
    ).fetchall()
    assert feed == [(100_000 + 1_000 * number, start) for number, start in enumerate(starts) if number], (
        "the crawler whose clock was a day behind changed nothing"
    )
    sessions = command.ok("list-sessions", "--json").json["sessions"]
    assert {datetime.fromisoformat(session["observed_at"]) for session in sessions} == {*starts, day_behind}
