"""What a page may ask of its reader: nothing that costs more time or memory than pages of its size do."""

from __future__ import annotations

from lxml.etree import XPath, _Element

from loaders.errors import PropertyManagerError

MAX_NESTING = 512
"""Levels of elements; browsers build no deeper documents from a page's text either."""

MAX_MICRODATA_NESTING = 32
MAX_MICRODATA_ELEMENTS = 10_000
MAX_MICRODATA_REFERENCES = 200

MAX_COUNT_DIGITS = 9
"""Of a number that counts listings or pages; one with more counts nothing, and fits no column."""

MAX_LINKS = 5_000
MAX_ROWS = 5_000

_IS_DEEP = XPath(f"boolean({'/*' * (MAX_NESTING + 1)})")
_NESTS_MICRODATA = XPath(f"boolean(//*[@itemscope][count(ancestor-or-self::*[@itemscope]) > {MAX_MICRODATA_NESTING}])")
_MICRODATA_ELEMENTS = XPath("count(//*[@itemscope or @itemprop])")
_MICRODATA_REFERENCES = XPath("//@itemref")


class PageReadError(PropertyManagerError):
    """A page was fetched but cannot be read."""

    code = "page"


class PageTooCostlyError(PageReadError):
    """A page is built so that reading it would cost far more than its size does."""


def believable_count(digits: str | None) -> int | None:
    """What a text of decimal digits counts; None for any other text, and for one beyond any count."""
    return int(digits) if digits is not None and digits.isdecimal() and len(digits) <= MAX_COUNT_DIGITS else None


def check_document(root: _Element, url: str) -> None:
    """Raise PageTooCostlyError for a document whose reading takes more than its size allows."""
    if _IS_DEEP(root):
        raise PageTooCostlyError(f"{url} is nested deeper than {MAX_NESTING} levels")
    if _NESTS_MICRODATA(root):
        raise PageTooCostlyError(f"{url} nests microdata deeper than {MAX_MICRODATA_NESTING} levels")
    if _MICRODATA_ELEMENTS(root) > MAX_MICRODATA_ELEMENTS:
        raise PageTooCostlyError(f"{url} has more than {MAX_MICRODATA_ELEMENTS:,} elements of microdata")
    if sum(len(reference.split()) for reference in _MICRODATA_REFERENCES(root)) > MAX_MICRODATA_REFERENCES:
        raise PageTooCostlyError(f"{url} refers to microdata more than {MAX_MICRODATA_REFERENCES} times")


def check_amount(url: str, *, links: int, rows: int) -> None:
    """Raise PageTooCostlyError for a page that leads to more pages, or states more listings, than one page does."""
    if links > MAX_LINKS:
        raise PageTooCostlyError(f"{url} leads to {links:,} pages, more than {MAX_LINKS:,}")
    if rows > MAX_ROWS:
        raise PageTooCostlyError(f"{url} states {rows:,} listings, more than {MAX_ROWS:,}")
