"""What a crawl would do, found out without doing it: at most robots.txt is fetched, nothing is stored."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from loaders.crawl_sessions import RESUME_WINDOW, SourceSettings, tried_settings
from loaders.crawl_target import Target
from loaders.database import statements
from loaders.http import HttpClient
from loaders.robots import RobotsUnavailableError, fetch_robots
from loaders.urls import origin

_SQL = statements("crawl_sessions.sql")
_MAX_NEXT_URLS = 10


@dataclass(frozen=True)
class CrawlPlan:
    """What a crawl would do. `delay_seconds` lie between two requests to a host, over all workers.

    `robots_verdict` is allowed, disallowed or unreadable. `pages_waiting` counts the pages of the session that would
    be taken up, else the first page, and `next_urls` names the first of them. `fresh_adverts` are not fetched as long
    as their card says what it said.
    """

    source: str
    scope: str
    start_url: str
    reader: str
    user_agent: str
    names_contact: bool
    robots_url: str
    robots_verdict: str
    robots_reason: str | None
    delay_seconds: float
    crawl_delay_seconds: float | None
    requests_in_flight: int | None
    max_pages: int | None
    detail_ttl_hours: float | None
    fresh_adverts: int
    resumed_session_id: uuid.UUID | None
    pages_waiting: int
    pages_settled: int
    next_urls: list[str]


def plan_crawl(
    connection: psycopg.Connection,
    *,
    url: str,
    source: str | None = None,
    scope: str | None = None,
    max_pages: int | None = None,
    observed_at: datetime | None = None,
    settings: dict[str, str | None] | None = None,
    resumed: uuid.UUID | None = None,
) -> CrawlPlan:
    """The plan of `scrape` with the same arguments, or of taking up the session `resumed`.

    `settings` are tried, not stored. Raises UsageError.
    """
    target = Target.of(url, source)
    wanted = tried_settings(connection, target.source, settings or {})
    session_id = resumed or _resumable(connection, target, scope or target.first.url)
    pages = _one(connection, "open_pages", session_id=session_id)
    fresh = _one(
        connection,
        "fresh_adverts",
        source=target.source,
        reader=target.reader_name,
        observed_at=observed_at or datetime.now(UTC),
        ttl_hours=wanted.detail_ttl_hours,
    )
    return CrawlPlan(
        source=target.source,
        scope=scope or target.first.url,
        start_url=target.first.url,
        reader=target.reader_name.partition(",")[0],
        max_pages=max_pages,
        requests_in_flight=wanted.requests_in_flight,
        detail_ttl_hours=wanted.detail_ttl_hours,
        fresh_adverts=fresh["count"],
        resumed_session_id=session_id,
        pages_waiting=pages["waiting"] + pages["leased"] if session_id else 1,
        pages_settled=pages["settled"],
        next_urls=_next_urls(connection, session_id) if session_id else [target.first.url],
        **asyncio.run(_manners(target, wanted)),
    )


async def _manners(target: Target, settings: SourceSettings) -> dict[str, Any]:
    site = origin(target.first.url)
    verdict, reason, crawl_delay = "allowed", None, None
    async with HttpClient() as client:
        try:
            robots = await fetch_robots(client, site)
        except RobotsUnavailableError as error:
            verdict, reason = "unreadable", error.message
        else:
            crawl_delay = robots.delay or None
            if not robots.allows(target.first.url):
                verdict, reason = "disallowed", f"it asks {client.agent} to stay away from {target.first.url}"
        return {
            "user_agent": client.agent,
            "names_contact": "@" in client.agent or "://" in client.agent,
            "robots_url": f"{site}/robots.txt",
            "robots_verdict": verdict,
            "robots_reason": reason,
            "crawl_delay_seconds": crawl_delay,
            "delay_seconds": max(settings.delay, crawl_delay or 0.0),
        }


def _resumable(connection: psycopg.Connection, target: Target, scope: str) -> uuid.UUID | None:
    sessions = connection.execute(
        _SQL["unfinished_sessions"],
        {"source": target.source, "scope": scope, "target_url": target.first.url, "window": RESUME_WINDOW},
    )
    return next((session_id for session_id, is_stale in sessions if not is_stale), None)


def _next_urls(connection: psycopg.Connection, session_id: uuid.UUID) -> list[str]:
    rows = connection.execute(_SQL["next_pages"], {"session_id": session_id, "limit": _MAX_NEXT_URLS})
    return [url for (url,) in rows]


def _one(connection: psycopg.Connection, statement: str, **parameters: Any) -> dict[str, Any]:
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_SQL[statement], parameters).fetchone()
    assert row is not None
    return row
