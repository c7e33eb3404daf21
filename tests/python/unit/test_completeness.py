"""Why a crawl is partial, in words."""

from __future__ import annotations

import pytest

from loaders.completeness import incomplete_reason
from loaders.frontier import UnreadPages

PLANNED = {"list": 8, "detail": 150}


@pytest.mark.parametrize(
    ("unread", "stop_reason", "seen", "count", "reason"),
    [
        ([], None, 150, 150, None),
        ([], None, 150, None, None),
        ([], None, 147, 150, None),
        ([], None, 146, 150, "146 of the 150 listings the site counts were seen"),
        (
            [
                UnreadPages("list", "failed", "error", "HTTP 503", 3),
                UnreadPages("list", "failed", "error", "x", 1),
            ],
            None,
            150,
            150,
            "4 of 8 result pages failed: HTTP 503",
        ),
        (
            [UnreadPages("detail", "failed", "blocked", "HTTP 403", 2)],
            None,
            150,
            150,
            "2 of 150 advert pages were blocked: HTTP 403",
        ),
        (
            [UnreadPages("list", "skipped", None, "--max-pages 3 reached", 5)],
            None,
            60,
            150,
            "--max-pages 3 reached; 60 of the 150 listings the site counts were seen",
        ),
        (
            [UnreadPages("detail", "skipped", None, "robots.txt disallows /a", 1)],
            None,
            150,
            None,
            "1 of 150 advert pages were not fetched: robots.txt disallows /a",
        ),
        (
            [
                UnreadPages("detail", "skipped", None, "the portal stopped answering (HTTP 503)", 90),
                UnreadPages("list", "failed", "error", "HTTP 503", 5),
            ],
            "the portal stopped answering (HTTP 503)",
            60,
            None,
            "the portal stopped answering (HTTP 503): 5 of 8 result pages and 90 of 150 advert pages were not read",
        ),
    ],
)
def test_reason(
    unread: list[UnreadPages], stop_reason: str | None, seen: int, count: int | None, reason: str | None
) -> None:
    said = incomplete_reason(unread, PLANNED, stop_reason=stop_reason, listings_seen=seen, site_listing_count=count)
    assert said == reason
