"""The benchmark's statements by hand still do what a sync does: it would refuse to compare, were they to differ."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import psycopg
import pytest

from tests.python.conftest import ROOT

pytestmark = pytest.mark.slow


@pytest.mark.usefixtures("command")
def test_statements_by_hand_give_the_tables_of_a_sync(
    connection: psycopg.Connection,
    database_url: str,
    command_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PROPERTY_HOME", str(command_home))
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    feed, quick = import_module("feed"), import_module("quick")
    days = [feed.write_day(tmp_path / f"day-{day}.csv", 400, day) for day in range(2)]

    quick.compare_syncs(connection, database_url, days)

    changes = connection.execute(
        """
        select change_type, count(distinct property_id) from property_changes
        where session_id = (select session_id from scrape_sessions order by opened_at desc limit 1)
        group by change_type order by change_type
        """
    ).fetchall()
    assert changes == [("created", 2), ("removed", 2), ("updated", 3)]

    connection.execute("update by_hand.properties_live set price = price + 1 where source_listing_id like '%1'")
    with pytest.raises(quick.OutputsDifferError, match="rows of properties_live"):
        quick.require_equal_tables(connection)
