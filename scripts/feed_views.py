"""What `changes` and `history` show."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from rich.text import Text

from scripts.console import facts, json_line, output, print_json, short_id, show, table

_BAR = 32
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LONGEST_VALUE = 48
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_COLUMNS = (
    *("sequence", "observed_at", "source", "source_listing_id", "property_id", "change_type", "field_name"),
    *("old_value", "new_value", "relative_change", "is_significant", "confidence", "major_change_type", "status"),
    *("reason", "session_id"),
)


def print_changes_as_lines(rows: Iterable[dict[str, Any]]) -> None:
    """One JSON object a line, at once, so that a follower's reader need not wait."""
    for row in rows:
        print(json_line(row), flush=True)


def print_changes_as_csv(rows: Iterable[dict[str, Any]]) -> None:
    """CSV with a header; texts that a spreadsheet would take for a formula begin with an apostrophe."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        writer.writerow([_csv_cell(row[name]) for name in _COLUMNS])
        sys.stdout.flush()


def print_changes_as_they_come(rows: Iterable[dict[str, Any]]) -> None:
    """One line a change, for people who watch."""
    for row in rows:
        what = Text(f"{row['sequence']:>8}  {row['observed_at']:%Y-%m-%d %H:%M}  ")
        what.append(f"{row['source']} {row['source_listing_id']}  ", "bold" if row["is_significant"] else "")
        what.append(" ".join(filter(None, (row["change_type"], row["field_name"], _from_to(row)))))
        output.print(what, soft_wrap=True)


def print_changes(rows: Sequence[dict[str, Any]]) -> None:
    """A table of changes; significant ones are marked."""
    if not rows:
        output.print("No change fits.")
        return
    columns = ("sequence", "observed at", "source", "listing", "change", "field", "from", "to", "by", "!", "status")
    cells = [
        (
            *(str(row["sequence"]), row["observed_at"], row["source"], row["source_listing_id"], row["change_type"]),
            *(row["field_name"], _shown(row["old_value"], row), _shown(row["new_value"], row)),
            *(_percent(row["relative_change"]), "!" if row["is_significant"] else "", row["status"]),
        )
        for row in rows
    ]
    show(table("", columns, cells))
    output.print(Text(f"Go on from here with --since {rows[-1]['sequence']}.", "dim"))


def print_history(history: dict[str, Any], *, as_json: bool) -> None:
    """One listing's life: what it is now, its price over time, and every change."""
    if as_json:
        print_json(history)
        return
    listing = history["listing"]
    state = listing["listing_status"]
    if listing["removal_reason"]:
        state += f" ({listing['removal_reason']})"
    pairs = [
        ("listing", f"{short_id(listing['property_id'])} = {listing['source']} {listing['source_listing_id']}"),
        ("title", listing["title"]),
        ("address", listing["url"]),
        ("status", f"{state}, {listing['standard_status']}"),
        ("first seen", listing["first_seen_at"]),
        ("last confirmed", listing["last_confirmed_at"]),
        ("spell", f"{listing['spell_number']}, since {listing['spell_started_at']:%Y-%m-%d}"),
        ("days on market", f"{listing['days_on_market']}, {listing['cumulative_days_on_market']} with earlier spells"),
        ("relisted from", listing["relisted_from_listing_id"]),
        ("price", _money(listing["price"], listing["currency"])),
        ("original price", _money(listing["original_price"], listing["currency"])),
        ("lowest price", _money(listing["lowest_price"], listing["currency"])),
        ("held price", _money(listing["held_price"], listing["held_currency"])),
    ]
    show(facts(listing["title"] or "", [(name, value) for name, value in pairs[:1] + pairs[2:] if value is not None]))
    _print_prices(history["prices"])
    columns = ("sequence", "observed at", "change", "field", "from", "to", "by", "!", "status", "why")
    cells = [
        (
            *(str(row["sequence"]), row["observed_at"], row["change_type"], row["field_name"]),
            *(_shown(row["old_value"], row), _shown(row["new_value"], row), _percent(row["relative_change"])),
            *("!" if row["is_significant"] else "", row["status"], row["reason"]),
        )
        for row in history["changes"]
    ]
    output.print()
    show(table("Life", columns, cells))


def _print_prices(prices: Sequence[dict[str, Any]]) -> None:
    known = [row["price"] for row in prices if row["price"] is not None]
    if not known or max(known) <= 0:
        return
    output.print()
    output.print(Text("Price", "bold"))
    before: Decimal | None = None
    for row in prices:
        price, line = row["price"], Text(f" {row['valid_from']:%Y-%m-%d}  ")
        if row["listing_status"] == "removed":
            line.append("off the market", "dim")
        elif price is None:
            line.append("no price stated", "dim")
        else:
            line.append(f"{_money(price, row['currency']):>16}  ")
            line.append(_bar(price / max(known)))
            if before:
                line.append(f"  {_percent(float(price / before) - 1)}", "green" if price < before else "red")
            before = price
        output.print(line)


def _bar(share: Decimal) -> str:
    eighths = round(max(share, Decimal(0)) * _BAR * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _from_to(row: dict[str, Any]) -> str | None:
    if row["field_name"] is None:
        return row["reason"]
    by = f" ({_percent(row['relative_change'])})" if row["relative_change"] is not None else ""
    status = "" if row["status"] == "applied" else f" {row['status']}"
    return f"{_shown(row['old_value'], row)} → {_shown(row['new_value'], row)}{by}{status}"


def _shown(value: Any, row: dict[str, Any]) -> str:
    """A value in a cell; whole listings are told by their title and price."""
    if value is None:
        return "–"
    if row["field_name"] is None and isinstance(value, dict):
        text = ", ".join(str(value[name]) for name in ("title", "source_listing_id", "price") if name in value)
    elif isinstance(value, str):
        text = value
    else:
        text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:+.1%}"


def _money(amount: Decimal | None, currency: str | None) -> str | None:
    if amount is None:
        return None
    return f"{amount.normalize():,f} {currency or ''}".strip()


def _csv_cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value
