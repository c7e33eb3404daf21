"""Dates in the notations of portals, as they were meant on one day."""

from __future__ import annotations

import csv
import re
from collections import Counter
from datetime import datetime
from pathlib import Path

from loaders.dates import MAX_LENGTH, iso_date

SEEN_AT = datetime(2024, 5, 17, 15, 30)
DATES = Path(__file__).parents[1] / "notations" / "dates.csv"


def notations() -> list[dict[str, str]]:
    with DATES.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_notation_is_read() -> None:
    read = {row["text"]: iso_date(row["text"], SEEN_AT, row["country"] or None) for row in notations()}
    assert read == {row["text"]: row["date"] for row in notations()}


def test_the_table_holds_many_notations_each_once() -> None:
    counts = Counter(re.sub(r"\d+", "0", row["text"]) for row in notations())
    assert [text for text, count in counts.items() if count > 1] == []
    assert len(counts) >= 70


def test_long_texts_are_no_dates() -> None:
    text = "3 days ago" + " and more" * MAX_LENGTH
    assert iso_date(text, SEEN_AT) == text
