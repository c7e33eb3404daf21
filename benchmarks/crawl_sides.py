"""One crawl in one process, told as JSON: ours, or what one would write by hand for the same pages.

python benchmarks/crawl_sides.py ours|bare|naive URL; `ours` lands in the database that DATABASE_URL names.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urljoin

import aiohttp
from parsel import Selector
from playwright.async_api import Browser, async_playwright

from loaders.browser import find_browser
from loaders.crawl import scrape
from loaders.fields import LISTING_FIELDS

SOURCE = "demo_portal"
COMPARED = ("source_listing_id", "title", "price", "description")
TASKS = 4
TABS = 2

_TO_RUN_AT_ALL = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]

_FACTS = {name: f'dl.facts div[data-field="{name}"] > dd::text' for name in LISTING_FIELDS}
_LABELLED = {"title": "h1.title::text", "description": ".description::text", "price": ".price::text"}
_FIELDS = {"source_listing_id": "article.advert::attr(data-listing-id)", **_FACTS, **_LABELLED}

Advert = dict[str, str | None]


def ours(url: str) -> list[Advert]:
    """Crawl with this project; what it landed is in the database."""
    scrape(os.environ["DATABASE_URL"], url=url, source=SOURCE, scope="all", fetchers=TASKS, browser_pages=TABS)
    return []


def bare(url: str) -> list[Advert]:
    """Ask for every page with aiohttp and read it with parsel: no robots, no retries, nothing kept."""
    return asyncio.run(_with_client(url, _fetch_adverts))


def naive(url: str) -> list[Advert]:
    """Open every advert in a new page of a browser, wait until it is loaded, and ask it for each field."""
    return asyncio.run(_with_client(url, _render_adverts))


async def _with_client(
    url: str, read: Callable[[aiohttp.ClientSession, list[str]], Awaitable[list[Advert]]]
) -> list[Advert]:
    async with aiohttp.ClientSession() as client:
        adverts: dict[str, None] = {}
        page: str | None = url
        while page is not None:
            document = await _read_page(client, page)
            links = document.css(".card-title a::attr(href)").getall()
            adverts.update(dict.fromkeys(urljoin(page, link) for link in links))
            following = document.css("nav.paging a[rel=next]::attr(href)").get()
            page = urljoin(page, following) if following else None
        return await read(client, list(adverts))


async def _read_page(client: aiohttp.ClientSession, url: str) -> Selector:
    async with client.get(url) as answer:
        return Selector(await answer.text())


async def _fetch_adverts(client: aiohttp.ClientSession, urls: list[str]) -> list[Advert]:
    async def fetch(url: str) -> Advert:
        document = await _read_page(client, url)
        return {name: document.css(css).get() for name, css in _FIELDS.items()}

    return await _at_once(TASKS, fetch, urls)


async def _render_adverts(_: aiohttp.ClientSession, urls: list[str]) -> list[Advert]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_browser(), args=_TO_RUN_AT_ALL)

        async def render(url: str) -> Advert:
            return await _rendered(browser, url)

        adverts = await _at_once(TABS, render, urls)
        await browser.close()
        return adverts


async def _rendered(browser: Browser, url: str) -> Advert:
    page = await browser.new_page()
    await page.goto(url, wait_until="load")
    await page.wait_for_selector("article.advert[data-ready]")
    advert: Advert = {"source_listing_id": await page.locator("article.advert").get_attribute("data-listing-id")}
    for name, css in _FIELDS.items():
        if name not in advert:
            found = page.locator(css.removesuffix("::text"))
            advert[name] = await found.first.inner_text() if await found.count() else None
    await page.close()
    return advert


async def _at_once(count: int, read: Callable[[str], Awaitable[Advert]], urls: list[str]) -> list[Advert]:
    adverts: list[Advert] = []
    waiting = list(reversed(urls))

    async def work() -> None:
        while waiting:
            adverts.append(await read(waiting.pop()))

    await asyncio.gather(*(work() for _ in range(count)))
    return adverts


def main() -> None:
    """Crawl, and print the processor seconds of this process and what was read."""
    _, side, url = sys.argv
    started = time.process_time()
    adverts = {"ours": ours, "bare": bare, "naive": naive}[side](url)
    told = [[advert[name] for name in COMPARED] for advert in adverts]
    print(json.dumps({"cpu_seconds": time.process_time() - started, "adverts": told}))


if __name__ == "__main__":
    main()
