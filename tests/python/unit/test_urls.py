"""Addresses: one key per page, source names, and what may be opened at all."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from loaders.errors import UsageError
from loaders.urls import absolute, belongs_to, host, is_same_site, origin, page_key, source_name, start_url


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://Portal.Example/a#photos", "https://portal.example/a"),
        ("https://portal.example", "https://portal.example/"),
        ("https://portal.example:443/a", "https://portal.example/a"),
        ("http://portal.example:80/a", "http://portal.example/a"),
        ("http://portal.example:8080/a", "http://portal.example:8080/a"),
        ("https://portal.example/a?b=2&a=1", "https://portal.example/a?a=1&b=2"),
        ("https://portal.example/a?utm_source=mail&id=7&gclid=x", "https://portal.example/a?id=7"),
        ("https://portal.example/a?q=&id=7", "https://portal.example/a?id=7&q="),
        ("https://portal.example/a?q=gda%C5%84sk+old", "https://portal.example/a?q=gda%C5%84sk+old"),
        ("https://portal.example/gdańsk", "https://portal.example/gda%C5%84sk"),
        ("http://[::1]:8000/a", "http://[::1]:8000/a"),
        ("https://portal.example/listing/a%2Fb", "https://portal.example/listing/a%2Fb"),
    ],
)
def test_page_key(url: str, key: str) -> None:
    assert page_key(url) == key


def test_page_one_has_one_key() -> None:
    first = ("page", "1")
    assert page_key("https://portal.example/flats?page=1", first) == "https://portal.example/flats"
    assert page_key("https://portal.example/flats?page=11", first) == "https://portal.example/flats?page=11"
    assert page_key("https://portal.example/flats?page=1") == "https://portal.example/flats?page=1"


# Tables of Unicode are made at the first draw, which takes a while on a busy machine.
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.text(max_size=30), st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=4))
@example("", {"\x80": "", "%80": ""})
def test_a_key_is_its_own_key(path: str, query: dict[str, str]) -> None:
    pairs = "&".join(f"{name}={value}" for name, value in query.items())
    key = page_key(f"https://portal.example/{path}?{pairs}")
    assert page_key(key) == key


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://www.example.com/flats", "example_com"),
        ("https://homes.Example.co.uk", "homes_example_co_uk"),
        ("http://127.0.0.1:8000/listings", "local_portal"),
        ("http://[::1]/", "local_portal"),
        ("https://99flats.example/", "portal_99flats_example"),
        ("https://müller.example/", "xn_mller_kva_example"),
    ],
)
def test_source_name(url: str, name: str) -> None:
    assert source_name(url) == name


@pytest.mark.parametrize("url", ["", "portal.example/a", "file:///etc/passwd", "ftp://portal.example/", "http://"])
def test_a_start_address_that_cannot_be_crawled_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="is not an address that can be scraped"):
        start_url(url)


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        ("/b?x=1", "https://portal.example/b?x=1"),
        ("//other.example/b", "https://other.example/b"),
        ("javascript:void(0)", None),
        ("mailto:a@b.example", None),
        ("  ", None),
        (None, None),
        ("http://[broken", None),
    ],
)
def test_absolute(reference: str | None, target: str | None) -> None:
    assert absolute("https://portal.example/a/", reference) == target


def test_origin_and_host() -> None:
    assert origin("https://portal.example:443/a?b") == "https://portal.example"
    assert host("http://Portal.example:8080/a") == "portal.example:8080"


def test_which_addresses_belong_together() -> None:
    assert is_same_site("https://www.portal.example/a", "https://portal.example/b")
    assert not is_same_site("https://portal.example/a", "https://portal.example:8443/a")
    assert belongs_to("https://m.portal.example:8443/a", ["portal.example"])
    assert not belongs_to("https://notportal.example/a", ["portal.example"])
