"""A database that an older version filled: its dump is restored, upgraded and synced on."""

from __future__ import annotations

import gzip
from pathlib import Path

import psycopg
import pytest

from tests.python.conftest import Command
from tests.python.integration.snapshots import MAPPING, edited, flats, tables, without, write_csv

pytestmark = pytest.mark.slow

OLD = Path(__file__).parents[1] / "fixtures" / "schema_0031.sql.gz"
"""Made by version 0.1.0 at migration 0031 with `pg_dump --inserts`, of three imports of the feed below, the last one
not synced; flat-2 left after one absence."""

TRUTHS = ("assert_feed_replays_to_live", "assert_history_ends_in_live", "assert_visibility_follows_the_sync")


def test_an_older_database_goes_on_where_it_was(command_home: Path, empty_database_url: str, tmp_path: Path) -> None:
    command = Command(empty_database_url, command_home)
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(gzip.decompress(OLD.read_bytes()))
        connection.execute("set search_path = public")
        before = tables(connection)
        assert "0032_crawl_hosts" in command.ok("db", "migrate", "--json").json["applied"]
        assert tables(connection) == before

        synced = command.ok("sync-pending", "--json").json["syncs"]
        assert [(each["created"], each["updated"]) for sync in synced for each in sync["sessions"]] == [(1, 1)]
        fourth = edited(without(flats(6), "flat-2"), "flat-3", price=1_000)
        file = write_csv(tmp_path / "4.csv", fourth)
        command.ok("import", file, "--source", "feed", "--complete", "--observed-at", "2024-05-04", *MAPPING)
        after = tables(connection)
        assert [row for row in before["changes"] if row not in after["changes"]] == []
        # The last column is when a version ended, which the following one decides.
        assert {row[:-1] for row in before["history"]} < {row[:-1] for row in after["history"]}
        prices = "select source_listing_id, listing_status, price from properties_live order by 1"
        assert connection.execute(prices).fetchall() == [
            ("flat-1", "active", 101_000),
            ("flat-2", "removed", 102_000),
            ("flat-3", "active", 103_000),
            ("flat-4", "active", 104_000),
            ("flat-5", "active", 105_000),
            ("flat-50", "removed", 150_000),
            ("flat-6", "active", 106_000),
        ]
        tested = command.run("dbt", "--", "test", "--select", *TRUTHS)
        assert tested.code == 0, tested.stdout
        assert command.ok("status", "--json").json["unfinished_sync"] is None
