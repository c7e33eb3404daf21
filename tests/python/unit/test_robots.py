"""robots.txt by RFC 9309, as tables: groups, rules, spellings, answers, and what is fetched."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping

import pytest

from loaders.errors import RefusedAddressError
from loaders.hosts import ROBOTS_KEPT_SECONDS
from loaders.http import HttpClient, Response
from loaders.network_guard import NetworkGuard
from loaders.robots import (
    MAX_CRAWL_DELAY_SECONDS,
    ROBOTS_BYTES,
    Robots,
    RobotsUnavailableError,
    agent_token,
    fetch_robots,
)
from tests.python.integration.sites import Page, Site

AGENT = "property-manager"
SITE = "https://portal.example"


def robots(text: str | bytes, status: int = 200) -> Robots:
    body = text if isinstance(text, bytes) else text.encode()
    return Robots.from_response(Response(f"{SITE}/robots.txt", status, {}, body), AGENT)


@pytest.mark.parametrize(
    ("text", "path", "is_allowed"),
    [
        pytest.param("", "/a", True, id="nothing is said"),
        pytest.param("User-agent: *\nDisallow: /", "/a", False, id="everybody is kept out"),
        pytest.param("User-agent: *\nDisallow:", "/a", True, id="an empty rule forbids nothing"),
        pytest.param("User-agent: *", "/a", True, id="a group without rules"),
        pytest.param("User-agent: *\nDisallow: /", "/robots.txt", True, id="robots.txt itself is always allowed"),
        pytest.param("Disallow: /", "/a", True, id="a rule before any group"),
        pytest.param("User-agent: other\nDisallow: /", "/a", True, id="another crawler's group"),
        pytest.param("User-agent: property-manager\nDisallow: /a", "/a", False, id="our group"),
        pytest.param("User-agent: PROPERTY-Manager\nDisallow: /a", "/a", False, id="names have no case"),
        pytest.param("User-agent: property-manager/1.0\nDisallow: /a", "/a", False, id="a version behind our name"),
        pytest.param("User-agent: property-manager (bot)\nDisallow: /a", "/a", False, id="words behind our name"),
        pytest.param("User-agent: property\nDisallow: /a", "/a", True, id="the beginning of our name is not it"),
        pytest.param("User-agent: manager\nDisallow: /a", "/a", True, id="the end of our name is not it"),
        pytest.param("User-agent: property-manager-2\nDisallow: /a", "/a", True, id="a longer name is not ours"),
        pytest.param("User-agent: property*\nDisallow: /a", "/a", True, id="names have no wildcards"),
        pytest.param(
            "User-agent: property-manager\nDisallow: /a\n\nUser-agent: *\nDisallow: /", "/b", True, id="ours before all"
        ),
        pytest.param(
            "User-agent: *\nDisallow: /\n\nUser-agent: property-manager\nDisallow: /a", "/b", True, id="in any order"
        ),
        pytest.param(
            "User-agent: *\nDisallow: /\n\nUser-agent: property-manager", "/b", True, id="our group, without a rule"
        ),
        pytest.param(
            "User-agent: property-manager\nDisallow: /a\n\nUser-agent: x\nDisallow: /\n\n"
            "User-agent: property-manager\nDisallow: /b",
            "/b",
            False,
            id="groups of one name are one group",
        ),
        pytest.param("User-agent: *\nDisallow: /a\nUser-agent: *\nDisallow: /b", "/b", False, id="also those of all"),
        pytest.param("User-agent: x\nUser-agent: property-manager\nDisallow: /", "/a", False, id="a shared group"),
        pytest.param("User-agent: x\n\n\nUser-agent: *\n\nDisallow: /", "/a", False, id="blank lines end no group"),
        pytest.param(
            "User-agent: *\nSitemap: https://portal.example/s.xml\nUser-agent: x\nDisallow: /",
            "/a",
            False,
            id="a sitemap ends no group",
        ),
        pytest.param("User-agent: *\nNoindex: /b\nUser-agent: x\nDisallow: /", "/a", False, id="nor an unknown line"),
        pytest.param("User-agent: *\nDisallow: /private/", "/private/a", False, id="a folder"),
        pytest.param("User-agent: *\nDisallow: /private/", "/private", True, id="the folder without its slash"),
        pytest.param("User-agent: *\nDisallow: /priv", "/privateer", False, id="a prefix"),
        pytest.param("User-agent: *\nDisallow: /A", "/a", True, id="paths have case"),
        pytest.param("User-agent: *\nDisallow: /p\nAllow: /p/open", "/p/open/1", True, id="the longest rule wins"),
        pytest.param("User-agent: *\nAllow: /p\nDisallow: /p/shut", "/p/shut/1", False, id="also when it forbids"),
        pytest.param("User-agent: *\nDisallow: /p/shut\nAllow: /p", "/p/shut/1", False, id="wherever it stands"),
        pytest.param("User-agent: *\nAllow: /a\nDisallow: /a", "/a", True, id="of equals the one that allows"),
        pytest.param("User-agent: *\nDisallow: /a\nAllow: /a", "/a", True, id="in this order as well"),
        pytest.param("User-agent: *\nAllow: /a\nDisallow: /*.htm", "/a.htm", False, id="wildcards count as length"),
        pytest.param("User-agent: *\nDisallow: /\nAllow: /$", "/", True, id="only the front page"),
        pytest.param("User-agent: *\nDisallow: /\nAllow: /$", "/a", False, id="and nothing behind it"),
        pytest.param("User-agent: *\nDisallow: /*.pdf$", "/a/b.pdf", False, id="an end"),
        pytest.param("User-agent: *\nDisallow: /*.pdf$", "/a/b.pdf?x", True, id="behind the end"),
        pytest.param("User-agent: *\nDisallow: /*.pdf", "/a/b.pdf?x", False, id="a wildcard without an end"),
        pytest.param("User-agent: *\nDisallow: /a*z", "/a/b/z", False, id="a wildcard over folders"),
        pytest.param("User-agent: *\nDisallow: /a*z", "/az", False, id="a wildcard for nothing"),
        pytest.param("User-agent: *\nDisallow: /a**z", "/abz", False, id="two wildcards"),
        pytest.param("User-agent: *\nDisallow: *", "/a", False, id="nothing but a wildcard"),
        pytest.param("User-agent: *\nDisallow: /*?sort=", "/a?sort=price", False, id="a query"),
        pytest.param("User-agent: *\nDisallow: /*?sort=", "/a?page=2&sort=price", True, id="another query"),
        pytest.param("User-agent: *\nDisallow: /a$b", "/a$b", False, id="a dollar in the middle"),
        pytest.param("User-agent: *\nDisallow: /ツ", "/%E3%83%84", False, id="letters and their escapes"),
        pytest.param("User-agent: *\nDisallow: /%E3%83%84", "/ツ", False, id="escapes and their letters"),
        pytest.param("User-agent: *\nDisallow: /%62%61%7A", "/baz", False, id="needless escapes"),
        pytest.param("User-agent: *\nDisallow: /a%2Fb", "/a/b", True, id="an escaped slash is no slash"),
        pytest.param("User-agent: *\nDisallow: /a%2fb", "/a%2Fb", False, id="escapes have no case"),
        pytest.param("User-agent: *\nDisallow: /a%2Ab", "/axb", True, id="an escaped wildcard is none"),
        pytest.param("User-agent: *\nDisallow: /a%2Ab", "/a*b", False, id="but a star"),
        pytest.param("User-agent: *\nDisallow: /a#b", "/a", False, id="a comment ends a rule"),
        pytest.param("# all\nUser-agent: * # us\nDisallow: /a # shut", "/a", False, id="comments everywhere"),
        pytest.param("user-agent:*\ndisallow:/a", "/a", False, id="no space and no capitals"),
        pytest.param("  User-agent :  * \n\tDisallow :\t/a  ", "/a", False, id="much space"),
        pytest.param("User-agent: *\r\nDisallow: /a\r\n", "/a", False, id="lines of Windows"),
        pytest.param("User-agent: *\rDisallow: /a", "/a", False, id="lines of old Macs"),
        pytest.param("\ufeffUser-agent: *\nDisallow: /a", "/a", False, id="a byte order mark"),
        pytest.param(b"User-agent: *\nDisallow: /\xff\nDisallow: /a", "/a", False, id="bytes that are no text"),
        pytest.param("User-agent: *\nDisallow: /\x00\nDisallow: /a", "/a", False, id="a zero byte"),
        pytest.param("User-agent: *\nDissallow: /a", "/a", False, id="the usual slip"),
        pytest.param("Useragent: *\nDisallow: /a", "/a", False, id="and the other one"),
        pytest.param("<html>User-agent: *<br>Disallow: /</html>", "/a", True, id="a page instead"),
        pytest.param("User-agent: *\nDisallow: https://portal.example/a", "/a", True, id="an address is no path"),
    ],
)
def test_what_robots_allow(text: str | bytes, path: str, is_allowed: bool) -> None:
    assert robots(text).allows(SITE + path) is is_allowed


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        *((status, "allowed") for status in (300, 304, 400, 401, 403, 404, 410, 429, 451)),
        *((status, "unavailable") for status in (500, 502, 503, 504, 599)),
        *((status, "read") for status in (200, 203)),
    ],
)
def test_what_an_answer_means(status: int, meaning: str) -> None:
    text = "User-agent: *\nDisallow: /"
    if meaning == "unavailable":
        with pytest.raises(RobotsUnavailableError, match=f"HTTP {status}, which means: fetch nothing"):
            robots(text, status)
    else:
        assert robots(text, status).allows(f"{SITE}/a") is (meaning == "allowed")


@pytest.mark.parametrize(
    ("rules", "delay"),
    [
        ("User-agent: *\nCrawl-delay: 2.5", 2.5),
        ("User-agent: *\nCrawl-delay: 0", 0.0),
        ("User-agent: *\nCrawl-delay: soon", 0.0),
        ("User-agent: *\nCrawl-delay: -3", 0.0),
        ("User-agent: *\nCrawl-delay: inf", 0.0),
        ("User-agent: *\nCrawl-delay: nan", 0.0),
        ("User-agent: *\nCrawl-delay: 1e300", MAX_CRAWL_DELAY_SECONDS),
        ("User-agent: *\nCrawl delay: 4", 4.0),
        ("User-agent: other\nCrawl-delay: 9", 0.0),
        ("User-agent: *\nCrawl-delay: 9\n\nUser-agent: property-manager\nCrawl-delay: 1", 1.0),
        ("User-agent: *\nCrawl-delay: 9\n\nUser-agent: property-manager\nDisallow: /a", 0.0),
    ],
)
def test_crawl_delay(rules: str, delay: float) -> None:
    assert robots(rules).delay == delay


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_rule_that_is_cut_off_is_left_out(line_end: str) -> None:
    """The rule would read 'Disallow: /a' and forbid far more than it says."""
    head = f"User-agent: *{line_end}Disallow: /first{line_end}"
    rule = "Disallow: /a"
    filling = "#" * (ROBOTS_BYTES - len(head) - len(rule) - len(line_end)) + line_end

    cut = robots((head + filling + rule + "-long-path").encode()[:ROBOTS_BYTES])

    assert [cut.allows(f"{SITE}/{path}") for path in ("first", "a", "a-long-path")] == [False, True, True]


@pytest.mark.parametrize(
    ("agent", "token"),
    [
        ("property-manager/0.1 (operator: x)", "property-manager"),
        ("home-watch/2 (+https://example.org)", "home-watch"),
        ("HomeWatch", "HomeWatch"),
        ("Home Watch", "Home"),
        ("/odd", "/odd"),
    ],
)
def test_the_name_that_robots_know_us_by(agent: str, token: str) -> None:
    assert agent_token(agent) == token


def test_robots_are_believed_for_a_day_at_most() -> None:
    assert ROBOTS_KEPT_SECONDS <= 86_400


SHUT: Page = (200, {}, "User-agent: *\nDisallow: /a")
BYTES_OF_SPACE = "#" * (ROBOTS_BYTES + 1)


def steps(count: int) -> dict[str, Page]:
    """A robots.txt behind so many redirects."""
    paths = ["/robots.txt", *(f"/step/{number}" for number in range(1, count)), "/last"]
    moved: dict[str, Page] = {path: (301, {"Location": following}, "") for path, following in itertools.pairwise(paths)}
    return {**moved, "/last": SHUT}


def fetched(pages: Mapping[str, Page]) -> bool:
    """Whether /a of a site may be fetched."""

    async def run() -> bool:
        guard = NetworkGuard.parse(site.url.removeprefix("http://"))
        async with HttpClient(f"{AGENT}/1", guard=guard, page_seconds=5.0) as client:
            return (await fetch_robots(client, site.url)).allows(f"{site.url}/a")

    with Site(pages) as site:
        return asyncio.run(run())


@pytest.mark.parametrize(
    ("pages", "is_allowed"),
    [
        pytest.param({"/robots.txt": SHUT}, False, id="there"),
        pytest.param({}, True, id="missing"),
        pytest.param(steps(1), False, id="moved"),
        pytest.param(steps(5), False, id="moved five times"),
        pytest.param({"/robots.txt": (302, {"Location": "/gone"}, "")}, True, id="moved to where nothing is"),
        pytest.param({"/robots.txt": (302, {}, "Disallow: /")}, True, id="moved to nowhere"),
        pytest.param({"/robots.txt": (200, {}, SHUT[2] + "\n" + BYTES_OF_SPACE)}, False, id="too long behind a rule"),
        pytest.param({"/robots.txt": (200, {}, BYTES_OF_SPACE + "\n" + SHUT[2])}, True, id="too long before it"),
    ],
)
def test_robots_as_they_are_fetched(pages: Mapping[str, Page], is_allowed: bool) -> None:
    assert fetched(pages) is is_allowed


@pytest.mark.parametrize(
    ("pages", "reason"),
    [
        pytest.param(steps(6), "redirects more than 5 times", id="moved six times"),
        pytest.param({"/robots.txt": (200, {"Content-Encoding": "gzip"}, "text")}, "cannot be unpacked", id="broken"),
        pytest.param({"/robots.txt": (200, {"Content-Encoding": "br"}, "text")}, "not asked for", id="encoded"),
        pytest.param({"/robots.txt": (302, {"Location": "http://"}, "")}, "cannot be read", id="moved to no address"),
        pytest.param({"/robots.txt": (503, {}, "")}, "HTTP 503", id="unavailable"),
        pytest.param({**steps(2), "/last": (500, {}, "")}, "HTTP 500", id="unavailable where it moved"),
    ],
)
def test_robots_out_of_reach_allow_nothing(pages: Mapping[str, Page], reason: str) -> None:
    with pytest.raises(RobotsUnavailableError, match=reason):
        fetched(pages)


def test_robots_out_of_reach_tell_when_to_come_back() -> None:
    with pytest.raises(RobotsUnavailableError) as caught:
        fetched({"/robots.txt": (503, {"Retry-After": "120"}, "")})
    assert caught.value.retry_after == 120.0


@pytest.mark.parametrize("address", ["http://127.0.0.2/robots.txt", "file:///etc/robots.txt"])
def test_robots_lead_to_no_private_address(address: str) -> None:
    with pytest.raises(RefusedAddressError):
        fetched({"/robots.txt": (302, {"Location": address}, "")})
