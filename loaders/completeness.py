"""Whether a crawl covered its scope, and in words why it did not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loaders.frontier import MAX_PAGES_OPTION, UnreadPages

MIN_SHARE_SEEN = 0.98
"""A site's own count moves while it is crawled; seeing this share of it is seeing all."""

_KINDS = {"list": "result", "detail": "advert"}
_VERDICTS = ("failed", "were blocked", "were not fetched")


def incomplete_reason(
    unread: Sequence[UnreadPages],
    planned: Mapping[str, int],
    *,
    stop_reason: str | None,
    listings_seen: int,
    site_listing_count: int | None,
) -> str | None:
    """Why absence from this crawl means nothing, such as '4 of 8 result pages failed: HTTP 503'; else None.

    `unread` has the most frequent reason first; `planned` counts the known pages by kind.
    """
    unlimited = [pages for pages in unread if not _is_limited(pages)]
    reasons = list(dict.fromkeys(pages.error or "" for pages in unread if _is_limited(pages)))
    if stop_reason is not None:
        counts = [f"{count} of {planned[kind]} {name} pages" for kind, name, count in _by_kind(unlimited)]
        reasons.append(f"{stop_reason}: {' and '.join(counts)} were not read")
    else:
        for verdict in _VERDICTS:
            found = [pages for pages in unlimited if _verdict(pages) == verdict]
            for kind, name, count in _by_kind(found):
                error = next(pages.error for pages in found if pages.kind == kind)
                reasons.append(f"{count} of {planned[kind]} {name} pages {verdict}: {error}")
    if site_listing_count is not None and listings_seen < site_listing_count * MIN_SHARE_SEEN:
        reasons.append(f"{listings_seen} of the {site_listing_count} listings the site counts were seen")
    return "; ".join(reasons) or None


def _by_kind(unread: Sequence[UnreadPages]) -> list[tuple[str, str, int]]:
    """Kind, its name and the number of its pages, for the kinds that occur."""
    counts = {kind: sum(pages.pages for pages in unread if pages.kind == kind) for kind in _KINDS}
    return [(kind, _KINDS[kind], count) for kind, count in counts.items() if count]


def _is_limited(pages: UnreadPages) -> bool:
    return pages.state == "skipped" and (pages.error or "").startswith(MAX_PAGES_OPTION)


def _verdict(pages: UnreadPages) -> str:
    if pages.state == "skipped":
        return "were not fetched"
    return "were blocked" if pages.page_class == "blocked" else "failed"
