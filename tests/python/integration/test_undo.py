"""Undoing a session: the live table is as it was, feed, history and audit say so, and syncing goes on from there."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.python.conftest import Command
from tests.python.integration.snapshots import edited, flats, without
from tests.python.integration.snapshots import land_day as land

pytestmark = pytest.mark.slow

_SETTINGS = ("--set", "removal_after_sessions=1", "max_removal_share=null", "min_volume_ratio=null")


def live(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    """The live table but for the number of changes, which goes on counting."""
    return connection.execute(
        """
        select source_listing_id, to_jsonb(live) - 'version' from properties_live as live order by source_listing_id
        """
    ).fetchall()


def feed(connection: psycopg.Connection, sync_id: str) -> list[tuple[Any, ...]]:
    return connection.execute(
        """
        select change_type, field_name, old_value, new_value, status, major_change_type
        from property_changes where sync_id = %s order by sequence
        """,
        [sync_id],
    ).fetchall()


def test_sessions_are_undone_from_the_last_to_the_first(
    command: Command, connection: psycopg.Connection, parsed_project: Path, tmp_path: Path
) -> None:
    start = flats(20)
    land(command, tmp_path, 1, start, *_SETTINGS)
    land(command, tmp_path, 2, without(start, "flat-3"))
    before = live(connection)
    # Returns, leaves, is cut, changes texts and an attribute, asks a suspicious price, is new.
    second = edited(without(start, "flat-4"), "flat-1", price=95_000, title="Sunny", tax=None)
    second = {**edited(second, "flat-2", price=20_000), **flats(2, start=50)}
    undone = land(command, tmp_path, 3, second)
    after = live(connection)
    later = land(command, tmp_path, 4, edited(second, "flat-1", price=90_000))

    refused = command.run("rollback", "--session-id", undone, "--json")
    assert (refused.code, refused.json["error"]["code"]) == (1, "rollback_refused")
    assert f"session {later} changed flat-1" in refused.json["error"]["message"]
    assert later in refused.json["error"]["hint"]

    command.ok("rollback", "--session-id", later)
    assert live(connection) == after
    rehearsed = command.ok("rollback", "--session-id", undone, "--dry-run", "--json").json
    assert live(connection) == after
    reached = tmp_path / "reached"
    killed = command.run_in_process_of_its_own(
        *("rollback", "--session-id", undone),
        PROPERTY_BARRIER="before_rollback_commit",
        PROPERTY_BARRIER_FILE=str(reached),
    )
    assert (killed.code, reached.read_text()) == (-signal.SIGKILL, "before_rollback_commit")
    assert live(connection) == after
    done = command.ok("rollback", "--session-id", undone[:12], "--json").json
    assert live(connection) == before
    assert {**done, "is_dry_run": True, "sync_id": None} == rehearsed
    assert (done["restored"], done["retracted"], done["adjusted"], done["sightings"]) == (3, 2, 1, 21)

    told = feed(connection, done["sync_id"])
    assert sorted((kind, field) for kind, field, *_ in told if kind != "updated") == [
        ("held", "price"),
        ("restored", None),
        ("restored", None),
        ("retracted", None),
        ("retracted", None),
    ]
    assert ("updated", "price", 95_000, 101_000, "applied", "Price Change") in told
    assert ("updated", "attributes.tax", None, 901, "applied", None) in told
    assert len(told) == done["feed_rows"]
    retracted = command.ok("changes", "--type", "retracted", "--csv").stdout.splitlines()[1:]
    assert len(retracted) == 2
    assert all(",flat-5" in line for line in retracted), "what is gone from the live table is named all the same"

    again = command.ok("rollback", "--session-id", undone, "--json").json
    assert (again["was_undone"], again["sync_id"], again["feed_rows"]) == (True, None, 0)
    assert command.ok("sync", "--session-id", undone, "--json").json == {"syncs": []}
    assert live(connection) == before
    audited = connection.execute(
        "select target, details ->> 'restored' from admin_audit_log where action = 'rollback' order by audit_id"
    ).fetchall()
    assert audited == [(later, "2"), (undone, "3")], "the later one also confirmed the price that was held"

    land(command, tmp_path, 5, second)
    corrected = connection.execute(
        """
        select source_listing_id, listing_status, version, spell_number from properties_live
        where source_listing_id in ('flat-1', 'flat-3', 'flat-4', 'flat-50') order by 1
        """
    ).fetchall()
    assert corrected == [
        ("flat-1", "active", 6, 1),
        ("flat-3", "active", 5, 2),
        ("flat-4", "removed", 4, 1),
        ("flat-50", "active", 1, 1),
    ]
    command.ok("dbt", "--", "test", "--select", "test_type:singular", "--quiet", "--target-path", parsed_project)


def test_what_other_sessions_did_beside_fields_stays(
    command: Command, connection: psycopg.Connection, tmp_path: Path
) -> None:
    land(command, tmp_path, 1, flats(5))
    cheap = land(command, tmp_path, 2, edited(flats(5), "flat-1", price=99_000), scope="cheap")
    land(command, tmp_path, 3, edited(flats(4), "flat-1", price=99_000), scope="new")
    done = command.ok("rollback", "--session-id", cheap, "--json").json
    assert (done["restored"], done["adjusted"]) == (1, 4)
    scopes = connection.execute("select source_listing_id, scopes from properties_live order by 1").fetchall()
    assert scopes == [(f"flat-{number}", ["all", "new"]) for number in range(1, 5)] + [("flat-5", ["all"])]

    missed = land(command, tmp_path, 4, flats(4))
    removed = land(command, tmp_path, 5, flats(4))
    refused = command.run("rollback", "--session-id", missed, "--json")
    assert f"session {removed} changed flat-5" in refused.json["error"]["message"], "its absence counted"


def test_a_scope_that_another_session_confirmed_stays(
    command: Command, connection: psycopg.Connection, tmp_path: Path
) -> None:
    land(command, tmp_path, 1, flats(4))
    cheap = edited(flats(3), "flat-1", price=99_000)
    undone = land(command, tmp_path, 2, cheap, scope="cheap")
    confirming = land(command, tmp_path, 3, without(cheap, "flat-3"), scope="cheap")
    replaced = "select count(*) from replaced_listings where session_id = %s"
    assert connection.execute(replaced, [confirming]).fetchone() == (0,), "nothing of it was new"
    command.ok("rollback", "--session-id", undone)
    scopes = connection.execute("select source_listing_id, scopes from properties_live order by 1").fetchall()
    assert scopes == [
        ("flat-1", ["all", "cheap"]),
        ("flat-2", ["all", "cheap"]),
        ("flat-3", ["all"]),
        ("flat-4", ["all"]),
    ]


def test_only_what_is_published_can_be_undone(command: Command, connection: psycopg.Connection, tmp_path: Path) -> None:
    waiting = land(command, tmp_path, 1, flats(3), "--no-sync")
    refused = command.run("rollback", "--session-id", waiting, "--json")
    assert refused.code == 1
    assert "is scraped: nothing of it is published" in refused.json["error"]["message"]
    assert command.run("rollback", "--session-id", "ffffffff").code == 2
    assert connection.execute("select count(*) from admin_audit_log where action = 'rollback'").fetchone() == (0,)
