"""Manners towards a portal: what robots.txt allows (RFC 9309), patient and bounded retries."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from protego import Protego

from loaders.errors import PropertyManagerError
from loaders.http import Response

ROBOTS_BYTES = 500 * 1024
MAX_RETRY_AFTER_SECONDS = 600.0

ROBOTS_UNREADABLE = "cannot be read"
"""In the reason why a page was skipped: robots.txt did not forbid it, it was out of reach."""

_RETRYABLE = frozenset({408, 429})


class RobotsDisallowedError(PropertyManagerError):
    """robots.txt asks this crawler to stay away from a page."""

    code = "robots"


class RobotsUnavailableError(RobotsDisallowedError):
    """robots.txt could not be read, so nothing on the host may be fetched for now (RFC 9309).

    `retry_after` are the seconds after which the host asks to be tried again.
    """

    retry_after: float | None = None


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

    def __init__(self, text: str, agent_token: str) -> None:
        """`text` is the robots.txt, empty where there is none."""
        self.text = text
        self._rules = Protego.parse(text)
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
        return cls(text.removeprefix("\ufeff"), agent_token)

    def allows(self, url: str) -> bool:
        """Whether the page may be fetched."""
        return self._rules.can_fetch(url, self._token)

    @property
    def delay(self) -> float:
        """The Crawl-delay in seconds, 0 when there is none."""
        delay = self._rules.crawl_delay(self._token)
        return delay if delay is not None and math.isfinite(delay) and delay > 0 else 0.0
