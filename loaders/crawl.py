"""One crawl of one scope: pages are fetched politely, rendered where needed, and landed batch by batch."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import psycopg

from loaders.browser import READY_SECONDS, RENDER_SECONDS, Renderer
from loaders.completeness import incomplete_reason
from loaders.database import connect
from loaders.errors import PropertyManagerError
from loaders.frontier import Frontier, Progress, Settlement, UnreadPages, requests_per_second, take_session
from loaders.http import TOTAL_SECONDS, HttpClient
from loaders.pages import NOTHING_STATED, Link, Reader, SelectorReader, StructuredReader
from loaders.politeness import ROBOTS_UNREADABLE, Politeness, RetryPolicy
from loaders.sessions import Session, SessionMovedOnError, fail_session, finish_session, interrupt_session
from loaders.source_files import choose_source
from loaders.urls import start_url
from loaders.visits import Visitor

BATCH_ROWS = 50
BATCH_SECONDS = 1.0
QUEUED_PAGES = 100
HEARTBEAT_SECONDS = 15.0
FAILURES_IN_A_ROW = 5
"""After so many failing pages in a row a portal is taken to have stopped answering."""

logger = logging.getLogger(__name__)
Result = TypeVar("Result")


class CrawlFailedError(PropertyManagerError):
    """Not even the first page could be read, so there is nothing to sync."""

    code = "crawl_failed"


class CrawlInterruptedError(PropertyManagerError):
    """The crawl was stopped by a signal; it can be resumed."""

    code = "interrupted"
    exit_code = 130


@dataclass(frozen=True)
class CrawlProgress:
    """A crawl so far. Pages count over the whole session, `rows_landed` are cards and adverts."""

    session_id: uuid.UUID
    pages_planned: int
    pages_done: int
    pages_failed: int
    pages_blocked: int
    pages_http: int
    pages_browser: int
    rows_landed: int
    site_listing_count: int | None


@dataclass(frozen=True)
class CrawlResult:
    """A finished crawl. `is_complete` claims that all of the scope was seen; else the reason says why not."""

    session_id: uuid.UUID
    source: str
    scope: str
    is_complete: bool
    incomplete_reason: str | None
    pages_planned: int
    pages_done: int
    pages_failed: int
    pages_blocked: int
    pages_http: int
    pages_browser: int
    rows_landed: int
    rows_rejected: int
    listings_seen: int
    site_listing_count: int | None
    resumed: bool


@dataclass(frozen=True)
class CrawlLimits:
    """Bounds of a crawl: concurrent fetches, browser tabs, result pages, seconds until `ready`, retries."""

    fetchers: int = 4
    browser_pages: int = 2
    max_pages: int | None = None
    ready_seconds: float = READY_SECONDS
    retry: RetryPolicy = field(default_factory=RetryPolicy)


def scrape(
    connection_url: str,
    *,
    url: str,
    source: str | None = None,
    scope: str | None = None,
    session_name: str | None = None,
    max_pages: int | None = None,
    observed_at: datetime | None = None,
    on_progress: Callable[[CrawlProgress], None] | None = None,
    browser_pages: int = 2,
    fetchers: int = 4,
    retry: RetryPolicy | None = None,
    ready_seconds: float = READY_SECONDS,
) -> CrawlResult:
    """Crawl the result pages from `url` on and the adverts they lead to, and land what they say.

    A crawl of the same source, scope and address that was broken off less than a day ago is taken up again.
    The scope defaults to the normalised address; `max_pages` limits result pages; `observed_at` dates a new
    session, by default now. Blocks until the crawl ends; called in the main thread, SIGINT and SIGTERM stop
    it.

    Raises CrawlFailedError when no result page could be read, BrowserMissingError when a page needs a
    browser and there is none, CrawlInterruptedError after a signal, BusyError when another process crawls
    this scope.
    """
    address = start_url(url)
    source_name, source_file = choose_source(address, source)
    reader: Reader = SelectorReader(source_file) if source_file else StructuredReader()
    first = Link(reader.key(address, "list"), "list")
    limits = CrawlLimits(fetchers, browser_pages, max_pages, ready_seconds, retry or RetryPolicy())
    with connect(connection_url, application_name="property-manager crawl") as connection:
        session, resumed = take_session(
            connection,
            source=source_name,
            scope=scope or first.url,
            target_url=first.url,
            session_name=session_name,
            observed_at=observed_at,
        )
        with _ended_as_it_deserves(connection, session):
            crawl = _Crawl(connection, session, reader, first, limits, on_progress)
            asyncio.run(crawl.run())
            return _finish(connection, crawl, resumed)


def resolve_source(url: str) -> str:
    """The name of the source a scrape of this address belongs to when none is given."""
    return choose_source(start_url(url), None)[0]


@contextmanager
def _ended_as_it_deserves(connection: psycopg.Connection, session: Session) -> Iterator[None]:
    """A failed crawl is closed, anything else that ends one early leaves it open to be resumed."""
    try:
        yield
    except CrawlFailedError as error:
        fail_session(connection, session.session_id, error.message)
        raise
    except BaseException as error:
        # Without a database there is nobody to tell; the free session lock shows that the crawl is gone.
        with suppress(psycopg.OperationalError, SessionMovedOnError):
            interrupt_session(connection, session.session_id, str(error) or type(error).__name__)
        raise


def _finish(connection: psycopg.Connection, crawl: _Crawl, resumed: bool) -> CrawlResult:
    frontier, session = crawl.frontier, crawl.session
    progress = frontier.flush(())
    unread, seen = frontier.unread(), frontier.listings_seen()
    trouble = next((pages for pages in unread if pages.kind == "list"), None)
    if seen == 0 and trouble is not None:
        raise CrawlFailedError(
            f"no listing could be read from {crawl.first.url}: {trouble.error}",
            _advice(trouble),
        )
    reason = incomplete_reason(
        unread,
        frontier.pages_of_kind(),
        stop_reason=crawl.stop_reason,
        listings_seen=seen,
        site_listing_count=progress.site_listing_count,
    )
    finish_session(connection, session.session_id, is_complete=reason is None, incomplete_reason=reason)
    return CrawlResult(
        session_id=session.session_id,
        source=session.source,
        scope=session.scope,
        is_complete=reason is None,
        incomplete_reason=reason,
        pages_planned=progress.pages_planned,
        pages_done=progress.pages_done,
        pages_failed=progress.pages_failed,
        pages_blocked=progress.pages_blocked,
        pages_http=progress.pages_http,
        pages_browser=progress.pages_browser,
        rows_landed=progress.rows_landed,
        rows_rejected=progress.rows_rejected,
        listings_seen=seen,
        site_listing_count=progress.site_listing_count,
        resumed=resumed,
    )


def _advice(trouble: UnreadPages) -> str:
    if trouble.page_class == "blocked":
        return "The portal refuses automated visits: ask it for access, or import its data as a file."
    if trouble.state == "skipped" and ROBOTS_UNREADABLE in (trouble.error or ""):
        return "Check the address and that the portal answers; then run the same command again, it goes on."
    if NOTHING_STATED in (trouble.error or ""):
        return (
            "Describe the portal's pages in a source file, <name>.yml in $PROPERTY_CONFIG_DIR/sources, and scrape "
            "with --source <name>; docs/adding-a-source.md shows how."
        )
    if trouble.state == "skipped":
        return "Crawling it needs the portal's consent; an import of its data as a file does not."
    return "Open the address in a browser and check that it shows results, then run the same command again."


class _Crawl:
    """Fetchers take pages from the frontier; one writer settles them in batches."""

    def __init__(
        self,
        connection: psycopg.Connection,
        session: Session,
        reader: Reader,
        first: Link,
        limits: CrawlLimits,
        on_progress: Callable[[CrawlProgress], None] | None,
    ) -> None:
        rate = requests_per_second(connection, session.source)
        self._delay = 1.0 / rate if rate else 0.0
        self.session = session
        self.first = first
        self.stop_reason: str | None = None
        self.frontier = Frontier(
            connection,
            session,
            lease_seconds=2 * (TOTAL_SECONDS + RENDER_SECONDS) + BATCH_SECONDS + limits.fetchers * self._delay,
            max_list_pages=limits.max_pages,
        )
        self._reader = reader
        self._limits = limits
        self._on_progress = on_progress
        self._failing_tries = 0
        self._failed_pages = 0
        self._changed = asyncio.Event()
        self._settled: asyncio.Queue[Settlement | None] = asyncio.Queue(QUEUED_PAGES)
        self._database = ThreadPoolExecutor(max_workers=1, thread_name_prefix="crawl-database")

    async def run(self) -> None:
        """Crawl until every page is settled or the portal has stopped answering."""
        with self._database, _signals_cancel(asyncio.current_task()):
            await self._in_database(self.frontier.start, self.first)
            async with (
                HttpClient() as client,
                Renderer(
                    client.agent, tabs=self._limits.browser_pages, ready_seconds=self._limits.ready_seconds
                ) as renderer,
            ):
                politeness = Politeness(client, delay=self._delay, retry=self._limits.retry)
                visitor = Visitor(client, politeness, renderer, self._reader, self._limits.retry)
                try:
                    async with asyncio.TaskGroup() as group:
                        writer = group.create_task(self._write())
                        fetchers = [group.create_task(self._fetch(visitor)) for _ in range(self._limits.fetchers)]
                        await asyncio.wait(fetchers)
                        await self._settled.put(None)
                        await writer
                except ExceptionGroup as failures:
                    raise _first_of(failures) from failures
            if self.stop_reason is not None:
                await self._in_database(self.frontier.give_up, self.stop_reason)

    async def _fetch(self, visitor: Visitor) -> None:
        while self.stop_reason is None:
            changed = self._changed
            only_retries = self._failing_tries >= FAILURES_IN_A_ROW
            page = await self._in_database(self.frontier.claim, only_retries)
            if page is not None:
                settlement = await visitor.visit(page)
                self._judge(settlement)
                await self._settled.put(settlement)
                continue
            wait = await self._in_database(self.frontier.waiting_time)
            if wait is None:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), min(max(wait, 0.01), BATCH_SECONDS))

    async def _write(self) -> None:
        while True:
            batch, is_last = await self._next_batch()
            if batch:
                progress = await self._in_database(self.frontier.flush, batch)
                self._report(progress)
                changed, self._changed = self._changed, asyncio.Event()
                changed.set()
            else:
                await self._in_database(self.frontier.beat)
            if is_last:
                return

    async def _next_batch(self) -> tuple[list[Settlement], bool]:
        """Pages to settle together: until enough rows, enough time, or a page that others wait for."""
        loop = asyncio.get_running_loop()
        batch: list[Settlement] = []
        rows = 0
        deadline = loop.time() + HEARTBEAT_SECONDS
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    settlement = await self._settled.get()
            except TimeoutError:
                return batch, False
            if settlement is None:
                return batch, True
            if not batch:
                deadline = loop.time() + BATCH_SECONDS
            batch.append(settlement)
            rows += len(settlement.observations)
            is_awaited = bool(settlement.links) or settlement.state != "done"
            if rows >= BATCH_ROWS or (is_awaited and self._settled.empty()):
                return batch, False

    def _judge(self, settlement: Settlement) -> None:
        """Stop once too many pages in a row failed; new pages wait while the failing ones are tried again."""
        if settlement.state == "done":
            self._failing_tries = self._failed_pages = 0
        elif settlement.is_transient:
            self._failing_tries += 1
            self._failed_pages += settlement.state == "failed"
            logger.info("%s: %s (try %d)", settlement.page.url, settlement.error, settlement.page.attempt)
        if self._failed_pages >= FAILURES_IN_A_ROW and self.stop_reason is None:
            verb = "blocked the crawl" if settlement.page_class == "blocked" else "stopped answering"
            self.stop_reason = f"the portal {verb} ({settlement.error})"

    def _report(self, progress: Progress) -> None:
        if self._on_progress is not None:
            self._on_progress(
                CrawlProgress(
                    session_id=self.session.session_id,
                    pages_planned=progress.pages_planned,
                    pages_done=progress.pages_done,
                    pages_failed=progress.pages_failed,
                    pages_blocked=progress.pages_blocked,
                    pages_http=progress.pages_http,
                    pages_browser=progress.pages_browser,
                    rows_landed=progress.rows_landed,
                    site_listing_count=progress.site_listing_count,
                )
            )

    async def _in_database(self, call: Callable[..., Result], *arguments: object) -> Result:
        """Run a call on the one thread that uses the connection."""
        return await asyncio.get_running_loop().run_in_executor(self._database, call, *arguments)


@contextmanager
def _signals_cancel(task: asyncio.Task[None] | None) -> Iterator[None]:
    """SIGINT and SIGTERM cancel the crawl, which then ends as CrawlInterruptedError."""
    if task is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    received: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        received.append(number)
        task.cancel()

    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in previous:
        loop.add_signal_handler(number, stop, number)
    try:
        yield
    except asyncio.CancelledError:
        if not received:
            raise
        raise CrawlInterruptedError(
            f"the crawl was stopped by {received[0].name}",
            "Run the same command again: it goes on where it stopped.",
        ) from None
    finally:
        for number, handler in previous.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


def _first_of(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failures.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first
