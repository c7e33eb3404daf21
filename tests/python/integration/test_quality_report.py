"""Reports on real sessions through the real command: a broken day among good ones, hostile texts, odd sessions."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import psycopg
import pytest
from parsel import Selector

from scripts.demo.market import Market
from tests.python.conftest import Command
from tests.python.integration.snapshots import MAPPING, flats, write_csv

pytestmark = pytest.mark.slow

DAYS = 4
COLUMNS = (
    *("source_listing_id", "title", "description", "property_type", "price", "area_m2", "rooms", "year_built"),
    *("city", "latitude", "longitude"),
)
MAP = ("--map", *(f"{name}={name}" for name in COLUMNS))
HOSTILE_TITLE = "<script>alert('title')</script>"
HOSTILE_CITY = '</style><img src=x onerror="alert(1)">'
HOSTILE_RULE = "<b onclick=alert(2)>rooms</b>"


def _days(file: Path) -> int:
    """Write the days of a market; on the last one the price is broken and some rows are hostile. Listings of it."""
    market = Market(size=240, days=DAYS)
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, ["day", *COLUMNS])
        writer.writeheader()
        for day in range(1, DAYS + 1):
            rows = [
                {"day": market.date_of(day), **{name: getattr(advert, name) for name in COLUMNS}}
                for advert in market.listings_on(day)
            ]
            if day == DAYS:
                rows = [*map(_broken, range(len(rows)), rows), *rows[:10]]
            writer.writerows(rows)
    return len(market.listings_on(DAYS))


def _broken(position: int, row: dict[str, Any]) -> dict[str, Any]:
    row = {**row, "price": row["price"] if position % 30 == 0 else ""}
    if position in (3, 4):
        return {**row, "title": HOSTILE_TITLE, "latitude": 0, "longitude": 0}
    return {**row, "city": HOSTILE_CITY} if position in range(5, 75) else row


def test_a_broken_day_is_told_with_numbers_that_the_database_has(
    command: Command, connection: psycopg.Connection, tmp_path: Path
) -> None:
    listings = _days(tmp_path / "days.csv")
    connection.execute(
        """
        insert into validation_rules (rule_name, field_name, rule_type, rule_config, severity)
        values (%s, 'rooms', 'range', '{"max": 2}', 'warning')
        """,
        [HOSTILE_RULE],
    )
    command.ok("import", tmp_path / "days.csv", "--source", "market", "--complete", "--split-by", "day", *MAP,
               "--observed-at-column", "day")  # fmt: skip

    page = tmp_path / "report.html"
    report = command.ok("quality-report", "--source", "market", "--html", page, "--json").json
    session_id = report["session"]["session_id"]

    # The recommendation names field, numbers and cause; everything else follows from the same verdict.
    filled = len([position for position in range(listings) if position % 30 == 0])
    first, *others = report["recommendations"]
    shown = f"{round(100 * filled / listings, 1):g} %"
    assert (first["urgency"], first["field_name"]) == ("critical", "price")
    assert first["message"].startswith(
        f"price filled in {shown} of {listings} adverts, 100 % in the last {DAYS - 1} good sessions: "
        "the selector is probably broken"
    )
    topics = {advice["topic"] for advice in others}
    assert topics >= {"duplicates", "geography", "validation"}
    zero = next(advice for advice in others if advice["topic"] == "geography")
    assert "2 of" in zero["message"]
    assert "coordinates of zero stand for unknown" in zero["message"]

    fields = {field["field_name"]: field for field in report["fields"]}
    assert fields["price"]["fill_rate"] == pytest.approx(filled / listings, abs=1e-4)
    assert fields["price"]["usual_fill_rate"] == 1
    assert report["overall"]["good_sessions"] == DAYS - 1
    assert report["overall"]["score"] < report["overall"]["usual"] - 0.05
    assert [each["observed_count"] for each in report["trend"]] == [
        count
        for (count,) in connection.execute(
            """
            select count(*) from listing_sightings
            inner join scrape_sessions using (session_id)
            group by session_id, scrape_sessions.observed_at order by scrape_sessions.observed_at
            """
        )
    ]
    assert report["geography"]["outlier_count"] == 2
    assert report["geography"]["cities"][0]["listings"] >= 70
    (broken,) = [each for each in report["violations"] if each["rule_name"] == HOSTILE_RULE]
    assert broken["listings"] == report["counts"]["observed"] - _count(connection, "rooms <= 2", session_id)

    _check_page(page.read_text(encoding="utf-8"), report)

    shown = command.ok("quality-report", "--session-id", session_id[:8]).stdout
    assert first["message"] in " ".join(shown.split())
    assert HOSTILE_RULE in shown

    complete, total = connection.execute(
        """
        select
            count(*) filter (where 'price' = any(missing_fields)),
            count(*)
        from public_marts.listing_quality
        """
    ).fetchone()
    assert 0 < complete < total, "new listings of the broken day have no price"


def _count(connection: psycopg.Connection, condition: str, session_id: str) -> int:
    (count,) = connection.execute(
        f"""
        select count(*) from properties_live
        inner join listing_sightings using (property_id)
        where listing_sightings.session_id = %s and {condition}
        """,
        [session_id],
    ).fetchone()
    return count


def _check_page(html: str, report: dict[str, Any]) -> None:
    """The page is whole, says what the report says, and lets nothing of the portal act."""
    assert "<script" not in html
    assert "<img" not in html
    assert "<b onclick" not in html
    assert not re.search(r"https?://|url\(|@import|javascript:", html)
    assert "&lt;script&gt;alert(&#39;title&#39;)" in html

    page = Selector(html)
    assert page.xpath("//*[@id]/@id").getall() == page.xpath("//section/@aria-labelledby").getall()
    loads = page.xpath("//link/@href | //@src | //@xlink:href", namespaces={"xlink": "x"}).getall()
    assert loads == ["data:,"]

    def cells(section: str) -> list[list[str]]:
        rows = page.xpath(f"//section[@aria-labelledby='{section}']//table[contains(@class, 'bars')]/tbody/tr")
        return [["".join(cell.xpath(".//text()").getall()).strip() for cell in row.xpath("th|td")] for row in rows]

    shown = {row[0].split("frozen")[0].strip(): row[2] for row in cells("fields")}
    for field in report["fields"]:
        if field["weight"] and field["fill_rate"] is not None:
            told = shown[field["field_name"].replace("_", " ")].removesuffix("\u202f%")
            assert float(told) == pytest.approx(100 * field["fill_rate"], abs=0.06)
    assert [int(row[2]) for row in cells("rules")] == [each["listings"] for each in report["violations"]]
    assert next(row[0] for row in cells("places")) == HOSTILE_CITY

    circles = page.xpath("//figure[@class='map']//circle/title/text()").getall()
    located = report["geography"]["located_count"] - report["geography"]["outlier_count"]
    assert sum(int(count.replace(",", "")) for count in circles) == located
    assert page.xpath("count(//*[name()='svg'][@class='columns']/rect)").get() == f"{DAYS}.0"
    dots = page.xpath("//*[name()='path'][@class='overall dots']/@d").get()
    assert dots is not None
    last = float(dots.split("M")[-1].split()[1].removesuffix("h0"))
    assert last == pytest.approx(100 - 100 * report["overall"]["score"], abs=0.06)
    advice = page.xpath("//ol[@class='advice']/li/p/text()").getall()
    assert [text.lower().rstrip(".") for text in advice] == [
        each["message"].lower().rstrip(".") for each in report["recommendations"]
    ]
    checks = page.xpath("//table[@class='checks']/tbody/tr").getall()
    assert len(checks) == len(report["checks"])


def test_odd_sessions_have_a_report_or_a_reason(
    command: Command, connection: psycopg.Connection, tmp_path: Path
) -> None:
    nothing = command.run("quality-report", "--json")
    assert (nothing.code, nothing.json["error"]["message"]) == (2, "no session has been synced yet")

    def imported(name: str, listings: dict[str, dict[str, Any]], *options: str) -> str:
        file = write_csv(tmp_path / f"{name}.csv", listings)
        result = command.run("import", file, "--source", "feed", *MAPPING, *options, "--json")
        assert result.code in (0, 3), result.stdout
        return result.json["session_ids"][0]

    waiting = imported("waiting", flats(3), "--no-sync", "--observed-at", "2024-05-01")
    unjudged = command.run("quality-report", "--session-id", waiting)
    assert (unjudged.code, "is scraped: no sync has judged it" in unjudged.stderr) == (2, True)
    assert "sync-pending" in unjudged.stderr

    # Without coordinates, partial, and the first of its scope.
    partial = imported("partial", flats(3), "--observed-at", "2024-05-02")
    empty = imported("empty", {}, "--complete", "--observed-at", "2024-05-03")
    for session_id, grade, phrase in (
        (waiting, None, "no map"),
        (partial, None, "Published, but nothing was removed by absence"),
        (empty, "poor", "Quarantined, nothing of it is published"),
    ):
        page = tmp_path / "odd.html"
        report = command.ok("quality-report", "--session-id", session_id, "--html", page, "--json").json
        assert report["session"]["session_id"] == session_id
        assert grade in (None, report["overall"]["grade"])
        assert phrase in page.read_text(encoding="utf-8")
        assert command.ok("quality-report", "--session-id", session_id).stdout
    latest = command.ok("quality-report", "--json").json
    assert (latest["session"]["session_id"], latest["overall"]["score"]) == (empty, 0)
    assert latest["recommendations"][0]["message"].startswith("no listing was observed")

    for arguments, message in (
        (("--session-id", "zzz"), "'zzz' is not a session id"),
        (("--session-id", "00000000"), "there is no session 00000000"),
        (("--source", "other"), "there is no source 'other'"),
        (("--source", "feed", "--session-id", empty), "--session-id and --source cannot be combined"),
        (("--html", str(tmp_path / "no" / "folder.html")), "folder.html cannot be written"),
        (("--html", str(tmp_path)), "cannot be written"),
    ):
        refused = command.run("quality-report", *arguments)
        assert (refused.code, message in refused.stderr) == (2, True), refused.stderr
        assert "hint:" in refused.stderr

    # A database whose views an older version built.
    connection.execute("alter view public_marts.session_field_quality rename column fill_rate to filled")
    outdated = command.run("quality-report", "--json")
    assert (outdated.code, outdated.json["error"]["code"]) == (2, "marts_outdated")
    assert "dbt -- run --select marts" in outdated.json["error"]["hint"]
    command.ok("dbt", "--", "run", "--select", "marts")
    assert command.ok("quality-report", "--json").json == latest
