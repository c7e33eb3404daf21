"""Selectors are mended, and the kept pages of a crawl read again: shown field by field, landed, and published."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from loaders.crawl import scrape
from loaders.page_bodies import delete_expired
from tests.python.conftest import Command
from tests.python.integration.sites import QUICK, Page, Site, set_rate

SELECTORS = """
list:
  ready: .results
  cards: {css: li, matches: 1}
  link: a::attr(href)
  next: a.next
  fields: {source_listing_id: "::attr(id)", price: .price}
detail:
  ready: h1
  structured_data: false
  fields: {title: h1, area_m2: .area, price: .asking, listed_at: .listed}
"""
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
LIVE = "select source_listing_id, title, price::integer, area_m2::integer from properties_live order by 1"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROPERTY_CONFIG_DIR", str(tmp_path))
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "portal.yml").write_text(SELECTORS, encoding="utf-8")
    return tmp_path


def advert(title: str, area: int, price: int) -> Page:
    return (
        200,
        {},
        f"<h1>{title}</h1><p class=size>{area} m²</p><p class=asking>€ {price}</p><p class=listed>3 days ago</p>",
    )


def site() -> Site:
    cards = "".join(f"<li id={name}><a href=/{name}>{name}</a> <b class=price>{name}</b></li>" for name in ("a1", "a2"))
    pages: dict[str, Page | Callable[[int], Page]] = {
        "/": (200, {}, f"<ul class=results>{cards}</ul>"),
        "/a1": advert("Loft", 54, 250_000),
        "/a2": advert("House", 132, 615_000),
    }
    return Site(pages)


def mend(config: Path, *replacements: tuple[str, str]) -> None:
    text = SELECTORS
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    (config / "sources" / "portal.yml").write_text(text, encoding="utf-8")


def crawl(database_url: str, portal: Site, **options: Any) -> Any:
    return scrape(database_url, url=f"{portal.url}/", source="portal", retry=QUICK, **options)


@pytest.mark.slow
def test_a_mended_selector_reaches_the_live_table_without_a_request(
    command: Command, connection: psycopg.Connection, database_url: str, config: Path
) -> None:
    set_rate(connection, "portal")
    with site() as portal:
        first = crawl(database_url, portal)
        command.ok("sync-pending")
        assert connection.execute(LIVE).fetchall() == [("a1", "Loft", 250_000, None), ("a2", "House", 615_000, None)]
        requests = len(portal.requests)

        assert "Nothing is read otherwise" in command.ok("reparse", "--source", "portal").stderr
        mend(config, (".area", ".size"))
        told = command.ok("reparse", "--source", "portal", "--dry-run", "--json").json["crawls"]
        assert [(each["pages_read"], each["unread"], each["landed_as"]) for each in told] == [(3, {}, None)]
        assert told[0]["differences"] == {
            "area_m2": {
                "filled": 2,
                "emptied": 0,
                "changed": 0,
                "examples": [["a1", None, "54 m²"], ["a2", None, "132 m²"]],
            }
        }
        assert connection.execute("select count(*) from scrape_sessions").fetchone() == (1,)

        (landed,) = command.ok("reparse", "--source", "portal", "--json").json["crawls"]
        (again,) = command.ok("reparse", "--source", "portal", "--json").json["crawls"]
        assert (again["landed_as"], again["landed_before"]) == (None, landed["landed_as"])
        command.ok("sync-pending")
        assert len(portal.requests) == requests
    assert connection.execute(LIVE).fetchall() == [("a1", "Loft", 250_000, 54), ("a2", "House", 615_000, 132)]
    assert connection.execute(
        "select reparsed_session_id, is_complete, status from scrape_sessions where session_id = %s",
        [landed["landed_as"]],
    ).fetchone() == (first.session_id, False, "complete")
    assert connection.execute("select target from admin_audit_log where action = 'reparse'").fetchall() == [
        (str(first.session_id),)
    ]


def test_pages_that_could_not_be_read_are_kept_and_read_again(
    command: Command, connection: psycopg.Connection, database_url: str, config: Path
) -> None:
    set_rate(connection, "portal")
    mend(config, ("title: h1", "title: {css: .headline, matches: 1}"))
    with site() as portal:
        broken = crawl(database_url, portal)
    assert broken.pages_failed == 2
    mend(config, (".area", ".size"))
    (told,) = command.ok("reparse", "--source", "portal", "--json").json["crawls"]
    assert (told["pages_read"], told["new_rows"], told["rows_landed"]) == (3, 2, 4)
    assert connection.execute(
        "select source_listing_id, area_m2_text from property_scrapes_staging "
        "where session_id = %s and observation_kind = 'detail' order by 1",
        [told["landed_as"]],
    ).fetchall() == [("a1", "54 m²"), ("a2", "132 m²")]


def test_adverts_that_were_not_fetched_again_are_read_from_an_earlier_crawl(
    command: Command, connection: psycopg.Connection, database_url: str, config: Path
) -> None:
    set_rate(connection, "portal")
    with site() as portal:
        crawl(database_url, portal, observed_at=NOON - timedelta(hours=20))
        second = crawl(database_url, portal, observed_at=NOON)
    assert second.pages_unchanged == 2
    assert "Nothing is read otherwise" in command.ok("reparse", "--source", "portal").stderr
    mend(config, (".area", ".size"), (".asking", ".nowhere"))
    (told,) = command.ok("reparse", "--source", "portal", "--dry-run", "--json").json["crawls"]
    assert (told["session_id"], told["pages_read"]) == (str(second.session_id), 3)
    counts = {name: (each["filled"], each["emptied"]) for name, each in told["differences"].items()}
    assert counts == {"area_m2": (2, 0), "price": (0, 2)}

    selected = command.ok("reparse", "--source", "portal", "--session-id", str(second.session_id)[:8], "--dry-run")
    assert "250000 → empty" in selected.stdout

    (landed,) = command.ok("reparse", "--source", "portal", "--json").json["crawls"]
    assert connection.execute(
        "select distinct listed_at_text from property_scrapes_staging "
        "where session_id = %s and observation_kind = 'detail'",
        [landed["landed_as"]],
    ).fetchall() == [((NOON - timedelta(days=4)).date().isoformat(),)]


def test_pages_are_kept_as_long_as_the_source_says(
    command: Command, connection: psycopg.Connection, database_url: str, config: Path
) -> None:
    set_rate(connection, "portal")
    with site() as portal:
        crawl(database_url, portal)
        assert connection.execute("select count(*) from page_bodies").fetchone() == (3,)
        connection.execute("update page_bodies set fetched_at = fetched_at - interval '15 days' where url like '%/a1'")
        assert connection.execute("select pages from delete_expired_page_bodies(null, true)").fetchall() == [(1,)]
        connection.execute("update sources set page_retention_days = null")
        assert delete_expired(connection, "portal") == 0
        connection.execute("update sources set page_retention_days = 14")
        assert delete_expired(connection, "another") == 0
        assert delete_expired(connection, "portal") == 1
        assert command.ok("reparse", "--source", "portal", "--json").json["crawls"][0]["pages_unkept"] == 1

        connection.execute("update sources set page_retention_days = 0")
        crawl(database_url, portal)
    assert connection.execute("select count(*) from page_bodies").fetchone() == (0,)
    refused = command.run("reparse", "--source", "portal")
    assert refused.code == 2
    assert "no page of portal is kept" in refused.stderr
