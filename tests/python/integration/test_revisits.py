"""Cheap revisits: adverts whose card says nothing new are not fetched, and still count as seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from loaders.crawl import CrawlResult, scrape
from scripts.demo.market import Market
from scripts.demo.portal import DemoPortal
from tests.python.conftest import Command
from tests.python.integration.sites import PlainCatalogue, Site, flat, json_ld, results, set_rate

SIZE = 50
RESULT_PAGES = 3
LIVE = "select property_id, description, price, listing_status from properties_live order by property_id"
VIOLATIONS = """
insert into rule_violations (
    property_id, session_id, rule_name, sync_id, field_name, rule_type, severity, rule_version, observed_at
)
select
    {property_id}, visits.session_id, 'of_the_test', gen_random_uuid(), 'price', 'range', '{severity}', 1,
    visits.observed_at
from advert_visits as visits
left join listing_id_aliases as aliases
    on md5(visits.source || '|' || visits.source_listing_id)::uuid = aliases.landed_property_id
"""
CRITICAL = (
    "select message from public_marts.session_recommendations where session_id = %s and urgency = 'critical' order by 1"
)
KEY = "md5(visits.source || '|' || visits.source_listing_id)::uuid"
UNDER_ANOTHER_ID = """
insert into listing_id_aliases (landed_property_id, property_id, source, source_listing_id, published_listing_id)
select md5(source || '|' || source_listing_id)::uuid, gen_random_uuid(), source, source_listing_id, 'older'
from advert_visits;
"""
CARDS = "select count(*) from property_scrapes_staging where session_id = %s and observation_kind = 'card'"


@pytest.fixture(scope="module")
def market() -> Market:
    return Market(7, SIZE, 3)


@pytest.fixture
def portal(market: Market) -> Iterator[DemoPortal]:
    with DemoPortal(PlainCatalogue(market)) as running:
        yield running


@pytest.fixture
def crawl(database_url: str, connection: psycopg.Connection, portal: DemoPortal) -> Any:
    set_rate(connection, "demo_portal")

    def run(**options: Any) -> CrawlResult:
        portal.forget_requests()
        return scrape(database_url, url=f"{portal.url}/listings", source="demo_portal", scope="all", **options)

    return run


def adverts(portal: DemoPortal) -> set[str]:
    """The adverts that were asked for since the crawl began."""
    paths = (request.path for request in portal.requests)
    return {path.removeprefix("/listing/") for path in paths if path.startswith("/listing/")}


@pytest.mark.slow
def test_an_unchanged_portal_is_seen_whole_by_its_result_pages(
    command: Command, crawl: Any, connection: psycopg.Connection, portal: DemoPortal
) -> None:
    first = crawl()
    command.ok("sync-pending")
    before = connection.execute(LIVE).fetchall()

    again = crawl()
    assert [request.path.partition("?")[0] for request in portal.requests] == ["/listings"] * RESULT_PAGES
    assert (again.is_complete, again.listings_seen, again.pages_unchanged) == (True, SIZE, SIZE)
    assert (again.pages_done, again.pages_http) == (first.pages_done, RESULT_PAGES)
    assert connection.execute(CARDS, [again.session_id]).fetchone() == (SIZE,)

    (counts,) = command.ok("sync-pending", "--json").json["syncs"][0]["sessions"]
    seen = {name: counts[name] for name in ("observed", "unchanged", "updated", "missing", "removed", "rejected")}
    assert seen == {"observed": SIZE, "unchanged": SIZE, "updated": 0, "missing": 0, "removed": 0, "rejected": 0}
    assert (counts["removal_suppressed_reason"], counts["frozen_fields"]) == (None, [])
    assert connection.execute(LIVE).fetchall() == before
    checks = command.ok("quality-checks", "--session-id", str(again.session_id), "--json").json["checks"]
    assert [check["check_name"] for check in checks if check["verdict"] in ("fail", "warn")] == []
    # Fields that only adverts carry are not lost where no advert was read.
    assert connection.execute(CRITICAL, [again.session_id]).fetchall() == []


def test_only_cards_with_news_lead_to_their_advert(crawl: Any, market: Market, portal: DemoPortal) -> None:
    crawl()
    portal.set_day(2)
    second = crawl()
    old, new = set(market.ids_on(1)), set(market.ids_on(2))
    changed = {
        identifier
        for identifier in old & new
        if market.listing_on(1, identifier).price != market.listing_on(2, identifier).price
    }
    assert changed
    assert (new - old) | changed <= adverts(portal)
    assert len(adverts(portal)) < SIZE / 2
    assert second.listings_seen == len(new)
    assert second.pages_unchanged == len(new) - len(adverts(portal))


@pytest.mark.parametrize(
    ("spoiled", "why"),
    [
        ("update sources set detail_ttl_hours = 0", "their time to live is over"),
        ("update advert_visits set observed_at = observed_at - interval '25 hours'", "they were read long ago"),
        ("update advert_visits set reader = 'other selectors'", "other selectors read them"),
        ("update scrape_sessions set status = 'quarantined'", "what was read was never published"),
        (VIOLATIONS.format(property_id=KEY, severity="error"), "a rule held back what was read"),
    ],
)
def test_what_makes_a_reading_void(
    crawl: Any, connection: psycopg.Connection, portal: DemoPortal, spoiled: str, why: str
) -> None:
    crawl(max_pages=1)
    connection.execute(spoiled)
    assert crawl(max_pages=1).pages_unchanged == 0, why
    assert len(adverts(portal)) == 20


def test_the_portal_may_say_that_a_page_is_as_it_was(database_url: str, connection: psycopg.Connection) -> None:
    """Its result pages show no cards, so that every advert is asked for."""
    set_rate(connection, "local_portal")
    pages = {
        "/flats": results("/flat/1", "/flat/2", "/flat/3"),
        **{f"/flat/{number}": tagged(f"A-{number}", "v1") for number in (1, 2, 3)},
    }
    with Site(pages) as site:
        scrape(database_url, url=f"{site.url}/flats")
        pages["/flat/2"] = tagged("A-2", "v2")
        again = scrape(database_url, url=f"{site.url}/flats")
        third = scrape(database_url, url=f"{site.url}/flats")
    assert sorted(site.not_modified) == sorted([*["/flat/1", "/flat/3"], *["/flat/1", "/flat/2", "/flat/3"]])
    assert (again.pages_unchanged, again.listings_seen, again.is_complete) == (2, 3, True)
    assert (third.pages_unchanged, third.listings_seen, third.is_complete) == (3, 3, True)
    rows = connection.execute(
        "select source_listing_id, price_text, observed_fields = '{}' from property_scrapes_staging "
        "where session_id = %s order by 1",
        [again.session_id],
    ).fetchall()
    assert rows == [("A-1", None, True), ("A-2", "20", False), ("A-3", None, True)]


@pytest.mark.parametrize(
    ("spoiled", "is_asked_whether"),
    [
        ("update scrape_sessions set status = 'published'", True),
        ("update scrape_sessions set status = 'quarantined'", False),
        ("update scrape_sessions set status = 'failed'", False),
        ("update advert_visits set reader = 'other selectors'", False),
        (VIOLATIONS.format(property_id=KEY, severity="error"), False),
        (VIOLATIONS.format(property_id=KEY, severity="warning"), True),
        (VIOLATIONS.format(property_id="gen_random_uuid()", severity="error"), True),
        (UNDER_ANOTHER_ID + VIOLATIONS.format(property_id="aliases.property_id", severity="error"), False),
    ],
)
def test_the_portal_is_not_asked_about_a_reading_that_is_void(
    database_url: str, connection: psycopg.Connection, spoiled: str, is_asked_whether: bool
) -> None:
    """304 would say that nothing changed since fields that nobody knows."""
    set_rate(connection, "local_portal")
    with Site({"/flats": results("/flat/1"), "/flat/1": tagged("A-1", "v1")}) as site:
        scrape(database_url, url=f"{site.url}/flats")
        connection.execute(spoiled)
        again = scrape(database_url, url=f"{site.url}/flats")
    assert site.not_modified == ["/flat/1"] * is_asked_whether
    price = "select price_text from property_scrapes_staging where session_id = %s"
    assert connection.execute(price, [again.session_id]).fetchall() == [(None if is_asked_whether else "10",)]


def test_a_page_that_was_as_it_was_stands_on_the_session_that_read_it(
    database_url: str, connection: psycopg.Connection
) -> None:
    set_rate(connection, "local_portal")
    with Site({"/flats": results("/flat/1"), "/flat/1": tagged("A-1", "v1")}) as site:
        first = scrape(database_url, url=f"{site.url}/flats")
        scrape(database_url, url=f"{site.url}/flats")
        assert site.not_modified == ["/flat/1"]
        thrown_away = "update scrape_sessions set status = 'quarantined' where session_id = %s"
        connection.execute(thrown_away, [first.session_id])
        assert scrape(database_url, url=f"{site.url}/flats").pages_unchanged == 0
        assert scrape(database_url, url=f"{site.url}/flats").pages_unchanged == 1


@pytest.mark.slow
def test_an_advert_in_quarantine_is_read_whole_until_it_is_right(
    command: Command, database_url: str, connection: psycopg.Connection
) -> None:
    set_rate(connection, "local_portal")
    connection.execute(
        """
        insert into validation_rules (rule_name, field_name, rule_type, rule_config, severity)
        values ('price_is_usual', 'price', 'range', '{"min": 11}', 'warning')
        """
    )
    broken = (200, {"ETag": '"v1"'}, flat("A-9", 0)[2])
    live = "select source_listing_id, price::int, quality_flags from properties_live"
    held = "select count(*) from public_marts.property_quarantine"
    with Site({"/flats": results("/flat/1", "/flat/9"), "/flat/1": tagged("A-1", "v1"), "/flat/9": broken}) as site:
        for _ in range(2):
            scrape(database_url, url=f"{site.url}/flats")
            (counts,) = command.ok("sync-pending", "--json").json["syncs"][0]["sessions"]
            assert counts["rejected"] == 1
            assert connection.execute(live).fetchall() == [("A-1", 10, ["price_is_usual"])]
            assert connection.execute(held).fetchone() == (1,)
    assert site.not_modified == ["/flat/1"]


GONE = (404, {}, "no such page")
EVIDENCE = "select session_id, listing_status from property_scrapes_staging where source_listing_id = 'A-2'"


def sold(identifier: str, price: int) -> Any:
    document = {
        "@type": "Apartment",
        "identifier": identifier,
        "offers": {"@type": "Offer", "price": price, "availability": "https://schema.org/SoldOut"},
    }
    return 200, {"ETag": '"sold"'}, json_ld(document)


@pytest.mark.parametrize(("left", "evidence"), [(sold("A-2", 10), "sold"), (GONE, "gone")], ids=["sold", "gone"])
@pytest.mark.parametrize("has_cards", [False, True])
def test_a_listing_that_left_is_not_seen_again_unread(
    database_url: str, connection: psycopg.Connection, left: Any, evidence: str, has_cards: bool
) -> None:
    """The result page lists it still, as it did before, and its page stays as it was when it left."""
    set_rate(connection, "local_portal")
    card = {"@type": "Apartment", "url": "/flat/2", "name": "Two rooms", "offers": {"@type": "Offer", "price": 10}}
    cards = (200, {}, json_ld({"@type": "ItemList", "itemListElement": [{"@type": "ListItem", "item": card}]}))
    pages = {"/flats": cards if has_cards else results("/flat/2"), "/flat/2": tagged("A-2", "v1")}
    with Site(pages) as site:
        scrape(database_url, url=f"{site.url}/flats")
        connection.execute("update advert_visits set card_hash = 'another'")
        pages["/flat/2"] = left
        later = [scrape(database_url, url=f"{site.url}/flats").session_id for _ in range(2)]
        assert site.not_modified == []
        found = connection.execute(EVIDENCE + " and session_id = any(%s)", [later]).fetchall()
        assert sorted(found) == sorted((session_id, evidence) for session_id in later)

        # On the market again, it is revisited like any other.
        pages["/flat/2"] = tagged("A-2", "v1")
        back = [scrape(database_url, url=f"{site.url}/flats").pages_unchanged for _ in range(2)]
    assert back == [0, 1]


def tagged(identifier: str, version: str) -> Any:
    status, _, body = flat(identifier, 20 if version == "v2" else 10)
    return status, {"ETag": f'"{version}"'}, body


def test_a_card_that_names_no_listing_is_a_sighting_all_the_same(
    database_url: str, connection: psycopg.Connection
) -> None:
    set_rate(connection, "local_portal")
    card = {"@type": "Apartment", "url": "/flat/1", "name": "Two rooms", "offers": {"@type": "Offer", "price": 10}}
    listed = (200, {}, json_ld({"@type": "ItemList", "itemListElement": [{"@type": "ListItem", "item": card}]}))
    with Site({"/flats": listed, "/flat/1": flat("A-1", 10)}) as site:
        scrape(database_url, url=f"{site.url}/flats")
        again = scrape(database_url, url=f"{site.url}/flats")
    assert again.listings_seen == 1
    assert again.is_complete


@pytest.mark.slow
@pytest.mark.parametrize("is_quarantined", [False, True], ids=["rule", "gate"])
def test_a_listing_that_was_never_published_is_not_made_of_a_page_that_was_as_it_was(
    command: Command, database_url: str, connection: psycopg.Connection, is_quarantined: bool
) -> None:
    """Two crawls before a sync: the second one asks whether the pages changed before the first one is judged."""
    set_rate(connection, "local_portal")
    held = "select count(*) from public_marts.property_quarantine"
    bad = range(1, 21 if is_quarantined else 2)
    pages = {f"/flat/{number}": (200, {"ETag": '"v1"'}, flat(f"A-{number}", 0)[2]) for number in bad}
    if is_quarantined:
        pages["/flat/99"] = tagged("A-99", "v1")
    with Site({"/flats": results(*pages), **pages}) as site:
        sessions = [scrape(database_url, url=f"{site.url}/flats").session_id for _ in range(2)]
    assert sorted(site.not_modified) == sorted(pages)
    command.run("sync-pending", "--json")
    assert connection.execute("select source_listing_id from properties_live").fetchall() == []
    states = connection.execute("select status from scrape_sessions order by observed_at").fetchall()
    assert states == [("quarantined" if is_quarantined else "complete",), ("complete",)]
    seen = "select is_read, count(*) from listing_sightings where session_id = %s group by 1"
    assert connection.execute(seen, [sessions[1]]).fetchall() == [(False, len(pages))]
    if not is_quarantined:
        assert connection.execute(held).fetchone() == (1,), "what was not read again is still held back"


@pytest.mark.slow
def test_an_advert_that_is_gone_leaves_whichever_scope_led_to_it(
    command: Command, database_url: str, connection: psycopg.Connection
) -> None:
    set_rate(connection, "local_portal")
    paths = [f"/flat/{number}" for number in range(1, 6)]
    pages = {
        "/north": results(*paths),
        "/south": results("/flat/1"),
        **{path: tagged(f"A{path}", "v1") for path in paths},
    }
    with Site(pages) as site:
        scrape(database_url, url=f"{site.url}/north", scope="north")
        command.ok("sync-pending")
        pages["/flat/1"] = GONE
        scrape(database_url, url=f"{site.url}/south", scope="south")
        (counts,) = command.ok("sync-pending", "--json").json["syncs"][0]["sessions"]
    assert (counts["scope"], counts["removed"]) == ("south", 1)
    left = "select source_listing_id, removal_reason from properties_live where listing_status = 'removed'"
    assert connection.execute(left).fetchall() == [("A/flat/1", "gone")]
    result = command.run("dbt", "--", "test", "--exclude", "test_type:unit")
    assert result.code == 0, result.stdout
