"""A portal described in a minute: new, check, test and scrape by the real command, against the demo portal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from scripts.demo.catalogue import Layout, MarketCatalogue
from scripts.demo.market import Market
from scripts.demo.portal import DemoPortal
from tests.python.conftest import Command

SELECTORS = """
list:
  ready: .result-count
  cards: {css: article.card, matches: 1}
  link: .card-title a::attr(href)
  next: nav.paging a
  page_parameter: page
  fields:
    source_listing_id: {css: "::attr(data-listing-id)", matches: 1}
    price: .card-price
detail:
  ready: article.advert
  structured_data: false
  fields:
    title: [.headline, h1]
    price: {css: .price, pattern: '([0-9,]+)'}
    floor: {css: .storey, within: .facts}
    city: {css: .town, within: .nowhere}
"""


@pytest.fixture(scope="module")
def market() -> Market:
    return Market(7, 25, 1)


@pytest.fixture
def portal(market: Market) -> Iterator[DemoPortal]:
    with DemoPortal(MarketCatalogue(market, layout=Layout.PLAIN)) as running:
        yield running


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROPERTY_CONFIG_DIR", str(tmp_path))
    return tmp_path


def test_a_portal_in_a_minute(
    command: Command, connection: psycopg.Connection, portal: DemoPortal, config: Path
) -> None:
    command.ok("source", "new", "my_portal", "--url", f"{portal.url}/listings")
    file = config / "sources" / "my_portal.yml"
    text = file.read_text(encoding="utf-8").replace("requests_per_second: 1", "requests_per_second: 200")
    file.write_text(text, encoding="utf-8")

    file.write_text(text + SELECTORS, encoding="utf-8")
    results, advert = command.ok("source", "test", "my_portal", "--json").json["pages"]
    cards = {field["name"]: field for field in results["trace"]["fields"]}
    assert (results["adverts"], results["trace"]["cards"]) == (20, 20)
    assert (cards["cards"]["wanted"], cards["cards"]["found"]) == (1, 20)
    assert (cards["price"]["outcome"], cards["price"]["cards"]) == ("read", 20)
    fields = {field["name"]: field for field in advert["trace"]["fields"]}
    assert fields["title"] | {"value": ""} == {
        "name": "title", "value": "", "selector": "h1", "wanted": 0, "found": 1, "outcome": "read", "cards": None,
    }  # fmt: skip
    assert fields["price"]["value"].replace(",", "").isdecimal()
    assert (fields["floor"]["outcome"], fields["city"]["outcome"]) == ("empty", "unknown")
    assert {"floor", "city", "rooms"} <= set(advert["trace"]["unread_fields"])
    assert connection.execute("select count(*) from scrape_sessions").fetchone() == (0,)
    assert "source check" in command.ok("source", "test", "my_portal").stderr

    assert command.ok("source", "check", "my_portal", "--json").json["sources"][0]["pages"] == 2
    scraped = command.ok("scrape", "--source", "my_portal", "--no-sync", "--json").json
    assert scraped["session"]["listings_seen"] == 25


def test_check_tells_what_a_change_of_selectors_does_to_saved_pages(
    command: Command, portal: DemoPortal, config: Path
) -> None:
    command.ok("source", "new", "my_portal", "--url", f"{portal.url}/listings")
    file = config / "sources" / "my_portal.yml"
    text = file.read_text(encoding="utf-8").replace("requests_per_second: 1", "requests_per_second: 200") + SELECTORS
    file.write_text(text, encoding="utf-8")
    command.ok("source", "test", "my_portal")

    file.write_text(text.replace("{css: .price, pattern: '([0-9,]+)'}", "{css: .prize, matches: 1}"), encoding="utf-8")
    checked = command.run("source", "check", "my_portal", "--json")
    assert checked.code == 1
    (differences,) = checked.json["sources"][0]["differences"].values()
    assert "detail.fields.price: '.prize' matches 0 times, at least 1 needed" in differences[0]["read"]

    tried = command.run("source", "test", "my_portal", "--json")
    assert tried.code == 1
    missing = [field for field in tried.json["pages"][1]["trace"]["fields"] if field["outcome"] == "missing"]
    assert [(field["name"], field["wanted"], field["found"]) for field in missing] == [("price", 1, 0)]

    file.write_text(text.replace("requests_per_second: 200", "requests_per_second: often"), encoding="utf-8")
    checked = command.run("source", "check", "my_portal", "--json")
    assert checked.code == 1
    assert "'often' is not a value that the setting requests_per_second can have" in json.dumps(checked.json)


@pytest.mark.parametrize("layout", list(Layout))
def test_the_example_of_each_layout_reads_it(
    command: Command, connection: psycopg.Connection, market: Market, config: Path, layout: Layout
) -> None:
    source = f"demo_{layout.value}"
    (config / "thresholds.yml").write_text(f"{source}: {{requests_per_second: 200}}", encoding="utf-8")
    with DemoPortal(MarketCatalogue(market, layout=layout)) as portal:
        first = f"{portal.url}/listing/{market.ids_on(1)[0]}"
        for kind, url in (("list", f"{portal.url}/listings"), ("detail", first)):
            (page,) = command.ok("source", "test", source, "--url", url, "--kind", kind, "--json").json["pages"]
            assert page["via"] == ("browser" if (kind, layout) == ("detail", Layout.SCRIPT) else "http")
        read = {field["name"] for field in page["trace"]["fields"] if field["outcome"] == "read"}
        assert {"title", "price", "area_m2", "city"} <= read


def test_mappings_and_thresholds_of_the_user_hold_for_imports(
    command: Command, connection: psycopg.Connection, config: Path
) -> None:
    (config / "mappings").mkdir()
    (config / "mappings" / "my_feed.yml").write_text("fields: {source_listing_id: id, price: asking}", encoding="utf-8")
    (config / "thresholds.yml").write_text("my_feed: {min_coverage: 0.75}", encoding="utf-8")
    (config / "monday.csv").write_text("id,asking\na1,250000\n", encoding="utf-8")
    command.ok("import", config / "monday.csv", "--source", "my_feed", "--no-sync")
    assert connection.execute("select price_text from property_scrapes_staging").fetchall() == [("250000",)]
    assert connection.execute("select min_coverage from sources where source = 'my_feed'").fetchone() == (0.75,)


def test_without_a_folder_of_their_own_users_are_told_how_to_get_one(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PROPERTY_CONFIG_DIR", raising=False)
    refused = command.run("source", "new", "my_portal", "--url", "https://portal.example/")
    assert refused.code == 2
    assert "PROPERTY_CONFIG_DIR is not set" in refused.stderr
