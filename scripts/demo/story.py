"""The demo: a portal on loopback is scraped day by day through a real browser, synced, and its story told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from datetime import time as time_of_day
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg.rows import dict_row
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from loaders.browser import find_browser
from loaders.crawl import CrawlResult
from loaders.database import connect, statements
from loaders.network_guard import allowing
from scripts.config import property_home
from scripts.console import facts, messages, say, table
from scripts.database import fresh_demo_database
from scripts.demo.market import Market
from scripts.demo.portal import DemoPortal
from scripts.scrape import scrape_portal
from scripts.sync import SessionCounts, sync_pending

SOURCE = "demo_portal"
SHARE_ANSWERED = 0.4
SETTINGS = ("requests_per_second=200", "removal_after_sessions=2", "country=NL")
VISIT_HOUR = time_of_day(6, 0, tzinfo=UTC)

_SQL = statements("story.sql", Path(__file__).parents[1] / "sql")
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>A portal over several days: what changed</title>
<style>
{stylesheet}
body {{ margin: 0; background: #f6f5f0; color: #22292f; }}
main {{ max-width: 70rem; margin: 2rem auto; padding: 1.5rem 2.5rem; background: #fff; border-radius: 12px;
  box-shadow: 0 1px 4px rgba(0, 0, 0, .12); overflow-x: auto; }}
h1 {{ font: 600 1.5rem system-ui, sans-serif; }}
pre {{ font: 0.9rem/1.45 ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; }}
</style>
</head>
<body><main><h1>A portal over several days: what changed</h1><pre><code>{code}</code></pre></main></body>
</html>
"""
_SPARKS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Day:
    """One visit: what the crawl read and what the sync made of it."""

    number: int
    observed_at: datetime
    crawl: CrawlResult
    counts: SessionCounts


def tell(*, days: int, adverts: int, seed: int) -> None:
    """Scrape and sync every day of a generated market, then print what happened.

    The last day is cut short on purpose: the portal stops answering after 40 % of its result pages. Raises
    BrowserMissingError without a browser, since some adverts appear only once their script ran.
    """
    browser = find_browser()
    started = time.monotonic()
    url = fresh_demo_database()
    say(f"A portal with about {adverts} adverts a day, visited on {days} days with {browser.name}.")
    market = Market(seed=seed, size=adverts, days=days)
    with DemoPortal(market) as portal:
        visits = [_visit(url, portal, market, number, is_cut_short=number == days) for number in range(1, days + 1)]
    report = _Report(visits, seconds=time.monotonic() - started)
    with connect(url) as connection:
        page = report.print(connection)
    say(f"The same report as a page: {page}")


def _visit(url: str, portal: DemoPortal, market: Market, number: int, *, is_cut_short: bool) -> Day:
    portal.set_day(number)
    if is_cut_short:
        portal.break_after(SHARE_ANSWERED, keep_adverts=True)
    observed_at = datetime.combine(market.date_of(number), VISIT_HOUR)
    with _step(f"Day {number}: scraping"), allowing(urlsplit(portal.url).netloc):
        crawl = scrape_portal(
            url,
            url=f"{portal.url}/listings",
            source=SOURCE,
            session_name=f"Day {number}",
            observed_at=observed_at,
            assignments=SETTINGS,
        )
    with _step(f"Day {number}: syncing"):
        (report,) = sync_pending(url, source=SOURCE)
    (counts,) = report.sessions
    say(
        f"Day {number}: {counts.observed} adverts from {crawl.pages_done} pages, {counts.created} new, "
        f"{counts.updated} changed, {counts.removed} removed, {counts.reactivated} back"
    )
    return Day(number, observed_at, crawl, counts)


@contextmanager
def _step(text: str) -> Iterator[None]:
    if not messages.is_terminal:
        yield
        return
    with messages.status(f"{text} …"):
        yield


class _Report:
    """The story in the order in which one wants to read it."""

    def __init__(self, days: list[Day], seconds: float) -> None:
        self._days = days
        self._seconds = seconds
        self._console = Console(record=True, highlight=False, width=_report_width())

    def print(self, connection: psycopg.Connection) -> Path:
        """Print the report and keep it as a page; returns the page."""
        comebacks = _rows(connection, "comebacks")
        for part in (
            self._what_changed(connection),
            _price_cuts(connection),
            _who_came_back(comebacks),
            self._the_broken_day(),
            _one_life(connection, comebacks, self._days),
            self._pages(),
            _next_commands(),
        ):
            self._console.print()
            self._console.print(part)
        page = property_home() / "demo" / "report.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        self._console.save_html(str(page), code_format=_PAGE)
        return page

    def _what_changed(self, connection: psycopg.Connection) -> Group:
        columns = (
            "day",
            "visited",
            "seen",
            "new",
            "changed",
            "price ↓",
            "price ↑",
            "missing",
            "removed",
            "back",
        )
        rows = [
            (
                *(day.number, f"{day.observed_at:%a %d %b}", day.counts.observed, day.counts.created),
                *(day.counts.updated, day.counts.price_down, day.counts.price_up, day.counts.missing),
                *(day.counts.removed, day.counts.reactivated),
            )
            for day in self._days
        ]
        fields = ", ".join(f"{row['field_name']} {row['updates']}×" for row in _rows(connection, "changed_fields"))
        live = {row["listing_status"]: row["listings"] for row in _rows(connection, "live_listings")}
        return Group(
            table("What changed", columns, rows),
            Text(f"Fields that changed: {fields}", "dim"),
            Text(f"Live table: {live.get('active', 0)} on the market, {live.get('removed', 0)} removed", "dim"),
        )

    def _the_broken_day(self) -> Panel:
        day = self._days[-1]
        unseen, total = day.counts.removals_suppressed, day.counts.observed + day.counts.removals_suppressed
        lines = Text.assemble(
            f"On day {day.number} the portal stopped answering at {SHARE_ANSWERED:.0%} of its result pages.\n",
            "A plain sync would have removed ",
            (f"{unseen} listings", "bold red"),
            f" of {total} as gone.\nremoved: ",
            (f"{day.counts.removed}", "bold green"),
            f", because {day.counts.removal_suppressed_reason}.\n",
            f"What was seen is published all the same: {day.counts.updated} changed, {day.counts.created} new.",
        )
        return Panel(lines, title="The day that broke off", title_align="left", border_style="yellow")

    def _pages(self) -> Text:
        http = sum(day.crawl.pages_http for day in self._days)
        browser = sum(day.crawl.pages_browser for day in self._days)
        return Text(
            f"{http + browser} pages: {http} by HTTP alone, {browser} through the browser because only their script "
            f"shows the advert. {len(self._days)} days in {self._seconds:.0f} seconds."
        )


def _price_cuts(connection: psycopg.Connection) -> Any:
    rows = [
        (
            row["title"],
            row["city"],
            f"{row['old_price']:,}",
            f"{row['new_price']:,}",
            f"{row['relative_change']:.1%}",
        )
        for row in _rows(connection, "price_cuts", limit=5)
    ]
    return table("Biggest price cuts", ("advert", "city", "from", "to", "cut"), rows)


def _who_came_back(comebacks: list[dict[str, Any]]) -> Any:
    rows = [
        (
            *(row["source_listing_id"], row["title"], row["city"], f"{row['removed_at']:%d %b}"),
            *(f"{row['back_at']:%d %b}", _price(row["price_before"]), _price(row["price_after"])),
        )
        for row in comebacks
    ]
    columns = ("advert", "title", "city", "removed", "back", "price then", "price now")
    return table("Who came back", columns, rows) if rows else Text("Nobody came back on these days.")


def _one_life(connection: psycopg.Connection, comebacks: list[dict[str, Any]], days: list[Day]) -> Any:
    if not comebacks:
        return Text("")
    hero = next((row for row in comebacks if row["price_before"] != row["price_after"]), comebacks[0])
    life = _rows(connection, "life", source_listing_id=hero["source_listing_id"])
    number = {day.observed_at: day.number for day in days}
    rows = [(f"day {number[change['observed_at']]}", _told(change)) for change in life]
    prices = [price for change in life if (price := _price_after(change)) is not None]
    title = f"One flat's life: {hero['title']}, {hero['city']} ({hero['source_listing_id']})"
    return Group(facts(title, rows), Text(f"Price: {sparkline(prices)}", "dim"))


def _told(change: dict[str, Any]) -> str:
    match change["change_type"]:
        case "created":
            return f"first seen at {_price(change['new_value'].get('price'))}"
        case "missing":
            return "not on the portal; it stays on the market for now"
        case "removed":
            return f"removed: {change['reason']}"
        case "reactivated":
            return f"back on the market at {_price(change['new_value'].get('price'))}"
        case _ if change["field_name"] == "price":
            prices = f"{_price(change['old_value'])} → {_price(change['new_value'])}"
            return f"price {prices} ({change['relative_change']:+.1%})"
        case _:
            return f"{change['field_name']}: {change['old_value']} → {change['new_value']}"


def _price_after(change: dict[str, Any]) -> float | None:
    if change["change_type"] in ("created", "reactivated"):
        return change["new_value"].get("price")
    return change["new_value"] if change["field_name"] == "price" else None


def sparkline(values: list[float]) -> str:
    """Bars between the lowest and the highest value: [1, 2, 3] -> ▁▄█."""
    if not values:
        return ""
    low, high = min(values), max(values)
    span = (high - low) or 1
    return "".join(_SPARKS[round((value - low) / span * (len(_SPARKS) - 1))] for value in values)


def _price(value: Any) -> str:
    return "no price" if value is None else f"{value:,.0f}"


def _next_commands() -> Panel:
    commands = Table.grid(padding=(0, 3))
    commands.add_column(style="bold", no_wrap=True)
    commands.add_column()
    commands.add_row('eval "$(.venv/bin/property-manager db env --demo)"', "work on the demo's data")
    commands.add_row("property-manager status", "what is pending or needs a look")
    commands.add_row("property-manager list-sessions", "the visits")
    commands.add_row("property-manager db psql", "select * from properties_live")
    commands.add_row("property-manager docs", "tables, columns and lineage as a page")
    return Panel(commands, title="Next", title_align="left", border_style="dim")


def _report_width() -> int | None:
    return None if Console().is_terminal else 110


def _rows(connection: psycopg.Connection, statement: str, **parameters: Any) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL[statement], parameters).fetchall()
