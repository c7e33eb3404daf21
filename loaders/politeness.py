"""Manners towards a portal: robots.txt (RFC 9309), a delay between requests, patient and bounded retries."""

from __future__ import annotations

import asyncio
import math
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from protego import Protego

from loaders.errors import PropertyManagerError
from loaders.http import FetchError, HttpClient, Response
from loaders.urls import origin

ROBOTS_BYTES = 500 * 1024
MAX_RETRY_AFTER_SECONDS = 600.0

ROBOTS_UNREADABLE = "cannot be read"
"""In the reason why a page was skipped: robots.txt did not forbid it, it was out of reach."""

_RETRYABLE = frozenset({408, 429})


class RobotsDisallowedError(PropertyManagerError):
    """robots.txt asks this crawler to stay away from a page."""

    code = "robots"


class RobotsUnavailableError(RobotsDisallowedError):
    """robots.txt could not be read, so nothing on the host may be fetched for now (RFC 9309)."""


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long to wait, in seconds: `tries` in total, doubling waits with jitter, capped."""

    tries: int = 4
    first_wait: float = 1.0
    longest_wait: float = 60.0

    def wait(
        self, attempt: int, retry_after: float | None = None, jitter: Callable[[], float] = random.random
    ) -> float:
        """Seconds to wait after the `attempt`-th failure (from 1); no less than the portal's Retry-After."""
        backoff = min(self.first_wait * 2.0 ** min(attempt - 1, 30), self.longest_wait) * (0.5 + jitter() / 2)
        return max(backoff, min(retry_after or 0.0, MAX_RETRY_AFTER_SECONDS))


def is_retryable(status: int) -> bool:
    """Whether the same request may succeed later: 408, 429 and every 5xx."""
    return status in _RETRYABLE or 500 <= status <= 599


def retry_after_seconds(header: str | None, now: datetime | None = None) -> float | None:
    """Seconds asked for by a Retry-After header, as a number or as a date; None when it is unusable."""
    if header is None:
        return None
    text = header.strip()
    if re.fullmatch(r"\d{1,9}", text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


class Robots:
    """What one robots.txt allows one crawler."""

    def __init__(self, rules: Protego, agent_token: str) -> None:
        self._rules = rules
        self._token = agent_token

    @classmethod
    def from_response(cls, response: Response, agent_token: str) -> Robots:
        """Rules of an answer: 2xx is read, 3xx (no end of redirects) and 4xx allow everything.

        Raises RobotsUnavailableError for 5xx.
        """
        if response.status >= 500:
            raise RobotsUnavailableError(
                f"{response.url} answered HTTP {response.status}, which means: fetch nothing",
                "Run the same command again later.",
            )
        text = response.body.decode("utf-8", "replace") if response.status < 300 else ""
        return cls(Protego.parse(text.removeprefix("\ufeff")), agent_token)

    def allows(self, url: str) -> bool:
        """Whether the page may be fetched."""
        return self._rules.can_fetch(url, self._token)

    @property
    def delay(self) -> float:
        """The Crawl-delay in seconds, 0 when there is none."""
        delay = self._rules.crawl_delay(self._token)
        return delay if delay is not None and math.isfinite(delay) and delay > 0 else 0.0


@dataclass
class _Host:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    robots: Robots | None = None
    refusal: RobotsUnavailableError | None = None
    next_at: float = 0.0


class Politeness:
    """Admits requests of one crawl: per host no faster than the delay, and never against robots.txt."""

    def __init__(self, client: HttpClient, *, delay: float, retry: RetryPolicy) -> None:
        """`delay` is the least time in seconds between two requests to a host; a longer Crawl-delay wins."""
        self._client = client
        self._delay = delay
        self._retry = retry
        self._token = re.split(r"[/\s(]", client.agent, maxsplit=1)[0] or client.agent
        self._hosts: dict[str, _Host] = {}

    async def admit(self, url: str) -> None:
        """Wait until the page may be fetched. Raises RobotsDisallowedError when it may not."""
        host = self._host(url)
        robots = await self._robots(url, host)
        if not robots.allows(url):
            raise RobotsDisallowedError(f"robots.txt of {origin(url)} disallows {urlsplit(url).path}")
        await self._take_turn(host, max(self._delay, robots.delay))

    def pause(self, url: str, seconds: float) -> None:
        """Leave a host alone for a while, as its Retry-After asks."""
        host = self._host(url)
        host.next_at = max(host.next_at, time.monotonic() + seconds)

    async def _take_turn(self, host: _Host, delay: float) -> None:
        while (wait := host.next_at - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        host.next_at = time.monotonic() + delay

    async def _robots(self, url: str, host: _Host) -> Robots:
        async with host.lock:
            if host.refusal is not None:
                raise host.refusal
            if host.robots is None:
                try:
                    host.robots = await self._fetch_robots(url, host)
                except RobotsUnavailableError as error:
                    host.refusal = error
                    raise
            return host.robots

    async def _fetch_robots(self, url: str, host: _Host) -> Robots:
        address = f"{origin(url)}/robots.txt"
        for attempt in range(1, self._retry.tries + 1):
            retry_after = None
            await self._take_turn(host, self._delay)
            try:
                response = await self._client.get(address, max_body_bytes=ROBOTS_BYTES, truncate=True)
                retry_after = retry_after_seconds(response.headers.get("retry-after"))
                return Robots.from_response(response, self._token)
            except RobotsUnavailableError as error:
                failure = error
            except FetchError as error:
                failure = RobotsUnavailableError(
                    f"{address} {ROBOTS_UNREADABLE} ({error.message}), which means: fetch nothing",
                    "Check the address and your connection, then run the same command again.",
                )
            if attempt < self._retry.tries:
                await asyncio.sleep(self._retry.wait(attempt, retry_after))
        raise failure

    def _host(self, url: str) -> _Host:
        return self._hosts.setdefault(origin(url), _Host())
