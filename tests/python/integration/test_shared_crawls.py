"""Crawls that several workers share, that are broken off, and that go on."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import psycopg
import pytest

from loaders.crawl import join, resume, scrape
from loaders.crawl_sessions import SourceSettings, join_session, take_session
from loaders.errors import BusyError, UsageError
from loaders.frontier import Frontier, Settlement
from loaders.pages import Link
from loaders.staging import Observation
from tests.python.conftest import Command
from tests.python.integration.sites import QUICK, Page, Site, flat, results, set_rate
from tests.python.integration.test_crawl import wait_until

FLATS = 12
CRAWL = """
import json, os, sys
from loaders.crawl import scrape
scrape(os.environ["CRAWLED_DATABASE"], **json.loads(sys.argv[1]))
"""


def flats(count: int = FLATS) -> dict[str, Page | Callable[[int], Page]]:
    """A portal with one result page."""
    numbers = range(1, count + 1)
    return {
        "/flats": results(*(f"/flat/{number}" for number in numbers)),
        **{f"/flat/{number}": flat(f"A-{number}", number * 1000) for number in numbers},
    }


def start_crawl(database_url: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CRAWL, json.dumps(options)],
        env={**os.environ, "CRAWLED_DATABASE": database_url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_workers_share_a_crawl_and_its_delay(database_url: str, connection: psycopg.Connection) -> None:
    delay = 0.2
    set_rate(connection, "local_portal", 1 / delay)
    with Site(flats()) as site:
        result = scrape(database_url, url=f"{site.url}/flats", workers=2, fetchers=2)
    assert (result.is_complete, result.listings_seen, result.pages_done) == (True, FLATS, FLATS + 1)
    assert Counter(site.requests) == {"/robots.txt": 1, **dict.fromkeys(flats(), 1)}
    gaps = [later - earlier for earlier, later in itertools.pairwise(site.moments)]
    # Without a common gate, half of the gaps would be next to nothing.
    assert min(gaps) >= 0.7 * delay
    counted = connection.execute("select rows_landed, rows_read from scrape_sessions").fetchone()
    assert counted == (FLATS, FLATS)


@pytest.mark.slow
def test_helpers_end_with_the_process_that_started_them(database_url: str, connection: psycopg.Connection) -> None:
    set_rate(connection, "local_portal", 10)
    helpers = "select count(distinct pid) from pg_locks where locktype = 'advisory' and mode = 'ShareLock'"
    with Site(flats(40)) as site:
        process = start_crawl(database_url, url=f"{site.url}/flats", workers=3)
        wait_until(lambda: connection.execute(helpers).fetchone() == (3,))
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        wait_until(lambda: connection.execute(helpers).fetchone() == (0,))
        set_rate_again = "update sources set requests_per_second = null"
        connection.execute(set_rate_again)
        result = scrape(database_url, url=f"{site.url}/flats")
    assert (result.resumed, result.is_complete, result.listings_seen) == (True, True, 40)
    asked = Counter(site.requests)
    assert sum(count - 1 for path, count in asked.items() if path != "/robots.txt") <= 3 * 4


def test_failed_renderings_are_counted_apart_from_failed_requests(connection: psycopg.Connection) -> None:
    session, _ = take_session(
        connection, source="feed", scope="all", target_url="https://p.example/", session_name=None
    )
    frontier = Frontier(connection, session, reader="r", settings=SourceSettings(requests_per_second=None), retry=QUICK)
    frontier.start(Link("https://p.example/1", "detail"))
    counts = []
    for http_status in (503, 200, None, 200, 503):
        (page,) = frontier.claim(4)
        counts.append((page.attempt, page.failed_renderings))
        frontier.flush([Settlement(page, "todo", http_status=http_status, error="trouble")])
    assert counts == [(1, 0), (2, 0), (3, 1), (4, 1), (5, 2)]


def test_a_worker_whose_lease_was_taken_over_writes_nothing(database_url: str, connection: psycopg.Connection) -> None:
    session, _ = take_session(
        connection, source="feed", scope="all", target_url="https://p.example/", session_name=None
    )
    settings = SourceSettings(requests_per_second=None)
    with psycopg.connect(database_url, autocommit=True) as second:
        slow, quick = (
            Frontier(each, joined, reader="r", settings=settings, retry=QUICK)
            for each, joined in ((connection, session), (second, join_session(second, session.session_id)))
        )
        slow.start(Link("https://p.example/1", "detail"))
        (page,) = slow.claim(4)
        assert (quick.claim(4), page.attempt) == ([], 1)
        connection.execute("update scrape_pages set lease_until = now() - interval '1 second'")
        (again,) = quick.claim(4)
        assert again.attempt == 2

        late = slow.flush([done(page, "from the slow one")])
        assert (late.pages_done, late.rows_landed) == (0, 0)
        assert quick.flush([done(again, "from the quick one")]).rows_landed == 1
        # The session is over for both, whatever the slow one still tries.
        connection.execute("update scrape_sessions set status = 'scraped'")
        slow.flush([done(page, "much too late")])
    titles = connection.execute("select title_text from property_scrapes_staging").fetchall()
    assert titles == [("from the quick one",)]


def done(page: Any, title: str) -> Settlement:
    row = Observation("A-1", "detail", {"title": title}, ("title",))
    return Settlement(page, "done", "ok", via="http", http_status=200, observations=(row,))


def test_no_more_requests_are_under_way_than_the_source_allows(connection: psycopg.Connection) -> None:
    session, _ = take_session(
        connection, source="feed", scope="all", target_url="https://p.example/", session_name=None
    )
    settings = SourceSettings(requests_per_second=None, requests_in_flight=3)
    frontier = Frontier(connection, session, reader="r", settings=settings, retry=QUICK)
    for number in range(9):
        frontier.start(Link(f"https://p.example/{number}", "detail"))
    first = frontier.claim(2)
    assert [len(first), len(frontier.claim(8)), len(frontier.claim(8))] == [2, 1, 0]
    frontier.flush([done(page, "read") for page in first])
    assert len(frontier.claim(8)) == 2


def test_a_host_with_all_its_requests_under_way_leaves_the_turn_to_others(connection: psycopg.Connection) -> None:
    session, _ = take_session(
        connection, source="feed", scope="all", target_url="https://p.example/", session_name=None
    )
    settings = SourceSettings(requests_per_second=None, requests_in_flight=1)
    frontier = Frontier(connection, session, reader="r", settings=settings, retry=QUICK)
    for host in ("p", "q"):
        for number in range(2):
            frontier.start(Link(f"https://{host}.example/{number}", "detail"))
    (one,), (other,) = frontier.claim(4), frontier.claim(4)
    assert (one.host, other.host, frontier.claim(4)) == ("p.example", "q.example", [])
    # The gate of the first has been open for longer.
    frontier.flush([done(other, "read")])
    assert [page.host for page in frontier.claim(4)] == ["q.example"]


def test_pages_that_requests_under_way_hold_back_are_not_asked_for_all_the_time(
    database_url: str, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_rate(connection, "local_portal")
    connection.execute("update sources set requests_in_flight = 1")
    claims = Counter[bool]()
    claim = Frontier.claim

    def counted(frontier: Frontier, wanted: int) -> Any:
        pages = claim(frontier, wanted)
        claims[bool(pages)] += 1
        return pages

    def slow(_: int) -> Page:
        time.sleep(1.0)
        return flat("A-1", 1)

    monkeypatch.setattr(Frontier, "claim", counted)
    with Site({**flats(3), "/flat/1": slow}) as site:
        result = scrape(database_url, url=f"{site.url}/flats", retry=QUICK)
    assert (result.is_complete, claims[True]) == (True, 4)
    assert claims[False] <= 25


@pytest.mark.parametrize("is_date", [False, True], ids=["seconds", "date"])
def test_retry_after_moves_the_page_and_the_host(
    database_url: str, connection: psycopg.Connection, is_date: bool
) -> None:
    set_rate(connection, "local_portal")

    def busy(count: int) -> Page:
        if count > 1:
            return flat("A-1", 1)
        moment = datetime.now(UTC) + timedelta(seconds=2)
        return 429, {"Retry-After": format_datetime(moment, usegmt=True) if is_date else "1"}, ""

    with Site({**flats(3), "/flat/1": busy}) as site:
        result = scrape(database_url, url=f"{site.url}/flats", fetchers=1, retry=QUICK)
    assert result.is_complete
    assert site.requests[2] == "/flat/1"
    assert site.moments[3] - site.moments[2] >= 0.9


def test_too_many_blocked_pages_end_the_crawl(database_url: str, connection: psycopg.Connection) -> None:
    set_rate(connection, "local_portal")
    pages = flats(60)
    for number in range(1, 61, 2):
        pages[f"/flat/{number}"] = (403, {}, "no")
    with Site(pages) as site:
        result = scrape(database_url, url=f"{site.url}/flats", fetchers=1, retry=QUICK)
    assert not result.is_complete
    assert result.incomplete_reason is not None
    assert result.incomplete_reason.startswith("the portal blocked the crawl (")
    assert len(site.requests) < 40


def test_a_host_that_fails_is_asked_one_page_at_a_time(connection: psycopg.Connection) -> None:
    session, _ = take_session(
        connection, source="feed", scope="all", target_url="https://p.example/", session_name=None
    )
    settings = SourceSettings(requests_per_second=None, requests_in_flight=None)
    frontier = Frontier(connection, session, reader="r", settings=settings, retry=QUICK)
    for number in range(9):
        frontier.start(Link(f"https://p.example/{number}", "detail"))
    failed = [
        Settlement(page, "todo", http_status=503, error="HTTP 503", is_transient=True) for page in frontier.claim(5)
    ]
    frontier.flush(failed)
    assert frontier.claim(8) == []
    connection.execute("update crawl_hosts set paused_until = now()")
    (probe,) = frontier.claim(8)
    assert (probe.attempt, frontier.claim(8)) == (2, [])
    frontier.flush([done(probe, "well again")])
    assert len(frontier.claim(8)) == 8


@pytest.fixture
def broken_off(database_url: str, connection: psycopg.Connection) -> Any:
    """A site, and the session of a crawl of it that was broken off after its result page."""
    set_rate(connection, "local_portal")
    with Site(flats()) as site:
        session_id = scrape(database_url, url=f"{site.url}/flats").session_id
        connection.execute(
            "update scrape_sessions set status = 'interrupted', heartbeat_at = now() - interval '2 days'"
        )
        connection.execute("update scrape_pages set state = 'todo' where url like '%/flat/1%'")
        connection.execute("delete from property_scrapes_staging where source_listing_id like 'A-1%'")
        site.requests.clear()
        yield site, session_id


def test_a_named_crawl_goes_on_however_old_it_is(database_url: str, broken_off: Any) -> None:
    site, session_id = broken_off
    result = resume(database_url, session_id)
    assert (result.session_id, result.resumed, result.is_complete) == (session_id, True, True)
    assert result.listings_seen == FLATS
    assert sorted(site.requests) == ["/flat/1", "/flat/10", "/flat/11", "/flat/12"]
    with pytest.raises(UsageError, match="is scraped; only a crawl that was broken off can go on"):
        resume(database_url, session_id)


def test_a_living_crawl_can_be_joined_but_not_taken(
    database_url: str, connection: psycopg.Connection, broken_off: Any
) -> None:
    _, session_id = broken_off
    join_session(connection, session_id)
    with pytest.raises(BusyError, match="another process is scraping local_portal") as caught:
        resume(database_url, session_id)
    assert "property-manager worker --session-id" in caught.value.hint
    assert join(database_url, session_id).listings_seen == FLATS


def test_a_worker_with_other_selectors_is_turned_away(
    database_url: str, connection: psycopg.Connection, broken_off: Any
) -> None:
    _, session_id = broken_off
    connection.execute("update scrape_sessions set reader = 'source file, of yesterday'")
    with pytest.raises(UsageError, match="with other selectors than this machine has"):
        join(database_url, session_id)
    assert resume(database_url, session_id).is_complete


def test_commands_tell_of_broken_crawls_and_take_them_up(command: Command, broken_off: Any) -> None:
    site, session_id = broken_off
    prefix = str(session_id)[:8]
    told = command.ok("sync-pending").stdout
    assert "was broken off at" in told
    assert f"property-manager scrape --resume {prefix}" in told
    (crawl,) = command.ok("sync-pending", "--json").json["interrupted"]
    assert crawl["session_id"] == str(session_id)
    assert command.ok("status", "--json").json["attention"][0]["next_step"] == crawl["next_step"]

    both = command.run("scrape", "--resume", prefix, "--url", site.url)
    assert (both.code, "give either --url or --resume" in both.stderr) == (2, True)
    named = command.run("scrape", "--resume", prefix, "--scope", "all")
    assert (named.code, "--resume cannot be combined" in named.stderr) == (2, True)

    plan = command.ok("scrape", "--resume", prefix, "--dry-run", "--json").json
    assert (plan["resumed_session_id"], plan["pages_waiting"]) == (str(session_id), 4)
    assert sorted(plan["next_urls"]) == [f"{site.url}/flat/{number}" for number in (1, 10, 11, 12)]
    assert f"{site.url}/flat/12" in command.ok("scrape", "--resume", prefix, "--dry-run").stdout
    assert command.ok("worker").stdout.strip() == "No crawl is running."
    joined = command.ok("worker", "--session-id", prefix, "--json").json
    assert [session["listings_seen"] for session in joined["sessions"]] == [FLATS]
    assert command.ok("status", "--json").json["attention"] == []
    finished = command.run("scrape", "--resume", prefix)
    assert (finished.code, "only a crawl that was broken off" in finished.stderr) == (2, True)


def test_a_dry_run_names_the_first_pages_that_are_open(
    command: Command, connection: psycopg.Connection, broken_off: Any
) -> None:
    site, session_id = broken_off
    connection.execute("update scrape_pages set state = 'todo', not_before = now() where page_kind = 'detail'")
    connection.execute("update scrape_pages set state = 'leased', priority = -1 where url like '%/flat/7'")
    connection.execute("update scrape_pages set not_before = now() + interval '1 hour' where url like '%/flat/1'")
    plan = command.ok("scrape", "--resume", str(session_id)[:8], "--dry-run", "--json").json
    assert FLATS == plan["pages_waiting"] == 12
    in_order = (7, 10, 11, 12, 2, 3, 4, 5, 6, 8)
    assert plan["next_urls"] == [f"{site.url}/flat/{number}" for number in in_order]
    assert site.requests == ["/robots.txt"]


def test_every_failed_try_is_told(command: Command, database_url: str, connection: psycopg.Connection) -> None:
    set_rate(connection, "local_portal")
    pages = flats(3)
    pages["/flat/1"] = (503, {}, "")
    pages["/flat/2"] = lambda count: flat("A-2", 1) if count > 1 else (502, {}, "")
    with Site(pages) as site:
        session_id = scrape(database_url, url=f"{site.url}/flats", retry=QUICK).session_id
    never, later = command.ok("session-details", "--session-id", str(session_id), "--errors", "--json").json["pages"]
    assert (never["url"], never["state"], never["page_class"]) == (f"{site.url}/flat/1", "failed", "error")
    assert [(each["attempt"], each["http_status"], each["error"]) for each in never["tries"]] == [
        (attempt, 503, "HTTP 503") for attempt in range(1, QUICK.tries + 1)
    ]
    assert never["tries"][-1]["wait_seconds"] is None
    assert (later["state"], [each["error"] for each in later["tries"]]) == ("done", ["HTTP 502"])
    assert "HTTP 502" in command.ok("session-details", "--session-id", str(session_id), "--errors").stdout


def test_a_dry_run_fetches_robots_alone(
    command: Command, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = flats(3)
    pages["/robots.txt"] = (200, {}, "User-agent: *\nCrawl-delay: 7\nDisallow: /closed")
    with Site(pages) as site:
        scrape_it = ("scrape", "--url", f"{site.url}/flats#top", "--dry-run")
        plan = command.ok(*scrape_it, "--set", "requests_per_second=50", "--json").json
        shown = command.ok(*scrape_it).stdout
        monkeypatch.setenv("PROPERTY_USER_AGENT", "home-watch/2 (+https://watch.example)")
        closed = command.ok("scrape", "--url", f"{site.url}/closed", "--dry-run", "--json").json
    assert set(site.requests) == {"/robots.txt"}
    assert plan["start_url"] == plan["scope"] == f"{site.url}/flats"
    assert (plan["robots_verdict"], plan["delay_seconds"], plan["names_contact"]) == ("allowed", 7.0, False)
    assert (plan["pages_waiting"], plan["resumed_session_id"]) == (1, None)
    assert plan["next_urls"] == [f"{site.url}/flats"]
    assert "set PROPERTY_USER_AGENT" in " ".join(shown.split())
    assert (closed["robots_verdict"], closed["names_contact"]) == ("disallowed", True)
    assert "home-watch/2" in closed["robots_reason"]
    stored = "select (select count(*) from sources) + (select count(*) from scrape_sessions)"
    assert connection.execute(stored).fetchone() == (0,)
