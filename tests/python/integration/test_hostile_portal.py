"""A portal that means harm: nothing reaches a machine behind it, pages cost no more than their bounds, adverts land."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import psycopg
import pytest

from loaders.browser import Renderer, RenderError
from loaders.errors import FetchError, RefusedAddressError
from loaders.http import HttpClient
from loaders.network_guard import NetworkGuard
from scripts.demo.hostile import ADVERTS, HostilePortal, Target
from tests.python.integration.sites import set_rate

CRAWL = """
import json, os, re, resource, sys
from pathlib import Path
from loaders.crawl import scrape
from loaders.politeness import RetryPolicy

limits = {"page_seconds": 1.0, "ready_seconds": 1.0, "retry": RetryPolicy(tries=1, first_wait=0.02, longest_wait=0.2)}
result = scrape(os.environ["CRAWLED_DATABASE"], url=sys.argv[1], **limits)
own, children = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
# On Linux the first begins with what the process that started this one took.
if (status := Path("/proc/self/status")).exists():
    own = int(re.search(r"VmHWM:\\s+([0-9]+)", status.read_text())[1])
peaks = [own // 1024, children // 1024]
print(json.dumps([str(result.session_id), result.listings_seen, result.incomplete_reason, peaks]))
"""


class InnerMachine:
    """A machine that nobody outside should reach: it listens on two loopback addresses and counts visits."""

    def __init__(self) -> None:
        self._streams = streams_at_one_port("127.0.0.2", "127.0.0.1")
        self._datagrams = socket.socket(type=socket.SOCK_DGRAM)
        self._datagrams.bind(("127.0.0.2", 0))
        for opened in (*self._streams, self._datagrams):
            opened.setblocking(False)
        self.target = Target(self._streams[0].getsockname()[1], self._datagrams.getsockname()[1])

    def visits(self) -> tuple[int, int]:
        """Connections and datagrams since the last time."""
        connections = datagrams = 0
        for stream in self._streams:
            with suppress(BlockingIOError):
                while True:
                    stream.accept()[0].close()
                    connections += 1
        with suppress(BlockingIOError):
            while True:
                self._datagrams.recv(2048)
                datagrams += 1
        return connections, datagrams

    def close(self) -> None:
        for opened in (*self._streams, self._datagrams):
            opened.close()


def streams_at_one_port(first: str, second: str) -> list[socket.socket]:
    """Listening sockets at both addresses; a port that is taken at the second is given up."""
    while True:
        opened = [socket.socket(), socket.socket()]
        try:
            opened[0].bind((first, 0))
            opened[1].bind((second, opened[0].getsockname()[1]))
        except OSError as error:
            for stream in opened:
                stream.close()
            if error.errno != errno.EADDRINUSE:
                raise
            continue
        for stream in opened:
            stream.listen(100)
        return opened


@pytest.fixture
def machine() -> Iterator[InnerMachine]:
    opened = InnerMachine()
    yield opened
    opened.close()


@pytest.fixture
def portal(machine: InnerMachine) -> Iterator[HostilePortal]:
    with HostilePortal(machine.target) as opened:
        yield opened


def only(portal: HostilePortal) -> NetworkGuard:
    return NetworkGuard.parse(portal.url.removeprefix("http://"))


def fetch(portal: HostilePortal, path: str, guard: NetworkGuard) -> None:
    async def run() -> None:
        async with HttpClient(guard=guard, page_seconds=0.5) as client:
            await client.get(portal.url + path)

    asyncio.run(run())


def render(portal: HostilePortal, path: str, guard: NetworkGuard) -> None:
    async def run() -> None:
        async with HttpClient(guard=guard) as client, Renderer(client.agent, ready_seconds=1.0, guard=guard) as browser:
            await browser.render(await client.get(portal.url + path), "#never")

    asyncio.run(run())


def arriving(portal: HostilePortal) -> list[str]:
    """The redirects that reach the machine where nothing guards it."""
    elsewhere = {"/redirect/file", "/redirect/stairs"}
    return sorted({path for path in portal.pages if path.startswith("/redirect/")} - elsewhere)


def test_redirects_to_a_private_address_are_refused(machine: InnerMachine, portal: HostilePortal) -> None:
    for path in arriving(portal):
        with pytest.raises(RefusedAddressError, match=r"is not opened: \S+ is (a loopback|an) address"):
            fetch(portal, path, only(portal))
    with pytest.raises(RefusedAddressError, match="'file:///etc/passwd' is not a web address"):
        fetch(portal, "/redirect/file", only(portal))
    assert machine.visits() == (0, 0)


@pytest.mark.slow
def test_the_same_redirects_would_arrive_without_the_guard(machine: InnerMachine, portal: HostilePortal) -> None:
    paths = arriving(portal)
    assert len(paths) >= 16
    for path in paths:
        with suppress(FetchError):
            fetch(portal, path, NetworkGuard.parse("all"))
        assert machine.visits()[0] > 0, path


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/script/requests", "/script/frames"])
def test_what_scripts_and_frames_ask_for_would_arrive_without_the_guard(
    machine: InnerMachine, portal: HostilePortal, path: str
) -> None:
    with pytest.raises(RenderError):
        render(portal, path, NetworkGuard.parse("all"))
    connections, datagrams = machine.visits()
    assert connections >= 8
    # What is no web request has no gateway, so it goes nowhere even then.
    assert datagrams == 0


@pytest.mark.slow
def test_a_page_that_takes_all_memory_ends_alone(portal: HostilePortal) -> None:
    async def run() -> str:
        guard = only(portal)
        async with (
            HttpClient(guard=guard) as client,
            Renderer(client.agent, ready_seconds=20.0, guard=guard) as browser,
        ):
            with pytest.raises(RenderError, match="crashed"):
                await browser.render(await client.get(f"{portal.url}/script/buffers"), "#never")
            return await browser.render(await client.get(f"{portal.url}/advert/1"), "script")

    assert "flat-1" in asyncio.run(run())


@pytest.mark.slow
def test_a_crawl_meets_every_trap_and_goes_on(
    database_url: str, connection: psycopg.Connection, machine: InnerMachine, portal: HostilePortal
) -> None:
    set_rate(connection, "local_portal", 1000)
    process = subprocess.run(
        [sys.executable, "-c", CRAWL, f"{portal.url}/flats"],
        env={
            **os.environ,
            "CRAWLED_DATABASE": database_url,
            "PROPERTY_ALLOW_PRIVATE_NETWORK": portal.url.removeprefix("http://"),
        },
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert process.returncode == 0, process.stderr
    session_id, listings_seen, incomplete_reason, (own_peak, browser_peak) = json.loads(process.stdout)

    assert machine.visits() == (0, 0)
    assert listings_seen == ADVERTS
    assert incomplete_reason is not None
    traps = {path for path in portal.pages if path.startswith(("/redirect/", "/heavy/", "/script/"))}
    pages = connection.execute(
        "select url, state, error from scrape_pages where session_id = %s and state <> 'done'", [session_id]
    ).fetchall()
    errors = {url.removeprefix(portal.url): error for url, state, error in pages}
    assert {state for _, state, _ in pages} == {"failed"}
    assert errors.keys() == traps
    for path, reason in {
        "/redirect/mapped": "is a loopback address",
        "/redirect/file": "is not a web address",
        "/redirect/stairs": "redirects more than 5 times",
        "/heavy/endless": "larger than",
        "/heavy/slow": "no complete answer within 1 s",
        "/heavy/bomb": "more than 200 times its size",
        "/heavy/double-bomb": "not asked for",
        "/heavy/deep": "nested deeper than 512 levels",
        "/heavy/microdata": "nests microdata",
        "/heavy/itemprops": "repeats its text in microdata",
        "/heavy/blocks": "blocks of JSON-LD",
        "/heavy/names": "states more than 50,000 values",
        "/heavy/houses": "states more than 50,000 values",
        "/script/endless": "rendering took more than",
        "/script/alerts": "rendering took more than",
    }.items():
        assert reason in errors[path], path
    assert own_peak < 400, "MB of the crawl itself"
    assert browser_peak < 1_200, "MB of the largest process of the browser"
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024 < 1_200
