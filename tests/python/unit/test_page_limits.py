"""Pages built to cost their reader more than they are worth."""

from __future__ import annotations

import json

import pytest

from loaders.page_limits import MAX_NESTING, PageTooCostlyError, check_amount
from loaders.pages import Page, StructuredReader
from tests.python.integration.sites import json_ld

URL = "https://portal.example/a"


def read(html: str) -> bool:
    return StructuredReader().is_ready("detail", Page(URL, html))


@pytest.mark.parametrize(
    ("html", "reason"),
    [
        ("<div>" * 1_500_000, "nested deeper"),
        ("<b>" * MAX_NESTING, "nested deeper"),
        ("<div itemscope itemprop=a>" * 33, "nests microdata"),
        ("<div itemscope>" + "<i itemprop=a></i>" * 10_000, "elements of microdata"),
        (f"<div itemscope itemref='{'a ' * 201}'>", "refers to microdata"),
        ("<div itemscope itemref=a></div>" * 201, "refers to microdata"),
        ("<div itemscope>" + "<div itemprop=a>" * 400 + "flat " * 3_000, "repeats its text"),
        ("<div itemscope>" * 32 + "flat " * 40_000, "repeats its text"),
        ("<div itemscope><div itemprop=a>" + "<b></b>" * 500_001, "repeats its text"),
        (f"<div itemscope itemref='{'a ' * 200}'></div><p id=a itemprop=b>" + "flat " * 5_000, "repeats its text"),
        ("<div itemscope itemprop='a b c'>" * 32, "50,000 values"),
        ('<script type="application/ld+json">{}</script>' * 1_001, "blocks of JSON-LD"),
        (json_ld([{"@type": "House", "url": "/1"}] * 17_000), "50,000 values"),
        (json_ld({"@type": "ItemList", "itemListElement": ["/1"] * 50_000}), "50,000 values"),
        (json_ld({"@type": "ItemList", "itemListElement": [{"@id": "#a"}] * 25_000}), "50,000 values"),
    ],
)
def test_costly_documents_are_not_read(html: str, reason: str) -> None:
    with pytest.raises(PageTooCostlyError, match=reason):
        read(html)


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * (MAX_NESTING - 2),
        "<div itemscope itemprop=a>" * 32,
        "<div itemscope>" + "<i itemprop=a></i>" * 9_999,
        f"<div itemscope itemref='{'a ' * 200}'>",
        "<div itemscope>" + "<div itemprop=a>" * 50 + "flat " * 10_000,
        "<div itemscope itemprop=a>" * 32 + "<p itemprop=b>" + "flat " * 500_000,
        '<script type="application/ld+json">{}</script>' * 1_000,
        json_ld([{"@type": "Product", "url": "/1"}] * 16_000),
    ],
)
def test_large_documents_are_read(html: str) -> None:
    assert read(html) in (True, False)


def test_structured_data_nested_too_deeply_is_a_broken_block() -> None:
    deep = '<script type="application/ld+json">' + "[" * 100_000 + "</script>"
    flat = '<script type="application/ld+json">{"@type": "House", "name": "Flat"}</script>'

    page = Page(URL, deep + flat)

    assert (page.stated.structured.broken, read(deep + flat)) == (1, True)


def test_references_that_multiply_are_followed_within_bounds() -> None:
    """Each of these says three times what the next one says: written out it would be half a million."""
    nodes = [{"@id": f"#{number}", "@type": "House", "a": [{"@id": f"#{number + 1}"}] * 30} for number in range(12)]
    page = Page(URL, f'<script type="application/ld+json">{json.dumps(nodes)}</script>')

    assert len(json.dumps(page.stated.structured.nodes)) < 50_000_000


@pytest.mark.parametrize(("links", "rows"), [(5_001, 0), (0, 5_001)])
def test_pages_that_state_too_much_are_not_believed(links: int, rows: int) -> None:
    check_amount(URL, links=5_000, rows=5_000)
    with pytest.raises(PageTooCostlyError, match=r"more than 5,000"):
        check_amount(URL, links=links, rows=rows)
