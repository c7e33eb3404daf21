"""One crawl of one scope: pages are fetched politely, rendered where needed, and landed batch by batch."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import threading
import uuid
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import psycopg

from loaders.browser import READY_SECONDS, Renderer
from loaders.completeness import incomplete_reason
from loaders.crawl_sessions import (
    crawl_target,
    join_session,
    leave_session,
    require_same_reader,
    source_settings,
    take_named_session,
    take_session,
)
from loaders.crawl_target import Target
from loaders.crowd import helpers, parent_is_gone
from loaders.database import connect
from loaders.errors import PropertyManagerError
from loaders.frontier import ClaimedPage, Frontier, Progress, Settlement, UnreadPages
from loaders.hosts import HostBook, Hosts
from loaders.http import PAGE_SECONDS, HttpClient
from loaders.network_guard import NOT_OPENED, NetworkGuard
from loaders.page_bodies import delete_expired
from loaders.pages import NOTHING_STATED
from loaders.politeness import RetryPolicy
from loaders.robots import ROBOTS_UNREADABLE
from loaders.sessions import Session, SessionMovedOnError, fail_session, finish_session
from loaders.source_files import choose_source
from loaders.urls import start_url
from loaders.visits import Visitor

BATCH_ROWS = 50
BATCH_SECONDS = 1.0
QUEUED_PAGES = 100
HEARTBEAT_SECONDS = 15.0

SHORTEST_PAUSE = 0.01
LONGEST_PAUSE = 0.25
"""Pages that are due, and that requests under way hold back, are asked for after pauses that double up to this."""

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
    """A crawl so far. Pages count over the whole session, `rows_landed` are cards and adverts.

    `pages_done` includes `pages_unchanged`, adverts that were not read again because nothing is new.
    """

    session_id: uuid.UUID
    pages_planned: int
    pages_done: int
    pages_unchanged: int
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
    pages_unchanged: int
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
    """Bounds of one worker: concurrent fetches, browser tabs, seconds until `ready` and per page, retries, network."""

    fetchers: int = 4
    browser_pages: int = 2
    ready_seconds: float = READY_SECONDS
    page_seconds: float = PAGE_SECONDS
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    guard: NetworkGuard = field(default_factory=NetworkGuard.configured)


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
    page_seconds: float = PAGE_SECONDS,
    guard: NetworkGuard | None = None,
    workers: int = 1,
) -> CrawlResult:
    """Crawl the result pages from `url` on and the adverts they lead to, and land what they say.

    A crawl of the same source, scope and address that was broken off less than a day ago is taken up again. The scope
    defaults to the normalised address; `max_pages` limits result pages; `observed_at` dates a new session, by default
    now. `workers` processes share the crawl, each with its own `fetchers` and `browser_pages`. `page_seconds` bound the
    fetching of one page, `guard` the machines that may be reached, by default public ones and those the environment
    names. Blocks until the crawl ends; called in the main thread, SIGINT and SIGTERM stop it.

    Raises CrawlFailedError when no result page could be read, BrowserMissingError when a page needs a browser and
    there is none, CrawlInterruptedError after a signal, BusyError when another process crawls this scope.
    """
    target = Target.of(url, source)
    limits = CrawlLimits(
        fetchers,
        browser_pages,
        ready_seconds,
        page_seconds,
        retry or RetryPolicy(),
        guard or NetworkGuard.configured(),
    )
    with connect(connection_url, application_name="property-manager crawl") as connection:
        session, resumed = take_session(
            connection,
            source=target.source,
            scope=scope or target.first.url,
            target_url=target.first.url,
            session_name=session_name,
            reader=target.reader_name,
            max_list_pages=max_pages,
            observed_at=observed_at,
        )
        crawl = _Crawl(connection, session, target, limits, on_progress)
        return _crawl_with_helpers(connection_url, crawl, workers, resumed=resumed)


def resume(
    connection_url: str,
    session_id: uuid.UUID,
    *,
    on_progress: Callable[[CrawlProgress], None] | None = None,
    limits: CrawlLimits | None = None,
    workers: int = 1,
) -> CrawlResult:
    """Take up a crawl that was broken off, however long ago; otherwise as `scrape`.

    Raises UsageError for a session that is no crawl or has come to its end.
    """
    with connect(connection_url, application_name="property-manager crawl") as connection:
        found = crawl_target(connection, session_id)
        target = Target.of(found.target_url, found.source)
        session = take_named_session(connection, found, target.reader_name)
        crawl = _Crawl(connection, session, target, limits or CrawlLimits(), on_progress)
        return _crawl_with_helpers(connection_url, crawl, workers, resumed=True)


def join(
    connection_url: str,
    session_id: uuid.UUID,
    *,
    on_progress: Callable[[CrawlProgress], None] | None = None,
    limits: CrawlLimits | None = None,
) -> CrawlResult:
    """Work on a crawl beside its other workers until nothing is left of it; raises as `resume`."""
    with connect(connection_url, application_name="property-manager worker") as connection:
        found = crawl_target(connection, session_id)
        target = Target.of(found.target_url, found.source)
        require_same_reader(found, target.reader_name)
        session = join_session(connection, session_id)
        return _Crawl(connection, session, target, limits or CrawlLimits(), on_progress).to_its_end(resumed=True)


def help_along(connection_url: str, session_id: uuid.UUID, limits: CrawlLimits) -> None:
    """Join a crawl from a process of its own, until nothing is left of it or the process that asked is gone."""
    with suppress(CrawlInterruptedError, CrawlFailedError, SessionMovedOnError, asyncio.CancelledError):
        join(connection_url, session_id, limits=limits)


def resolve_source(url: str) -> str:
    """The name of the source a scrape of this address belongs to when none is given."""
    return choose_source(start_url(url), None)[0]


def _crawl_with_helpers(connection_url: str, crawl: _Crawl, workers: int, *, resumed: bool) -> CrawlResult:
    with helpers(workers - 1, help_along, connection_url, crawl.session.session_id, crawl.limits):
        return crawl.to_its_end(resumed=resumed)


def _advice(trouble: UnreadPages) -> str:
    if trouble.page_class == "blocked":
        return "The portal refuses automated visits: ask it for access, or import its data as a file."
    if trouble.state == "skipped" and ROBOTS_UNREADABLE in (trouble.error or ""):
        return "Check the address and that the portal answers, and run the same command again later."
    if NOT_OPENED in (trouble.error or ""):
        return "Only public addresses are opened. --allow-private-network opens private ones that you trust."
    if NOTHING_STATED in (trouble.error or ""):
        return (
            "Describe the portal's pages in a source file, <name>.yml in $PROPERTY_CONFIG_DIR/sources, and scrape "
            "with --source <name>; docs/adding-a-source.md shows how."
        )
    if trouble.state == "skipped":
        return "Crawling it needs the portal's consent; an import of its data as a file does not."
    return "Open the address in a browser and check that it shows results, then run the same command again."


class _Crawl:
    """One worker of a crawl: claimed pages are visited concurrently; one writer settles them in batches."""

    def __init__(
        self,
        connection: psycopg.Connection,
        session: Session,
        target: Target,
        limits: CrawlLimits,
        on_progress: Callable[[CrawlProgress], None] | None,
    ) -> None:
        settings = source_settings(connection, session.source)
        self.session = session
        self.limits = limits
        self._connection = connection
        self._target = target
        self._frontier = Frontier(connection, session, reader=target.reader_name, settings=settings, retry=limits.retry)
        self._book = HostBook(connection, settings.delay)
        self._on_progress = on_progress
        self._visiting = 0
        self._unsettled = 0
        self._changed = asyncio.Event()
        self._settled: asyncio.Queue[Settlement | _Mark] = asyncio.Queue(QUEUED_PAGES)
        self._database = ThreadPoolExecutor(max_workers=1, thread_name_prefix="crawl-database")

    def to_its_end(self, *, resumed: bool) -> CrawlResult:
        """Crawl until nothing is left, and close the session if no other worker did.

        Whatever ends this worker early leaves the session open: to the other workers, or to be resumed.
        """
        try:
            with long_lived_objects_set_aside():
                asyncio.run(self._run())
            return self._finish(resumed)
        except CrawlFailedError:
            raise
        except BaseException as error:
            # Without a database there is nobody to tell; the free session lock shows that the worker is gone.
            with suppress(psycopg.OperationalError):
                leave_session(
                    self._connection,
                    self.session.session_id,
                    self._frontier.worker,
                    str(error) or type(error).__name__,
                )
            raise

    def _finish(self, resumed: bool) -> CrawlResult:
        frontier, session = self._frontier, self.session
        progress, seen = frontier.progress(), frontier.listings_seen()
        if progress.status == "running":
            self._close(progress, seen)
            progress = frontier.progress()
        if progress.status == "failed":
            raise CrawlFailedError(progress.error or "the crawl failed", self._advice())
        counts = {name: value for name, value in vars(progress).items() if name.startswith(("pages_", "rows_"))}
        return CrawlResult(
            session_id=session.session_id,
            source=session.source,
            scope=session.scope,
            is_complete=progress.is_complete,
            incomplete_reason=progress.incomplete_reason,
            listings_seen=seen,
            site_listing_count=progress.site_listing_count,
            resumed=resumed,
            **counts,
        )

    def _close(self, progress: Progress, seen: int) -> None:
        unread = self._frontier.unread()
        trouble = _first_trouble(unread)
        reason = incomplete_reason(
            unread,
            self._frontier.pages_of_kind(),
            stop_reason=progress.stop_reason,
            listings_seen=seen,
            site_listing_count=progress.site_listing_count,
        )
        # Another worker that found nothing left either may have been quicker.
        with suppress(SessionMovedOnError):
            if seen == 0 and trouble is not None:
                error = f"no listing could be read from {self._target.first.url}: {trouble.error}"
                fail_session(self._connection, self.session.session_id, error)
            else:
                finish_session(
                    self._connection, self.session.session_id, is_complete=reason is None, incomplete_reason=reason
                )
            delete_expired(self._connection, self.session.source)

    def _advice(self) -> str:
        trouble = _first_trouble(self._frontier.unread())
        return _advice(trouble) if trouble is not None else ""

    async def _run(self) -> None:
        with self._database, _signals_cancel(asyncio.current_task()), parent_is_gone(asyncio.current_task()):
            await self._in_database(self._frontier.start, self._target.first)
            async with (
                HttpClient(guard=self.limits.guard, page_seconds=self.limits.page_seconds) as client,
                Renderer(
                    client.agent,
                    tabs=self.limits.browser_pages,
                    ready_seconds=self.limits.ready_seconds,
                    guard=self.limits.guard,
                ) as renderer,
            ):
                hosts = Hosts(self._book, self._in_database, client, self.limits.retry)
                visitor = Visitor(client, hosts, renderer, self._target.reader, self.limits.retry)
                try:
                    async with asyncio.TaskGroup() as group:
                        group.create_task(self._write())
                        alive = group.create_task(self._stay_alive())
                        await self._feed(visitor, group)
                        alive.cancel()
                        await self._settled.put(_END)
                except ExceptionGroup as failures:
                    raise _first_of(failures) from failures

    async def _feed(self, visitor: Visitor, group: asyncio.TaskGroup) -> None:
        """Claim pages as there is room for them, until none is left in the session."""
        pause = SHORTEST_PAUSE
        while True:
            changed = self._changed
            room = self.limits.fetchers - self._visiting
            pages = await self._in_database(self._frontier.claim, room) if room else []
            for page in pages:
                self._visiting += 1
                start_in(group, self._visit(visitor, page))
            if pages:
                pause = SHORTEST_PAUSE
                continue
            wait: float | None = BATCH_SECONDS
            if room:
                if self._unsettled:
                    await self._settled.put(_NOW)
                wait = await self._in_database(self._frontier.waiting_time)
            if wait is None:
                return
            pause = SHORTEST_PAUSE if wait > 0 else min(2 * pause, LONGEST_PAUSE)
            with suppress(TimeoutError):
                async with asyncio.timeout(min(max(wait, pause), BATCH_SECONDS)):
                    await changed.wait()

    async def _visit(self, visitor: Visitor, page: ClaimedPage) -> None:
        settlement = await visitor.visit(page)
        if settlement.error is not None:
            logger.info("%s: %s (try %d)", page.url, settlement.error, page.attempt)
        self._unsettled += 1
        await self._settled.put(settlement)
        self._visiting -= 1
        self._tell()

    async def _write(self) -> None:
        is_last = False
        while not is_last:
            batch, is_last = await self._next_batch()
            if batch:
                progress = await self._in_database(self._frontier.flush, batch)
                self._unsettled -= len(batch)
                self._report(progress)
                self._tell()

    async def _next_batch(self) -> tuple[list[Settlement], bool]:
        """Pages to settle together: until enough rows, enough time, or somebody waits for what they lead to."""
        loop = asyncio.get_running_loop()
        batch: list[Settlement] = []
        rows = 0
        deadline: float | None = None
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    settlement = await self._settled.get()
            except TimeoutError:
                return batch, False
            if isinstance(settlement, _Mark):
                if settlement is _END or batch:
                    return batch, settlement is _END
                continue
            if not batch:
                deadline = loop.time() + BATCH_SECONDS
            batch.append(settlement)
            rows += len(settlement.observations)
            is_awaited = bool(settlement.links) or settlement.state != "done"
            if rows >= BATCH_ROWS or (is_awaited and self._settled.empty()):
                return batch, False

    async def _stay_alive(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            await self._in_database(self._frontier.beat)

    def _tell(self) -> None:
        """Wake whoever waits for room or for pages."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _report(self, progress: Progress) -> None:
        if self._on_progress is not None:
            told = CrawlProgress.__dataclass_fields__.keys() - {"session_id"}
            counts = {name: value for name, value in vars(progress).items() if name in told}
            self._on_progress(CrawlProgress(session_id=self.session.session_id, **counts))

    async def _in_database(self, call: Callable[..., Result], *arguments: object) -> Result:
        """Run a call on the one thread that uses the connection."""
        return await asyncio.get_running_loop().run_in_executor(self._database, call, *arguments)


class _Mark:
    """Among settled pages: a word to the writer."""


_NOW = _Mark()
"""Settle what there is: somebody waits for it."""

_END = _Mark()
"""Nothing more will come."""


def _first_trouble(unread: list[UnreadPages]) -> UnreadPages | None:
    return next((pages for pages in unread if pages.kind == "list"), None)


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


@contextmanager
def long_lived_objects_set_aside() -> Iterator[None]:
    """Let the garbage collector pass over what is there already, modules and their tables above all.

    Trees of pages fill its generations fast, and each time it would look through all of the program: a third of the
    processor's time of a crawl.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def start_in(group: asyncio.TaskGroup, work: Coroutine[Any, Any, None]) -> None:
    """Start a task in a group; RuntimeError, and nothing left over, when the group is ending because a task failed."""
    try:
        group.create_task(work)
    except RuntimeError:
        work.close()
        raise


def _first_of(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failures.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first
