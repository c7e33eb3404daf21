"""What a page may ask of its reader: nothing that costs more time or memory than pages of its size do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from lxml.etree import XPath, _Element

from loaders.errors import PropertyManagerError

MAX_NESTING = 512
"""Levels of elements; browsers build no deeper documents from a page's text either."""

MAX_MICRODATA_NESTING = 32
MAX_MICRODATA_ELEMENTS = 10_000
MAX_MICRODATA_REFERENCES = 200

MAX_MICRODATA_TEXT = 5_000_000
"""Characters that are read as texts of microdata, once for each property that holds them; an element counts as ten."""

MAX_JSON_LD_BLOCKS = 1_000
MAX_STATED_VALUES = 50_000
"""Values of schema.org, at every level, in one page."""

MAX_COUNT_DIGITS = 9
"""Of a number that counts listings or pages; one with more counts nothing, and fits no column."""

MAX_LINKS = 5_000
MAX_ROWS = 5_000

_IS_DEEP = XPath(f"boolean({'/*' * (MAX_NESTING + 1)})")
_NESTS_MICRODATA = XPath(f"boolean(//*[@itemscope][count(ancestor-or-self::*[@itemscope]) > {MAX_MICRODATA_NESTING}])")
_MICRODATA_ELEMENTS = XPath("count(//*[@itemscope or @itemprop])")
_MICRODATA_REFERENCES = XPath("//@itemref")
_MICRODATA_SCOPES = XPath("//*[@itemscope]")
_MICRODATA_PROPERTIES = XPath("//*[@itemprop]")
_SCOPE_OF_PROPERTY = XPath("ancestor::*[@itemscope][1]")
_TEXT_LENGTH = XPath("string-length(.) + 10 * count(descendant::*)")
_JSON_LD_BLOCKS = XPath(
    'count(//script[starts-with(translate(@type, "ACDIJLNOPST", "acdijlnopst"), "application/ld+json")])'
)


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
    references = sum(len(reference.split()) for reference in _MICRODATA_REFERENCES(root))
    if references > MAX_MICRODATA_REFERENCES:
        raise PageTooCostlyError(f"{url} refers to microdata more than {MAX_MICRODATA_REFERENCES} times")
    # What is referred to may be read once more for each reference.
    most = MAX_MICRODATA_TEXT // (1 + references)
    if any(length > most for length in accumulate(map(_TEXT_LENGTH, _microdata_texts(root)))):
        raise PageTooCostlyError(f"{url} repeats its text in microdata to more than {MAX_MICRODATA_TEXT:,} characters")
    if _JSON_LD_BLOCKS(root) > MAX_JSON_LD_BLOCKS:
        raise PageTooCostlyError(f"{url} has more than {MAX_JSON_LD_BLOCKS:,} blocks of JSON-LD")


def _microdata_texts(root: _Element) -> Iterator[_Element]:
    """Elements of which microdata take the text: properties that are no items, and items without a property."""
    filled = set()
    for element in _MICRODATA_PROPERTIES(root):
        filled.update(_SCOPE_OF_PROPERTY(element))
        if "itemscope" not in element.attrib:
            yield element
    yield from (scope for scope in _MICRODATA_SCOPES(root) if scope not in filled)


def check_values(items: Sequence[Any], url: str) -> None:
    """Raise PageTooCostlyError for structured data that hold more values than a page's listings take.

    A value that is shared counts wherever it stands: an item of microdata with two names is there twice.
    """
    waiting, left = [items], MAX_STATED_VALUES
    while waiting:
        value = waiting.pop()
        inner = value.values() if isinstance(value, dict) else value
        left -= len(inner)
        if left < 0:
            raise PageTooCostlyError(f"{url} states more than {MAX_STATED_VALUES:,} values")
        waiting += [entry for entry in inner if isinstance(entry, dict | list)]


def check_amount(url: str, *, links: int, rows: int) -> None:
    """Raise PageTooCostlyError for a page that leads to more pages, or states more listings, than one page does."""
    if links > MAX_LINKS:
        raise PageTooCostlyError(f"{url} leads to {links:,} pages, more than {MAX_LINKS:,}")
    if rows > MAX_ROWS:
        raise PageTooCostlyError(f"{url} states {rows:,} listings, more than {MAX_ROWS:,}")
