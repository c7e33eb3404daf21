"""The crawl's pages in `scrape_pages`: added, claimed and settled; rows commit together with their page."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import dict_row

from loaders import barriers
from loaders.database import statements
from loaders.errors import BusyError
from loaders.pages import Link, PageKind
from loaders.sessions import (
    Session,
    ensure_source,
    finish_session,
    open_session,
    record_progress,
    resume_session,
)
from loaders.staging import Observation, StagingWriter
from loaders.urls import host

MAX_PAGES_OPTION = "--max-pages"
RESUME_WINDOW = timedelta(hours=24)

_SQL = statements("crawl.sql")
_PRIORITY = {"list": 0, "detail": 10}
_MAX_ERROR_CHARACTERS = 2_000


class ClaimedPage(NamedTuple):
    """A page leased to this process. `attempt` counts from 1."""

    url: str
    kind: PageKind
    attempt: int
    source_listing_id: str | None


@dataclass(frozen=True)
class Settlement:
    """What became of a claimed page.

    `state` is done, failed, skipped, or todo for another try after `wait` seconds; `is_transient` marks
    trouble that says more about the portal than about the page.
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


@dataclass(frozen=True)
class Progress:
    """Counters of a crawl so far; pages over the whole session, also where it was resumed."""

    pages_planned: int
    pages_done: int
    pages_failed: int
    pages_blocked: int
    pages_http: int
    pages_browser: int
    wanted_list_pages: int
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


def take_session(
    connection: psycopg.Connection,
    *,
    source: str,
    scope: str,
    target_url: str,
    session_name: str | None,
    observed_at: datetime | None = None,
) -> tuple[Session, bool]:
    """The session to crawl and whether it is resumed: one that was broken off within a day, else a new one.

    Older ones are closed as partial, so that what they saw is not lost. The connection holds the session's
    lock until it is closed. Raises BusyError when another process crawls this scope.
    """
    with connection.transaction():
        ensure_source(connection, source)
        names = {"source": source, "scope": scope, "target_url": target_url}
        connection.execute(_SQL["lock_scope"], names)
        unfinished = connection.execute(_SQL["unfinished_sessions"], {**names, "window": RESUME_WINDOW}).fetchall()
        resumed: Session | None = None
        for session_id, is_stale in unfinished:
            if not _lock_session(connection, session_id):
                raise BusyError(
                    f"another process is scraping {source} ({scope}), session {session_id}",
                    "Wait for it to end, or stop it; `property-manager status` shows how far it is.",
                )
            session = resume_session(connection, session_id)
            connection.execute(_SQL["release_leases"], {"session_id": session_id})
            if is_stale or resumed is not None:
                reason = "it was broken off and not taken up again within a day"
                connection.execute(_SQL["skip_open_pages"], {"session_id": session_id, "error": reason})
                finish_session(connection, session_id, is_complete=False, incomplete_reason=reason)
            else:
                resumed = session
        if resumed is not None:
            return resumed, True
        session = open_session(
            connection,
            source=source,
            scope=scope,
            kind="scrape",
            session_name=session_name,
            target_url=target_url,
            observed_at=observed_at,
        )
        _lock_session(connection, session.session_id)
        return session, False


def requests_per_second(connection: psycopg.Connection, source: str) -> float | None:
    """The source's setting; None is no limit."""
    row = connection.execute(_SQL["request_rate"], {"source": source}).fetchone()
    return row[0] if row else None


class Frontier:
    """The pages of one session. Not thread-safe: one thread at a time may call."""

    def __init__(
        self,
        connection: psycopg.Connection,
        session: Session,
        *,
        lease_seconds: float,
        max_list_pages: int | None,
    ) -> None:
        """A page claimed and not settled within `lease_seconds` may be claimed again."""
        self.session = session
        self._connection = connection
        self._writer = StagingWriter(connection)
        self._lease = timedelta(seconds=lease_seconds)
        self._max_list_pages = max_list_pages
        self._worker = f"{socket.gethostname()}:{os.getpid()}"
        self._keys = {"session_id": session.session_id}
        counts = self._one("session_counts")
        self._rows_landed: int = counts["rows_landed"]
        self._rows_rejected: int = counts["rows_rejected"]
        self._listing_count: int | None = counts["site_listing_count"]

    def start(self, link: Link) -> None:
        """Make sure that the first page is known."""
        with self._connection.transaction():
            self._add([link])

    def claim(self, only_retries: bool = False) -> ClaimedPage | None:
        """Lease the next page that is due; None when there is none right now.

        With `only_retries` no page is tried for the first time while failing ones wait for their next try.
        """
        row = self._connection.execute(
            _SQL["claim_page"],
            {**self._keys, "lease": self._lease, "worker": self._worker, "only_retries": only_retries},
        ).fetchone()
        return ClaimedPage(row[0], row[1], row[2], row[3]) if row else None

    def waiting_time(self) -> float | None:
        """Seconds until another page may be due; None when every page is settled."""
        waiting = self._one("waiting_time")
        if waiting["open_pages"] == 0:
            return None
        return 1.0 if waiting["seconds"] is None else max(0.0, waiting["seconds"])

    def flush(self, settlements: Sequence[Settlement]) -> Progress:
        """Settle pages, add their links and land their rows, in one transaction."""
        with self._connection.transaction():
            own = [settlement for settlement in settlements if self._settle(settlement)]
            self._add(link for settlement in own for link in settlement.links)
            landed = self._writer.write(self.session, (row for settlement in own for row in self._observed(settlement)))
            counts = (settlement.listing_count for settlement in own)
            if self._listing_count is None:
                self._listing_count = next((count for count in counts if count is not None), None)
            self._rows_landed += landed.landed
            self._rows_rejected += landed.rejected
            progress = self._record()
            if landed.landed:
                barriers.reach("rows_copied")
        if landed.landed:
            barriers.reach("page_flushed")
        return progress

    def beat(self) -> None:
        """Refresh the session's heartbeat."""
        record_progress(self._connection, self.session.session_id)

    def give_up(self, reason: str) -> Progress:
        """Skip every open page."""
        with self._connection.transaction():
            self._connection.execute(_SQL["skip_open_pages"], {**self._keys, "error": reason})
            return self._record()

    def unread(self) -> list[UnreadPages]:
        """Pages that failed or were skipped, by reason, the most frequent first."""
        return [UnreadPages(*row) for row in self._connection.execute(_SQL["unread_pages"], self._keys)]

    def pages_of_kind(self) -> dict[str, int]:
        """Known pages by kind."""
        return dict(self._connection.execute(_SQL["pages_by_kind"], self._keys).fetchall())

    def listings_seen(self) -> int:
        """Distinct listings landed in this session."""
        row = self._connection.execute(
            _SQL["listings_seen"], {**self._keys, "landed_at": self.session.opened_at}
        ).fetchone()
        assert row is not None
        return row[0]

    def _observed(self, settlement: Settlement) -> Iterable[Observation]:
        """What a page said; that it is gone is evidence that its listing left, where we know which it showed."""
        if settlement.page_class != "gone" or settlement.page.kind != "detail":
            return settlement.observations
        found = self._connection.execute(
            _SQL["listing_at_url"], {"url": settlement.page.url, "source": self.session.source}
        ).fetchone()
        return [Observation(found[0], "detail", {}, (), listing_status="gone")] if found else ()

    def _settle(self, settlement: Settlement) -> bool:
        identifier = next((row.source_listing_id for row in settlement.observations if row.kind == "detail"), None)
        cursor = self._connection.execute(
            _SQL["settle_page"],
            {
                **self._keys,
                "url": settlement.page.url,
                "worker": self._worker,
                "state": settlement.state,
                "page_class": settlement.page_class,
                "fetched_via": settlement.via,
                "http_status": settlement.http_status,
                "source_listing_id": _storable(identifier),
                "error": _storable(settlement.error),
                "wait": timedelta(seconds=settlement.wait),
            },
        )
        return cursor.rowcount == 1

    def _add(self, links: Iterable[Link]) -> None:
        by_url = {link.url: link for link in reversed(list(links))}
        if not by_url:
            return
        known = self._connection.execute(_SQL["known_pages"], {**self._keys, "urls": list(by_url)})
        for (url,) in known:
            del by_url[url]
        added = list(reversed(by_url.values()))
        states = self._states(added)
        self._connection.execute(
            _SQL["add_pages"],
            {
                **self._keys,
                "urls": [link.url for link in added],
                "kinds": [link.kind for link in added],
                "hosts": [host(link.url) for link in added],
                "priorities": [_PRIORITY[link.kind] for link in added],
                "ids": [_storable(link.source_listing_id) for link in added],
                "states": [state for state, _ in states],
                "errors": [error for _, error in states],
            },
        )

    def _states(self, links: Sequence[Link]) -> list[tuple[str, str | None]]:
        """Result pages beyond the limit are known but skipped."""
        if self._max_list_pages is None:
            return [("todo", None)] * len(links)
        left = self._max_list_pages - self._one("page_counts")["wanted_list_pages"]
        states: list[tuple[str, str | None]] = []
        for link in links:
            is_beyond = link.kind == "list" and (left < 1 or (link.page_number or 0) > self._max_list_pages)
            left -= link.kind == "list" and not is_beyond
            states.append(
                ("skipped", f"{MAX_PAGES_OPTION} {self._max_list_pages} reached") if is_beyond else ("todo", None)
            )
        return states

    def _record(self) -> Progress:
        counts = self._one("page_counts")
        progress = Progress(
            **counts,
            rows_landed=self._rows_landed,
            rows_rejected=self._rows_rejected,
            site_listing_count=self._listing_count,
        )
        counters = {name: value for name, value in vars(progress).items() if name != "wanted_list_pages"}
        rows_read = self._rows_landed + self._rows_rejected
        record_progress(self._connection, self.session.session_id, rows_read=rows_read, **counters)
        return progress

    def _one(self, statement: str) -> dict[str, Any]:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute(_SQL[statement], self._keys).fetchone()
        assert row is not None
        return row


def _lock_session(connection: psycopg.Connection, session_id: object) -> bool:
    row = connection.execute(_SQL["try_session_lock"], {"session_id": session_id}).fetchone()
    assert row is not None
    return row[0]


def _storable(text: str | None) -> str | None:
    """Text that PostgreSQL can store, cut to a length worth keeping."""
    if text is None:
        return None
    return text.replace("\x00", " ").encode("utf-8", "backslashreplace").decode()[:_MAX_ERROR_CHARACTERS]
