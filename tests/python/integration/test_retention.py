"""Retention: what goes by age, what stays, and what a crash inside leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.python.conftest import Command
from tests.python.integration.snapshots import MAPPING, edited, flats, tables, without, write_csv

pytestmark = pytest.mark.slow

AGENTS = ("--map", "source_listing_id=id", "title=title", "price=price", "area_m2=area", "rooms=rooms", "city=city")
AGENTS += ("agent_name=tax", "agent_phone=tax")
FEED = ("--source", "feed", "--complete")
DURABLE = ("properties_live", "property_changes", "properties_history", "listing_sightings", "admin_audit_log")


@pytest.fixture
def old_sessions(command: Command, connection: psycopg.Connection, tmp_path: Path) -> psycopg.Connection:
    """A synced session with a row held back and a session that waits, both landed in one month long past."""
    first = edited(flats(6), "flat-3", price=-1)
    command.ok("import", write_csv(tmp_path / "1.csv", first), *FEED, "--observed-at", "2024-05-01", *MAPPING)
    command.ok(
        *("import", write_csv(tmp_path / "2.csv", flats(5)), *FEED, "--observed-at", "2024-05-02", *MAPPING),
        "--no-sync",
    )
    age(connection, "2023-01-10 12:00+00")
    return connection


def test_cleanup_keeps_what_is_unsynced_or_held_back(
    command: Command, old_sessions: psycopg.Connection, tmp_path: Path
) -> None:
    connection = old_sessions
    connection.execute(
        """
        insert into scrape_pages (session_id, url, page_kind, host, state)
        select session_id, 'https://portal.example/' || status, 'list', 'portal.example', 'done' from scrape_sessions
        """
    )
    connection.execute(
        """
        insert into page_bodies (session_id, url, source, document_url, body, fetched_at)
        select gen_random_uuid(), 'https://portal.example', 'feed', 'https://portal.example', '', now() - age
        from unnest(array[interval '1 day', '15 days']) as ages (age)
        """
    )
    connection.execute(
        """
        insert into landing_rejects (session_id, row_no, source, reason_code, reason, raw_text)
        select session_id, 1, 'feed', 'no_id', 'no id', '{}' from scrape_sessions
        """
    )
    durable = contents(connection)
    expected = command.ok("cleanup", "--days", "30", "--dry-run", "--json").json
    assert raw_rows(connection) == 11
    counts = ("raw_rows", "kept_rows", "rejected_rows", "crawl_pages", "page_documents")
    assert [expected[name] for name in counts] == [5, 6, 1, 1, 1]
    assert expected["dropped_partitions"] == []

    reached = tmp_path / "reached"
    barriers = {"PROPERTY_BARRIER": "before_cleanup_commit", "PROPERTY_BARRIER_FILE": str(reached)}
    killed = command.run_in_process_of_its_own("cleanup", "--days", "30", **barriers)
    assert (killed.code, reached.exists(), raw_rows(connection)) == (-9, True, 11)

    removed = command.ok("cleanup", "--days", "30", "--wait", "--json").json
    assert {**removed, "dry_run": True} == expected
    assert raw_rows(connection) == 6
    held = "select source_listing_id from property_scrapes_staging where session_id = (select session_id from "
    held += "scrape_sessions where status = 'complete')"
    assert connection.execute(held).fetchall() == [("flat-3",)]
    assert contents(connection, but_audit=True) == {**durable, "admin_audit_log": []}
    audited = connection.execute("select action, details from admin_audit_log where action like 'remove %'").fetchall()
    assert audited == [
        ("remove raw rows", {"removed": 5, "kept": 6}),
        *((f"remove {what}", {"removed": 1}) for what in ("rejects", "pages", "documents")),
    ]

    (waiting,) = connection.execute(
        "select sessions.status from landing_rejects join scrape_sessions as sessions using (session_id)"
    )
    assert waiting == ("scraped",)

    replayed = command.ok("replay-quarantine", "--json").json
    assert [session["observed"] for sync in replayed["syncs"] for session in sync["sessions"]] == [1, 5]


def test_each_source_has_its_own_age_and_a_month_without_need_is_dropped(
    command: Command, connection: psycopg.Connection, tmp_path: Path
) -> None:
    day_one, day_two = write_csv(tmp_path / "1.csv", flats(4)), write_csv(tmp_path / "2.csv", flats(5))
    command.ok("import", day_one, *FEED, "--observed-at", "2024-05-01", *MAPPING)
    command.ok("import", day_one, "--source", "kept_feed", "--observed-at", "2024-05-01", *MAPPING)
    age(connection, "2023-01-10 12:00+00")

    command.ok("import", day_two, *FEED, "--observed-at", "2024-05-02", "--set", "retention_days=90", *MAPPING)
    by_source = "select source, count(*) from property_scrapes_staging group by source order by source"
    assert connection.execute(by_source).fetchall() == [("feed", 5), ("kept_feed", 4)]
    age(connection, "2023-02-10 12:00+00", "where opened_at > now() - interval '1 day'")

    connection.execute(
        "insert into sync_metadata (sync_id, invocation_id, status, base_version, started_at) "
        "values (gen_random_uuid(), gen_random_uuid(), 'failed', 0, now() - interval '400 days')"
    )
    unchanged = tables(connection)
    everything = command.ok("cleanup", "--days", "60", "--json").json
    assert everything["dropped_partitions"] == ["property_scrapes_staging_2023_01", "property_scrapes_staging_2023_02"]
    assert (everything["raw_rows"], everything["failed_syncs"], raw_rows(connection)) == (9, 1, 0)
    assert tables(connection) == unchanged
    again = command.ok("cleanup", "--days", "60", "--json").json
    assert {value for name, value in again.items() if name in ("raw_rows", "kept_rows", "failed_syncs")} == {0}
    assert "Removed" in command.ok("cleanup").stdout


def test_personal_data_of_listings_that_left_are_blanked_everywhere(
    command: Command, connection: psycopg.Connection, tmp_path: Path
) -> None:
    limits = ("--set", "removal_after_sessions=1", "personal_data_retention_days=30", "max_removal_share=1")
    days = [flats(4), edited(flats(4), "flat-1", tax="Jo Doe"), without(flats(4), "flat-1")]
    files = [write_csv(tmp_path / f"{number}.csv", day) for number, day in enumerate(days, start=1)]
    for file in files[:2]:
        command.ok("import", file, *FEED, "--observed-at", f"2024-05-0{file.stem}", *limits, *AGENTS)
    reached = tmp_path / "reached"
    barriers = {"PROPERTY_BARRIER": "before_erasure_commit", "PROPERTY_BARRIER_FILE": str(reached)}
    third = ("import", files[2], *FEED, "--observed-at", "2024-05-03", *AGENTS)
    assert command.run_in_process_of_its_own(*third, **barriers).code == -9
    assert reached.exists()
    assert set(mentions(connection, "Jo Doe")) > {"properties_live", "property_changes", "properties_history"}

    assert command.ok("cleanup", "--dry-run", "--json").json["erased_listings"] == {"feed": 1}
    assert command.ok("cleanup", "--wait", "--json").json["erased_listings"] == {"feed": 1}
    assert mentions(connection, "Jo Doe") == mentions(connection, "901") == []
    assert len(mentions(connection, "902")) >= 4
    assert connection.execute(
        "select target, details from admin_audit_log where action = 'erase personal data'"
    ).fetchall() == [("feed", {"listings": 1})]
    assert connection.execute(
        "select field_name, old_value, new_value from property_changes where field_name = 'agent_name'"
    ).fetchall() == [("agent_name", None, None)]
    truths = ("assert_feed_replays_to_live", "assert_history_ends_in_live", "assert_visibility_follows_the_sync")
    tested = command.run("dbt", "--", "test", "--select", *truths)
    assert tested.code == 0, tested.stdout

    taken_back = write_csv(tmp_path / "4.csv", {**days[2], **edited(flats(1, start=9), "flat-9", tax="Max Roe")})
    landed = command.ok("import", taken_back, *FEED, "--observed-at", "2024-05-04", *AGENTS, "--json").json
    command.ok("rollback", "--session-id", landed["session_ids"][0])
    assert set(mentions(connection, "Max Roe")) >= {"property_changes", "property_scrapes_staging"}
    assert command.ok("cleanup", "--json").json["erased_listings"] == {"feed": 1}
    assert mentions(connection, "Max Roe") == []
    assert command.ok("cleanup", "--json").json["erased_listings"] == {}

    command.ok("import", tmp_path / "2.csv", *FEED, "--observed-at", "2024-06-01", *AGENTS)
    back = "select listing_status, agent_name from properties_live where source_listing_id = 'flat-1'"
    assert connection.execute(back).fetchone() == ("active", "Jo Doe")
    assert command.ok("cleanup", "--json").json["erased_listings"] == {}


def age(connection: psycopg.Connection, opened_at: str, which: str = "") -> None:
    """Let sessions have landed at another time, with their raw rows."""
    connection.execute("select ensure_staging_partition(%s)", [opened_at])
    connection.execute(f"update scrape_sessions set opened_at = %s {which}", [opened_at])
    connection.execute(
        "update property_scrapes_staging as staged set landed_at = sessions.opened_at from scrape_sessions as sessions "
        "where staged.session_id = sessions.session_id and staged.landed_at <> sessions.opened_at"
    )


def raw_rows(connection: psycopg.Connection) -> int:
    row = connection.execute("select count(*) from property_scrapes_staging").fetchone()
    assert row is not None
    return row[0]


def contents(connection: psycopg.Connection, *, but_audit: bool = False) -> dict[str, list[Any]]:
    """All rows of the tables that retention must leave alone."""
    found = {name: connection.execute(f"select * from {name} order by 1, 2").fetchall() for name in DURABLE}
    return {**found, "admin_audit_log": []} if but_audit else found


def mentions(connection: psycopg.Connection, text: str) -> list[str]:
    """Tables of which a row of flat-1 or flat-2 holds the text."""
    holding = "select exists (select 1 from {} as t where t::text like %s)"
    names = (*DURABLE, "property_scrapes_staging", "rule_violations", "landing_rejects", "replaced_listings")
    return [name for name in names if connection.execute(holding.format(name), [f"%{text}%"]).fetchone() == (True,)]
