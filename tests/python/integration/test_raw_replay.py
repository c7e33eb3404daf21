"""Golden scenario 14: all raw sessions of a source, replayed from empty, give the same changes and history."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import psycopg
import pytest

from tests.python.conftest import Command
from tests.python.integration.snapshots import edited, flats, land_day, tables, without

pytestmark = pytest.mark.slow


land = partial(land_day, codes=(0, 3))


def test_14_all_raw_sessions_replayed_give_the_same_changes_and_history(
    command: Command, connection: psycopg.Connection, tmp_path: Path
) -> None:
    start = flats(10)
    land(command, tmp_path, 1, start, "--set", "removal_after_sessions=1", "max_removal_share=0.3")
    connection.execute(
        """
        insert into validation_rules (rule_name, field_name, rule_type, rule_config)
        values ('not too dear', 'price', 'range', '{"max": 108000}')
        """
    )
    land(command, tmp_path, 4, edited(without(start, "flat-3"), "flat-1", price=90_000))
    connection.execute("update validation_rules set is_enabled = false where rule_name = 'not too dear'")
    wrong = land(command, tmp_path, 5, edited(start, "flat-2", price=95_000), "--set", "suspicious_price_change=null")
    command.ok("rollback", "--session-id", wrong)
    land(command, tmp_path, 2, edited(start, "flat-1", title="Late"))
    connection.execute("update sources set removal_after_sessions = 5, suspicious_price_change = 0.01")
    connection.execute("update property_changes set new_value = '1' where field_name = 'price' and new_value = '90000'")
    connection.execute("delete from properties_history where source_listing_id = 'flat-4'")
    before = tables(connection)

    replayed = command.run("replay", "--from-raw", "--source", "feed", "--json")
    found = [(row["table_name"], row["kind"], row["columns"]) for row in replayed.json["examples"]]
    assert found == [
        ("properties_history", "only in the replay", []),
        ("property_changes", "other values", ["new_value"]),
        ("property_changes", "other values", ["new_value"]),
    ], "what was tampered with, and nothing else: the cut, and the rollback that brought it back"
    assert (replayed.code, replayed.json["differences"]) == (3, 3)
    assert (replayed.json["syncs"], replayed.json["rollbacks"]) == (4, 1)
    assert (replayed.json["changes"], replayed.json["versions"]) == (len(before["changes"]), len(before["history"]))
    assert tables(connection) == before
    schemas = connection.execute("select nspname from pg_namespace where nspname like 'public_replay%'").fetchall()
    assert schemas == []


def test_a_replay_says_why_it_cannot_be(command: Command, connection: psycopg.Connection, tmp_path: Path) -> None:
    assert command.run("replay", "--source", "feed").code == 2
    assert command.run("replay", "--from-raw", "--source", "feed").code == 2
    land(command, tmp_path, 1, flats(2), "--no-sync")
    refused = command.run("replay", "--from-raw", "--source", "feed", "--json")
    assert (refused.code, refused.json["error"]["code"]) == (1, "replay_refused")
    command.ok("sync-pending")
    connection.execute(
        """
        insert into personal_data_erasures (property_id, spell_number, source)
        select property_id, 1, source from properties_live where source_listing_id = 'flat-2'
        """
    )
    same = command.ok("replay", "--from-raw", "--source", "feed", "--keep", "--json").json
    assert (same["changes"], same["versions"], same["erased_listings"]) == (1, 1, 1)
    assert (same["differences"], same["schema"]) == (0, "public_replay")
    assert connection.execute("select count(*) from public_replay.properties_live").fetchone() == (2,)
    connection.execute("comment on schema public_replay is 'mine'")
    refused = command.run("replay", "--from-raw", "--source", "feed", "--json")
    assert "a schema public_replay that no replay has made" in refused.json["error"]["message"]
    connection.execute("delete from property_scrapes_staging")
    refused = command.run("replay", "--from-raw", "--source", "feed", "--json")
    assert "raw rows of 1 sessions" in refused.json["error"]["message"]
