"""What commands print: results on stdout, as tables for people or JSON for programs; messages on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from loaders.errors import PropertyManagerError

_SHORT = len("2024-05-31 06:00")
"""Cells up to this length, such as ids, counts and times, are never broken into lines."""

_NARROWEST_TEXT = 16
_WIDEST = 1000

output = Console(highlight=False, soft_wrap=False)
messages = Console(stderr=True, highlight=False)


def print_json(document: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(document, ensure_ascii=False, indent=2, default=_json_default))


def json_line(document: Any) -> str:
    """A document as one line of JSON, for streams of many."""
    return json.dumps(document, ensure_ascii=False, default=_json_default)


def print_error(error: PropertyManagerError, *, as_json: bool) -> None:
    """An error with its hint: as JSON on stdout for programs, in words on stderr for people."""
    if as_json:
        print_json(error_as_json(error))
        return
    messages.print(Text.assemble(("error: ", "bold red"), error.message))
    if error.hint:
        messages.print(Text.assemble(("hint:  ", "bold"), error.hint))


def error_as_json(error: PropertyManagerError) -> dict[str, Any]:
    """The stable shape in which programs are told of a failure."""
    return {"error": {"code": error.code, "message": error.message, "hint": error.hint}}


def say(text: str) -> None:
    """A message for people, on stderr."""
    messages.print(Text(text))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """A table whose number columns are right-aligned; scraped text is shown as it is, never as markup."""
    cells = [[_cell(value) for value in row] for row in rows]
    numeric = [bool(cells) and all(_is_number(row[i].plain) for row in cells) for i in range(len(columns))]
    drawn = Table(title=title or None, title_justify="left", title_style="bold", header_style="bold", box=None)
    for i, (name, is_numeric) in enumerate(zip(columns, numeric, strict=True)):
        is_short = all(len(row[i].plain) <= _SHORT for row in cells)
        longest = max((len(row[i].plain) for row in cells), default=0)
        drawn.add_column(
            name,
            justify="right" if is_numeric else "left",
            overflow="fold",
            no_wrap=is_short,
            min_width=max(len(name), longest if is_short else _NARROWEST_TEXT),
        )
    for row in cells:
        drawn.add_row(*row)
    return drawn


def show(drawn: RenderableType) -> None:
    """Print a table on stdout; where it is wider than the terminal its lines wrap, and nothing is cut off."""
    needed = Measurement.get(output, output.options.update(width=_WIDEST), drawn).minimum
    if isinstance(drawn, Table) and needed > output.width:
        drawn.width = needed
    output.print(drawn, crop=False)


def facts(title: str, pairs: Iterable[tuple[str, Any]]) -> Group:
    """Names and values, one pair a line, under a title."""
    drawn = Table.grid(padding=(0, 2), pad_edge=True)
    drawn.add_column(no_wrap=True)
    drawn.add_column(overflow="fold")
    for name, value in pairs:
        drawn.add_row(Text(f" {name}"), _cell(value))
    return Group(*([Text(title, "bold")] if title else []), drawn)


def short_id(value: UUID) -> str:
    """The first digits of an id, which commands accept in its place."""
    return str(value)[:8]


def is_interactive() -> bool:
    """Whether progress may redraw a line."""
    return sys.stderr.isatty()


def _cell(value: Any) -> Text:
    if value is None:
        return Text("–", "dim")
    if isinstance(value, datetime):
        return Text(value.strftime("%Y-%m-%d %H:%M"))
    return Text(str(value))


def _is_number(text: str) -> bool:
    return text == "–" or text.replace(",", "").replace(".", "").replace("-", "").replace("%", "").isdigit()


def _json_default(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
