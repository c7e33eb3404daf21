"""The demo: what it tells is what the tables hold, and without a browser it says what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from scripts import embedded_postgres
from scripts.database import DEMO_DATABASE
from tests.python.conftest import Command, Result

# One process runs them all: they look at one demo.
pytestmark = pytest.mark.xdist_group("demo")

DAYS = 5


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Result, Path]]:
    """What a small demo printed, and the home of its embedded server."""
    home = tmp_path_factory.mktemp("demo")
    command = Command("postgresql://nobody@/not-used-by-the-demo", home)
    try:
        yield (
            command.run("demo", "--days", str(DAYS), "--adverts", "40", "--seed", "1", PROPERTY_EMBEDDED_FSYNC="off"),
            home,
        )
    finally:
        embedded_postgres.destroy(home)


@pytest.fixture
def demo_connection(told: tuple[Result, Path]) -> Iterator[psycopg.Connection]:
    url = embedded_postgres.url(told[1]).replace("/property_manager?", f"/{DEMO_DATABASE}?")
    with psycopg.connect(url) as connection:
        yield connection


@pytest.mark.slow
def test_the_broken_day_removes_nothing_and_says_why(
    told: tuple[Result, Path], demo_connection: psycopg.Connection
) -> None:
    result, _ = told
    assert result.code == 0, result.stderr
    text = " ".join(re.sub(r"[│╭╮╰╯─]", " ", result.stdout).split())
    last = demo_connection.execute(
        """
        select taken.removed, taken.removals_suppressed, taken.removal_suppressed_reason
        from sync_sessions as taken
        inner join scrape_sessions as sessions on taken.session_id = sessions.session_id
        order by sessions.observed_at desc limit 1
        """
    ).fetchone()
    assert last is not None
    removed, suppressed, reason = last
    assert (removed, suppressed > 10) == (0, True)
    assert "the portal stopped answering at 40% of its result pages" in text
    assert f"A plain sync would have removed {suppressed} listings of" in text
    assert f"removed: 0, because {reason}" in text


@pytest.mark.slow
def test_the_story_is_what_the_tables_hold(told: tuple[Result, Path], demo_connection: psycopg.Connection) -> None:
    result, home = told

    def one(query: str) -> int:
        row = demo_connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]

    active = one("select count(*) from properties_live where listing_status = 'active'")
    gone = one("select count(*) from properties_live where listing_status = 'removed'")
    assert f"Live table: {active} on the market, {gone} removed" in result.stdout
    by_http, by_browser = (
        one("select sum(pages_http) from scrape_sessions"),
        one("select sum(pages_browser) from scrape_sessions"),
    )
    assert by_browser > 5
    assert f"{by_http + by_browser} pages: {by_http} by HTTP alone, {by_browser} through the browser" in result.stdout
    came_back = demo_connection.execute(
        "select distinct property_id from property_changes where change_type = 'reactivated'"
    )
    assert came_back.fetchone() is not None
    for title in ("What changed", "Biggest price cuts", "Who came back", "One flat's life", "Next"):
        assert title in result.stdout
    assert "back on the market at" in result.stdout
    page = (home / "demo" / "report.html").read_text(encoding="utf-8")
    assert f"{active} on the market" in page
    assert f"Day {DAYS}: " in result.stderr


def test_without_a_browser_it_fails_and_says_what_to_do(tmp_path: Path) -> None:
    command = Command("postgresql://nobody@/not-used-by-the-demo", tmp_path)
    result = command.run_in_process_of_its_own("demo", PROPERTY_BROWSER="no-such-browser")

    assert result.code == 1
    assert "PROPERTY_BROWSER names no-such-browser, which is not a program" in result.stderr
    assert "make browser" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "postgres").exists(), "nothing is started for a demo that cannot run"
