"""A small feed of our own with the semantics of the real ones, counted in Python and compared with what syncs count."""

from __future__ import annotations

import random
from pathlib import Path

import psycopg
import pytest

from tests.python.conftest import Command
from tests.python.integration.real_snapshots import SETTINGS, counted_by_syncs, counted_from_feed
from tests.python.integration.snapshots import MAPPING, Row, flats, write_csv

pytestmark = pytest.mark.slow

DAYS = 6


def test_generated_days_reproduce_their_transitions(
    command: Command, connection: psycopg.Connection, tmp_path: Path
) -> None:
    days = _days(seed=11)
    files = [write_csv(tmp_path / f"day-{number}.csv", day) for number, day in enumerate(days)]
    result = command.ok("import", *files, "--source", "feed", "--complete", *SETTINGS, *MAPPING, "--json").json
    known = _transitions(days)

    assert known[2]["reactivated"] > 0, "the feed must hold listings that come back"
    assert counted_by_syncs(result) == known
    assert counted_from_feed(connection, "feed") == known


def test_a_split_file_gives_the_same_sessions(command: Command, tmp_path: Path) -> None:
    days = _days(seed=11)
    rows = [
        {**row, "title": f"{row['title']}", "day": f"2024-03-{number + 1:02d}"}
        for number, day in enumerate(days)
        for row in day.values()
    ]
    random.Random(3).shuffle(rows)
    first = rows[0]
    lines = [",".join(first), *(",".join(str(value) for value in row.values()) for row in rows)]
    file = tmp_path / "all.csv"
    file.write_text("\n".join(lines), encoding="utf-8")

    result = command.ok(
        *(
            "import",
            file,
            "--source",
            "feed",
            "--complete",
            "--split-by",
            "day",
            "--observed-at-column",
            "day",
        ),
        *(*SETTINGS, *MAPPING, "--json"),
    ).json
    assert [session["split_value"] for session in result["sessions"]] == [
        f"2024-03-{number + 1:02d}" for number in range(DAYS)
    ]
    assert counted_by_syncs(result) == _transitions(days)


def _days(seed: int) -> list[dict[str, Row]]:
    """Days of a market in which listings change, leave and come back."""
    chance = random.Random(seed)
    pool = flats(60)
    days = []
    for day in range(DAYS):
        for row in pool.values():
            if chance.random() < 0.1:
                row["price"] += chance.choice((-1500, 700))
            if chance.random() < 0.05:
                row["tax"] = chance.choice(("", 905.0, 1200))
            if chance.random() < 0.03:
                row["title"] = f"{row['title']} ({day})"
        days.append({key: dict(row) for key, row in pool.items() if chance.random() < 0.8})
    return days


def _transitions(days: list[dict[str, Row]]) -> list[dict[str, int]]:
    """The counts of each day beside the one before, by definition."""
    seen: set[str] = set()
    last_known: dict[str, Row] = {}
    previous: set[str] = set()
    transitions = []
    for day in days:
        common = day.keys() & previous
        changed = {key for key in common if _compared(day[key]) != _compared(last_known[key])}
        up = {key for key in common if day[key]["price"] > last_known[key]["price"]}
        down = {key for key in common if day[key]["price"] < last_known[key]["price"]}
        transitions.append(
            {
                "observed": len(day),
                "observed_before": len(previous),
                "created": len(day.keys() - seen),
                "reactivated": len((day.keys() & seen) - previous),
                "removed": len(previous - day.keys()),
                "price_changed": len(up | down),
                "price_up": len(up),
                "price_down": len(down),
                "updated": len(changed),
                "unchanged": len(common - changed),
                "common": len(common),
                "changed_other_only": len(changed - up - down),
            }
        )
        seen |= day.keys()
        last_known |= day
        previous = set(day)
    return transitions


def _compared(row: Row) -> tuple[object, ...]:
    tax = float(row["tax"]) if row["tax"] != "" else None
    return (row["title"], row["price"], row["area"], row["rooms"], row["city"], tax)
