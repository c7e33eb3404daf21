"""Manners towards a portal: patient and bounded retries."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER_SECONDS = 600.0

_RETRYABLE = frozenset({408, 429})


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
