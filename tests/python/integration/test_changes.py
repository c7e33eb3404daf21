"""What a change is worth: drift, suspicious prices, relistings, noise and evidence; and reading the feed."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.python.conftest import Command

pytestmark = pytest.mark.slow

DAYS = [f"2024-05-{day:02d}" for day in range(1, 11)] + ["2024-06-02"]
FIELDS = ("title", "price", "area_m2", "rooms", "floor", "street_address", "city", "amenities", "images")
MAPPING = ("--map", "source_listing_id=id", *(f"{name}={name}" for name in FIELDS))

Row = dict[str, Any]


def home(identifier: str, **values: Any) -> Row:
    return {
        "id": identifier,
        "title": f"=Flat {identifier}",
        "price": 200_000,
        "area_m2": 50,
        "rooms": 2,
        "floor": 3,
        "street_address": f"{identifier} Street 1",
        "city": "Leeds",
        "amenities": "lift|sauna",
        "images": "https://img.example/1.jpg?token=1|https://img.example/2.jpg?token=1",
        **values,
    }


def market(day: int) -> list[Row]:
    """The homes of a day, counted from 0."""
    homes = [home(f"base-{number}") for number in range(1, 21)]
    homes.append(home("slow", price=round(100_000 * 0.991**day, 2)))
    homes.append(home("typo", price=25_000 if day == 1 else 250_000))
    homes.append(home("crash", price=(250_000, 90_000, 90_500)[min(day, 2)]))
    swapped = f"https://img.example/2.jpg?token={day}|https://img.example/1.jpg?token={day}"
    homes.append(home("noisy", title=f"=Flat{' ' * (day + 1)}noisy", amenities="sauna|lift", images=swapped))
    if day < 2:
        homes.append(home("moved", street_address="12 Long Street"))
    if day == len(DAYS) - 1:
        homes.append(home("moved again", price=186_000, title="Another title", street_address="12 long street"))
    return homes


def write(path: Path, days: range) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ("day", "id", *FIELDS))
        writer.writeheader()
        for day in days:
            writer.writerows({"day": DAYS[day % len(DAYS)], **row} for row in market(day))
    return path


def feed_of(connection: psycopg.Connection, listing: str) -> list[tuple[Any, ...]]:
    return connection.execute(
        """
        select change_type, field_name, status, is_significant, new_value
        from property_changes inner join properties_live using (property_id)
        where source_listing_id = %s and change_type <> 'missing' order by sequence
        """,
        [listing],
    ).fetchall()


def live(connection: psycopg.Connection, listing: str, columns: str) -> tuple[Any, ...]:
    row = connection.execute(
        f"select {columns} from properties_live where source_listing_id = %s".encode(), [listing]
    ).fetchone()
    assert row is not None
    return row


def test_changes_are_weighed_and_told(command: Command, connection: psycopg.Connection, tmp_path: Path) -> None:
    result = command.ok(
        *("import", write(tmp_path / "feed.csv", range(len(DAYS))), "--source", "feed", *MAPPING, "--complete"),
        *("--split-by", "day", "--observed-at-column", "day", "--json"),
    ).json
    counts = [session for sync in result["syncs"] for session in sync["sessions"]]
    assert [session["observed_at"][:10] for session in counts] == DAYS

    # 6: a price a tenth of what it was is held; the next observation confirms it or drops it.
    assert [session["held"] for session in counts[:4]] == [0, 2, 0, 0]
    assert [(kind, status) for kind, _, status, *_ in feed_of(connection, "typo")] == [
        ("created", "applied"),
        ("held", "held"),
        ("held", "dropped"),
    ]
    assert live(connection, "typo", "price, held_price, version") == (250_000, None, 1)
    assert [(kind, status, value) for kind, _, status, _, value in feed_of(connection, "crash")[1:]] == [
        ("held", "held", 90_000),
        ("updated", "applied", 90_500),
    ]
    columns = "price, original_price, previous_price, cumulative_price_cut"
    assert live(connection, "crash", columns) == (90_500, 250_000, 250_000, 0.638)
    believed = connection.execute(
        "select array_agg(confidence order by sequence) from property_changes where field_name = 'price' and "
        "property_id = (select property_id from properties_live where source_listing_id = 'crash')"
    ).fetchone()
    assert believed is not None
    assert believed[0][0] < believed[0][1] < 1, "said twice it is believed more, and less than certain"

    # 7: ten cuts of 0.9 %, each in the feed, and one significant event.
    cuts = [change for change in feed_of(connection, "slow") if change[1] == "price"]
    assert len(cuts) == 10
    assert sum(is_significant for *_, is_significant, _ in cuts) == 1
    (baseline,) = live(connection, "slow", "significant_baseline")
    assert baseline["price"] == round(100_000 * 0.991**6, 2)

    # 9: the same flat under another id, 7 % cheaper, 30 days after it left.
    assert (counts[-1]["created"], counts[-1]["relisted"]) == (1, 1)
    assert [change[0] for change in feed_of(connection, "moved again")] == ["relisted"]
    (moved,) = live(connection, "moved", "property_id")
    assert live(connection, "moved again", "relisted_from, earlier_days_on_market") == (moved, 3)
    assert live(connection, "moved", "listing_status, removal_reason, standard_status") == (
        *("removed", "absent"),
        "Withdrawn",
    )

    # 11: order, white space and tokens are no change.
    assert [change[0] for change in feed_of(connection, "noisy")] == ["created"]

    assert_commands_read_the_feed(command, connection)
    assert_evidence_removes_at_once(command, connection, tmp_path)
    command.ok("dbt", "--", "test", "--select", "test_type:singular", "test_type:generic", "--quiet")


def assert_commands_read_the_feed(command: Command, connection: psycopg.Connection) -> None:
    published = connection.execute("select sequence from property_changes where is_published order by sequence")
    sequences = [sequence for (sequence,) in published]
    lines = command.ok("changes", "--json").stdout.splitlines()
    assert [json.loads(line)["sequence"] for line in lines] == sequences
    rest = command.ok("changes", "--json", "--since", str(sequences[30]), "--limit", "5").stdout.splitlines()
    assert [json.loads(line)["sequence"] for line in rest] == sequences[31:36]

    chosen = command.ok("changes", "--json", "--field", "price", "--type", "updated", "--significant").stdout
    told = [json.loads(line) for line in chosen.splitlines()]
    assert [(row["source_listing_id"], row["major_change_type"]) for row in told] == [
        ("crash", "Price Change"),
        ("slow", "Price Change"),
    ]
    table = command.ok("changes", "--type", "held").stdout
    assert "dropped" in table
    assert f"--since {sequences[-1]}" in command.ok("changes").stdout
    rows = list(csv.DictReader(io.StringIO(command.ok("changes", "--csv").stdout)))
    assert len(rows) == len(sequences)
    assert command.run("changes", "--type", "vanished").code == 2

    follower = command.start("changes", "--follow", "--json", "--since", str(sequences[-3]))
    assert follower.stdout is not None
    try:
        followed = [json.loads(follower.stdout.readline())["sequence"] for _ in range(2)]
    finally:
        follower.kill()
        follower.communicate()
    assert followed == sequences[-2:]

    told = command.ok("history", "crash", "--json").json
    assert [float(row["price"]) for row in told["prices"]] == [250_000, 90_500]
    assert [row["status"] for row in told["changes"]] == ["applied", "held", "applied"]
    page = command.ok("history", str(told["listing"]["property_id"])[:13]).stdout
    assert "█" in page
    assert "-63.8%" in page
    assert command.run("history", "nobody").code == 2
    assert "Give more digits" in command.run("history", "", "--json").stdout


def assert_evidence_removes_at_once(command: Command, connection: psycopg.Connection, tmp_path: Path) -> None:
    last = write(tmp_path / "last.csv", range(len(DAYS) - 1, len(DAYS)))
    command.ok(
        *("import", last, "--source", "feed", *MAPPING, "--complete", "--no-sync"),
        *("--observed-at", "2024-06-03T06:00:00Z"),
    )
    for listing, said in (("base-1", "sold"), ("base-2", "gone")):
        connection.execute(
            "update property_scrapes_staging set listing_status = %s where source_listing_id = %s "
            "and session_id = (select session_id from scrape_sessions where status = 'scraped')",
            [said, listing],
        )
    (counts,) = command.ok("sync-pending", "--json").json["syncs"][0]["sessions"]
    assert (counts["removed"], counts["missing"], counts["observed"]) == (2, 0, len(market(len(DAYS) - 1)) - 2)
    assert live(connection, "base-1", "listing_status, standard_status") == ("removed", "Closed")
    assert live(connection, "base-2", "listing_status, removal_reason") == ("removed", "gone")


def test_a_price_and_its_currency_are_held_confirmed_and_published_together(
    command: Command, connection: psycopg.Connection, tmp_path: Path
) -> None:
    def day(number: int, **adverts: tuple[int | str, str]) -> dict[str, Any]:
        path = tmp_path / f"{number}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("id", "price", "currency"))
            writer.writerows((listing, *said) for listing, said in adverts.items())
        return command.ok(
            *("import", path, "--source", "feed", "--complete", "--observed-at", f"2024-05-{number:02d}T06:00:00Z"),
            *("--map", "source_listing_id=id", "price=price", "currency=currency", "--json"),
        ).json["syncs"][0]["sessions"][0]

    columns = "price, currency, held_price, held_currency, original_price, lowest_price"
    day(1, typo=(250_000, "EUR"), moved=(100_000, "EUR"), silent=(90_000, "EUR"))
    counts = day(2, typo=(25_000, "EUR"), moved=(110_000, "USD"), silent=(85_000, ""))
    told = ("held", "updated", "price_changed", "price_up", "price_down")
    assert [counts[name] for name in told] == [1, 2, 2, 0, 1]
    assert live(connection, "moved", columns) == (110_000, "USD", None, None, 110_000, 110_000)
    assert live(connection, "silent", columns) == (85_000, "EUR", None, None, 90_000, 85_000)
    sizes = connection.execute(
        """
        select field_name, absolute_change, relative_change, is_significant from property_changes
        inner join properties_live using (property_id)
        where source_listing_id = 'moved' and change_type = 'updated' order by sequence
        """
    ).fetchall()
    assert sizes == [("currency", None, None, True), ("price", None, None, True)]

    # The number that waits, in another currency, waits in its place; the same price again is confirmed.
    counts = day(3, typo=(25_000, "USD"), moved=("?", "EUR"), silent=(85_000, "EUR"))
    assert [counts[name] for name in told] == [1, 0, 0, 0, 0]
    assert live(connection, "typo", columns) == (250_000, "EUR", 25_000, "USD", 250_000, 250_000)
    assert live(connection, "moved", columns) == (110_000, "USD", None, None, 110_000, 110_000), "no price, no currency"
    counts = day(4, typo=(25_000, "USD"), moved=("?", "EUR"), silent=(85_000, "EUR"))
    assert live(connection, "typo", columns) == (25_000, "USD", None, None, 25_000, 25_000)
    assert [counts[name] for name in ("held", "price_changed", "price_up", "price_down")] == [0, 1, 0, 0]
    session = connection.execute("select session_id from scrape_sessions order by observed_at desc limit 1").fetchone()
    assert session is not None
    command.ok("rollback", "--session-id", str(session[0]))
    assert live(connection, "typo", columns) == (250_000, "EUR", 25_000, "USD", 250_000, 250_000)
    result = command.run("dbt", "--", "test", "--exclude", "test_type:unit")
    assert result.code == 0, result.stdout
