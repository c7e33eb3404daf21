"""One page fetched by itself, with all the manners of a crawl and none of its bookkeeping."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import psycopg

from loaders.browser import READY_SECONDS, Renderer
from loaders.configuration import configured_settings
from loaders.crawl_sessions import tried_settings
from loaders.crawl_target import Target
from loaders.frontier import ClaimedPage, Settlement
from loaders.hosts import HostBook, Hosts
from loaders.http import HttpClient
from loaders.pages import PageKind
from loaders.politeness import RetryPolicy
from loaders.urls import host
from loaders.visits import Visitor

Result = TypeVar("Result")


def visit_once(
    connection: psycopg.Connection,
    target: Target,
    url: str,
    kind: PageKind,
    *,
    known_id: str | None = None,
    ready_seconds: float = READY_SECONDS,
) -> Settlement:
    """Fetch one page, render it where it needs that, and read it; `known_id` is the listing its card named.

    Trouble of the portal is told in the settlement; BrowserMissingError is raised.
    """
    page = ClaimedPage(
        url=url,
        kind=kind,
        attempt=1,
        source_listing_id=known_id,
        host=host(url),
        card_hash=None,
        is_robots_known=False,
    )
    return asyncio.run(_visit(connection, target, page, ready_seconds))


async def _visit(connection: psycopg.Connection, target: Target, page: ClaimedPage, ready_seconds: float) -> Settlement:
    async def in_database(call: Callable[..., Result], *arguments: object) -> Result:
        return await asyncio.to_thread(call, *arguments)

    settings = tried_settings(connection, target.source, configured_settings(target.source))
    book = HostBook(connection, settings.delay)
    retry = RetryPolicy(tries=1)
    async with HttpClient() as client, Renderer(client.agent, tabs=1, ready_seconds=ready_seconds) as renderer:
        hosts = Hosts(book, in_database, client, retry)
        await asyncio.sleep(await in_database(book.take_turn, page.host))
        return await Visitor(client, hosts, renderer, target.reader, retry).visit(page)
