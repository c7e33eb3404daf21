"""Retry-After and retries, as tables."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from loaders.politeness import RetryPolicy, is_retryable, retry_after_seconds

NOW = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)


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
