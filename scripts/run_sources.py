"""A whole round: every configured source is crawled, several at once, and synced as soon as its crawl ends."""

from __future__ import annotations

import logging
import multiprocessing
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loaders.database import connect, statements
from loaders.errors import EXIT_QUALITY_GATE, BusyError, PropertyManagerError, UsageError
from loaders.source_files import Start, load_source_file, require_source_file, source_paths
from scripts.console import error_as_json
from scripts.logs import start_logging, told
from scripts.scrape import store_settings
from scripts.sync import SyncReport, sync_pending

if TYPE_CHECKING:
    import psycopg

    from loaders.crawl import CrawlResult

STOP_SECONDS = 30.0
"""How long a crawl may take to settle what it was busy with, once the deadline has come."""

_POLL_SECONDS = 0.5
_ADD_A_START = "Add the first result page under `start`; `property-manager source new NAME --url …` writes such a file."
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")
_SQL = statements("run_sources.sql", Path(__file__).parent / "sql")


class DeadlineError(PropertyManagerError):
    """The deadline of the round came before this source was done; the next round goes on with it."""

    code = "deadline"


class CrawlCrashedError(PropertyManagerError):
    """The process that crawled a source ended without a word."""

    code = "crashed"


class Deadline:
    """A moment that may come, in seconds from now; None never comes."""

    def __init__(self, seconds: float | None) -> None:
        self._moment = None if seconds is None else time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """Whether it has come."""
        return self._moment is not None and time.monotonic() >= self._moment


@dataclass(frozen=True)
class SourceRun:
    """What a round made of one start of a source; `error` says what ended it early. `seconds` include the sync."""

    source: str
    url: str | None
    crawl: CrawlResult | None
    reports: tuple[SyncReport, ...]
    error: PropertyManagerError | None
    seconds: float

    @property
    def exit_code(self) -> int:
        """The exit code that a command for this start alone would have had."""
        if self.error is not None:
            return self.error.exit_code
        return EXIT_QUALITY_GATE if any(report.has_quarantined for report in self.reports) else 0

    def as_json(self) -> dict[str, Any]:
        """The run in the stable shape that commands print with --json."""
        return {
            "source": self.source,
            "url": self.url,
            "exit_code": self.exit_code,
            "seconds": round(self.seconds, 3),
            "session": asdict(self.crawl) if self.crawl else None,
            "syncs": [report.as_json() for report in self.reports],
            **(error_as_json(self.error) if self.error else {"error": None}),
        }


def parse_duration(text: str) -> float:
    """Seconds of a duration such as 90s, 45m or 1h30m. Raises UsageError."""
    match = _DURATION.fullmatch(text.strip().lower())
    hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0)
    total = 3600 * hours + 60 * minutes + seconds
    if not total:
        raise UsageError(f"{text!r} is not a duration", "Give hours, minutes or seconds, such as 90s, 45m or 1h30m.")
    return float(total)


def run_sources(
    database_url: str,
    *,
    names: Sequence[str] = (),
    jobs: int = 2,
    ends: Deadline | None = None,
    on_run: Callable[[SourceRun], None] | None = None,
) -> list[SourceRun]:
    """Crawl and sync the named sources, by default all whose file names a start; `jobs` crawls at once.

    What goes wrong with one source ends up in its run and stops no other. When the deadline comes, crawls are stopped,
    to be taken up by the next round, and no sync begins. Starts that were crawled longest ago come first, so that a
    deadline does not fall on the same ones every night. Raises BusyError while another round runs, UsageError for a
    name without a file and where nothing is configured.
    """
    ends = ends or Deadline(None)
    with connect(database_url, application_name="property-manager run") as connection:
        if connection.execute(_SQL["try_round_lock"]).fetchone() != (True,):
            raise BusyError("another `property-manager run` is under way", "Let it end; `status` shows how far it is.")
        starts, runs = _configured(names)
        starts = _in_turn(connection, starts)
        with ThreadPoolExecutor(jobs, thread_name_prefix="run") as crawls:
            waiting = [crawls.submit(_crawled, database_url, name, start, ends) for name, start in starts]
            try:
                for crawled in as_completed(waiting):
                    runs.append(_synced(database_url, crawled.result(), ends))
                    if on_run is not None:
                        on_run(runs[-1])
            except BaseException:
                crawls.shutdown(wait=False, cancel_futures=True)
                for process in multiprocessing.active_children():
                    process.terminate()
                raise
    return sorted(runs, key=lambda run: (run.source, run.url or ""))


def _configured(names: Sequence[str]) -> tuple[list[tuple[str, Start]], list[SourceRun]]:
    """The starts to crawl, and the sources whose file cannot be used."""
    paths = source_paths()
    unknown = next((name for name in names if name not in paths), None)
    if unknown is not None:
        require_source_file(unknown)
    starts: list[tuple[str, Start]] = []
    broken = []
    for name in dict.fromkeys(names or sorted(paths)):
        try:
            found = load_source_file(paths[name]).starts
        except UsageError as error:
            broken.append(SourceRun(name, None, None, (), error, 0.0))
            continue
        starts += [(name, start) for start in found]
        if names and not found:
            error = UsageError(f"{paths[name]} names no start", _ADD_A_START)
            broken.append(SourceRun(name, None, None, (), error, 0.0))
    if not starts and not broken:
        raise UsageError("no source file names a start, so there is nothing to run", _ADD_A_START)
    return starts, broken


def _in_turn(connection: psycopg.Connection, starts: list[tuple[str, Start]]) -> list[tuple[str, Start]]:
    """Starts in the order in which they were last crawled, those never crawled first."""
    last_begun = {(source, url): opened_at for source, url, opened_at in connection.execute(_SQL["last_begun"])}
    never = datetime.min.replace(tzinfo=UTC)
    return sorted(starts, key=lambda start: last_begun.get((start[0], start[1].url), never))


def _crawled(database_url: str, name: str, start: Start, ends: Deadline) -> SourceRun:
    """One start crawled in a process of its own, which is stopped when the deadline comes."""
    began = time.monotonic()
    run = SourceRun(name, start.url, None, (), None, 0.0)
    if ends.is_over:
        return replace(run, error=_too_late("it was not begun"))
    with _crawling(database_url, name, start) as (process, results):
        while not (has_ended := results.poll(_POLL_SECONDS)) and not ends.is_over:
            pass
        if has_ended:
            crawl, error = _received(process, results)
            run = replace(run, crawl=crawl, error=error)
        else:
            process.terminate()
            process.join(STOP_SECONDS)
            run = replace(run, error=_too_late("the crawl was stopped"))
    return replace(run, seconds=time.monotonic() - began)


def _received(
    process: multiprocessing.context.SpawnProcess, results: Connection
) -> tuple[CrawlResult | None, PropertyManagerError | None]:
    """What the process of a crawl has to say. Errors travel as plain values: their classes differ in what they take."""
    try:
        crawl, failure = results.recv()
    except EOFError:
        process.join()
        hint = "What was read is kept: the next round goes on with it. The log may say more."
        return None, CrawlCrashedError(f"the crawl ended without a word, with exit code {process.exitcode}", hint)
    if failure is None:
        return crawl, None
    error = PropertyManagerError(*failure[:2])
    error.code, error.exit_code = failure[2:]
    return None, error


@contextmanager
def _crawling(
    database_url: str, name: str, start: Start
) -> Iterator[tuple[multiprocessing.context.SpawnProcess, Connection]]:
    context = multiprocessing.get_context("spawn")
    results, sender = context.Pipe(duplex=False)
    process = context.Process(target=_crawl, args=(database_url, name, start, sender), name=f"crawl-of-{name}")
    process.start()
    sender.close()
    try:
        yield process, results
        process.join(STOP_SECONDS)
    finally:
        process.kill()
        process.join()
        results.close()


def _crawl(database_url: str, name: str, start: Start, results: Connection) -> None:
    """What the process of one crawl does; it ends by itself when the process that waits for it is gone."""
    from loaders.crawl import scrape

    logger = start_logging()
    try:
        store_settings(database_url, name)
        crawl = scrape(database_url, url=start.url, source=name, scope=start.scope, max_pages=start.max_pages)
    except Exception as failure:
        logger.exception("the crawl of %s failed", name)
        error = told(failure)
        results.send((None, (error.message, error.hint, error.code, error.exit_code)))
    else:
        results.send((crawl, None))


def _synced(database_url: str, run: SourceRun, ends: Deadline) -> SourceRun:
    """Publish what waits of this source, also after a crawl that failed, as soon as another sync has ended."""
    began = time.monotonic()
    reports: list[SyncReport] = []
    error: PropertyManagerError | None = None
    while True:
        if ends.is_over:
            error = _too_late("what landed was not synced")
            break
        try:
            sync_pending(database_url, source=run.source, on_report=reports.append)
        except BusyError:
            time.sleep(_POLL_SECONDS)
            continue
        except Exception as failure:
            logging.getLogger("property_manager").exception("the sync of %s failed", run.source)
            error = told(failure)
        break
    seconds = run.seconds + time.monotonic() - began
    return replace(run, reports=tuple(reports), error=run.error or error, seconds=seconds)


def _too_late(what: str) -> DeadlineError:
    return DeadlineError(f"the deadline came: {what}", "The next `property-manager run` goes on with it.")
