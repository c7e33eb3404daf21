"""Scraping: one crawl with progress on screen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from loaders.database import connect
from loaders.sessions import ensure_source
from loaders.settings import change_settings, parse_settings
from scripts.progress import crawl_progress

if TYPE_CHECKING:
    from loaders.crawl import CrawlResult


def scrape_portal(
    database_url: str,
    *,
    url: str,
    source: str | None = None,
    scope: str | None = None,
    session_name: str | None = None,
    max_pages: int | None = None,
    observed_at: datetime | None = None,
    assignments: Sequence[str] = (),
) -> CrawlResult:
    """Crawl one scope and land what it says; `assignments` change settings of the source first.

    `observed_at` dates the whole session; by default it is the time at which the crawl begins.
    """
    from loaders.crawl import resolve_source, scrape

    source_name = source or resolve_source(url)
    settings = parse_settings(assignments)
    with connect(database_url) as connection:
        ensure_source(connection, source_name)
        change_settings(connection, source_name, settings)
    with crawl_progress() as on_progress:
        return scrape(
            database_url,
            url=url,
            source=source_name,
            scope=scope,
            session_name=session_name,
            max_pages=max_pages,
            observed_at=observed_at,
            on_progress=on_progress,
        )
