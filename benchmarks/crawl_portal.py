"""A portal in a process of its own, so that the crawlers' processor time is theirs alone; it counts requests."""

from __future__ import annotations

import multiprocessing
import struct
import sys
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from http import HTTPStatus
from multiprocessing.connection import Connection
from random import Random
from threading import Thread
from typing import NamedTuple, Self
from zlib import crc32

from scripts.demo.catalogue import Layout, MarketCatalogue, ShownAdvert
from scripts.demo.loopback_server import LoopbackServer
from scripts.demo.market import Market
from scripts.demo.portal_site import Response, Site

LATENCY_SECONDS = 0.02
SLOW_SECONDS = 2.0
HUGE_BYTES = 50 * 1024 * 1024

_SEED = 7
_PHOTO_WIDTH, _PHOTO_HEIGHT = 1024, 768


@dataclass(frozen=True)
class Portal:
    """How a portal behaves. `scripted` is the share of adverts that only appear once their script ran.

    With `is_troubled` each hundredth page answers late, and each fiftieth answers once with 500, 429 or not at all.
    """

    adverts: int = 600
    scripted: float = 0.0
    is_troubled: bool = False
    has_huge_page: bool = False
    crawl_delay: float | None = None
    robots_status: int = HTTPStatus.OK


class Request(NamedTuple):
    """One request: when it came, what for, and the answer's status; None for a dropped connection."""

    moment: float
    path: str
    status: int | None


class RunningPortal:
    """A portal that runs. Use it as a context manager."""

    def __init__(self, portal: Portal) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, far_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(portal, far_end), daemon=True)
        self.url = ""

    def __enter__(self) -> Self:
        """Start answering."""
        self._process.start()
        self.url = self._pipe.recv()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop answering."""
        self._pipe.send("end")
        self._process.join()

    @property
    def first_page(self) -> str:
        """Where a crawl begins."""
        return f"{self.url}/listings"

    def requests(self) -> list[Request]:
        """Every request so far."""
        self._pipe.send("requests")
        return self._pipe.recv()


class _Catalogue(MarketCatalogue):
    def __init__(self, portal: Portal) -> None:
        super().__init__(Market(_SEED, portal.adverts, 1))
        self._scripted = portal.scripted

    def advert(self, day: int, source_listing_id: str) -> ShownAdvert:
        position = self.ids_on(day).index(source_listing_id)
        is_scripted = int((position + 1) * self._scripted) > int(position * self._scripted)
        layout = Layout.SCRIPT if is_scripted else Layout.PLAIN
        return replace(super().advert(day, source_listing_id), layout=layout)


class _Answers:
    """Answers like the portal's site, with what `Portal` asks for."""

    def __init__(self, portal: Portal) -> None:
        self.requests: list[Request] = []
        self._portal = portal
        self._site: Site | None = None
        self._huge = ""

    def open(self, url: str) -> None:
        """Learn the portal's own address."""
        catalogue = _Catalogue(self._portal)
        self._site = Site(catalogue, url, crawl_delay=self._portal.crawl_delay)
        if self._portal.has_huge_page:
            self._huge = f"/listing/{catalogue.ids_on(1)[-1]}"

    def __call__(self, method: str, target: str, user_agent: str) -> Response | None:  # noqa: ARG002
        moment = time.monotonic()
        time.sleep(LATENCY_SECONDS)
        response = self._response(target)
        self.requests.append(Request(moment, target, int(response.status) if response else None))
        return response

    def _response(self, target: str) -> Response | None:
        if target == "/robots.txt" and self._portal.robots_status != HTTPStatus.OK:
            return Response(HTTPStatus(self._portal.robots_status), b"")
        if target.startswith("/photos/"):
            return Response(HTTPStatus.OK, _photo(), "image/png")
        if target == self._huge:
            return Response(HTTPStatus.OK, b"<p>" + b"x" * HUGE_BYTES)
        place = crc32(target.encode()) % 100 if self._portal.is_troubled and target != "/robots.txt" else 99
        if place == 0:
            time.sleep(SLOW_SECONDS)
        if place in (1, 2) and all(request.path != target for request in self.requests):
            match crc32(target[::-1].encode()) % 3:
                case 0:
                    return None
                case 1:
                    return Response(HTTPStatus.INTERNAL_SERVER_ERROR, b"broken")
                case _:
                    return Response(HTTPStatus.TOO_MANY_REQUESTS, b"slower, please")
        return self._page(target)

    @cache  # noqa: B019 - one portal lives as long as its process
    def _page(self, target: str) -> Response:
        assert self._site is not None
        return self._site.answer(1, target)


@cache
def _photo() -> bytes:
    """A photo as large as portals show them, 1024 by 768 and about 300 kB, grainy so that it stays that large."""
    grain, rows = Random(_SEED), []
    for row in range(_PHOTO_HEIGHT):
        colours = bytes(128 + (row * 96 // _PHOTO_HEIGHT) + grain.randrange(4) for _ in range(_PHOTO_WIDTH))
        rows.append(b"\0" + bytes(value for colour in colours for value in (colour, colour - 20, colour - 40)))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))

    header = struct.pack(">2I5B", _PHOTO_WIDTH, _PHOTO_HEIGHT, 8, 2, 0, 0, 0)
    body = zlib.compress(b"".join(rows), 6)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def _serve(portal: Portal, pipe: Connection) -> None:
    answers = _Answers(portal)
    server = LoopbackServer("127.0.0.1", 0, answers)
    url = f"http://127.0.0.1:{server.server_port}"
    answers.open(url)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    pipe.send(url)
    # The pipe breaks when the benchmark does.
    with suppress(EOFError):
        while pipe.recv() != "end":
            pipe.send(list(answers.requests))
    server.close()
    sys.exit()
