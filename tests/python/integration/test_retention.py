"""Retention: what goes by age, what stays, and what a crash inside leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.python.conftest import Command
from tests.python.integration.snapshots import MAPPING, Row, edited, flats, land_day, tables, without, write_csv

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


def test_names_that_come_after_the_erasure_are_blanked_as_well(
    command: Command, connection: psycopg.Connection, tmp_path: Path
) -> None:
    limits = ("--set", "removal_after_sessions=1", "personal_data_retention_days=30", "max_removal_share=1")

    def land(day: int, listings: dict[str, Row], *options: str) -> str:
        file = write_csv(tmp_path / f"{day}.csv", listings)
        of_day = ("--observed-at", f"2024-05-0{day}", *options)
        landed = command.ok("import", file, "--source", "feed", *of_day, *AGENTS, "--json").json
        return landed["session_ids"][0]

    connection.execute(
        "insert into validation_rules (rule_name, field_name, rule_type, rule_config, severity) "
        "values ('agent_is_short', 'agent_name', 'pattern', '{\"pattern\": \"^.{1,9}$\"}', 'warning')"
    )
    land(2, edited(flats(4), "flat-1", tax="Jo Doe"), "--complete", *limits)
    land(4, without(flats(4), "flat-1"), "--complete")
    erased = "select spell_number, undone_at is null from personal_data_erasures order by spell_number"
    assert connection.execute(erased).fetchall() == [(1, True)]
    assert mentions(connection, "Jo Doe") == []

    back = land(6, edited(flats(1), "flat-1", tax="Max Roe of Here"))
    assert len(mentions(connection, "Max Roe")) >= 5
    command.ok("rollback", "--session-id", back)
    assert connection.execute(erased).fetchall() == [(1, False)]
    live = "select listing_status, spell_number from properties_live where source_listing_id = 'flat-1'"
    assert connection.execute(live).fetchone() == ("removed", 1)
    assert command.ok("cleanup", "--json").json["erased_listings"] == {"feed": 1}
    assert mentions(connection, "Max Roe") == []
    assert connection.execute(erased).fetchall() == [(1, True)]

    land(1, edited(flats(1), "flat-1", tax="Ann Poe of Here"))
    assert connection.execute(live).fetchone() == ("removed", 1)
    assert mentions(connection, "Ann Poe") == []
    times = "select count(*) from admin_audit_log where action = 'erase personal data'"
    assert connection.execute(times).fetchone() == (3,)
    assert command.ok("cleanup", "--json").json["erased_listings"] == {}

    land(5, edited(flats(1), "flat-1", tax="Max Roe"))
    assert connection.execute(live).fetchone() == ("active", 2)
    assert "properties_live" in mentions(connection, "Max Roe")
    assert command.ok("cleanup", "--json").json["erased_listings"] == {}


def test_raw_rows_of_a_renamed_listing_stay_while_held_back_and_lose_their_names_when_it_left(
    command: Command, connection: psycopg.Connection, tmp_path: Path
) -> None:
    def land(day: int, listings: dict[str, Row], *options: str) -> None:
        file = write_csv(tmp_path / f"{day}.csv", listings)
        command.ok("import", file, *FEED, "--observed-at", f"2024-05-0{day}", *options, *AGENTS)

    limits = ("--set", "removal_after_sessions=1", "max_removal_share=1")
    land(1, edited(flats(6), "flat-1", tax="Jo Doe"), *limits)
    connection.execute(
        "insert into validation_rules (rule_name, field_name, rule_type, rule_config, severity) "
        "values ('agent_is_short', 'agent_name', 'pattern', '{\"pattern\": \"^.{1,9}$\"}', 'error')"
    )
    file = tmp_path / "ids.csv"
    file.write_text("old,new\nflat-1,new-1")
    command.ok("source", "rekey", "feed", "--map", file)
    renamed = {"new-1": {**flats(1)["flat-1"], "id": "new-1", "tax": "Jo Doe of Here"}}
    land(2, {**without(flats(6), "flat-1"), **renamed})
    age(connection, "2023-01-10 12:00+00")

    removed = command.ok("cleanup", "--days", "30", "--json").json
    assert (removed["raw_rows"], removed["kept_rows"]) == (11, 1)
    again = command.ok("replay-quarantine", "--json").json
    assert (again["listings"], again["syncs"][0]["sessions"][0]["rejected"]) == (1, 1)

    land(3, without(flats(6), "flat-1"))
    names = ("property_scrapes_staging", "rule_violations")
    assert set(mentions(connection, "Jo Doe of Here")) == set(names)
    connection.execute("update sources set personal_data_retention_days = 30 where source = 'feed'")
    assert command.ok("cleanup", "--json").json["erased_listings"] == {"feed": 1}
    assert mentions(connection, "Jo Doe") == []

    connection.execute("delete from property_scrapes_staging")
    sessions = connection.execute("select count(*) from scrape_sessions").fetchone()
    assert command.ok("replay-quarantine", "--json").json["listings"] == 0, "no raw row is left to judge again"
    assert connection.execute("select count(*) from scrape_sessions").fetchone() == sessions


@pytest.fixture
def judged_sessions(command: Command, connection: psycopg.Connection, tmp_path: Path) -> dict[str, str]:
    """Sessions of the last year but one whose raw rows have gone, by what is particular to them.

    `first` alone was judged by a rule that was deleted since.
    """

    def land(day: int, listings: dict[str, Row], scope: str = "all", codes: tuple[int, ...] = (0,)) -> str:
        return land_day(command, tmp_path, day, listings, scope=scope, codes=codes)

    connection.execute(
        "insert into validation_rules (rule_name, field_name, rule_type, rule_config, severity) "
        "values ('has_rooms', 'rooms', 'required', '{}', 'info')"
    )
    start, other = flats(4), flats(30, start=100)
    cheaper = edited(start, "flat-1", price=99_000)
    landed = {"first": land(1, start)}
    connection.execute("delete from validation_rules where rule_name = 'has_rooms'")
    landed["held back for a day"] = land(2, edited(start, "flat-1", price=-1))
    landed["changed"] = land(3, cheaper)
    landed["unchanged"] = land(4, cheaper)
    landed["held back until today"] = land(5, edited(cheaper, "flat-3", price=-1))
    landed["quarantined"] = land(6, {key: {**row, "price": -1} for key, row in other.items()}, "other", (0, 3))
    landed["last of the other scope"] = land(7, other, "other")
    landed["last"] = land(8, edited(cheaper, "flat-3", price=-1))
    status = connection.execute(
        "select status from scrape_sessions where session_id = %s", [landed["quarantined"]]
    ).fetchone()
    assert status == ("quarantined",)
    age(connection, "2023-01-10 12:00+00")
    connection.execute(
        "update sync_metadata set started_at = started_at - interval '400 days', "
        "published_at = published_at - interval '400 days', finished_at = finished_at - interval '400 days'"
    )
    connection.execute("update rule_evaluations set evaluated_at = evaluated_at - interval '400 days'")
    command.ok("cleanup", "--days", "30")
    return landed


def test_completed_syncs_and_rule_results_go_when_nothing_needs_them_and_what_stays_is_enough(
    command: Command, connection: psycopg.Connection, judged_sessions: dict[str, str], tmp_path: Path
) -> None:
    held = "select held_since, rejection_count, rule_names from public_marts.property_quarantine order by property_id"
    held_before = connection.execute(held).fetchall()
    assert [count for _, count, _ in held_before] == [2]
    durable = {**contents(connection, but_audit=True), "versions": versions(connection)}
    syncs, results = by_session(connection, "sync_sessions"), by_session(connection, "rule_evaluations")
    violations = by_session(connection, "rule_violations")
    goes = ("held back for a day", "unchanged", "held back until today")
    going_syncs = {judged_sessions[name] for name in goes}
    going_results = {judged_sessions[name] for name in ("held back for a day", "changed", "unchanged")}
    assert set(syncs) == set(results) == set(judged_sessions.values())
    assert judged_sessions["held back for a day"] in violations

    unlimited = command.ok("cleanup", "--json").json
    assert (unlimited["completed_syncs"], unlimited["rule_results"]) == (0, 0)
    younger = command.ok("cleanup", "--json", PROPERTY_SYNC_LOG_DAYS="401").json
    assert (younger["completed_syncs"], younger["rule_results"]) == (0, 0)
    assert by_session(connection, "sync_sessions") == syncs

    limit = {"PROPERTY_SYNC_LOG_DAYS": "365"}
    expected = command.ok("cleanup", "--dry-run", "--json", **limit).json
    going_rows = sum(found.get(session_id, 0) for found in (results, violations) for session_id in going_results)
    assert (expected["completed_syncs"], expected["rule_results"]) == (len(going_syncs), going_rows)
    reached = tmp_path / "reached"
    for barrier, left in (("before_cleanup_commit", syncs), ("before_cleanup_commit#2", without(syncs, *going_syncs))):
        reached.unlink(missing_ok=True)
        barriers = {"PROPERTY_BARRIER": barrier, "PROPERTY_BARRIER_FILE": str(reached)}
        killed = command.run_in_process_of_its_own("cleanup", "--wait", **limit, **barriers)
        assert (killed.code, reached.read_text()) == (-9, barrier)
        assert by_session(connection, "sync_sessions") == left
        assert (by_session(connection, "rule_evaluations"), by_session(connection, "rule_violations")) == (
            results,
            violations,
        )

    removed = command.ok("cleanup", "--wait", "--json", **limit).json
    assert {**removed, "dry_run": True} == {**expected, "completed_syncs": 0}
    assert by_session(connection, "sync_sessions") == without(syncs, *going_syncs)
    assert by_session(connection, "rule_evaluations") == without(results, *going_results)
    assert by_session(connection, "rule_violations") == without(violations, *going_results)
    assert {**contents(connection, but_audit=True), "versions": versions(connection)} == durable
    assert connection.execute(
        "select action, details from admin_audit_log where action in ('remove syncs', 'remove rule results') order by 1"
    ).fetchall() == [
        ("remove rule results", {"removed": going_rows}),
        ("remove syncs", {"removed": len(going_syncs)}),
    ]
    again = command.ok("cleanup", "--json", **limit).json
    assert (again["completed_syncs"], again["rule_results"]) == (0, 0)

    assert connection.execute(held).fetchall() == held_before

    refused = command.run("replay", "--from-raw", "--source", "feed", "--json")
    assert refused.json["error"]["code"] == "replay_refused"
    assert f"of {len(judged_sessions) - 1} sessions" in refused.json["error"]["message"]
    tests = (
        "every_rule_was_evaluated",
        "visibility_follows_the_sync",
        "feed_order_is_commit_order",
        "feed_replays_to_live",
    )
    tested = command.run("dbt", "--", "test", "--select", *(f"assert_{name}" for name in tests))
    assert tested.code == 0, tested.stdout

    connection.execute(
        "insert into validation_rules (rule_name, field_name, rule_type, rule_config, severity) "
        "values ('has_rooms', 'rooms', 'required', '{}', 'info')"
    )
    number = connection.execute("select rule_version from validation_rules where rule_name = 'has_rooms'").fetchone()
    assert number == (2,)
    command.ok("rollback", "--session-id", judged_sessions["changed"])
    price = "select price from properties_live where source_listing_id = 'flat-1'"
    assert connection.execute(price).fetchone() == (101_000,)
    land_day(command, tmp_path, 9, edited(flats(4), "flat-2", price=90_000))
    assert connection.execute(price.replace("flat-1", "flat-2")).fetchone() == (90_000,)


def test_a_limit_that_is_no_number_of_days_is_refused(command: Command) -> None:
    for variable in ("PROPERTY_RUN_LOG_DAYS", "PROPERTY_SYNC_LOG_DAYS"):
        refused = command.run("cleanup", "--json", **{variable: "0"})
        assert (refused.code, refused.json["error"]["message"]) == (2, f"{variable} is '0'")


def by_session(connection: psycopg.Connection, table: str) -> dict[str, int]:
    """Rows of a table by session."""
    rows = connection.execute(f"select session_id::text, count(*) from {table} group by session_id")
    return dict(rows.fetchall())


def versions(connection: psycopg.Connection) -> tuple[Any, ...] | None:
    """The last version that was published, and where the feed ends."""
    return connection.execute("select max(version), max(last_sequence) from sync_metadata").fetchone()


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
    """Tables of which a row holds the text, other than by chance within an id or a time."""
    holding = "select exists (select 1 from {} as t where t::text ~ %s)"
    names = (*DURABLE, "property_scrapes_staging", "rule_violations", "landing_rejects", "replaced_listings")
    pattern = f"(^|[^0-9a-f.-]){text}($|[^0-9a-f.-])"
    return [name for name in names if connection.execute(holding.format(name), [pattern]).fetchone() == (True,)]
