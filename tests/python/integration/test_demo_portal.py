"""The demo portal over real HTTP: what a crawler meets, and the markup it can rely on."""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from parsel import Selector
from playwright.sync_api import sync_playwright
from protego import Protego

from loaders.errors import UsageError
from loaders.mapping import MappingError
from scripts.demo.catalogue import Layout, MarketCatalogue, mixed_layout
from scripts.demo.formats import NumberStyle
from scripts.demo.market import EventKind, Market
from scripts.demo.portal import DemoPortal
from scripts.demo.snapshots import Snapshots

BROWSERS = ("chromium", "chromium-browser", "chromium-headless-shell", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HOSTILE = """</script><script>alert(1)</script>"><img src=x onerror='alert(2)'> {{ 7*7 }} & Söhne"""


@pytest.fixture(scope="module")
def market() -> Market:
    return Market()


@pytest.fixture
def portal(market: Market) -> Iterator[DemoPortal]:
    with DemoPortal(market) as running:
        yield running


@pytest.fixture
def client(portal: DemoPortal) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=portal.url, headers={"User-Agent": "test-crawler/1.0"}) as running:
        yield running


def page(client: httpx.Client, path: str) -> Selector:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return Selector(answer.text)


def result_pages(client: httpx.Client) -> Iterator[Selector]:
    """Every result page, by following the next link."""
    path: str | None = "/listings"
    while path:
        shown = page(client, path)
        yield shown
        target = shown.css("a[rel=next]::attr(href)").get()
        path = urljoin("/listings", target) if target else None


def facts(shown: Selector) -> dict[str, str]:
    return {
        item.attrib["data-field"]: item.css("dd").xpath("string()").get("")
        for item in shown.css("dl.facts > div[data-field]")
    }


def first_with(market: Market, layout: Layout, day: int = 1) -> str:
    return next(identifier for identifier in market.ids_on(day) if mixed_layout(identifier) is layout)


def is_answered(client: httpx.Client, path: str) -> bool:
    try:
        answer = client.get(path)
    except httpx.RemoteProtocolError:
        return False
    assert answer.status_code in (200, 503)
    return answer.status_code == 200


def test_following_the_next_links_shows_every_advert_once(client: httpx.Client, market: Market) -> None:
    pages = list(result_pages(client))
    found = [identifier for shown in pages for identifier in shown.css(".card::attr(data-listing-id)").getall()]
    assert found == market.ids_on(1)
    assert {shown.css(".result-count::text").get() for shown in pages} == {f"{len(found)} offers"}
    assert len(pages) == 8
    assert {int(text) for text in pages[3].css(".paging a::text").re(r"^\d+$")} == {1, 2, 3, 5, 6, 8}


def test_a_card_says_what_its_advert_says(client: httpx.Client, market: Market) -> None:
    adverts = {advert.source_listing_id: advert for advert in market.listings_on(1)}
    for card in page(client, "/listings?page=2").css("article.card"):
        advert = adverts[card.attrib["data-listing-id"]]
        assert card.css(".card-title a::text").get() == advert.title
        assert card.css(".card-title a::attr(href)").get() == f"/listing/{advert.source_listing_id}"
        assert card.css(".card-price::text").get() == f"€ {advert.price:,}"
        assert card.css(".card-area::text").get() == f"{advert.area_m2:g} m²"
        assert card.css(".card-rooms::text").get() == str(advert.rooms)
        assert card.css(".card-city::text").get() == advert.city
        assert card.css(".card-id::text").get() == advert.source_listing_id


@pytest.mark.parametrize("number", ["0", "9", "-1", "x", "1e3", "²"])
def test_a_result_page_that_does_not_exist_is_not_found(client: httpx.Client, number: str) -> None:
    assert client.get("/listings", params={"page": number}).status_code == 404


def test_structured_pages_carry_the_advert_as_json_ld(client: httpx.Client, portal: DemoPortal, market: Market) -> None:
    identifier = first_with(market, Layout.STRUCTURED)
    advert = market.listing_on(1, identifier)
    shown = page(client, f"/listing/{identifier}")
    (text,) = shown.css('script[type="application/ld+json"]::text').getall()
    listing = json.loads(text)
    home, offer = listing["mainEntity"], listing["offers"]
    assert listing["@type"] == "RealEstateListing"
    assert listing["identifier"] == identifier
    assert listing["url"] == f"{portal.url}/listing/{identifier}"
    assert listing["name"] == advert.title
    assert listing.get("description") == advert.description
    assert listing["datePosted"] == advert.listed_at.isoformat()
    assert listing["image"] == [portal.url + image for image in advert.images]
    assert (offer["price"], offer["priceCurrency"]) == (advert.price, "EUR")
    assert offer["offeredBy"]["email"] == advert.agent_email
    assert home["@type"] in ("Apartment", "House")
    assert home["floorSize"] == {"@type": "QuantitativeValue", "value": advert.area_m2, "unitCode": "MTK"}
    assert home["numberOfRooms"] == advert.rooms
    assert home["numberOfBedrooms"] == advert.bedrooms
    assert home["numberOfBathroomsTotal"] == advert.bathrooms
    assert home.get("yearBuilt") == advert.year_built
    assert home["address"]["streetAddress"] == advert.street_address
    assert home["address"]["postalCode"] == advert.postal_code
    assert (home["geo"]["latitude"], home["geo"]["longitude"]) == (advert.latitude, advert.longitude)
    assert [feature["name"] for feature in home.get("amenityFeature", [])] == list(advert.amenities)
    assert facts(shown) == {}


def test_plain_pages_carry_labelled_values_only(client: httpx.Client, market: Market) -> None:
    identifier = first_with(market, Layout.PLAIN)
    advert = market.listing_on(1, identifier)
    shown = page(client, f"/listing/{identifier}")
    assert not shown.css('script[type="application/ld+json"]')
    assert shown.css("article.advert[data-ready]").attrib["data-listing-id"] == identifier
    assert shown.css("h1.title::text").get() == advert.title
    assert shown.css(".price::text").get() == f"€ {advert.price:,}"
    assert shown.css(".description::text").get() == advert.description
    assert shown.css("ul.amenities li::text").getall() == list(advert.amenities)
    assert shown.css(".gallery img::attr(src)").getall() == list(advert.images)
    assert shown.css(".agent .name::text").get() == advert.agent_name
    assert shown.css(".agent .phone::text").get() == advert.agent_phone
    assert shown.css(".agent .email::text").get() == advert.agent_email
    expected = {
        "source_listing_id": identifier,
        "property_type": advert.property_type,
        "offer_type": "Sale",
        "price": f"€ {advert.price:,}",
        "currency": "EUR",
        "area_m2": f"{advert.area_m2:g} m²",
        "rooms": advert.rooms,
        "bedrooms": advert.bedrooms,
        "bathrooms": advert.bathrooms,
        "floor": advert.floor,
        "floor_count": advert.floor_count,
        "year_built": advert.year_built,
        "street_address": advert.street_address,
        "city": advert.city,
        "region": advert.region,
        "postal_code": advert.postal_code,
        "country": advert.country,
        "latitude": advert.latitude,
        "longitude": advert.longitude,
        "listed_at": advert.listed_at.isoformat(),
    }
    assert facts(shown) == {name: str(value) for name, value in expected.items() if value is not None}


def test_a_portal_with_points_between_thousands(market: Market) -> None:
    identifier = first_with(market, Layout.PLAIN)
    shown = MarketCatalogue(market, NumberStyle.DOT).advert(1, identifier)
    advert = market.listing_on(1, identifier)
    assert shown.texts["price"] == f"€ {advert.price:,}".replace(",", ".")
    assert NumberStyle.DOT.format(1_250_000) == "1.250.000"
    assert NumberStyle.DOT.format(1085.5) == "1.085,5"


def test_every_layout_has_its_share_and_keeps_its_adverts() -> None:
    identifiers = Market(size=2_000, days=1).ids_on(1)
    shares = Counter(mixed_layout(identifier) for identifier in identifiers)
    assert 0.35 < shares[Layout.STRUCTURED] / 2_000 < 0.45
    assert 0.30 < shares[Layout.PLAIN] / 2_000 < 0.40
    assert 0.20 < shares[Layout.SCRIPT] / 2_000 < 0.30


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_a_script_page_is_empty_until_a_browser_renders_it(
    client: httpx.Client, portal: DemoPortal, market: Market
) -> None:
    identifier = first_with(market, Layout.SCRIPT)
    advert = market.listing_on(1, identifier)
    unrendered = client.get(f"/listing/{identifier}").text
    assert not Selector(unrendered).css("[data-ready], dl.facts, h1")
    assert advert.title not in unrendered
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        tab = browser.new_page()
        tab.goto(f"{portal.url}/listing/{identifier}")
        tab.wait_for_selector("article.advert[data-ready]")
        rendered = Selector(tab.content())
        browser.close()
    expected = portal.catalogue.advert(1, identifier)
    assert facts(rendered) == {fact.field: fact.text for fact in expected.facts}
    assert rendered.css(".advert::attr(data-listing-id)").get() == identifier
    assert rendered.css("h1.title::text").get() == advert.title
    assert rendered.css(".price::text").get() == expected.texts["price"]
    assert rendered.css(".description::text").get() == advert.description
    assert rendered.css("ul.amenities li::text").getall() == list(advert.amenities)
    assert rendered.css(".gallery img::attr(src)").getall() == list(advert.images)
    assert rendered.css(".agent .email::text").get() == advert.agent_email


def test_a_day_later_the_portal_shows_another_day(client: httpx.Client, portal: DemoPortal, market: Market) -> None:
    portal.set_day(2)
    shown = [i for p in result_pages(client) for i in p.css(".card::attr(data-listing-id)").getall()]
    assert shown == market.ids_on(2)
    cut = next(
        event
        for event in market.events(2)
        if event.kind is EventKind.PRICE_CHANGED and mixed_layout(event.source_listing_id) is Layout.PLAIN
    )
    price = page(client, f"/listing/{cut.source_listing_id}").css(".price::text").get()
    assert price == f"€ {cut.details['new']:,}"


def test_adverts_that_left_are_gone_or_sold_and_unknown_ones_not_found(
    client: httpx.Client, portal: DemoPortal, market: Market
) -> None:
    portal.set_day(2)
    for event in market.events(2):
        if event.kind is EventKind.ABSENT:
            answer = client.get(f"/listing/{event.source_listing_id}")
            if event.details["reason"] == "sold" and mixed_layout(event.source_listing_id) is not Layout.SCRIPT:
                assert answer.status_code == 200
                assert Selector(answer.text).css(".banner.sold::text").get() == "Sold"
            elif event.details["reason"] != "sold":
                assert answer.status_code == 410
                assert "no longer available" in answer.text
    newcomer = next(e.source_listing_id for e in market.events(3) if e.kind is EventKind.CREATED)
    for path in (f"/listing/{newcomer}", "/listing/HF-0", "/api/listing/HF-0.json", "/nothing", "/listing/"):
        assert client.get(path).status_code == 404


def test_robots_are_asked_to_stay_out_of_the_private_part(market: Market) -> None:
    with DemoPortal(market, crawl_delay=0.5) as portal:
        rules = Protego.parse(httpx.get(f"{portal.url}/robots.txt").text)
        assert rules.can_fetch(f"{portal.url}/listings?page=2", "anybody")
        assert not rules.can_fetch(f"{portal.url}/private/agents", "anybody")
        assert rules.crawl_delay("anybody") == 0.5
        (sitemap,) = rules.sitemaps
        assert httpx.get(sitemap).text.count("<loc>") == 150
        assert httpx.get(f"{portal.url}/private/agents").status_code == 200


def test_without_a_crawl_delay_robots_txt_names_none(client: httpx.Client) -> None:
    assert Protego.parse(client.get("/robots.txt").text).crawl_delay("anybody") is None


def test_after_the_break_nothing_is_answered(client: httpx.Client, portal: DemoPortal, market: Market) -> None:
    portal.break_after(0.4)
    first = market.ids_on(1)[0]
    assert is_answered(client, "/listings")
    assert is_answered(client, "/listings?page=2")
    assert is_answered(client, f"/listing/{first}")
    assert is_answered(client, "/listings?page=3")
    paths = [f"/listings?page={n}" for n in range(1, 9)] + [f"/listing/{i}" for i in market.ids_on(1)]
    assert not any(is_answered(client, path) for path in paths)
    assert {request.status for request in portal.requests[4:]} == {503, None}
    portal.break_after(None)
    assert all(is_answered(client, path) for path in paths)


def test_a_break_that_keeps_adverts_does_not_depend_on_the_order_of_requests(
    client: httpx.Client, portal: DemoPortal, market: Market
) -> None:
    portal.break_after(0.4, keep_adverts=True)
    identifiers = market.ids_on(1)
    answered = [i for i in reversed(identifiers) if is_answered(client, f"/listing/{i}")]
    assert answered == identifiers[:60][::-1]
    assert [n for n in range(8, 0, -1) if is_answered(client, f"/listings?page={n}")] == [3, 2, 1]
    scripted = [i for i in identifiers if mixed_layout(i) is Layout.SCRIPT]
    fed = [i for i in scripted if is_answered(client, f"/api/listing/{i}.json")]
    assert fed == [i for i in scripted if i in identifiers[:60]]
    assert is_answered(client, "/robots.txt")


def test_another_day_mends_the_portal(client: httpx.Client, portal: DemoPortal) -> None:
    portal.break_after(0)
    assert not is_answered(client, "/listings")
    portal.set_day(2)
    assert is_answered(client, "/listings")


def test_another_process_can_switch_the_day_and_break_the_portal(client: httpx.Client, portal: DemoPortal) -> None:
    assert client.post("/_demo/day/3").json() == {"day": 3, "days": 5, "breaks_off": False, "listings": 145}
    assert portal.day == 3
    assert client.post("/_demo/break/0.4?keep_adverts=1").json()["breaks_off"] is True
    assert not is_answered(client, "/listings?page=4")
    assert client.post("/_demo/mend").json()["breaks_off"] is False
    assert client.get("/_demo/state").json()["day"] == 3
    assert client.post("/_demo/day/6").status_code == 400
    assert "days 1 to 5" in client.post("/_demo/day/6").json()["error"]
    assert client.post("/_demo/break/2").status_code == 400
    assert client.get("/_demo/day/2").status_code == 404
    assert portal.day == 3


def test_requests_are_kept_with_their_user_agent(client: httpx.Client, portal: DemoPortal) -> None:
    client.get("/listings?page=2")
    client.head("/listing/HF-0")
    client.post("/listings", content=b"x=1")
    client.get("/_demo/state")
    assert [tuple(request) for request in portal.requests] == [
        ("GET", "/listings?page=2", "test-crawler/1.0", 200),
        ("HEAD", "/listing/HF-0", "test-crawler/1.0", 404),
        ("POST", "/listings", "test-crawler/1.0", 405),
    ]
    portal.forget_requests()
    assert portal.requests == ()


def test_after_its_end_a_portal_answers_nobody(market: Market) -> None:
    with httpx.Client() as client:
        with DemoPortal(market) as portal:
            assert client.get(portal.url).status_code == 200
        with pytest.raises(httpx.TransportError):
            client.get(portal.url)


def test_the_module_serves_a_portal_and_prints_its_address() -> None:
    command = [sys.executable, "-m", "scripts.demo.portal", "--size", "30", "--days", "2", "--seed", "5"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert httpx.get(f"{url}/_demo/state").json()["listings"] == 30
        finally:
            process.terminate()


MAPPING = {
    "fields": {
        "source_listing_id": "{ADDRESS}|{CITY}",
        "title": "NAME",
        "price": "PRICE",
        "area_m2": "SIZE",
        "city": "CITY",
        "has_elevator": "LIFT",
        "amenities": "EXTRAS",
    },
    "constants": {"currency": "PLN"},
    "attributes": {"tax_value": "TAX"},
}
ROWS = [
    ["ADDRESS", "CITY", "NAME", "PRICE", "SIZE", "LIFT", "EXTRAS", "TAX"],
    ["1 Elm/Row", "Łódź", HOSTILE, "415000", "63.0", "yes", "b, a", ""],
    ["2 Elm Row", "Łódź", "Two  words ", " 1,5 ", "", "no", "", "7"],
    ["1 Elm/Row", "Łódź", "the same id again", "1", "2", "no", "", ""],
    ["", "", "no id", "1", "2", "no", "", ""],
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two days: a plain file, and a packed one without the first advert."""
    with (tmp_path / "2024-01.csv").open("w", encoding="utf-8", newline="") as text:
        csv.writer(text).writerows(ROWS)
    with gzip.open(tmp_path / "2024-02.csv.gz", "wt", encoding="utf-8-sig", newline="") as text:
        csv.writer(text).writerows([ROWS[0], ROWS[2]])
    (tmp_path / "README.md").write_text("not a snapshot", encoding="utf-8")
    return tmp_path


def test_snapshots_show_exactly_the_cells_of_the_file(folder: Path) -> None:
    with DemoPortal(Snapshots(folder, MAPPING)) as portal, httpx.Client(base_url=portal.url) as client:
        results = page(client, "/listings")
        assert results.css(".result-count::text").get() == "2 offers"
        paths = results.css(".card-title a::attr(href)").getall()
        found = [page(client, path) for path in paths]
        assert [facts(shown) for shown in found] == [
            {
                "source_listing_id": "1 Elm/Row|Łódź",
                "title": HOSTILE,
                "price": "415000",
                "currency": "PLN",
                "area_m2": "63.0",
                "city": "Łódź",
                "has_elevator": "yes",
                "amenities": "b, a",
                "attributes.tax_value": "",
            },
            {
                "source_listing_id": "2 Elm Row|Łódź",
                "title": "Two  words ",
                "price": " 1,5 ",
                "currency": "PLN",
                "area_m2": "",
                "city": "Łódź",
                "has_elevator": "no",
                "amenities": "",
                "attributes.tax_value": "7",
            },
        ]
        portal.set_day(2)
        assert client.get(paths[0]).status_code == 410
        assert client.get(paths[1]).status_code == 200
        assert client.get("/listing/3%20Elm%20Row").status_code == 404


@pytest.mark.parametrize("layout", list(Layout))
def test_hostile_text_stays_text_in_every_layout(folder: Path, layout: Layout) -> None:
    catalogue = Snapshots(folder, MAPPING, layout=layout)
    with DemoPortal(catalogue) as portal, httpx.Client(base_url=portal.url) as client:
        results = client.get("/listings").text
        path = Selector(results).css(".card-title a::attr(href)").get("")
        for text in (results, client.get(path).text):
            assert "<script>alert" not in text
            assert "onerror='" not in text
            assert not re.search(r"<img[^>]*onerror", text)
        assert Selector(results).css(".card-title a::text").get() == HOSTILE
        if layout is Layout.STRUCTURED:
            block = page(client, path).css('script[type="application/ld+json"]::text').get("")
            assert json.loads(block)["name"] == HOSTILE
        if layout is Layout.SCRIPT:
            assert client.get(f"/api{path}.json").json()["texts"]["title"] == HOSTILE


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_a_browser_runs_no_hostile_text(folder: Path) -> None:
    catalogue = Snapshots(folder, MAPPING, layout=Layout.SCRIPT)
    with DemoPortal(catalogue) as portal, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        tab = browser.new_page()
        dialogs: list[str] = []
        tab.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        tab.goto(f"{portal.url}/listings")
        tab.click(".card-title a")
        tab.wait_for_selector("[data-ready]")
        assert tab.inner_text("h1.title") == HOSTILE
        assert facts(Selector(tab.content()))["title"] == HOSTILE
        assert dialogs == []
        browser.close()


def test_a_limit_takes_the_first_rows_of_each_day(folder: Path) -> None:
    assert Snapshots(folder, MAPPING, limit=1).ids_on(1) == ["1 Elm/Row|Łódź"]


def test_a_pattern_leaves_other_files_of_the_folder_out(folder: Path) -> None:
    assert Snapshots(folder, MAPPING).days == 2
    assert [file.name for file in Snapshots(folder, MAPPING, pattern="*-02*").files] == ["2024-02.csv.gz"]


def test_the_mapping_of_snapshots_may_be_a_file(folder: Path) -> None:
    mapping = folder / "mapping.yml"
    mapping.write_text("fields:\n  source_listing_id: NAME\n  price: PRICE\n", encoding="utf-8")
    advert = Snapshots(folder, mapping).advert(2, "Two  words")
    assert advert.texts == {"source_listing_id": "Two  words ", "price": " 1,5 "}


def test_snapshots_that_cannot_be_served_are_refused(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(UsageError, match="no snapshots"):
        Snapshots(tmp_path_factory.mktemp("empty"), MAPPING)
    with pytest.raises(MappingError, match="no source_listing_id"):
        Snapshots(folder, {"fields": {"price": "PRICE"}})
    with pytest.raises(MappingError, match="unknown section 'columns'"):
        Snapshots(folder, {"columns": {}})
    with pytest.raises(MappingError, match="no column 'ID'"):
        Snapshots(folder, {"fields": {"source_listing_id": "ID"}}).ids_on(1)
    with pytest.raises(ValueError, match="days 1 to 2"):
        Snapshots(folder, MAPPING).ids_on(3)
