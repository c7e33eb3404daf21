"""The browser's only way out: a proxy on loopback that connects where the guard lets it, and moves so many bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from loaders.errors import RefusedAddressError
from loaders.network_guard import NetworkGuard

MAX_BYTES = 30 * 1024 * 1024
"""What one page may load beside its document, as it comes over the wire."""

MAX_CONNECTIONS = 200
"""How many connections one page may open."""

_CONNECT_SECONDS = 10.0
_IDLE_SECONDS = 60.0
_HEAD_BYTES = 64 * 1024
_PIECE_BYTES = 64 * 1024
_HOP_HEADERS = frozenset({"connection", "keep-alive", "proxy-connection", "proxy-authorization", "te", "upgrade"})


class _Peer(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class _RefusalError(Exception):
    """What the browser is answered instead of being connected."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True)
class _Head:
    """The first line and the headers of a request or an answer."""

    first: str
    headers: tuple[tuple[str, str], ...]

    @classmethod
    async def read(cls, reader: asyncio.StreamReader) -> _Head:
        async with asyncio.timeout(_IDLE_SECONDS):
            text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = text.rstrip("\r\n").split("\r\n")
        headers = (line.partition(":") for line in lines)
        return cls(first, tuple((name.strip(), value.strip()) for name, _, value in headers))

    def get(self, name: str) -> str | None:
        return next((value for header, value in self.headers if header.lower() == name), None)

    def for_one_exchange(self, first: str) -> bytes:
        """The head with another first line, and saying that the connection ends with this exchange."""
        kept = [(name, value) for name, value in self.headers if name.lower() not in _HOP_HEADERS]
        lines = [first, *(f"{name}: {value}" for name, value in [*kept, ("Connection", "close")])]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


class Gateway:
    """A proxy for one tab. `url` is known once it is open; `trouble` is the latest thing it refused the page."""

    def __init__(self, guard: NetworkGuard, *, max_bytes: int = MAX_BYTES) -> None:
        self._guard = guard
        self._max_bytes = max_bytes
        self._server: asyncio.Server | None = None
        self._exchanges: set[asyncio.Task[None]] = set()
        self._moved = 0
        self._opened = 0
        self.url = ""
        self.trouble: str | None = None

    async def open(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_HEAD_BYTES)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """Listen no longer, and cut what is open."""
        if self._server is not None:
            self._server.close()
        await self.begin_page()

    async def begin_page(self) -> None:
        """Cut what an earlier page left open, and count anew."""
        exchanges = list(self._exchanges)
        for exchange in exchanges:
            exchange.cancel()
        await asyncio.gather(*exchanges, return_exceptions=True)
        self._moved = self._opened = 0
        self.trouble = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        exchange = asyncio.current_task()
        assert exchange is not None
        self._exchanges.add(exchange)
        try:
            await self._exchange(_Peer(reader, writer))
        except _RefusalError as refusal:
            with suppress(OSError):
                writer.write(f"HTTP/1.1 {refusal.status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass
        finally:
            self._exchanges.discard(exchange)
            writer.close()

    async def _exchange(self, browser: _Peer) -> None:
        request = await _Head.read(browser.reader)
        method, target, *_ = [*request.first.split(" "), "", ""]
        if method == "CONNECT":
            async with self._connected(f"//{target}", 443) as site:
                browser.writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await _first_of(self._pump(browser, site), self._pump(site, browser))
        elif target.startswith("http://"):
            async with self._connected(target, 80) as site:
                await self._ask(request, method, target, browser, site)
                # The browser sends nothing more: what it does next is to hang up, perhaps before the site does.
                await _first_of(self._answer(browser, site), browser.reader.read(1))
        else:
            raise _RefusalError("400 Bad Request")

    async def _ask(self, request: _Head, method: str, target: str, browser: _Peer, site: _Peer) -> None:
        length = request.get("content-length") or "0"
        if request.get("transfer-encoding") is not None or not length.isdecimal():
            raise _RefusalError("411 Length Required")
        parts = urlsplit(target)
        path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        site.writer.write(request.for_one_exchange(f"{method} {path} HTTP/1.1"))
        await self._pump(browser, site, int(length))

    async def _answer(self, browser: _Peer, site: _Peer) -> None:
        answer = await _Head.read(site.reader)
        while answer.first.split(" ")[1:2] < ["2"]:
            answer = await _Head.read(site.reader)
        browser.writer.write(answer.for_one_exchange(answer.first))
        await self._pump(site, browser)

    async def _pump(self, source: _Peer, target: _Peer, length: int | None = None) -> None:
        """Move what comes, or so many bytes of it, within what the page may load."""
        left = length
        while left is None or left > 0:
            async with asyncio.timeout(_IDLE_SECONDS):
                piece = await source.reader.read(_PIECE_BYTES if left is None else min(left, _PIECE_BYTES))
            if not piece:
                return
            left = None if left is None else left - len(piece)
            self._moved += len(piece)
            if self._moved > self._max_bytes:
                self.trouble = f"the page loads more than {self._max_bytes:,} bytes"
                return
            target.writer.write(piece)
            await target.writer.drain()

    @asynccontextmanager
    async def _connected(self, target: str, default_port: int) -> AsyncIterator[_Peer]:
        host, port = _host_and_port(target, default_port)
        self._opened += 1
        if self._opened > MAX_CONNECTIONS or self._moved > self._max_bytes:
            self.trouble = self.trouble or f"the page opens more than {MAX_CONNECTIONS} connections"
            raise _RefusalError("429 Too Many Requests")
        try:
            addresses = await self._guard.addresses(host, port)
        except RefusedAddressError as error:
            self.trouble = error.message
            raise _RefusalError("403 Forbidden") from error
        except OSError as error:
            raise _RefusalError("502 Bad Gateway") from error
        site = await _first_that_answers(addresses, port)
        try:
            yield site
        finally:
            site.writer.close()


def _host_and_port(target: str, default_port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(target)
        host, port = parts.hostname, parts.port or default_port
    except ValueError as error:
        raise _RefusalError("400 Bad Request") from error
    if not host:
        raise _RefusalError("400 Bad Request")
    return host, port


async def _first_that_answers(addresses: Iterable[str], port: int) -> _Peer:
    for address in addresses:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_CONNECT_SECONDS):
                return _Peer(*await asyncio.open_connection(address, port, limit=_HEAD_BYTES))
    raise _RefusalError("502 Bad Gateway")


async def _first_of(*ends: Coroutine[Any, Any, object]) -> None:
    """Run until one of them is through; the others are stopped."""
    tasks = [asyncio.ensure_future(end) for end in ends]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
