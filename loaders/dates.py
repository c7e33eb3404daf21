"""Dates as portals write them, such as "3 days ago" in many languages, become ISO 8601; everything else stays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dateparser.date import DateDataParser

LANGUAGES = (
    *("en", "de", "fr", "es", "it", "pt", "nl", "pl", "cs", "sk", "sv", "nb", "da", "fi", "hu", "ro", "bg", "hr", "sl"),
    *("el", "ru", "uk", "tr", "he", "ar", "fa", "hi", "id", "vi", "th", "ja", "ko", "zh"),
)
MAX_LENGTH = 80
"""Longer texts are no dates."""

_ISO = re.compile(r"\s*\d{4}-\d\d-\d\d")
_BARE_NUMBER = re.compile(r"[\d.,\s]{0,7}")
_NUMERIC = re.compile(r"(?<!\d)(\d{1,2})([./-])(\d{1,2})[./-](\d{4})(?!\d)")
_CLOCK = re.compile(r"\d:\d\d|\d+ ?(?:h|hours?|minutes?|mins?|hrs?)\b", re.I)
_MONTH_FIRST = frozenset({"US", "USA", "UNITED STATES"})


def iso_date(text: str, seen_at: datetime, country: str | None = None) -> str:
    """The day, or the time, that a text means when it was seen, in ISO 8601; a text that is no date stays as it is.

    So does one such as 05/12/2024 where no country tells which of the numbers is the month.
    """
    if len(text) > MAX_LENGTH or _ISO.match(text) or _BARE_NUMBER.fullmatch(text):
        return text
    is_month_first = (country or "").strip().upper() in _MONTH_FIRST
    if country is None and _could_be_either(text):
        return text
    return _iso_date(text, seen_at.replace(second=0, microsecond=0), is_month_first=is_month_first) or text


def _could_be_either(text: str) -> bool:
    numeric = _NUMERIC.search(text)
    return (
        numeric is not None
        and numeric[2] != "."
        and numeric[1] != numeric[3]
        and max(int(numeric[1]), int(numeric[3])) <= 12
    )


@lru_cache(maxsize=4096)
def _iso_date(text: str, seen_at: datetime, *, is_month_first: bool) -> str | None:
    parser = _parser(seen_at, is_month_first=is_month_first)
    for candidate in _candidates(text):
        found = parser.get_date_data(candidate).date_obj
        if found is not None and found.year > 1900:
            return found.isoformat(timespec="minutes") if _CLOCK.search(candidate) else found.date().isoformat()
    return None


def _candidates(text: str) -> Iterator[str]:
    """The text, and what is left of it without the words before the date: 'Added: 3 days ago' -> '3 days ago'."""
    text = " ".join(text.replace("+", "").split()).strip(" .,;:·|")
    if numeric := _NUMERIC.search(text):
        yield numeric[0]
        return
    yield text
    words = text.split(" ")
    for start in range(1, min(len(words), 5)):
        yield " ".join(words[start:])


@lru_cache(maxsize=64)
def _parser(seen_at: datetime, *, is_month_first: bool) -> DateDataParser:
    # Its languages take a while to load, and most pages have no such date.
    from dateparser.date import DateDataParser

    return DateDataParser(
        languages=list(LANGUAGES),
        settings={
            "RELATIVE_BASE": seen_at,
            "DATE_ORDER": "MDY" if is_month_first else "DMY",
            "PREFER_DAY_OF_MONTH": "first",
            "PREFER_DATES_FROM": "past",
            "RETURN_AS_TIMEZONE_AWARE": seen_at.tzinfo is not None,
        },
    )
