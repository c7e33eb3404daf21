"""What `run` shows: a line as each source is done, and one table at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from loaders.errors import worst_exit_code
from scripts.console import print_json, say, show, table
from scripts.run_sources import SourceRun

_COLUMNS = ("source", "result", "listings", "pages", "complete", "created", "updated", "removed", "seconds")
_COUNTED = ("created", "updated", "removed")


def tell_run(run: SourceRun) -> None:
    """A line for people: a source is done."""
    say(f"{_named(run)}: {_result(run)} after {run.seconds:.0f} s")


def print_runs(runs: Sequence[SourceRun], *, as_json: bool) -> None:
    """All runs of a round, with what ended them early."""
    if as_json:
        exit_code = worst_exit_code(run.exit_code for run in runs)
        print_json({"exit_code": exit_code, "runs": [run.as_json() for run in runs]})
        return
    show(table("Round", _COLUMNS, [_cells(run) for run in runs]))
    for run in runs:
        if run.error is not None:
            say(f"{_named(run)}: {run.error.message}" + (f"\n  {run.error.hint}" if run.error.hint else ""))
        elif run.crawl is not None and run.crawl.incomplete_reason:
            say(f"{_named(run)}: partial: {run.crawl.incomplete_reason}")


def _named(run: SourceRun) -> str:
    return f"{run.source} ({run.url})" if run.url else run.source


def _cells(run: SourceRun) -> tuple[Any, ...]:
    sessions = [session for report in run.reports for session in report.sessions]
    counts = [sum(getattr(session, name) for session in sessions) if sessions else None for name in _COUNTED]
    crawl = run.crawl
    crawled = (crawl.listings_seen, crawl.pages_done, "yes" if crawl.is_complete else "no") if crawl else (None,) * 3
    return (run.source, _result(run), *crawled, *counts, round(run.seconds))


def _result(run: SourceRun) -> str:
    if run.error is not None:
        return run.error.code
    return "quarantined" if run.exit_code else "synced"
