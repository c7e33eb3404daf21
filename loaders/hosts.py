"""Manners towards hosts, shared by all workers through the database: turns, pauses and robots.txt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import psycopg

from loaders.database import statements
from loaders.errors import PropertyManagerError, RefusedAddressError
from loaders.http import HttpClient
from loaders.politeness import RetryPolicy
from loaders.robots import Robots, RobotsDisallowedError, RobotsUnavailableError, agent_token, fetch_robots
from loaders.urls import host, origin

ROBOTS_KEPT_SECONDS = 3600.0
"""How long a robots.txt is believed; RFC 9309 allows a day."""

ROBOTS_STALE_SECONDS = 86_400.0
"""How long a robots.txt is believed while no newer one can be fetched."""

ROBOTS_RETRY_SECONDS = 300.0
"""After so long a robots.txt that could not be fetched is asked for again."""

FAILURES_IN_A_ROW = 5
"""After so many failing tries in a row the circuit breaker opens: one try at a time, with growing pauses."""

PROBES = 6
"""After so many more failing tries the host is taken to have stopped answering."""

_ROBOTS_LEASE_SECONDS = 90.0
_POLL_SECONDS = 0.25
_SQL = statements("hosts.sql")

Result = TypeVar("Result")
InDatabase = Callable[..., Awaitable[Any]]


class Trouble(NamedTuple):
    """Failing tries and blocked pages of a host in a row."""

    failures: int
    blocks: int

    @property
    def verdict(self) -> str | None:
        """Why to give up on the host; None while it deserves another try."""
        if self.blocks >= FAILURES_IN_A_ROW:
            return "blocked the crawl"
        return "stopped answering" if self.failures >= FAILURES_IN_A_ROW + PROBES else None


class HostBook:
    """The tables `crawl_hosts` and `crawl_robots`. Not thread-safe: one thread at a time may call."""

    def __init__(self, connection: psycopg.Connection, delay: float) -> None:
        """`delay` is the least time in seconds between two requests; a longer Crawl-delay wins."""
        self._connection = connection
        self.delay = delay

    def take_turn(self, host_name: str) -> float:
        """Reserve the next turn at a host; the seconds until then."""
        return max(0.0, self._value("take_turn", host=host_name, delay=self.delay))

    def start_turn(self, host_name: str) -> None:
        """Measure the distance to the next request from now on: the turn that was taken begins."""
        self._connection.execute(_SQL["start_turn"], {"host": host_name, "delay": self.delay})

    def pause(self, host_name: str, seconds: float) -> None:
        """Let no worker ask a host for a while."""
        self._connection.execute(_SQL["pause_host"], {"host": host_name, "seconds": seconds})

    def robots(self, site: str) -> str | None:
        """The robots.txt kept for an origin; None when it is to be fetched."""
        return self._value("robots", origin=site)

    def lease_robots(self, site: str) -> bool:
        """Whether this worker is to fetch the robots.txt of an origin."""
        return self._value("lease_robots", origin=site, lease=_ROBOTS_LEASE_SECONDS) is not None

    def release_robots(self, site: str) -> None:
        """Leave the robots.txt to others."""
        self._connection.execute(_SQL["release_robots"], {"origin": site})

    def keep_robots(self, site: str, robots: Robots) -> None:
        """Keep a robots.txt and the delay it asks for."""
        with self._connection.transaction():
            self._connection.execute(
                _SQL["keep_robots"],
                {"origin": site, "body": robots.text.replace("\x00", ""), "keep": ROBOTS_KEPT_SECONDS},
            )
            self._connection.execute(_SQL["keep_crawl_delay"], {"host": host(site), "delay": robots.delay})

    def keep_stale_robots(self, site: str) -> str | None:
        """Believe the robots.txt of an origin that cannot be fetched now a little longer; None without one of today."""
        return self._value("keep_stale_robots", origin=site, keep=ROBOTS_RETRY_SECONDS, stale=ROBOTS_STALE_SECONDS)

    def succeeded(self, host_names: list[str]) -> None:
        """Close the circuit breaker of hosts that answered."""
        self._connection.execute(_SQL["host_succeeded"], {"hosts": host_names})

    def failed(self, host_name: str, failures: int, blocks: int) -> Trouble:
        """Count failing tries and blocked pages; how many there are in a row now."""
        row = self._connection.execute(
            _SQL["host_failed"], {"host": host_name, "failures": failures, "blocks": blocks}
        ).fetchone()
        return Trouble(*row) if row else Trouble(failures, blocks)

    def forgive(self, host_names: list[str]) -> None:
        """Let the next crawl judge hosts for itself."""
        self._connection.execute(_SQL["forgive_hosts"], {"hosts": host_names})

    def _value(self, statement: str, **parameters: Any) -> Any:
        row = self._connection.execute(_SQL[statement], parameters).fetchone()
        return row[0] if row else None


class _Refusal(NamedTuple):
    """Why nothing of an origin may be fetched, and until when that is believed."""

    error: PropertyManagerError
    until: float


class Hosts:
    """Admits the requests of one worker: never against robots.txt, and in turn with all other workers."""

    def __init__(self, book: HostBook, in_database: InDatabase, client: HttpClient, retry: RetryPolicy) -> None:
        """`in_database` runs a call of the book on the thread that owns its connection."""
        self._book = book
        self._in_database = in_database
        self._client = client
        self._retry = retry
        self._token = agent_token(client.agent)
        self._robots: dict[str, Robots] = {}
        self._refusals: dict[str, _Refusal] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def admit_claimed(self, url: str, *, is_robots_known: bool) -> None:
        """Wait until a claimed page may be asked. Claiming it took a turn, which robots.txt used where it was unknown.

        Raises RobotsDisallowedError when it may not be asked.
        """
        await self._require_allowed(url, has_turn=not is_robots_known)
        if not is_robots_known:
            await self._take_turn(url)
        else:
            await self._start_turn(url)

    async def admit(self, url: str) -> None:
        """Wait until the target of a redirect may be asked. Raises RobotsDisallowedError when it may not."""
        await self._require_allowed(url, has_turn=False)
        await self.answered(url)
        await self._take_turn(url)

    async def answered(self, url: str) -> None:
        """Measure the distance to the next request from the answer: a busy machine may have asked late."""
        await self._start_turn(url)

    async def pause(self, url: str, seconds: float) -> None:
        """Leave a host alone for a while, as its Retry-After asks."""
        await self._in_database(self._book.pause, host(url), seconds)

    def is_allowed(self, url: str) -> bool:
        """Whether a page that is rendered may ask for an address.

        That is for the robots.txt of its origin to say, where this worker asked for it; none is fetched for it.
        """
        site = origin(url)
        refusal, robots = self._refusals.get(site), self._robots.get(site)
        if refusal is not None and monotonic() < refusal.until:
            return False
        return robots is None or robots.allows(url)

    async def _require_allowed(self, url: str, *, has_turn: bool) -> None:
        site = origin(url)
        async with self._locks.setdefault(site, asyncio.Lock()):
            refusal = self._refusals.get(site)
            if refusal is not None and monotonic() < refusal.until:
                raise refusal.error
            if has_turn or site not in self._robots:
                self._robots[site] = await self._known_robots(site, has_turn)
        if not self._robots[site].allows(url):
            raise RobotsDisallowedError(f"robots.txt of {site} disallows {urlsplit(url).path}")

    async def _known_robots(self, site: str, has_turn: bool) -> Robots:
        """The robots.txt that any worker fetched, or fetched now."""
        while True:
            text = await self._in_database(self._book.robots, site)
            if text is not None:
                return Robots(text, self._token)
            if await self._leased_robots(site):
                return await self._fetched_robots(site, has_turn)
            await asyncio.sleep(_POLL_SECONDS)

    async def _leased_robots(self, site: str) -> bool:
        """Whether this worker is to fetch the robots.txt; one that is stopped meanwhile leaves it to others."""
        leasing = asyncio.ensure_future(self._in_database(self._book.lease_robots, site))
        try:
            return await asyncio.shield(leasing)
        except asyncio.CancelledError:
            # The statement runs to its end all the same.
            if await leasing:
                await self._in_database(self._book.release_robots, site)
            raise

    async def _fetched_robots(self, site: str, has_turn: bool) -> Robots:
        try:
            robots = await self._robots_or_refusal(site, has_turn)
        except (RobotsUnavailableError, RefusedAddressError) as error:
            if isinstance(error, RobotsUnavailableError):
                stale = await self._in_database(self._book.keep_stale_robots, site)
                if stale is not None:
                    return Robots(stale, self._token)
            self._refusals[site] = _Refusal(error, monotonic() + ROBOTS_RETRY_SECONDS)
            await self._in_database(self._book.release_robots, site)
            raise
        except BaseException:
            await self._in_database(self._book.release_robots, site)
            raise
        await self._in_database(self._book.keep_robots, site, robots)
        return robots

    async def _robots_or_refusal(self, site: str, has_turn: bool) -> Robots:
        for attempt in range(1, self._retry.tries + 1):
            if attempt > 1 or not has_turn:
                await self._take_turn(site)
            try:
                return await fetch_robots(self._client, site)
            except RobotsUnavailableError as error:
                failure = error
            if attempt < self._retry.tries:
                await asyncio.sleep(self._retry.wait(attempt, failure.retry_after))
        raise failure

    async def _take_turn(self, url: str) -> None:
        await asyncio.sleep(await self._in_database(self._book.take_turn, host(url)))
        await self._in_database(self._book.start_turn, host(url))

    async def _start_turn(self, url: str) -> None:
        robots = self._robots.get(origin(url))
        if self._book.delay > 0 or (robots is not None and robots.delay > 0):
            await self._in_database(self._book.start_turn, host(url))
