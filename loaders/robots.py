"""robots.txt by RFC 9309: what a site allows this crawler, and what its silence or failure means."""

from __future__ import annotations

import math
import re

from protego import Protego

from loaders.errors import FetchError, PropertyManagerError, RefusedAddressError
from loaders.http import HttpClient, Response
from loaders.politeness import retry_after_seconds

ROBOTS_BYTES = 500 * 1024
"""How much of a robots.txt is read, as RFC 9309 asks at least; the line that is cut there is left out."""

ROBOTS_UNREADABLE = "which means: fetch nothing"
"""In the reason why a page was skipped: robots.txt did not forbid it, it could not be had."""

MAX_CRAWL_DELAY_SECONDS = 86_400.0

_LINE_END = re.compile(r"\r\n|\r|\n")
_GROUP = re.compile(r"user[- ]?agent")
_RULE = re.compile(r"allow|dis+al+ow|crawl[- ]delay")
_OTHER_CRAWLER = "User-agent: -"


class RobotsDisallowedError(PropertyManagerError):
    """robots.txt asks this crawler to stay away from a page."""

    code = "robots"


class RobotsUnavailableError(RobotsDisallowedError):
    """robots.txt could not be read, so nothing on the host may be fetched for now (RFC 9309).

    `retry_after` are the seconds after which the host asks to be tried again.
    """

    retry_after: float | None = None


class Robots:
    """What one robots.txt allows one crawler."""

    def __init__(self, text: str, agent_token: str) -> None:
        """`text` is the robots.txt, empty where there is none."""
        self.text = text
        self._rules = Protego.parse("\n".join(_plain_line(line, agent_token) for line in _LINE_END.split(text)))
        self._token = agent_token

    @classmethod
    def from_response(cls, response: Response, agent_token: str) -> Robots:
        """Rules of an answer: 2xx is read, 3xx (without a target) and 4xx allow everything.

        Raises RobotsUnavailableError for 5xx.
        """
        if response.status >= 500:
            raise RobotsUnavailableError(
                f"{response.url} answered HTTP {response.status}, {ROBOTS_UNREADABLE}",
                "Run the same command again later.",
            )
        body = response.body if response.status < 300 else b""
        if len(body) >= ROBOTS_BYTES:
            body = body[: max(body.rfind(b"\n"), body.rfind(b"\r")) + 1]
        return cls(body.decode("utf-8", "replace").removeprefix("\ufeff"), agent_token)

    def allows(self, url: str) -> bool:
        """Whether the page may be fetched."""
        return self._rules.can_fetch(url, self._token)

    @property
    def delay(self) -> float:
        """The Crawl-delay in seconds, at most a day; 0 when there is none."""
        delay = self._rules.crawl_delay(self._token)
        return min(delay, MAX_CRAWL_DELAY_SECONDS) if delay is not None and math.isfinite(delay) and delay > 0 else 0.0


async def fetch_robots(client: HttpClient, site: str) -> Robots:
    """The rules of an origin.

    Raises RobotsUnavailableError where nothing may be fetched, RefusedAddressError where the guard refuses it.
    """
    address = f"{site}/robots.txt"
    try:
        response = await client.get(address, max_body_bytes=ROBOTS_BYTES, truncate=True)
    except RefusedAddressError:
        raise
    except FetchError as error:
        raise RobotsUnavailableError(
            f"{address} cannot be read ({error.message}), {ROBOTS_UNREADABLE}",
            "Check the address and your connection, then run the same command again.",
        ) from error
    try:
        return Robots.from_response(response, agent_token(client.agent))
    except RobotsUnavailableError as error:
        error.retry_after = retry_after_seconds(response.headers.get("retry-after"))
        raise


def agent_token(agent: str) -> str:
    """The name by which robots.txt speaks to a user agent: 'home-watch/2 (+https://…)' -> 'home-watch'."""
    return re.split(r"[/\s(]", agent, maxsplit=1)[0] or agent


def _plain_line(line: str, token: str) -> str:
    """A line as the library reads it in the sense of RFC 9309.

    The library takes the beginning of a name for the name, knows no version behind it, and lets a line that it does
    not know end a group.
    """
    field, _, value = line.partition("#")[0].partition(":")
    name = field.strip().lower()
    if not _GROUP.fullmatch(name):
        return line if _RULE.fullmatch(name) else ""
    product = agent_token(value.strip())
    if product == "*":
        return "User-agent: *"
    return f"User-agent: {token}" if product.lower() == token.lower() else _OTHER_CRAWLER
