"""robots.txt as workers keep it in the database: while it cannot be fetched again, and when a worker is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from loaders import hosts
from loaders.hosts import HostBook, Hosts
from loaders.http import HttpClient
from loaders.network_guard import NetworkGuard
from loaders.politeness import RetryPolicy
from loaders.robots import RobotsDisallowedError, RobotsUnavailableError
from tests.python.integration.sites import Page, Site

SHUT: Page = (200, {}, "User-agent: *\nDisallow: /shut")
BROKEN: Page = (503, {}, "")
ONE_TRY = RetryPolicy(tries=1)


async def at_once(call: Callable[..., Any], *arguments: Any) -> Any:
    return call(*arguments)


def admit(connection: psycopg.Connection, site: Site, *paths: str, age_hours: float = 0) -> list[str]:
    """What one worker may ask of a site, path by path; before each the robots.txt is that much older, and due."""

    async def run() -> list[str]:
        verdicts = []
        async with HttpClient("home-watch/1", guard=NetworkGuard.parse("all")) as client:
            admitting = Hosts(HostBook(connection, 0.0), at_once, client, ONE_TRY)
            for path in paths:
                connection.execute(
                    "update crawl_robots set due_at = now(), fetched_at = now() - make_interval(secs => 3600 * %s)",
                    [age_hours],
                )
                try:
                    await admitting.admit_claimed(site.url + path, is_robots_known=False)
                    verdicts.append("allowed")
                except RobotsUnavailableError:
                    verdicts.append("unavailable")
                except RobotsDisallowedError:
                    verdicts.append("disallowed")
        return verdicts

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("age_hours", "verdicts"),
    [
        (23, ["allowed", "allowed", "disallowed"]),
        (25, ["allowed", "unavailable", "unavailable"]),
    ],
)
def test_robots_of_today_are_believed_while_no_newer_ones_come(
    connection: psycopg.Connection, age_hours: float, verdicts: list[str]
) -> None:
    with Site({"/robots.txt": lambda count: SHUT if count == 1 else BROKEN}) as site:
        assert admit(connection, site, "/a", "/a", "/shut", age_hours=age_hours) == verdicts
    is_put_off = "select due_at > now() + interval '1 minute', lease_until <= now() from crawl_robots"
    assert connection.execute(is_put_off).fetchall() == [(verdicts[1] == "allowed", True)]


def test_robots_that_could_not_be_fetched_are_asked_for_again(
    connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Site({"/robots.txt": lambda count: BROKEN if count == 1 else SHUT}) as site:
        assert admit(connection, site, "/a", "/a") == ["unavailable", "unavailable"]
        assert site.requests == ["/robots.txt"]
    monkeypatch.setattr(hosts, "ROBOTS_RETRY_SECONDS", 0.0)
    with Site({"/robots.txt": lambda count: BROKEN if count == 1 else SHUT}) as site:
        assert admit(connection, site, "/a", "/a") == ["unavailable", "allowed"]


@pytest.mark.parametrize(("robots", "verdicts"), [(SHUT, [True, False]), (BROKEN, [False, False])])
def test_a_rendered_page_may_ask_what_the_robots_say_that_are_known(
    connection: psycopg.Connection, robots: Page, verdicts: list[bool]
) -> None:
    async def run(site: Site) -> tuple[list[bool], list[bool]]:
        addresses = [f"{site.url}/open", f"{site.url}/shut"]
        async with HttpClient("home-watch/1", guard=NetworkGuard.parse("all")) as client:
            admitting = Hosts(HostBook(connection, 0.0), at_once, client, ONE_TRY)
            unknown = [admitting.is_allowed(address) for address in addresses]
            with suppress(RobotsUnavailableError):
                await admitting.admit_claimed(f"{site.url}/a", is_robots_known=False)
            return unknown, [admitting.is_allowed(address) for address in addresses]

    with Site({"/robots.txt": robots}) as site:
        assert asyncio.run(run(site)) == ([True, True], verdicts)
        assert site.requests == ["/robots.txt"]


def test_a_worker_that_is_stopped_leaves_robots_to_others(connection: psycopg.Connection) -> None:
    async def run() -> None:
        client: Any = HttpClient("home-watch/1")
        asked = asyncio.Event()

        async def never(*_: Any, **__: Any) -> None:
            asked.set()
            await asyncio.Event().wait()

        client.get = never
        admitting = Hosts(HostBook(connection, 0.0), at_once, client, ONE_TRY)
        fetching = asyncio.create_task(admitting.admit_claimed("https://portal.example/a", is_robots_known=False))
        await asked.wait()
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching

    asyncio.run(run())
    assert connection.execute("select lease_until <= clock_timestamp() from crawl_robots").fetchall() == [(True,)]


def test_a_worker_that_is_stopped_while_it_leases_robots_leaves_them_to_others(connection: psycopg.Connection) -> None:
    async def run() -> None:
        leased, is_stopped = asyncio.Event(), asyncio.Event()

        async def slowly(call: Callable[..., Any], *arguments: Any) -> Any:
            result = await asyncio.to_thread(call, *arguments)
            if call.__name__ == "lease_robots":
                leased.set()
                await is_stopped.wait()
            return result

        admitting = Hosts(HostBook(connection, 0.0), slowly, HttpClient("home-watch/1"), ONE_TRY)
        admission = asyncio.create_task(admitting.admit_claimed("https://portal.example/a", is_robots_known=False))
        await leased.wait()
        admission.cancel()
        await asyncio.sleep(0)
        is_stopped.set()
        with pytest.raises(asyncio.CancelledError):
            await admission

    asyncio.run(run())
    assert connection.execute("select lease_until <= clock_timestamp() from crawl_robots").fetchall() == [(True,)]
