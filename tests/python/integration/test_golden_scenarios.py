"""The golden scenarios of the design, each through the real command, real dbt and real PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.python.conftest import Command, Result
from tests.python.integration.sites import Site
from tests.python.integration.snapshots import MAPPING, Row, edited, empty, flats, tables, without, write_csv


class Feed:
    """Imports one session after another, a day apart, and keeps what each sync counted."""

    def __init__(self, command: Command, folder: Path) -> None:
        self._command = command
        self._folder = folder
        self._files = 0

    def land(self, day: int, listings: dict[str, Row], *options: str, scope: str = "all") -> Result:
        """Import one day's listings."""
        self._files += 1
        file = write_csv(self._folder / f"{self._files:03d}.csv", listings)
        return self._command.run(
            *("import", file, "--source", "feed", "--scope", scope, *MAPPING, "--json"),
            *("--observed-at", f"2024-05-{day:02d}T06:00:00Z", *options),
        )

    def complete(self, day: int, listings: dict[str, Row], *options: str, scope: str = "all") -> dict[str, Any]:
        """Import a day as a complete session; returns the counts of its sync."""
        result = self.land(day, listings, "--complete", *options, scope=scope)
        assert result.code == 0, result.stderr + result.stdout
        return result.json["syncs"][-1]["sessions"][0]

    def partial(self, day: int, listings: dict[str, Row], *, scope: str = "all") -> dict[str, Any]:
        """Import a day as a partial session; returns the counts of its sync."""
        result = self.land(day, listings, scope=scope)
        assert result.code == 0, result.stderr + result.stdout
        return result.json["syncs"][-1]["sessions"][0]


@pytest.fixture
def feed(command: Command, tmp_path: Path) -> Feed:
    return Feed(command, tmp_path)


def active(connection: psycopg.Connection) -> set[str]:
    rows = connection.execute("select source_listing_id from properties_live where listing_status = 'active'")
    return {listing_id for (listing_id,) in rows}


@pytest.mark.core
def test_1_partial_session_updates_and_adds_but_removes_nothing(
    feed: Feed, command: Command, connection: psycopg.Connection
) -> None:
    all_flats = flats(50)
    feed.complete(1, all_flats)
    seen = {key: all_flats[key] for key in list(all_flats)[:20]}
    counts = feed.partial(2, {**edited(seen, "flat-1", price=90_000), **flats(2, start=51)})

    assert (counts["observed"], counts["created"], counts["updated"], counts["price_down"]) == (22, 2, 1, 1)
    assert (counts["removed"], counts["missing"], counts["removals_suppressed"]) == (0, 0, 30)
    assert "partial" in counts["removal_suppressed_reason"] or "--complete" in counts["removal_suppressed_reason"]
    assert len(active(connection)) == 52
    assert counts["removal_suppressed_reason"] in command.ok("status").stdout.replace("\n", " ")


@pytest.mark.slow
def test_1_a_page_that_says_its_advert_left_counts_in_a_partial_session_too(
    feed: Feed, command: Command, connection: psycopg.Connection
) -> None:
    """Nothing is absent then, and what its own page tells does not keep the rest of the session back."""
    feed.complete(1, flats(50))
    feed.land(2, {**edited(flats(20), "flat-1", price=90_000)}, "--no-sync")
    connection.execute(
        """
        update property_scrapes_staging
        set listing_status = case source_listing_id when 'flat-2' then 'sold' else 'gone' end
        from scrape_sessions as sessions
        where
            property_scrapes_staging.session_id = sessions.session_id
            and sessions.status = 'scraped'
            and source_listing_id in ('flat-2', 'flat-3')
        """
    )
    (counts,) = command.ok("sync-pending", "--json").json["syncs"][0]["sessions"]

    assert (counts["observed"], counts["updated"], counts["removed"], counts["missing"]) == (18, 1, 2, 0)
    assert counts["removals_suppressed"] == 30
    left = connection.execute(
        "select source_listing_id, removal_reason from properties_live where listing_status = 'removed' order by 1"
    ).fetchall()
    assert left == [("flat-2", "sold"), ("flat-3", "gone")]


@pytest.mark.core
@pytest.mark.slow
def test_2_empty_session_changes_nothing_and_the_next_run_recovers(
    feed: Feed, command: Command, connection: psycopg.Connection
) -> None:
    feed.complete(1, flats(20))
    before = tables(connection)
    result = feed.land(2, {}, "--complete")

    assert result.code == 3, "an empty session is the quality gate's business"
    (session,) = result.json["syncs"][0]["sessions"]
    assert session["session_status"] == "quarantined"
    assert session["removal_suppressed_reason"] == "no listing was observed"
    after = tables(connection)
    assert {name: after[name] for name in ("live", "changes", "history", "sightings")} == {
        name: before[name] for name in ("live", "changes", "history", "sightings")
    }
    assert feed.complete(3, flats(20))["unchanged"] == 20


@pytest.mark.slow
def test_3_only_the_complete_scope_counts_absences(
    feed: Feed, command: Command, connection: psycopg.Connection
) -> None:
    with Site({"/north": (403, {}, "no")}) as site:
        scope = f"{site.url}/north"
        north, south = flats(10), flats(10, start=101)
        feed.complete(1, north, scope=scope)
        feed.complete(1, south, scope="south")
        for day in (2, 3):
            failed = command.run("scrape", "--url", scope, "--source", "feed", "--set", "requests_per_second=null")
            assert failed.code == 1, failed.stdout + failed.stderr
            counts_south = feed.complete(day, without(south, "flat-101"), scope="south")
            assert (counts_south["missing"], counts_south["removed"]) == ((1, 0), (0, 1))[day - 2]
            replaced = connection.execute("select count(*) from replaced_listings").fetchone()
            assert replaced == (day - 2,), "an absence that removes nothing replaces nothing"
        counts_north = feed.partial(4, without(north, "flat-1"), scope=scope)
    assert (counts_north["missing"], counts_north["removed"]) == (0, 0)
    assert active(connection) == (north.keys() | south.keys()) - {"flat-101"}
    statuses = connection.execute(
        "select status, is_complete from scrape_sessions where scope = %s order by opened_at", [scope]
    ).fetchall()
    assert statuses == [("complete", True), ("failed", False), ("failed", False), ("complete", False)]


@pytest.mark.slow
def test_4_most_of_a_scope_gone_at_once_is_an_alarm_not_a_removal(feed: Feed, connection: psycopg.Connection) -> None:
    everything = flats(50)
    feed.complete(1, everything, "--set", "removal_after_sessions=1", "min_volume_ratio=null")
    counts = feed.complete(2, {key: everything[key] for key in list(everything)[:10]})
    assert (counts["removed"], counts["missing"], counts["removals_suppressed"]) == (0, 40, 40)
    assert "40 of 50 listings would be removed at once" in counts["removal_suppressed_reason"]
    assert len(active(connection)) == 50


@pytest.mark.slow
def test_4_a_session_far_below_the_usual_volume_removes_nothing(feed: Feed) -> None:
    everything = flats(50)
    feed.complete(1, everything, "--set", "removal_after_sessions=1", "max_removal_share=null")
    counts = feed.complete(2, {key: everything[key] for key in list(everything)[:10]})
    assert (counts["removed"], counts["removals_suppressed"]) == (0, 40)
    assert "the median of recent sessions is 50" in counts["removal_suppressed_reason"]


@pytest.mark.core
@pytest.mark.slow
def test_8_back_after_removal_is_reactivated_in_a_second_spell(feed: Feed, connection: psycopg.Connection) -> None:
    everything = flats(20)
    gone = without(everything, "flat-7")
    feed.complete(1, everything)
    assert feed.complete(2, gone)["missing"] == 1
    assert feed.complete(3, gone)["removed"] == 1
    assert "flat-7" not in active(connection)
    counts = feed.complete(23, edited(everything, "flat-7", price=99_000))

    assert (counts["reactivated"], counts["created"], counts["updated"]) == (1, 0, 0)
    row = connection.execute(
        """
        select
            listing_status, spell_number, price, first_seen_at::date::text, spell_started_at::date::text, removed_at,
            earlier_days_on_market
        from properties_live where source_listing_id = 'flat-7'
        """
    ).fetchone()
    assert row == ("active", 2, 99_000, "2024-05-01", "2024-05-23", None, 2), "on the market from the 1st to the 3rd"
    spells = connection.execute(
        """
        select change_type, property_changes.observed_at::date::text from property_changes
        inner join properties_live using (property_id) where source_listing_id = 'flat-7' order by sequence
        """
    ).fetchall()
    assert spells == [
        ("created", "2024-05-01"),
        ("missing", "2024-05-02"),
        ("removed", "2024-05-03"),
        ("reactivated", "2024-05-23"),
    ]


@pytest.mark.core
@pytest.mark.slow
def test_12_a_session_synced_twice_leaves_identical_tables(
    feed: Feed, command: Command, connection: psycopg.Connection
) -> None:
    feed.complete(1, flats(20))
    counts = feed.complete(2, edited(flats(20), "flat-3", price=1_000_000))
    before = tables(connection)
    again = command.ok("sync", "--session-id", counts["session_id"], "--json")
    assert again.json == {"syncs": []}
    assert command.ok("sync-pending", "--json").json == {"syncs": [], "interrupted": []}
    assert tables(connection) == before


@pytest.mark.core
@pytest.mark.slow
def test_12_two_syncs_at_once_publish_once(feed: Feed, command: Command, connection: psycopg.Connection) -> None:
    session_id = feed.land(1, flats(200), "--complete", "--no-sync").json["session_ids"][0]
    processes = [command.start("sync", "--session-id", session_id, "--json") for _ in range(2)]
    outcomes = [(process.communicate(timeout=300), process.returncode) for process in processes]

    codes = sorted(code for _, code in outcomes)
    assert codes in ([0, 75], [0, 0]), outcomes
    rows = connection.execute("select count(*), count(distinct property_id) from property_changes").fetchone()
    assert rows == (200, 200)
    assert connection.execute("select count(*) from sync_metadata where version is not null").fetchone() == (1,)
    two_at_once = tables(connection)
    empty(connection)
    feed.complete(1, flats(200))
    assert two_at_once == tables(connection), "the tables differ from those of a single sync"


@pytest.mark.slow
def test_18_a_listing_leaves_only_when_every_scope_misses_it(feed: Feed, connection: psycopg.Connection) -> None:
    cheap, new = flats(10), {**flats(5), **flats(5, start=201)}
    feed.complete(1, cheap, scope="cheap")
    feed.complete(1, new, scope="new")
    left_one = without(new, "flat-2")
    for day in (2, 3, 4):
        assert feed.complete(day, left_one, scope="new")["removed"] == 0
    assert "flat-2" in active(connection)
    assert feed.complete(5, cheap, scope="cheap")["unchanged"] == 10

    left_both = without(cheap, "flat-2")
    assert feed.complete(6, left_both, scope="cheap")["removed"] == 0
    assert feed.complete(6, left_one, scope="new")["removed"] == 0
    assert feed.complete(7, left_both, scope="cheap")["removed"] == 0, "the other scope has missed it once only"
    assert "flat-2" in active(connection)
    assert feed.complete(7, left_one, scope="new")["removed"] == 1
    assert "flat-2" not in active(connection)


@pytest.mark.core
@pytest.mark.slow
def test_19_an_older_session_arriving_late_moves_no_field_back(feed: Feed, connection: psycopg.Connection) -> None:
    everything = flats(10)
    feed.complete(1, edited(everything, "flat-1", price=100_000))
    feed.complete(10, edited(everything, "flat-1", price=120_000))
    late = {**edited(everything, "flat-1", price=110_000), **flats(1, start=50)}
    counts = feed.complete(5, late)

    assert (counts["updated"], counts["unchanged"], counts["created"]) == (0, 10, 1)
    price = connection.execute("select price from properties_live where source_listing_id = 'flat-1'").fetchone()
    assert price == (120_000,)
    disordered = connection.execute("select count(*) from properties_history where valid_to <= valid_from").fetchone()
    assert disordered == (0,)
    overlapping = connection.execute(
        """
        select count(*) from properties_history as earlier
        inner join properties_history as later using (property_id)
        where later.version = earlier.version + 1 and later.valid_from is distinct from earlier.valid_to
        """
    ).fetchone()
    assert overlapping == (0,)
