"""The gate through the real command: broken selectors, changed ids, permissions of operators, retired scopes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.python.conftest import Command
from tests.python.integration.snapshots import Row, edited, flats
from tests.python.integration.test_golden_scenarios import Feed, active

pytestmark = pytest.mark.slow


@pytest.fixture
def feed(command: Command, tmp_path: Path) -> Feed:
    return Feed(command, tmp_path)


def prices(connection: psycopg.Connection) -> dict[str, int | None]:
    return dict(connection.execute("select source_listing_id, price::int from properties_live").fetchall())


def without_price(listings: dict[str, Row]) -> dict[str, Row]:
    return {key: {**row, "price": ""} for key, row in listings.items()}


def under_new_ids(listings: dict[str, Row]) -> dict[str, Row]:
    return {f"new-{key}": {**row, "id": f"new-{key}"} for key, row in listings.items()}


def audited(connection: psycopg.Connection) -> list[tuple[str, str]]:
    rows = connection.execute(
        """
        select action, target from admin_audit_log
        where action not like '%% sources' and action not like '%% validation_rules' order by audit_id
        """
    )
    return rows.fetchall()


def check(command: Command, session_id: str, name: str, field: str | None = None) -> dict[str, Any]:
    checks = command.run("quality-checks", "--session-id", session_id, "--json").json["checks"]
    (found,) = (each for each in checks if (each["check_name"], each["field_name"]) == (name, field))
    return found


def assert_invariants_hold(command: Command) -> None:
    """Run every dbt test that looks at data: the feed replays to live, history ends in it, and so on."""
    result = command.run("dbt", "--", "test", "--exclude", "test_type:unit")
    assert result.code == 0, result.stdout


def test_5_a_broken_selector_freezes_its_field_and_nothing_else(
    feed: Feed, command: Command, connection: psycopg.Connection
) -> None:
    everything = flats(40)
    feed.complete(1, everything)
    before = prices(connection)
    broken = {**edited(without_price(everything), "flat-1", rooms=3, price=1), **without_price(flats(1, start=41))}
    counts = feed.complete(2, broken)

    assert (counts["updated"], counts["created"], counts["price_changed"]) == (1, 1, 0)
    assert prices(connection) == {**before, "flat-41": None}
    assert counts["frozen_fields"] == ["price"]
    reason = "price filled in 2.4 % of 41 adverts, 100 % in the last session"
    assert counts["frozen_reason"] == reason
    status = " ".join(command.ok("status").stdout.split())
    assert reason in status
    assert f"quality-checks --session-id {counts['session_id'][:8]}" in status

    shown = command.run("quality-checks", "--session-id", counts["session_id"][:8])
    assert (shown.code, "freeze field" in shown.stdout, reason in shown.stdout) == (3, True, True)
    frozen = check(command, counts["session_id"], "fill_rate", "price")
    assert (frozen["verdict"], frozen["consequence"]) == ("fail", "freeze_field")
    assert (frozen["value"], frozen["usual_value"], frozen["threshold"]) == (0.0244, 1, 0.8)
    assert check(command, counts["session_id"], "fill_rate", "rooms")["verdict"] == "pass"

    some = {key: broken[key] for key in list(broken)[:20]}
    counts = feed.partial(3, without_price(some))
    assert counts["frozen_reason"] == "price filled in 0 % of 20 adverts, 100 % in the last 2 sessions"
    assert prices(connection) == {**before, "flat-41": None}

    mended = {**edited(everything, "flat-1", rooms=3, price=90_000), **flats(1, start=41)}
    counts = feed.complete(4, mended)
    assert (counts["frozen_fields"], counts["updated"], counts["price_down"]) == ([], 2, 1)
    assert prices(connection) == {**before, "flat-1": 90_000, "flat-41": 141_000}

    session_id = feed.land(5, without_price(mended), "--complete", "--no-sync").json["session_ids"][0]
    refused = command.run("quality-checks", "--session-id", session_id)
    assert (refused.code, "no sync has judged it yet" in refused.stderr) == (2, True)
    forced = command.ok("sync", "--session-id", session_id, "--force", "--json").json["syncs"][0]["sessions"][0]
    assert (forced["frozen_fields"], forced["updated"]) == ([], 41)
    assert set(prices(connection).values()) == {None}
    overridden = check(command, session_id, "fill_rate", "price")
    assert (overridden["verdict"], overridden["consequence"]) == ("fail", "none")
    assert overridden["message"].endswith("(overridden by --force)")
    assert audited(connection) == [("force session", session_id)]
    assert feed.complete(6, without_price(mended))["frozen_fields"] == [], "what was forced is usual from then on"
    assert_invariants_hold(command)


def test_20_changed_ids_are_quarantined_until_they_are_mapped(
    feed: Feed, command: Command, connection: psycopg.Connection, tmp_path: Path
) -> None:
    everything = flats(30)
    renamed = under_new_ids(everything)
    feed.complete(1, everything, "--set", "removal_after_sessions=1", "max_removal_share=null")
    landed = feed.land(2, renamed, "--complete")
    (session,) = landed.json["syncs"][0]["sessions"]
    assert (landed.code, session["session_status"]) == (3, "quarantined")
    reason = "100 % of 30 ids were never published before and 100 % of 30 active listings were not seen"
    assert session["removal_suppressed_reason"].startswith(reason)
    assert active(connection) == everything.keys()
    assert check(command, session["session_id"], "id_scheme")["consequence"] == "quarantine"

    for lines, finding in (
        ("flat-1,x", "has no column old and no column new"),
        ("old,new\nflat-1,", "line 2: the column new holds no usable id"),
        ("old,new\nflat-1,new-1\nflat-1,new-2", "the old id stands in an earlier line, too ('flat-1' in line 3)"),
        ("old,new\nflat-1,new-1\nflat-2,new-1", "the new id stands in an earlier line, too ('new-1' in line 3)"),
        (
            "old,new\nflat-0,new-0\nflat-00,new-00",
            "no listing was published under the old id ('flat-0' in line 2 and 1 more lines)",
        ),
        ("old,new\nflat-1,flat-2", "the new id is published as another listing ('flat-2' in line 2)"),
        ("old,new\nflat-1,flat-1", "the old and the new id are the same ('flat-1' in line 2)"),
        ('old,new\n"flat-1,new-1', "is not a CSV file in UTF-8"),
    ):
        file = tmp_path / "wrong.csv"
        file.write_text(lines)
        wrong = command.run("source", "rekey", "feed", "--map", file)
        assert (wrong.code, finding in " ".join(wrong.stderr.split())) == (2, True), wrong.stderr
    assert command.run("source", "rekey", "feed", "--map", tmp_path / "absent.csv").code == 2
    assert command.run("source", "rekey", "nobody", "--map", file).code == 2

    file = tmp_path / "ids.csv"
    file.write_text("old,new\n" + "".join(f"{key},new-{key}\n" for key in everything))
    rekey = ("source", "rekey", "feed", "--map", file)
    assert command.ok(*rekey, "--dry-run", "--json").json["mapped"] == 30
    assert connection.execute("select count(*) from listing_id_aliases").fetchone() == (0,)
    shown = command.ok(*rekey).stdout
    assert "30 new ids of feed were mapped" in shown
    assert f"sync --session-id {session['session_id'][:8]}" in shown
    again = command.ok(*rekey, "--json").json
    assert (again["mapped"], again["already_mapped"]) == (0, 30)
    file.write_text("old,new\nflat-1,new-flat-2")
    assert "the new id is mapped to another listing" in command.run(*rekey).stderr

    synced = command.ok("sync", "--session-id", session["session_id"], "--json").json["syncs"][0]["sessions"][0]
    assert (synced["created"], synced["unchanged"], synced["removed"]) == (0, 30, 0)
    counts = feed.complete(3, edited(renamed, "new-flat-7", price=99_000))
    assert (counts["created"], counts["updated"], counts["removed"]) == (0, 1, 0)
    assert prices(connection)["flat-7"] == 99_000
    file.write_text("old,new\nnew-flat-1,newer-1")
    assert command.ok(*rekey, "--json").json["mapped"] == 1, "an id that was new once leads to the same listing"
    assert connection.execute("select count(distinct property_id), count(*) from listing_id_aliases").fetchone() == (
        30,
        31,
    )
    assert audited(connection) == [
        ("rekey source", "feed"),
        ("rekey source", "feed"),
        ("judge session again", session["session_id"]),
        ("rekey source", "feed"),
    ]
    assert_invariants_hold(command)


def test_an_operator_overrides_the_gate_and_the_limit_on_removals(
    feed: Feed, command: Command, connection: psycopg.Connection
) -> None:
    everything = flats(30)
    renamed = under_new_ids(everything)
    feed.complete(1, everything, "--set", "removal_after_sessions=1")
    (session,) = feed.land(2, renamed, "--complete").json["syncs"][0]["sessions"]
    again = command.run("sync", "--session-id", session["session_id"], "--json")
    assert (again.code, active(connection)) == (3, everything.keys())

    forced = command.ok("sync", "--session-id", session["session_id"], "--force", "--json").json
    (counts,) = forced["syncs"][0]["sessions"]
    assert (counts["created"], counts["removed"], counts["removals_suppressed"]) == (30, 0, 30)
    assert "30 of 30 listings would be removed at once" in counts["removal_suppressed_reason"]
    refused = command.run("sync", "--session-id", session["session_id"], "--force")
    assert (refused.code, "is complete already" in refused.stderr) == (2, True)

    counts = feed.complete(3, renamed, "--allow-mass-removal")
    assert (counts["removed"], active(connection)) == (30, renamed.keys())
    permissions = connection.execute(
        "select verdict -> 'is_forced', verdict -> 'allows_mass_removal' from scrape_sessions order by observed_at"
    ).fetchall()
    assert permissions == [(False, False), (True, False), (False, True)]
    assert audited(connection) == [
        ("judge session again", session["session_id"]),
        ("force session", session["session_id"]),
        ("allow mass removal", counts["session_id"]),
    ]
    details = connection.execute("select details from admin_audit_log where action = 'allow mass removal'").fetchone()
    assert details == ({"source": "feed", "scope": "all"},)


def test_a_retired_scope_keeps_no_listing_active(feed: Feed, command: Command, connection: psycopg.Connection) -> None:
    north, south = flats(10), {**flats(1), **flats(30, start=101)}
    feed.complete(1, north, scope="north")
    feed.complete(1, south, scope="south")
    retire = ("source", "retire-scope", "feed", "north")
    preview = command.ok(*retire, "--dry-run", "--json").json
    assert (preview["removed"], preview["kept"], preview["session_id"], preview["syncs"]) == (9, 1, None, [])
    refused = command.run(*retire, "--json")
    assert (refused.code, refused.json["error"]["code"]) == (1, "mass_removal")
    assert "9 of 40 active listings of feed would be removed, more than the limit of 20%" in refused.stdout
    assert command.run("source", "retire-scope", "feed", "west").code == 2
    assert active(connection) == north.keys() | south.keys()

    retired = command.ok(*retire, "--allow-mass-removal", "--json").json
    (counts,) = retired["syncs"][0]["sessions"]
    assert (retired["removed"], counts["removed"], counts["missing"]) == (9, 9, 0)
    assert active(connection) == south.keys()
    reasons = connection.execute("select distinct reason from property_changes where change_type = 'removed'")
    assert reasons.fetchall() == [("scope retired",)]
    assert command.ok("quality-checks", "--session-id", counts["session_id"], "--json").json["failed"] == 0

    assert command.run(*retire).code == 2, "it is retired already"
    landing = feed.land(2, north, scope="north")
    assert (landing.code, landing.json["error"]["code"]) == (2, "retired_scope")
    assert connection.execute("select count(*) from scrape_sessions").fetchone() == (3,)
    assert "may be crawled again" in command.ok("source", "restore-scope", "feed", "north").stdout
    assert command.run("source", "restore-scope", "feed", "north").code == 2
    counts = feed.complete(28, north, "--set", "freshness_hours=1e9", scope="north")
    assert (counts["reactivated"], counts["unchanged"]) == (9, 1)
    assert audited(connection) == [("retire scope", "feed"), ("restore scope", "feed")]
    confirmed = connection.execute(
        "select is_stale, last_confirmed_at::date::text, count(*) from public_marts.listing_confirmations group by 1, 2"
    ).fetchall()
    assert sorted(confirmed) == [(False, "2024-05-01", 30), (False, "2024-05-28", 10)]
    assert_invariants_hold(command)


def test_a_new_listing_waits_while_its_required_field_is_frozen(
    feed: Feed, command: Command, connection: psycopg.Connection
) -> None:
    everything = flats(40)
    feed.complete(1, everything)
    connection.execute(
        """
        insert into validation_rules (rule_name, field_name, rule_type, severity)
        values ('title_is_stated', 'title', 'required', 'error')
        """
    )
    broken = {key: {**row, "title": ""} for key, row in list(everything.items())[:12]}
    mixed = {**everything, **broken, **flats(1, start=41)}
    counts = feed.complete(2, mixed, "--set", "error_rate=0.45")

    assert (counts["frozen_fields"], counts["rejected"], counts["created"]) == (["title"], 13, 0)
    assert "flat-41" not in active(connection)
    held = "select broken_rules -> 0 from public_marts.property_quarantine where not is_in_live_table"
    ((found,),) = connection.execute(held).fetchall()
    assert (found["rule_name"], found["found_value"]) == ("title_is_stated", "Flat 41")
    assert found["reason"] == "the gate froze this field, its value is not trusted"
    assert_invariants_hold(command)

    # Judging the stored row again does not make its value trusted.
    replayed = command.ok("replay-quarantine", "--json").json["syncs"][-1]["sessions"][0]
    assert [replayed[count] for count in ("observed", "rejected", "created")] == [13, 1, 0], "others keep their title"
    counts = feed.complete(3, {**everything, **flats(1, start=41)})
    assert (counts["frozen_fields"], counts["rejected"], counts["created"]) == ([], 0, 1)
    assert connection.execute("select count(*) from public_marts.property_quarantine").fetchone() == (0,)
    assert_invariants_hold(command)
