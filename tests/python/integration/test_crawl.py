"""Crawls of the demo portal and of small misbehaving sites, into a real database, with a real browser."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from loaders.browser import BrowserMissingError
from loaders.crawl import CrawlFailedError, CrawlProgress, CrawlResult, scrape
from loaders.errors import BusyError
from scripts.demo.catalogue import Layout, mixed_layout
from scripts.demo.market import Market
from scripts.demo.portal import DemoPortal
from tests.python.integration.sites import QUICK, Page, PlainCatalogue, Site, flat, json_ld, results, set_rate

SIZE = 50
ROWS = """
select
    source_listing_id, observation_kind, url_text, title_text, price_text, area_m2_text, floor_text,
    amenities_text
from property_scrapes_staging
where session_id = %s
order by source_listing_id, observation_kind
"""
FINISHED_PAGES = """
select pages.url
from scrape_pages as pages
inner join scrape_sessions as sessions on pages.session_id = sessions.session_id
where pages.state = 'done' and sessions.status = 'running'
"""
CRAWL = """
import json, os, sys
from loaders.crawl import scrape
from loaders.politeness import RetryPolicy
url, options = os.environ["CRAWLED_DATABASE"], json.loads(sys.argv[1])
result = scrape(url, retry=RetryPolicy(first_wait=0.02, longest_wait=0.2), **options)
print(json.dumps([str(result.session_id), result.resumed, result.is_complete]))
"""


@pytest.fixture(scope="module")
def market() -> Market:
    return Market(7, SIZE, 3)


@pytest.fixture
def portal(market: Market) -> Iterator[DemoPortal]:
    """A portal whose pages need no browser."""
    with DemoPortal(PlainCatalogue(market)) as running:
        yield running


@pytest.fixture
def scripted_portal(market: Market) -> Iterator[DemoPortal]:
    """A portal of which some pages need a browser."""
    with DemoPortal(market) as running:
        yield running


Crawl = Callable[..., CrawlResult]


@pytest.fixture
def crawl(database_url: str, connection: psycopg.Connection, portal: DemoPortal) -> Crawl:
    """Crawl the portal that needs no browser at full speed."""
    return crawler(database_url, connection, portal)


@pytest.fixture
def scripted_crawl(database_url: str, connection: psycopg.Connection, scripted_portal: DemoPortal) -> Crawl:
    """Crawl the portal that needs a browser at full speed."""
    return crawler(database_url, connection, scripted_portal)


def crawler(database_url: str, connection: psycopg.Connection, portal: DemoPortal) -> Crawl:
    set_rate(connection, "demo_portal")

    def run(**options: Any) -> CrawlResult:
        return scrape(database_url, **{**demo_options(portal), "retry": QUICK, **options})

    return run


def demo_options(portal: DemoPortal) -> dict[str, Any]:
    return {"url": f"{portal.url}/listings", "source": "demo_portal", "scope": "all"}


def rows(connection: psycopg.Connection, session_id: Any) -> list[tuple[Any, ...]]:
    return connection.execute(ROWS, [session_id]).fetchall()


def session(connection: psycopg.Connection, session_id: Any) -> tuple[Any, ...]:
    row = connection.execute(
        "select status, is_complete, incomplete_reason, error from scrape_sessions where session_id = %s",
        [session_id],
    ).fetchone()
    assert row is not None
    return row


def test_a_whole_portal(scripted_crawl: Crawl, connection: psycopg.Connection, market: Market) -> None:
    seen: list[CrawlProgress] = []
    result = scripted_crawl(on_progress=seen.append, session_name="day one")

    assert (result.is_complete, result.incomplete_reason, result.resumed) == (True, None, False)
    assert result.listings_seen == result.site_listing_count == SIZE
    assert result.pages_done == result.pages_planned == SIZE + 3
    scripted = sum(mixed_layout(identifier) is Layout.SCRIPT for identifier in market.ids_on(1))
    assert result.pages_browser == scripted > 0
    assert result.pages_http == result.pages_done - scripted
    assert seen[-1].pages_done == result.pages_done
    assert session(connection, result.session_id) == ("scraped", True, None, None)

    landed = rows(connection, result.session_id)
    assert Counter(row[1] for row in landed) == {"card": SIZE, "detail": SIZE}
    assert {row[0] for row in landed} == set(market.ids_on(1))
    details = {row[0]: row for row in landed if row[1] == "detail"}
    for identifier in market.ids_on(1):
        advert = market.listing_on(1, identifier)
        assert details[identifier][3] == advert.title
        assert details[identifier][4] == f"€ {advert.price:,}"
        assert set(json.loads(details[identifier][7] or "[]")) == set(advert.amenities)


def test_no_document_is_requested_twice(
    scripted_crawl: Crawl, scripted_portal: DemoPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROPERTY_USER_AGENT", "home-watch/2 (+https://watch.example/contact)")
    assert scripted_crawl(max_pages=1).pages_browser > 0
    asked = Counter(request.path for request in scripted_portal.requests)
    assert {path: count for path, count in asked.items() if count > 1} == {}
    assert any(path.startswith("/api/") for path in asked)
    assert not any(path.startswith(("/private", "/photos")) for path in asked)
    agents = {request.user_agent for request in scripted_portal.requests}
    assert agents == {"home-watch/2 (+https://watch.example/contact)"}


def test_max_pages_is_partial(crawl: Crawl) -> None:
    result = crawl(max_pages=2)
    assert not result.is_complete
    assert result.incomplete_reason == f"--max-pages 2 reached; 40 of the {SIZE} listings the site counts were seen"
    assert result.listings_seen == 40


def test_a_portal_that_stops_answering(crawl: Crawl, connection: psycopg.Connection, portal: DemoPortal) -> None:
    portal.break_after(0.4)
    result = crawl()
    assert not result.is_complete
    assert result.incomplete_reason is not None
    assert result.incomplete_reason.startswith("the portal stopped answering (")
    assert "20 of the 50 listings the site counts were seen" in result.incomplete_reason
    assert session(connection, result.session_id)[0] == "scraped"
    assert Counter(row[1] for row in rows(connection, result.session_id)) == {"card": 20}
    states = dict(connection.execute("select state, count(*) from scrape_pages group by state").fetchall())
    assert states.keys() == {"done", "failed", "skipped"}
    assert max(Counter(request.path for request in portal.requests).values()) == QUICK.tries


def test_pages_that_stay_away_make_it_partial(crawl: Crawl, portal: DemoPortal) -> None:
    portal.break_after(0.7, keep_adverts=True)
    result = crawl()
    assert result.listings_seen == 40
    assert result.incomplete_reason is not None
    assert result.incomplete_reason.startswith("1 of 3 result pages failed: ")


@pytest.mark.slow
@pytest.mark.parametrize("barrier", ["rows_copied", "page_flushed"])
def test_killed_and_taken_up_again(
    barrier: str,
    tmp_path: Path,
    database_url: str,
    crawl: Crawl,
    connection: psycopg.Connection,
    portal: DemoPortal,
) -> None:
    connection.execute("update sources set detail_ttl_hours = 0")
    whole = rows(connection, crawl(scope="without a fault").session_id)
    portal.forget_requests()

    reached = tmp_path / "barrier"
    process = start_crawl(database_url, portal, PROPERTY_BARRIER=barrier, PROPERTY_BARRIER_FILE=str(reached))
    assert process.wait(60) == -signal.SIGKILL
    assert reached.read_text() == barrier
    finished = {url for (url,) in connection.execute(FINISHED_PAGES)}
    assert bool(finished) is (barrier == "page_flushed")
    portal.forget_requests()

    result = crawl()
    assert (result.resumed, result.is_complete) == (True, True)
    assert rows(connection, result.session_id) == whole
    fetched = {portal.url + request.path for request in portal.requests}
    assert fetched.isdisjoint(finished)
    open_sessions = connection.execute("select count(*) from scrape_sessions where status <> 'scraped'").fetchone()
    assert open_sessions == (0,)


def test_interrupted_and_taken_up_again(
    database_url: str, connection: psycopg.Connection, crawl: Crawl, portal: DemoPortal
) -> None:
    connection.execute("update sources set requests_per_second = 5")
    process = start_crawl(database_url, portal)
    wait_until(lambda: connection.execute("select 1 from scrape_pages where state = 'done'").fetchone())
    with pytest.raises(BusyError, match="another process is scraping demo_portal"):
        crawl()
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert "CrawlInterruptedError: the crawl was stopped by SIGINT" in stderr
    (interrupted,) = connection.execute("select status, error from scrape_sessions").fetchall()
    assert interrupted == ("interrupted", "the crawl was stopped by SIGINT")

    connection.execute("update sources set requests_per_second = null")
    result = crawl()
    assert (result.resumed, result.is_complete, result.listings_seen) == (True, True, SIZE)
    assert connection.execute("select count(*) from scrape_sessions").fetchone() == (1,)


def test_a_session_broken_off_long_ago_is_closed_as_partial(crawl: Crawl, connection: psycopg.Connection) -> None:
    old = crawl(max_pages=1)
    connection.execute("update scrape_sessions set status = 'interrupted', heartbeat_at = now() - interval '2 days'")
    result = crawl()
    assert (result.resumed, result.is_complete) == (False, True)
    reason = "it was broken off and not taken up again within a day"
    assert session(connection, old.session_id) == ("scraped", False, reason, None)


def test_without_a_browser_the_crawl_fails_and_can_be_resumed(
    scripted_crawl: Crawl, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROPERTY_BROWSER", "/nowhere/chromium")
    with pytest.raises(BrowserMissingError, match="PROPERTY_BROWSER names /nowhere/chromium") as caught:
        scripted_crawl(max_pages=1)
    assert "make browser" in caught.value.hint
    monkeypatch.delenv("PROPERTY_BROWSER")
    assert scripted_crawl(max_pages=1).resumed
    assert connection.execute("select count(*) from scrape_sessions").fetchone() == (1,)


def test_a_portal_without_source_file(database_url: str, connection: psycopg.Connection) -> None:
    set_rate(connection, "local_portal")
    pages: dict[str, Page] = {
        "/flats": results("/flat/1", "/flat/2", following="/flats?page=2"),
        "/flats?page=2": results("/flat/3?utm_source=list", "https://elsewhere.example/flat/9"),
        "/flat/1": flat("A-1", 100_000),
        "/flat/2": (410, {}, "gone"),
        "/flat/3": flat("A-3", 300_000),
    }
    with Site(pages) as site:
        result = scrape(database_url, url=f"{site.url}/flats#top")
    assert (result.source, result.scope) == ("local_portal", f"{site.url}/flats")
    assert result.is_complete
    landed = [(row[0], row[1], row[4]) for row in rows(connection, result.session_id)]
    assert landed == [("A-1", "detail", "100000"), ("A-3", "detail", "300000")]
    gone = connection.execute("select url from scrape_pages where page_class = 'gone'").fetchall()
    assert gone == [(f"{site.url}/flat/2",)]


@pytest.mark.parametrize("status", [404, 410])
def test_a_missing_result_page_makes_it_partial(database_url: str, connection: psycopg.Connection, status: int) -> None:
    """The adverts behind it were not seen, and are not gone."""
    set_rate(connection, "local_portal")
    pages: dict[str, Page] = {
        "/flats": results("/flat/1", following="/flats?page=2"),
        "/flats?page=2": (status, {}, "no such page"),
        "/flat/1": flat("A-1", 100_000),
    }
    with Site(pages) as site:
        result = scrape(database_url, url=f"{site.url}/flats")
        assert site.requests.count("/flats?page=2") == 1
    assert (result.is_complete, result.listings_seen) == (False, 1)
    assert result.incomplete_reason == f"1 of 2 result pages failed: HTTP {status}"


def test_a_crawl_whose_first_page_is_missing_fails(database_url: str, connection: psycopg.Connection) -> None:
    set_rate(connection, "local_portal")
    with Site({}) as site, pytest.raises(CrawlFailedError, match=r"read from \S+/flats: HTTP 404"):
        scrape(database_url, url=f"{site.url}/flats")
    assert connection.execute("select status from scrape_sessions").fetchall() == [("failed",)]


def test_a_page_that_is_gone_or_sold_is_evidence(database_url: str, connection: psycopg.Connection) -> None:
    """Its address no longer answers, or its page says sold: told of the listing that the address showed before."""
    set_rate(connection, "local_portal")
    sold = {"@type": "Offer", "price": 200_000, "availability": "https://schema.org/SoldOut"}
    pages: dict[str, Page] = {
        "/flats": results("/flat/1", "/flat/2", "/flat/3", "/flat/4"),
        **{f"/flat/{number}": flat(f"A-{number}", number * 100_000) for number in (1, 2, 3)},
        # Never seen otherwise: nobody knows what it showed.
        "/flat/4": (404, {}, "gone"),
    }
    evidence = "select source_listing_id, listing_status from property_scrapes_staging where session_id = %s order by 1"
    with Site(pages) as site:
        first = scrape(database_url, url=f"{site.url}/flats")
        pages["/flat/1"] = (410, {}, "gone")
        pages["/flat/2"] = (200, {}, json_ld({"@type": "Apartment", "identifier": "A-2", "offers": sold}))
        second = scrape(database_url, url=f"{site.url}/flats")

    assert connection.execute(evidence, [first.session_id]).fetchall() == [("A-1", None), ("A-2", None), ("A-3", None)]
    assert connection.execute(evidence, [second.session_id]).fetchall() == [
        ("A-1", "gone"),
        ("A-2", "sold"),
        ("A-3", None),
    ]


FILLING = """setTimeout(() => {
    const data = document.createElement("script");
    data.type = "application/ld+json";
    data.textContent = '%s';
    document.body.append(data);
}, 300);"""
RESULTS = {"@type": "ItemList", "itemListElement": [{"@type": "ListItem", "url": "/flat/1"}]}
ADVERT = {"@type": "Apartment", "identifier": "A-1", "offers": {"@type": "Offer", "price": 100_000}}
LIST_ONLY = """
list:
  ready: .results
  cards: {css: li, matches: 1}
  link: a::attr(href)
  next: a.next
  fields: {source_listing_id: "::attr(id)"}
"""


def filled(shell: str, document: Any) -> str:
    """A page whose data a script writes some time after it was loaded."""
    return shell.replace("FILLING", FILLING % json.dumps(document))


@pytest.mark.slow
@pytest.mark.parametrize(
    "shell",
    [
        pytest.param("<body><script src=/NAME.js></script>", id="script of its own"),
        pytest.param("<body><script>window.dataLayer=[]</script><script src=/NAME.js></script>", id="inline script"),
        pytest.param("<body><script>FILLING</script>", id="filled by an inline script"),
        pytest.param(
            "<body itemscope itemtype=https://schema.org/WebPage><script src=/NAME.js></script>", id="microdata"
        ),
    ],
)
def test_pages_that_scripts_fill_are_waited_for_without_a_source_file(
    database_url: str, connection: psycopg.Connection, shell: str
) -> None:
    set_rate(connection, "local_portal")
    pages = {
        "/flats": (200, {}, filled(shell.replace("NAME", "flats"), RESULTS)),
        "/flats.js": (200, {"Content-Type": "text/javascript"}, filled("FILLING", RESULTS)),
        "/flat/1": (200, {}, filled(shell.replace("NAME", "flat"), ADVERT)),
        "/flat.js": (200, {"Content-Type": "text/javascript"}, filled("FILLING", ADVERT)),
    }
    with Site(pages) as site:
        result = scrape(database_url, url=f"{site.url}/flats")
    assert (result.listings_seen, result.pages_failed) == (1, 0)
    assert connection.execute(
        "select source_listing_id, price_text from property_scrapes_staging where observation_kind = 'detail'"
    ).fetchall() == [("A-1", "100000")]
    assert (site.requests.count("/flats"), site.requests.count("/flat/1")) == (1, 1)


def test_adverts_that_scripts_fill_are_waited_for_where_the_source_file_is_silent(
    database_url: str, connection: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROPERTY_CONFIG_DIR", str(tmp_path))
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "portal.yml").write_text(LIST_ONLY, encoding="utf-8")
    set_rate(connection, "portal")
    pages: dict[str, Page] = {
        "/": (200, {}, "<ul class=results><li id=A-1><a href=/flat/1>1</a></li></ul>"),
        "/flat/1": (200, {}, filled("<body><script>FILLING</script>", ADVERT)),
    }
    with Site(pages) as site:
        result = scrape(database_url, url=f"{site.url}/", source="portal")
    assert (result.pages_failed, site.requests.count("/flat/1")) == (0, 1)
    assert connection.execute(
        "select price_text from property_scrapes_staging where observation_kind = 'detail'"
    ).fetchall() == [("100000",)]


def test_a_portal_without_structured_data_is_an_error(database_url: str, connection: psycopg.Connection) -> None:
    set_rate(connection, "local_portal")
    with (
        Site({"/flats": (200, {}, "<h1>Flats</h1>")}) as site,
        pytest.raises(CrawlFailedError, match="publishes no structured data") as caught,
    ):
        scrape(database_url, url=f"{site.url}/flats", ready_seconds=0.5)
    assert "source file" in caught.value.hint
    assert connection.execute("select status from scrape_sessions").fetchall() == [("failed",)]
    ((told,),) = connection.execute("select error from scrape_page_errors").fetchall()
    assert "nothing to read appeared within 0.5 s of rendering" in told


@pytest.mark.parametrize(
    "answer",
    [
        (403, {}, "no"),
        (200, {}, "<title>Just a moment...</title>"),
        (503, {}, '<form id="challenge-form"></form>'),
        (200, {"cf-mitigated": "challenge"}, "<p>wait</p>"),
    ],
    ids=["forbidden", "challenge", "challenge with 503", "challenge header"],
)
def test_a_blocked_portal_is_not_empty(database_url: str, connection: psycopg.Connection, answer: Page) -> None:
    set_rate(connection, "demo_portal")
    with (
        Site({"/listings": answer}) as site,
        pytest.raises(CrawlFailedError, match="no listing could be read") as caught,
    ):
        scrape(database_url, url=f"{site.url}/listings", source="demo_portal", retry=QUICK)
    assert "refuses automated visits" in caught.value.hint
    assert site.requests.count("/listings") == 1
    assert connection.execute("select status, pages_blocked from scrape_sessions").fetchall() == [("failed", 1)]


def test_some_blocked_adverts_make_it_partial(database_url: str, connection: psycopg.Connection) -> None:
    set_rate(connection, "local_portal")
    pages = {"/flats": results("/flat/1", "/flat/2"), "/flat/1": flat("A-1", 1), "/flat/2": (403, {}, "no")}
    with Site(pages) as site:
        result = scrape(database_url, url=f"{site.url}/flats", retry=QUICK)
    assert result.incomplete_reason == "1 of 2 advert pages were blocked: HTTP 403"
    assert result.pages_blocked == 1


def test_an_empty_scope_is_complete(database_url: str, connection: psycopg.Connection) -> None:
    set_rate(connection, "demo_portal")
    with Site({"/listings": (200, {}, '<p class="result-count">0 offers</p>')}) as site:
        result = scrape(database_url, url=f"{site.url}/listings", source="demo_portal")
    assert (result.is_complete, result.listings_seen, result.site_listing_count) == (True, 0, 0)
    assert connection.execute("select page_class from scrape_pages").fetchall() == [("empty",)]


def test_trouble_that_passes_costs_no_page(database_url: str, connection: psycopg.Connection) -> None:
    set_rate(connection, "local_portal")
    tries: dict[int, Page] = {1: (503, {}, ""), 2: (429, {"Retry-After": "0"}, ""), 3: (408, {}, "")}
    pages: dict[str, Page | Callable[[int], Page]] = {
        "/flats": results("/flat/1"),
        "/flat/1": lambda count: tries.get(count, flat("A-1", 1)),
    }
    with Site(pages) as site:
        result = scrape(database_url, url=f"{site.url}/flats", retry=QUICK)
    assert result.is_complete
    assert connection.execute("select attempts from scrape_pages where page_kind = 'detail'").fetchall() == [(4,)]


@pytest.mark.parametrize(
    ("robots", "reason", "advice"),
    [
        ((200, {}, "User-agent: *\nDisallow: /flats"), "robots.txt of .* disallows /flats", "the portal's consent"),
        ((503, {}, ""), "robots.txt answered HTTP 503", "run the same command again later"),
        ((302, {"Location": "http://"}, ""), "robots.txt cannot be read", "run the same command again later"),
    ],
    ids=["disallowed", "robots unavailable", "robots out of reach"],
)
def test_robots_are_obeyed(
    database_url: str, connection: psycopg.Connection, robots: Page, reason: str, advice: str
) -> None:
    set_rate(connection, "local_portal")
    with (
        Site({"/robots.txt": robots, "/flats": results("/flat/1")}) as site,
        pytest.raises(CrawlFailedError, match=reason) as caught,
    ):
        scrape(database_url, url=f"{site.url}/flats", retry=QUICK)
    assert advice in caught.value.hint
    assert set(site.requests) == {"/robots.txt"}


def test_redirects_are_followed_within_robots_and_to_an_end(database_url: str, connection: psycopg.Connection) -> None:
    set_rate(connection, "local_portal")
    pages: dict[str, Page] = {
        "/robots.txt": (200, {}, "User-agent: *\nDisallow: /closed"),
        "/flats": results("/moved", "/circle", "/into", "/file"),
        "/moved": (301, {"Location": "/flat/1"}, ""),
        "/flat/1": flat("A-1", 1),
        "/circle": (302, {"Location": "/circle"}, ""),
        "/into": (302, {"Location": "/closed/1"}, ""),
        "/closed/1": flat("A-9", 1),
        "/file": (302, {"Location": "file:///etc/passwd"}, ""),
    }
    with Site(pages) as site:
        result = scrape(database_url, url=f"{site.url}/flats", retry=QUICK)
    assert [row[0] for row in rows(connection, result.session_id)] == ["A-1"]
    assert "/closed/1" not in site.requests
    outcomes = dict(connection.execute("select url, state from scrape_pages where state <> 'done'").fetchall())
    assert outcomes == {
        f"{site.url}/circle": "failed",
        f"{site.url}/into": "skipped",
        f"{site.url}/file": "failed",
    }


def test_what_a_rendered_page_asks_for_obeys_robots(database_url: str, connection: psycopg.Connection) -> None:
    set_rate(connection, "local_portal")
    advert = """<iframe src="/closed/frame"></iframe><script type="module">
        fetch("/closed/data").catch(() => {
            location = "/closed/page";
            return fetch("/open/data").then(answer => answer.text());
        }).then(html => { document.documentElement.innerHTML = html; });
    </script>"""
    pages: dict[str, Page] = {
        "/robots.txt": (200, {}, "User-agent: *\nDisallow: /closed"),
        "/flats": results("/flat/1"),
        "/flat/1": (200, {}, advert),
        "/open/data": flat("A-1", 1),
    }
    with Site(pages) as site:
        result = scrape(database_url, url=f"{site.url}/flats", retry=QUICK)
    assert [row[0] for row in rows(connection, result.session_id)] == ["A-1"]
    assert site.requests == ["/robots.txt", "/flats", "/flat/1", "/open/data"]


def test_a_huge_page_costs_only_itself(database_url: str, connection: psycopg.Connection) -> None:
    set_rate(connection, "local_portal")
    pages = {
        "/flats": results("/flat/1", "/flat/2"),
        "/flat/1": flat("A-1", 1),
        "/flat/2": (200, {}, "x" * 11_000_000),
    }
    with Site(pages) as site:
        result = scrape(database_url, url=f"{site.url}/flats", retry=QUICK)
    assert result.listings_seen == 1
    assert result.incomplete_reason is not None
    assert "is larger than 10,485,760 bytes" in result.incomplete_reason


def test_a_link_that_is_too_long_costs_only_itself(database_url: str, connection: psycopg.Connection) -> None:
    set_rate(connection, "local_portal")
    long = [f"/flat/{letter * 3_000}" for letter in "ab"]
    with Site({"/flats": results("/flat/1", *long), "/flat/1": flat("A-1", 1)}) as site:
        result = scrape(database_url, url=f"{site.url}/flats", retry=QUICK)
    assert sorted(site.requests) == ["/flat/1", "/flats", "/robots.txt"]
    assert result.listings_seen == 1
    assert result.incomplete_reason == (
        "2 of 3 advert pages were not fetched: the address is longer than 2,000 characters"
    )


def test_requests_keep_the_longer_of_both_delays(database_url: str, connection: psycopg.Connection) -> None:
    """Over robots.txt, pages and redirects alike."""
    set_rate(connection, "local_portal")
    pages: dict[str, Page] = {
        "/robots.txt": (200, {}, "User-agent: *\nCrawl-delay: 0.1"),
        "/flats": results("/flat/1", "/moved"),
        "/flat/1": flat("A-1", 1),
        "/moved": (301, {"Location": "/flat/2"}, ""),
        "/flat/2": flat("A-2", 2),
    }
    with Site(pages) as site:
        assert scrape(database_url, url=f"{site.url}/flats").is_complete
    gaps = [later - earlier for earlier, later in itertools.pairwise(site.moments)]
    assert len(gaps) == 4
    assert min(gaps) >= 0.09


def test_crawls_run_outside_the_main_thread(crawl: Crawl) -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(crawl, max_pages=1).result().listings_seen == 20


def start_crawl(database_url: str, portal: DemoPortal, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CRAWL, json.dumps(demo_options(portal))],
        env={**os.environ, "CRAWLED_DATABASE": database_url, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(condition: Callable[[], object]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("what was waited for did not happen within 30 s")
