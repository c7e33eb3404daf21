"""robots.txt, Retry-After and retries, as tables."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from loaders.http import Response
from loaders.politeness import RetryPolicy, Robots, RobotsUnavailableError, is_retryable, retry_after_seconds

NOW = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)


def robots(text: str, status: int = 200) -> Robots:
    response = Response("https://portal.example/robots.txt", status, {}, text.encode())
    return Robots.from_response(response, "property-manager")


@pytest.mark.parametrize(
    ("rules", "path", "allowed"),
    [
        ("", "/a", True),
        ("User-agent: *\nDisallow: /", "/a", False),
        ("User-agent: *\nDisallow:", "/a", True),
        ("User-agent: *\nDisallow: /private/", "/private/a", False),
        ("User-agent: *\nDisallow: /private/", "/privateer", True),
        ("User-agent: *\nDisallow: /p\nAllow: /p/open", "/p/open/1", True),
        ("User-agent: *\nAllow: /a\nDisallow: /a", "/a", True),
        ("User-agent: *\nDisallow: /*.pdf$", "/a/b.pdf", False),
        ("User-agent: *\nDisallow: /*.pdf$", "/a/b.pdf?x", True),
        ("User-agent: *\nDisallow: /*?sort=", "/a?sort=price", False),
        ("User-agent: other\nDisallow: /", "/a", True),
        ("User-agent: property-manager\nDisallow: /a\n\nUser-agent: *\nDisallow: /", "/b", True),
        ("User-agent: Property-Manager\nDisallow: /a", "/a", False),
        ("User-agent: *\nUser-agent: x\nDisallow: /a", "/a", False),
        ("\ufeffUser-agent: *\nDisallow: /a", "/a", False),
        ("user-agent:*\ndisallow:/a # closed", "/a", False),
        ("<html>not a robots file</html>", "/a", True),
    ],
)
def test_robots(rules: str, path: str, allowed: bool) -> None:
    assert robots(rules).allows(f"https://portal.example{path}") is allowed


@pytest.mark.parametrize("status", [301, 401, 403, 404, 410, 429])
def test_robots_that_does_not_exist_allows_everything(status: int) -> None:
    assert robots("User-agent: *\nDisallow: /", status).allows("https://portal.example/a")


@pytest.mark.parametrize("status", [500, 502, 503])
def test_robots_that_fails_allows_nothing(status: int) -> None:
    with pytest.raises(RobotsUnavailableError, match=f"HTTP {status}"):
        robots("", status)


@pytest.mark.parametrize(
    ("rules", "delay"),
    [
        ("User-agent: *\nCrawl-delay: 2.5", 2.5),
        ("User-agent: *\nCrawl-delay: soon", 0.0),
        ("User-agent: *\nCrawl-delay: -3", 0.0),
        ("User-agent: other\nCrawl-delay: 9", 0.0),
    ],
)
def test_crawl_delay(rules: str, delay: float) -> None:
    assert robots(rules).delay == delay


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Sat, 01 Mar 2025 12:01:30 GMT", 90.0),
        ("Sat, 01 Mar 2025 11:00:00 GMT", 0.0),
        ("later", None),
        ("1.5", None),
        ("-5", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, NOW) == seconds


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        (200, False),
        (400, False),
        (403, False),
        (404, False),
        (408, True),
        (429, True),
        (500, True),
        (503, True),
    ],
)
def test_which_statuses_are_tried_again(status: int, retryable: bool) -> None:
    assert is_retryable(status) is retryable


@pytest.mark.parametrize(
    ("attempt", "retry_after", "jitter", "seconds"),
    [
        (1, None, 1.0, 1.0),
        (1, None, 0.0, 0.5),
        (3, None, 1.0, 4.0),
        (40, None, 1.0, 60.0),
        (1, 30.0, 1.0, 30.0),
        (3, 1.0, 1.0, 4.0),
        (1, 86_400.0, 1.0, 600.0),
    ],
)
def test_waits_grow_and_are_capped(attempt: int, retry_after: float | None, jitter: float, seconds: float) -> None:
    assert RetryPolicy().wait(attempt, retry_after, lambda: jitter) == seconds
