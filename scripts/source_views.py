"""What the commands for source files show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loaders.pages import NOTHING_STATED
from scripts.console import output, print_json, say, show, table

if TYPE_CHECKING:
    from loaders.field_trace import FieldTrace
    from scripts.sources import CheckedSource, TriedPage

_KINDS = {"list": "Result page", "detail": "Advert page"}
_LONGEST_VALUE = 60
_MOST_DIFFERENCES = 10


def print_new_source(name: str, path: Path, *, as_json: bool) -> None:
    """Where the file is, and what to do with it."""
    if as_json:
        print_json({"source": name, "path": str(path)})
        return
    output.print(f"Wrote {path}", soft_wrap=True)
    say(f"See what it reads: property-manager source test {name}")


def print_checked_sources(checks: Sequence[CheckedSource], *, as_json: bool) -> None:
    """Each source file with its mistake, and how saved pages are read otherwise than they were."""
    if as_json:
        print_json({"sources": [check.as_json() for check in checks]})
        return
    rows = [(check.name, "ok" if check.ok else "not ok", check.pages, check.path) for check in checks]
    show(table("Source files", ("source", "verdict", "saved pages", "file"), rows))
    for check in checks:
        if check.problem is not None:
            say(f"{check.name}: {check.problem}" + (f"\n  {check.hint}" if check.hint else ""))
        for page, differences in check.differences.items():
            shown = [(each.place, each.expected, each.read) for each in differences[:_MOST_DIFFERENCES]]
            show(table(f"{page}: {len(differences)} differences", ("place", "saved", "read now"), shown))


def print_tried_page(page: TriedPage) -> None:
    """One live page, field by field."""
    how = f"HTTP {page.http_status}" + (", rendered by a browser" if page.via == "browser" else "")
    output.print(f"\n{_KINDS[page.kind]} {page.url} ({how if page.http_status else 'not fetched'})", soft_wrap=True)
    if page.error is not None:
        say(f"It was not read: {page.error}")
        if NOTHING_STATED in page.error:
            say(f"Fill in the section `{page.kind}` of the source file: docs/adding-a-source.md.")
    if page.kind == "list" and page.ok:
        count = f", the site counts {page.listing_count:,}" if page.listing_count is not None else ""
        output.print(f"It leads to {page.adverts} adverts and {page.result_pages} more result pages{count}.")
    if page.trace is not None and page.trace.fields:
        is_list = page.trace.cards is not None
        columns = ("field", "value", "outcome", "selector", "wanted", "found", *(("in cards",) if is_list else ()))
        show(table("", columns, [_cells(trace, page.trace.cards) for trace in page.trace.fields]))
    if page.ok and page.trace is not None and page.trace.unread_fields:
        say(f"Nothing gives: {', '.join(page.trace.unread_fields)}")
    if page.saved_as is not None:
        say(f"Saved as {page.saved_as}; `property-manager source check` reads it again.")


def _cells(trace: FieldTrace, cards: int | None) -> tuple[Any, ...]:
    value = trace.value
    if value is not None:
        value = " ".join(value.split())
        value = value if len(value) <= _LONGEST_VALUE else f"{value[:_LONGEST_VALUE]}…"
    cells = (trace.name, value, trace.outcome, trace.selector, trace.wanted or None, trace.found)
    if cards is None:
        return cells
    return (*cells, None if trace.cards is None else f"{trace.cards} of {cards}")
