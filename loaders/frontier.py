"""The crawl's pages in `scrape_pages`: added, claimed and settled; rows commit together with their page."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row, dict_row

from loaders import barriers
from loaders.crawl_sessions import SourceSettings
from loaders.database import statements
from loaders.hosts import FAILURES_IN_A_ROW, HostBook
from loaders.page_bodies import keep_documents
from loaders.pages import Link, Page, PageKind
from loaders.politeness import RetryPolicy
from loaders.sessions import Session, record_progress
from loaders.staging import Observation, StagingWriter
from loaders.urls import host

MAX_PAGES_OPTION = "--max-pages"
LEASE_SECONDS = 60.0
"""A page whose worker gave no sign of life for so long may be claimed by another."""

MAX_URL_CHARACTERS = 2_000
"""Longer addresses fit no index of the database; pages at such addresses are known by their beginning and skipped."""

MAX_BLOCKED_SHARE = 0.2
"""A crawl of which more pages than this were blocked, and not only a few, is given up."""

_SQL = statements("crawl.sql")
_PRIORITY = {"list": 0, "detail": 10}
_MAX_ERROR_CHARACTERS = 2_000
_VOLATILE_CARD_FIELDS = frozenset({"url", "images", "listed_at"})


class ClaimedPage(NamedTuple):
    """A page leased to this process. `attempt` counts from 1; `failed_renderings` are among the earlier ones.

    `read_listing_id` is the listing that an earlier session read there; with `etag` and `last_modified` the portal
    can say that nothing changed since. `is_robots_known` tells whether its robots.txt need not be fetched.
    """

    url: str
    kind: PageKind
    attempt: int
    source_listing_id: str | None
    host: str
    card_hash: str | None
    is_robots_known: bool
    read_listing_id: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    failed_renderings: int = 0


@dataclass(frozen=True)
class Settlement:
    """What became of a claimed page.

    `state` is done, failed, skipped, or todo for another try after `wait` seconds; `is_transient` marks trouble that
    says more about the portal than about the page. `etag` and `last_modified` are kept for the next visit.
    `document` is the page as it was read, or could not be read.
    """

    page: ClaimedPage
    state: str
    page_class: str | None = None
    via: str | None = None
    http_status: int | None = None
    error: str | None = None
    wait: float = 0.0
    observations: Sequence[Observation] = ()
    links: Sequence[Link] = field(default=())
    listing_count: int | None = None
    is_transient: bool = False
    etag: str | None = None
    last_modified: str | None = None
    document: Page | None = None

    @property
    def listing_id(self) -> str | None:
        """The listing whose advert the page is."""
        return next((row.source_listing_id for row in self.observations if row.kind == "detail"), None)

    @property
    def says_left(self) -> bool:
        """Whether the advert is gone, or says that its listing is."""
        if self.page.kind != "detail":
            return False
        return self.page_class == "gone" or any(row.listing_status is not None for row in self.observations)


@dataclass(frozen=True)
class Progress:
    """A session so far, over all its workers and whether or not it was resumed.

    `pages_done` includes `pages_unchanged`, adverts of which nothing was new.
    """

    status: str
    stop_reason: str | None
    is_complete: bool
    incomplete_reason: str | None
    error: str | None
    pages_planned: int
    pages_done: int
    pages_unchanged: int
    pages_failed: int
    pages_blocked: int
    pages_http: int
    pages_browser: int
    rows_landed: int
    rows_rejected: int
    site_listing_count: int | None


class UnreadPages(NamedTuple):
    """Pages that were not read for one reason."""

    kind: PageKind
    state: str
    page_class: str | None
    error: str | None
    pages: int


class _AddedPage(NamedTuple):
    link: Link
    card_hash: str | None
    state: str = "todo"
    page_class: str | None = None
    listing_id: str | None = None
    error: str | None = None


class Frontier:
    """The pages of one session, as one of its workers sees them. Not thread-safe: one thread at a time may call."""

    def __init__(
        self,
        connection: psycopg.Connection,
        session: Session,
        *,
        reader: str,
        settings: SourceSettings,
        retry: RetryPolicy,
    ) -> None:
        """`reader` names the selectors that read the pages: what others read does not count as read."""
        self.session = session
        self.worker = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._connection = connection
        self._writer = StagingWriter(connection)
        self._settings = settings
        self._retry = retry
        self._hosts = HostBook(connection, settings.delay)
        self._lease = timedelta(seconds=LEASE_SECONDS)
        self._keys = {
            "session_id": session.session_id,
            "source": session.source,
            "observed_at": session.observed_at,
            "reader": reader,
            "worker": self.worker,
        }

    def start(self, link: Link) -> None:
        """Make sure that the first page is known."""
        with self._connection.transaction():
            held = self._one("hold_session")
            self._count({"planned": len(self._add([_AddedPage(link, None)], held))})

    def claim(self, wanted: int) -> list[ClaimedPage]:
        """Lease up to `wanted` pages that are due at one host; none while its gate is shut.

        Where requests keep a distance, one at a time. While a host fails, no page of it is tried for the first time
        before the failing ones are settled.
        """
        with self._connection.transaction():
            opened = self._connection.execute(
                _SQL["open_host"],
                {
                    **self._keys,
                    "in_flight": self._settings.requests_in_flight,
                    "failures_in_a_row": FAILURES_IN_A_ROW,
                },
            ).fetchone()
            if opened is None:
                return []
            host_name, failures, crawl_delay = opened
            is_failing = failures >= FAILURES_IN_A_ROW
            is_at_once = self._settings.delay == 0 and crawl_delay == 0 and not is_failing
            with self._connection.cursor(row_factory=class_row(ClaimedPage)) as cursor:
                return cursor.execute(
                    _SQL["claim_pages"],
                    {
                        **self._keys,
                        "host": host_name,
                        "is_failing": is_failing,
                        "wanted": wanted if is_at_once else 1,
                        "in_flight": 1 if is_failing else self._settings.requests_in_flight,
                        "delay": self._settings.delay,
                        "lease": self._lease,
                    },
                ).fetchall()

    def waiting_time(self) -> float | None:
        """Seconds until another page may be due; None when every page is settled."""
        row = self._connection.execute(_SQL["waiting_time"], self._keys).fetchone()
        if row is None:
            return None
        return 1.0 if row[0] is None else max(0.0, row[0])

    def flush(self, settlements: Sequence[Settlement]) -> Progress:
        """Settle pages, add their links and land their rows, in one transaction; nothing of a page not held any more.

        The crawl is given up where a host stopped answering, or blocked too much.
        """
        with self._connection.transaction():
            held = self._one("hold_session")
            if held["status"] != "running":
                return self.progress()
            if held["stop_reason"] is not None:
                settlements = [_without_another_try(settlement) for settlement in settlements]
            own = self._settle(settlements)
            self._log_errors(own)
            added = self._add([page for settlement in own for page in self._linked(settlement)], held)
            self._writer.continue_numbers(self.session, held["rows_read"])
            observations = [row for settlement in own for row in self._observed(settlement)]
            landed = self._writer.write(self.session, [*observations, *_sightings(added)])
            self._keep_documents(own)
            self._forget_visits([each for each in own if each.says_left])
            self._keep_visits([each for each in own if each.listing_id is not None and not each.says_left])
            self._count(
                {
                    **_page_counts(own),
                    "planned": len(added),
                    "unchanged": sum(page.page_class == "unchanged" for page in (*added, *own)),
                    "landed": landed.landed,
                    "rejected": landed.rejected,
                    "listing_count": next((each.listing_count for each in own if each.listing_count is not None), None),
                },
                read_elsewhere=sum(page.state == "done" for page in added),
            )
            progress = self._judge(own, self.progress())
            if landed.landed:
                barriers.reach("rows_copied")
        if landed.landed:
            barriers.reach("page_flushed")
        return progress

    def beat(self) -> None:
        """Refresh the session's heartbeat and keep the pages that this worker is busy with."""
        record_progress(self._connection, self.session.session_id)
        self._connection.execute(_SQL["renew_leases"], {**self._keys, "lease": self._lease})

    def progress(self) -> Progress:
        """The session so far."""
        return Progress(**self._one("progress"))

    def unread(self) -> list[UnreadPages]:
        """Pages that failed or were skipped, by reason, the most frequent first."""
        return [UnreadPages(*row) for row in self._connection.execute(_SQL["unread_pages"], self._keys)]

    def pages_of_kind(self) -> dict[str, int]:
        """Known pages by kind."""
        return dict(self._connection.execute(_SQL["pages_by_kind"], self._keys).fetchall())

    def listings_seen(self) -> int:
        """Distinct listings landed in this session."""
        return self._one("listings_seen", landed_at=self.session.opened_at)["count"]

    def _settle(self, settlements: Sequence[Settlement]) -> list[Settlement]:
        """Those whose page was still this worker's."""
        if not settlements:
            return []
        settled = self._connection.execute(
            _SQL["settle_pages"],
            {
                **self._keys,
                "urls": [each.page.url for each in settlements],
                "attempts": [each.page.attempt for each in settlements],
                "states": [each.state for each in settlements],
                "classes": [each.page_class for each in settlements],
                "vias": [each.via for each in settlements],
                "statuses": [each.http_status for each in settlements],
                "ids": [_storable(each.listing_id) for each in settlements],
                "errors": [_storable(each.error) for each in settlements],
                "waits": [each.wait for each in settlements],
            },
        )
        own = {url for (url,) in settled}
        return [each for each in settlements if each.page.url in own]

    def _log_errors(self, settlements: Sequence[Settlement]) -> None:
        troubled = [each for each in settlements if each.error is not None]
        if troubled:
            self._connection.execute(
                _SQL["log_errors"],
                {
                    **self._keys,
                    "urls": [each.page.url for each in troubled],
                    "attempts": [each.page.attempt for each in troubled],
                    "classes": [each.page_class for each in troubled],
                    "statuses": [each.http_status for each in troubled],
                    "errors": [_storable(each.error) for each in troubled],
                    "waits": [each.wait if each.state == "todo" else None for each in troubled],
                },
            )

    def _linked(self, settlement: Settlement) -> list[_AddedPage]:
        """The pages that a result page leads to, those already read lately as done."""
        cards = _Cards(settlement.observations)
        pages = [_AddedPage(link, cards.hash_of(link)) for link in settlement.links]
        hashes = {page.link.url: page.card_hash for page in pages if page.card_hash is not None}
        if not hashes:
            return pages
        ttl = self._settings.detail_ttl_hours
        fresh = dict(
            self._connection.execute(
                _SQL["fresh_visits"],
                {**self._keys, "urls": list(hashes), "card_hashes": list(hashes.values()), "ttl_hours": ttl},
            ).fetchall()
        )
        return [
            page._replace(state="done", page_class="unchanged", listing_id=fresh[page.link.url])
            if page.link.url in fresh
            else page
            for page in pages
        ]

    def _add(self, pages: Sequence[_AddedPage], held: dict[str, Any]) -> list[_AddedPage]:
        """Add the pages that the session does not know yet; those are returned."""
        by_url = {page.link.url: page for page in map(_indexable, reversed(pages))}
        if not by_url:
            return []
        known = self._connection.execute(_SQL["known_pages"], {**self._keys, "urls": list(by_url)})
        for (url,) in known:
            del by_url[url]
        added = self._limited(list(reversed(by_url.values())), held)
        hosts = [host(page.link.url) for page in added]
        self._connection.execute(_SQL["add_hosts"], {"hosts": hosts})
        self._connection.execute(
            _SQL["add_pages"],
            {
                **self._keys,
                "urls": [page.link.url for page in added],
                "kinds": [page.link.kind for page in added],
                "hosts": hosts,
                "priorities": [_PRIORITY[page.link.kind] for page in added],
                "ids": [_storable(page.listing_id or page.link.source_listing_id) for page in added],
                "states": [page.state for page in added],
                "classes": [page.page_class for page in added],
                "card_hashes": [page.card_hash for page in added],
                "errors": [page.error for page in added],
            },
        )
        return added

    def _limited(self, pages: list[_AddedPage], held: dict[str, Any]) -> list[_AddedPage]:
        """Pages that come too late, or result pages beyond the limit, are known but skipped."""
        if held["stop_reason"] is not None:
            late = {"state": "skipped", "error": held["stop_reason"]}
            return [page._replace(**late) if page.state == "todo" else page for page in pages]
        limit = held["max_list_pages"]
        if limit is None:
            return pages
        left = limit - self._one("wanted_list_pages")["count"]
        limited = []
        for page in pages:
            is_list = page.link.kind == "list"
            is_beyond = is_list and (left < 1 or (page.link.page_number or 0) > limit)
            left -= is_list and not is_beyond
            limited.append(
                page._replace(state="skipped", error=f"{MAX_PAGES_OPTION} {limit} reached") if is_beyond else page
            )
        return limited

    def _observed(self, settlement: Settlement) -> Iterable[Observation]:
        """What a page said; that it is gone is evidence that its listing left, where we know which it showed."""
        if settlement.page_class != "gone" or settlement.page.kind != "detail":
            return settlement.observations
        found = self._connection.execute(
            _SQL["listing_at_url"], {"url": settlement.page.url, "source": self.session.source}
        ).fetchone()
        return [Observation(found[0], "detail", {}, (), listing_status="gone")] if found else ()

    def _forget_visits(self, settlements: Sequence[Settlement]) -> None:
        if settlements:
            urls = [each.page.url for each in settlements]
            self._connection.execute(_SQL["forget_visits"], {**self._keys, "urls": urls})

    def _keep_visits(self, settlements: Sequence[Settlement]) -> None:
        if settlements:
            self._connection.execute(
                _SQL["keep_visits"],
                {
                    **self._keys,
                    "urls": [each.page.url for each in settlements],
                    "ids": [_storable(each.listing_id) for each in settlements],
                    "classes": [each.page_class for each in settlements],
                    "card_hashes": [each.page.card_hash for each in settlements],
                    "etags": [_storable(each.etag) for each in settlements],
                    "last_modifieds": [_storable(each.last_modified) for each in settlements],
                },
            )

    def _keep_documents(self, settlements: Sequence[Settlement]) -> None:
        """Keep what was read, and what could not be read, as long as the source wants that."""
        if self._settings.page_retention_days == 0:
            return
        keep_documents(
            self._connection,
            self.session.session_id,
            self.session.source,
            [(each.page.url, each.document) for each in settlements if each.document is not None],
        )

    def _count(self, counts: dict[str, int | None], read_elsewhere: int = 0) -> None:
        zero = dict.fromkeys(
            ("planned", "done", "unchanged", "failed", "blocked", "http", "browser", "landed", "rejected"), 0
        )
        added = {**zero, "listing_count": None, **counts}
        added["done"] = (added["done"] or 0) + read_elsewhere
        self._connection.execute(_SQL["add_to_counts"], {**self._keys, **added})

    def _judge(self, settlements: Sequence[Settlement], progress: Progress) -> Progress:
        """Keep account of how hosts fare, and give up where one leaves no hope."""
        reason = self._host_verdict(settlements) or _blocked_verdict(progress)
        if reason is None or progress.stop_reason is not None:
            return progress
        self._hosts.forgive([each.page.host for each in settlements])
        self._connection.execute(_SQL["give_up"], {**self._keys, "reason": reason})
        return self.progress()

    def _host_verdict(self, settlements: Sequence[Settlement]) -> str | None:
        verdict = None
        for host_name in sorted({each.page.host for each in settlements}):
            troubles: list[Settlement] = []
            has_answered = False
            for each in settlements:
                if each.page.host == host_name:
                    if each.state == "done":
                        troubles.clear()
                        has_answered = True
                    elif each.is_transient:
                        troubles.append(each)
            if has_answered:
                self._hosts.succeeded([host_name])
            if not troubles:
                continue
            blocks = sum(each.page_class == "blocked" for each in troubles)
            trouble = self._hosts.failed(host_name, len(troubles), blocks)
            if trouble.verdict is not None:
                verdict = f"the portal {trouble.verdict} ({troubles[-1].error})"
            elif trouble.failures >= FAILURES_IN_A_ROW:
                self._hosts.pause(host_name, self._retry.wait(trouble.failures - FAILURES_IN_A_ROW + 1))
        return verdict

    def _one(self, statement: str, **parameters: Any) -> dict[str, Any]:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute(_SQL[statement], {**self._keys, **parameters}).fetchone()
        assert row is not None
        return row


class _Cards:
    """The cards of one result page, found by the listing or the address that a link names."""

    def __init__(self, observations: Sequence[Observation]) -> None:
        cards = [row for row in observations if row.kind == "card"]
        self._by_id = {row.source_listing_id: row for row in cards if row.source_listing_id is not None}
        self._by_url = {row.fields.get("url"): row for row in cards}

    def hash_of(self, link: Link) -> str | None:
        """A digest of what the card says, without what differs from visit to visit."""
        card = self._by_id.get(link.source_listing_id) or self._by_url.get(link.url)
        if link.kind != "detail" or card is None:
            return None
        fields = {name: text for name, text in card.fields.items() if name not in _VOLATILE_CARD_FIELDS and text}
        if not fields:
            return None
        said = json.dumps([fields, card.attributes, card.listing_status], sort_keys=True)
        return hashlib.md5(said.encode("utf-8", "backslashreplace"), usedforsecurity=False).hexdigest()


def _indexable(page: _AddedPage) -> _AddedPage:
    """The page, skipped where its address is too long to be kept whole."""
    if len(page.link.url) <= MAX_URL_CHARACTERS:
        return page
    return _AddedPage(
        replace(page.link, url=page.link.url[:MAX_URL_CHARACTERS]),
        page.card_hash,
        state="skipped",
        error=f"the address is longer than {MAX_URL_CHARACTERS:,} characters",
    )


def _sightings(added: Sequence[_AddedPage]) -> list[Observation]:
    """That listings were seen whose card does not name them."""
    return [
        Observation(page.listing_id, "card", {}, ())
        for page in added
        if page.page_class == "unchanged" and page.link.source_listing_id is None
    ]


def _without_another_try(settlement: Settlement) -> Settlement:
    if settlement.state != "todo":
        return settlement
    return replace(settlement, state="failed", page_class="error", wait=0.0)


def _page_counts(settlements: Sequence[Settlement]) -> dict[str, int | None]:
    done = [each for each in settlements if each.state == "done"]
    failed = [each for each in settlements if each.state == "failed"]
    return {
        "done": len(done),
        "failed": sum(each.page_class != "blocked" for each in failed),
        "blocked": sum(each.page_class == "blocked" for each in failed),
        "http": sum(each.via == "http" for each in done),
        "browser": sum(each.via == "browser" for each in done),
    }


def _blocked_verdict(progress: Progress) -> str | None:
    blocked = progress.pages_blocked
    asked = progress.pages_http + progress.pages_browser + progress.pages_failed + blocked
    if blocked < FAILURES_IN_A_ROW or blocked <= MAX_BLOCKED_SHARE * asked:
        return None
    return f"the portal blocked the crawl ({blocked} of {asked} pages)"


def _storable(text: str | None) -> str | None:
    """Text that PostgreSQL can store, cut to a length worth keeping."""
    if text is None:
        return None
    return text.replace("\x00", " ").encode("utf-8", "backslashreplace").decode()[:_MAX_ERROR_CHARACTERS]
