"""Progress on stderr: one redrawn line on a terminal, a line per step elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from scripts.console import is_interactive, messages, say

if TYPE_CHECKING:
    from loaders.crawl import CrawlProgress
    from scripts.sync import SessionCounts, SyncReport


@contextmanager
def import_progress() -> Iterator[Callable[[str, int], None]]:
    """A callback that shows the rows read of the file being landed."""
    if not is_interactive():
        yield lambda _file, _rows: None
        return
    with messages.status("Landing …") as line:
        yield lambda file, rows: line.update(f"Landing {file}: {rows:,} rows")


@contextmanager
def crawl_progress() -> Iterator[Callable[[CrawlProgress], None]]:
    """A callback that shows how far a crawl is."""
    if not is_interactive():
        yield lambda _progress: None
        return
    with messages.status("Scraping …") as line:
        yield lambda progress: line.update(
            f"Scraping: {progress.pages_done} of {progress.pages_planned} pages, {progress.pages_browser} by browser, "
            f"{progress.pages_failed} failed, {progress.rows_landed} rows"
        )


@contextmanager
def sync_progress() -> Iterator[Callable[[SyncReport], None]]:
    """A callback that tells of each sync when it is done."""

    def on_report(report: SyncReport) -> None:
        say(f"Synced {', '.join(_session_name(session) for session in report.sessions)} in {report.seconds:.1f} s")

    if not is_interactive():
        yield on_report
        return
    with messages.status("Syncing …"):
        yield on_report


@contextmanager
def replay_progress() -> Iterator[Callable[[int, int], None]]:
    """A callback that shows how many syncs of how many were replayed."""
    if not is_interactive():
        yield lambda _done, _all: None
        return
    with messages.status("Replaying …") as line:
        yield lambda done, steps: line.update(f"Replaying: {done} of {steps} syncs")


def _session_name(session: SessionCounts) -> str:
    return f"{session.source}/{session.scope} of {session.observed_at:%Y-%m-%d %H:%M}"
