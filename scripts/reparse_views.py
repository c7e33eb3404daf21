"""What `reparse` shows: per crawl the pages, and field by field what is read otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING

from scripts.console import output, print_json, say, short_id, show, table

if TYPE_CHECKING:
    from loaders.reparse import Example, Reparsed

_LONGEST_VALUE = 40
_MOST_UNREAD = 5


def print_reparsed(crawls: Sequence[Reparsed], *, as_json: bool) -> None:
    """What each crawl's pages say now, and what landed."""
    if as_json:
        print_json({"crawls": [asdict(crawl) for crawl in crawls]})
        return
    for crawl in crawls:
        output.print(
            f"{crawl.source} ({crawl.scope}), session {short_id(crawl.session_id)}: "
            f"{crawl.pages_read} pages read again, {len(crawl.unread)} not, {crawl.pages_unkept} not kept",
            soft_wrap=True,
        )
        for url, error in islice(crawl.unread.items(), _MOST_UNREAD):
            say(f"  {url}: {error}")
        if crawl.differences:
            rows = [
                (name, each.filled, each.emptied, each.changed, _shown(each.examples[0]))
                for name, each in sorted(crawl.differences.items())
            ]
            show(table("", ("field", "filled", "emptied", "changed", "for example"), rows))
        if crawl.new_rows:
            output.print(f"{crawl.new_rows} cards and adverts that the crawl did not land.")
        say(_verdict(crawl))


def _verdict(crawl: Reparsed) -> str:
    if crawl.landed_as is not None:
        return f"Landed as session {short_id(crawl.landed_as)}; publish it: property-manager sync-pending"
    if crawl.landed_before is not None:
        return f"These selectors read it before: session {short_id(crawl.landed_before)}. Nothing landed."
    return "Nothing landed: this was a dry run." if crawl.has_news else "Nothing is read otherwise, and nothing landed."


def _shown(example: Example) -> str:
    return f"{example.source_listing_id}: {_short(example.before)} → {_short(example.now)}"


def _short(text: str | None) -> str:
    if text is None:
        return "empty"
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_VALUE else f"{line[:_LONGEST_VALUE]}…"
