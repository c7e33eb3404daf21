"""Real listing snapshots reproduce their known transition counts exactly, in every column."""

from __future__ import annotations

import csv
import gzip
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from tests.python.conftest import Command
from tests.python.integration.real_snapshots import (
    POLAND,
    POLAND_WITH_DEFAULTS,
    REDFIN,
    counted_by_syncs,
    counted_from_feed,
    days_of_syncs,
    differences,
    expected,
    known_days,
)


@pytest.mark.slow
def test_four_polish_months(command: Command, connection: psycopg.Connection, shared_data: Path) -> None:
    folder = shared_data / "poland_apartments"
    days = known_days(folder / "transitions.csv")
    landed = []
    for file, (_, month) in zip(sorted(folder.glob("*.csv.gz")), days, strict=True):
        assert month.replace("-", "_") in file.name
        options = ("--observed-at", f"{month}-01T00:00:00Z", "--no-sync", "--json")
        landed.append(command.ok("import", file, *POLAND, *options).json)
    result = command.ok("sync-pending", "--json").json

    known = expected(folder / "transitions.csv")
    assert sum(each["rows_read"] for each in landed) == 68_894
    assert [(each["rows_rejected"], each["duplicates_collapsed"]) for each in landed] == [(0, 0)] * 4
    assert [(before[:7], month[:7]) for before, month in days_of_syncs(result)] == days
    assert differences(counted_by_syncs(result), known) == []
    assert differences(counted_from_feed(connection, "poland"), known) == []


@pytest.mark.slow
def test_polish_months_with_default_settings_remove_nothing_in_masses(
    command: Command, connection: psycopg.Connection, shared_data: Path
) -> None:
    months = sorted((shared_data / "poland_apartments").glob("*.csv.gz"))
    result = command.ok("import", *months, *POLAND_WITH_DEFAULTS, "--json").json
    sessions = [session for sync in result["syncs"] for session in sync["sessions"]]

    assert [session["session_status"] for session in sessions] == ["complete"] * 4
    assert [session["removed"] for session in sessions] == [0, 0, 0, 0]
    assert [session["removals_suppressed"] for session in sessions] == [0, 0, 7_998, 15_329]
    assert [session["removal_suppressed_reason"] for session in sessions] == [
        None,
        None,
        "7998 of 25003 listings would be removed at once, more than the limit of 20.0 %",
        "15329 of 32027 listings would be removed at once, more than the limit of 20.0 %",
    ]
    assert [session["frozen_fields"] for session in sessions] == [[], [], [], []]
    assert [session["held"] for session in sessions] == [0, 5, 3, 3]
    held = connection.execute(
        """
        select count(*) filter (where changes.reason like 'a move beyond%')
        from scrape_sessions left join property_changes as changes using (session_id)
        group by scrape_sessions.observed_at order by scrape_sessions.observed_at
        """
    ).fetchall()
    assert [moves for (moves,) in held] == [0, 5, 2, 3], "moves beyond 60 %; the third month replaces one held before"
    alarms = " ".join(command.ok("status").stdout.split())
    assert sessions[-1]["removal_suppressed_reason"] in alarms
    new_shares = connection.execute(
        "select (verdict -> 'new_share')::numeric from scrape_sessions order by observed_at"
    )
    assert [round(share, 2) for (share,) in new_shares] == [1, Decimal("0.36"), Decimal("0.42"), Decimal("0.43")]


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_eighty_four_redfin_days(command: Command, connection: psycopg.Connection, shared_data: Path) -> None:
    folder = shared_data / "redfin_virginia"
    result = command.ok("import", folder / "listings_to_2022_01.csv.gz", *REDFIN, "--json").json

    known = expected(folder / "transitions.csv")
    assert len(result["syncs"]) == len(known) == 84
    assert (result["rows_read"], result["duplicates_collapsed"]) == (21_452, 10)
    assert days_of_syncs(result) == known_days(folder / "transitions.csv")
    assert differences(counted_by_syncs(result), known) == []
    assert differences(counted_from_feed(connection, "redfin"), known) == []


@pytest.mark.slow
def test_one_altered_row_is_noticed(command: Command, shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "redfin_virginia"
    with gzip.open(folder / "listings_to_2022_01.csv.gz", "rt", newline="") as packed:
        header, *rows = csv.reader(packed)
    price, date = header.index("PRICE"), header.index("date")
    days = sorted({row[date] for row in rows})[:3]
    kept = [row for row in rows if row[date] in days]
    unchanged = {row[0] for row in kept if row[date] == days[1]} & {row[0] for row in kept if row[date] == days[2]}
    altered = next(row for row in kept if row[date] == days[2] and row[0] in unchanged)
    altered[price] = str(int(altered[price]) + 1)
    with (tmp_path / "altered.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *kept])

    result = command.ok("import", tmp_path / "altered.csv", *REDFIN, "--json").json
    known = expected(folder / "transitions.csv")[:3]
    assert days_of_syncs(result) == known_days(folder / "transitions.csv")[:3]
    assert [position for position, _, _ in differences(counted_by_syncs(result), known)] == [2]
