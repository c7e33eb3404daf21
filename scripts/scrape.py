"""Scraping: one crawl with progress on screen, the plan of one, and workers that help crawls along."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from loaders.configuration import configured_settings
from loaders.crawl_sessions import running_crawls
from loaders.database import connect
from loaders.errors import PropertyManagerError
from loaders.sessions import SessionMovedOnError, ensure_source
from loaders.settings import change_settings, parse_settings
from scripts.console import say
from scripts.progress import crawl_progress
from scripts.sync import resolve_session

if TYPE_CHECKING:
    from loaders.crawl import CrawlResult
    from loaders.crawl_plan import CrawlPlan


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
    workers: int = 1,
) -> CrawlResult:
    """Crawl one scope and land what it says; `assignments` change settings of the source first.

    `observed_at` dates the whole session; by default it is the time at which the crawl begins. So many `workers` are
    processes that share the crawl.
    """
    from loaders.crawl import resolve_source, scrape

    source_name = source or resolve_source(url)
    store_settings(database_url, source_name, assignments)
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
            workers=workers,
        )


def store_settings(database_url: str, source: str, assignments: Sequence[str] = ()) -> None:
    """Create a source where it is unknown, and store what files and then `assignments` say of its settings."""
    settings = {**configured_settings(source), **parse_settings(assignments)}
    with connect(database_url) as connection:
        ensure_source(connection, source)
        change_settings(connection, source, settings)


def resume_scrape(database_url: str, session: str, *, assignments: Sequence[str] = (), workers: int = 1) -> CrawlResult:
    """Go on with a crawl that was broken off, named by the first digits of its session."""
    from loaders.crawl import resume

    settings = parse_settings(assignments)
    with connect(database_url) as connection:
        session_id, source, _ = resolve_session(connection, session)
        change_settings(connection, source, settings)
    with crawl_progress() as on_progress:
        return resume(database_url, session_id, on_progress=on_progress, workers=workers)


def plan_scrape(
    database_url: str,
    *,
    url: str | None,
    resume: str | None,
    source: str | None,
    scope: str | None,
    max_pages: int | None,
    assignments: Sequence[str],
) -> CrawlPlan:
    """What `scrape_portal`, or with `resume` what `resume_scrape`, would do."""
    from loaders.crawl import resolve_source
    from loaders.crawl_plan import plan_crawl
    from loaders.crawl_sessions import crawl_target

    settings = parse_settings(assignments)
    with connect(database_url) as connection:
        if resume is None:
            assert url is not None
            settings = {**configured_settings(source or resolve_source(url)), **settings}
            return plan_crawl(connection, url=url, source=source, scope=scope, max_pages=max_pages, settings=settings)
        found = crawl_target(connection, resolve_session(connection, resume)[0])
        return plan_crawl(
            connection,
            url=found.target_url,
            source=found.source,
            scope=found.scope,
            settings=settings,
            resumed=found.session_id,
        )


@dataclass(frozen=True)
class WorkDone:
    """What a worker saw to its end, and what ended crawls early."""

    results: list[CrawlResult]
    errors: list[PropertyManagerError]


def work(database_url: str, session: str | None) -> WorkDone:
    """Join one crawl, or every running one after the other, until nothing is left of it.

    One crawl that fails does not keep the worker from the others.
    """
    from loaders.crawl import CrawlInterruptedError, join

    done = WorkDone([], [])
    if session is not None:
        with connect(database_url) as connection:
            session_id, _, _ = resolve_session(connection, session)
        with crawl_progress() as on_progress:
            done.results.append(join(database_url, session_id, on_progress=on_progress))
        return done
    tried: set[uuid.UUID] = set()
    while (session_id := _next_crawl(database_url, tried)) is not None:
        tried.add(session_id)
        say(f"Joining the crawl {str(session_id)[:8]}.")
        try:
            with crawl_progress() as on_progress:
                done.results.append(join(database_url, session_id, on_progress=on_progress))
        except CrawlInterruptedError:
            raise
        except SessionMovedOnError:
            continue
        except PropertyManagerError as error:
            done.errors.append(error)
    return done


def _next_crawl(database_url: str, tried: set[uuid.UUID]) -> uuid.UUID | None:
    with connect(database_url) as connection:
        return next((session_id for session_id in running_crawls(connection) if session_id not in tried), None)
