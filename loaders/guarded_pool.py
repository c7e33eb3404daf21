"""Connections of the HTTP client: opened by number, to addresses that the guard lets through, without proxies."""

from __future__ import annotations

import asyncio
import os
import select
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import cached_property
from typing import NamedTuple, Self, cast
from urllib.parse import urlsplit

import certifi
import h11

from loaders.errors import FetchError, TransportError
from loaders.network_guard import NetworkGuard
from loaders.urls import host

CONNECT_SECONDS = 10.0
READ_SECONDS = 20.0
MAX_IDLE_CONNECTIONS = 10
MAX_HEAD_BYTES = 100 * 1024
"""How long the status line and the headers of an answer may be together."""

_BUFFER_BYTES = 256 * 1024
_BROKEN_OFF = "the connection broke off"


class _Origin(NamedTuple):
    is_encrypted: bool
    host: str
    port: int

    @classmethod
    def of(cls, address: str) -> Self:
        parts = urlsplit(address)
        is_encrypted = parts.scheme == "https"
        return cls(is_encrypted, parts.hostname or "", parts.port or (443 if is_encrypted else 80))


class GuardedPool:
    """Connections that all pass the guard, kept open for the next request to the same origin."""

    def __init__(self, guard: NetworkGuard) -> None:
        self._guard = guard
        self._idle: list[Connection] = []

    @asynccontextmanager
    async def get(self, address: str, headers: Iterable[tuple[str, str]]) -> AsyncIterator[Connection]:
        """A connection that has asked for an address and was answered; what is left unread of the answer is dropped.

        Raises RefusedAddressError where the guard refuses every address of the host, TransportError for what goes
        wrong on the way.
        """
        parts = urlsplit(address)
        target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        connection = await self._connected(_Origin.of(address))
        try:
            await connection.ask(target, [("Host", host(address)), *headers])
            yield connection
        finally:
            self._take_back(connection)

    async def close(self) -> None:
        """Close what is open."""
        while self._idle:
            self._idle.pop().close()
        # Sockets are closed by the loop, one step later.
        await asyncio.sleep(0)

    async def _connected(self, origin: _Origin) -> Connection:
        for connection in [known for known in reversed(self._idle) if known.origin == origin]:
            self._idle.remove(connection)
            if connection.is_idle and not connection.is_readable:
                return connection
            connection.close()
        return await self._opened(origin)

    def _take_back(self, connection: Connection) -> None:
        if connection.begin_anew():
            self._idle.append(connection)
            if len(self._idle) > MAX_IDLE_CONNECTIONS:
                self._idle.pop(0).close()
        else:
            connection.close()

    async def _opened(self, origin: _Origin) -> Connection:
        try:
            return await self._first_that_answers(origin)
        except TimeoutError as error:
            raise TransportError(f"no answer within {CONNECT_SECONDS:g} s") from error
        except OSError as error:
            raise TransportError(f"no connection: {error}") from error

    async def _first_that_answers(self, origin: _Origin) -> Connection:
        failure = OSError(f"{origin.host} has no address")
        for address in await self._guard.addresses(origin.host, origin.port):
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    return await self._opened_at(address, origin)
            except OSError as error:
                failure = error
        raise failure

    async def _opened_at(self, address: str, origin: _Origin) -> Connection:
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(origin),
            address,
            origin.port,
            ssl=self._encryption if origin.is_encrypted else None,
            server_hostname=origin.host if origin.is_encrypted else None,
        )
        return connection

    @cached_property
    def _encryption(self) -> ssl.SSLContext:
        """Certificates are checked against the name that was asked.

        Authorities are those of certifi, or of SSL_CERT_FILE and SSL_CERT_DIR.
        """
        file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
        context = ssl.create_default_context(cafile=file if file or folder else certifi.where(), capath=folder)
        context.set_alpn_protocols(["http/1.1"])
        return context


class Connection(asyncio.Protocol):
    """A connection to one origin, which is asked one thing after another."""

    def __init__(self, origin: _Origin) -> None:
        self.origin = origin
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._received = bytearray()
        self._is_over = False
        self._error: Exception | None = None
        self._arrival: asyncio.Future[None] | None = None

    async def ask(self, target: str, headers: Iterable[tuple[str, str]]) -> None:
        """Send a GET and wait for `status` and `headers`, names in lower case.

        Raises TransportError, and FetchError for headers that no request can carry.
        """
        encoded = [(name, value.encode()) for name, value in headers]
        try:
            head = self._http.send(h11.Request(method="GET", target=target, headers=encoded))
        except h11.LocalProtocolError as error:
            raise FetchError(f"the request cannot be written: {error}") from error
        self._transport.write((head or b"") + (self._http.send(h11.EndOfMessage()) or b""))
        event = await self._event()
        while isinstance(event, h11.InformationalResponse):
            event = await self._event()
        if not isinstance(event, h11.Response):
            raise TransportError(_BROKEN_OFF)
        self.status, self.headers = event.status_code, list(event.headers)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body of the answer as it arrives. Raises TransportError where it ends too early."""
        while isinstance(event := await self._event(), h11.Data):
            yield bytes(event.data)

    @property
    def is_idle(self) -> bool:
        """Whether it is open, and nothing came that was not asked for."""
        return not self._is_over and not self._received

    @property
    def is_readable(self) -> bool:
        """Whether something came, or it was closed, that the loop has not told yet."""
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket"), select.POLLIN)
        return bool(poll.poll(0))

    def begin_anew(self) -> bool:
        """Whether the answer was read to its end and another request may follow."""
        is_read = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        if not is_read or not self.is_idle or self._http.trailing_data[0]:
            return False
        self._http.start_next_cycle()
        return True

    def close(self) -> None:
        """Close it at once."""
        self._transport.abort()

    async def _event(self) -> object:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(await self._more())
        except h11.RemoteProtocolError as error:
            raise TransportError(_BROKEN_OFF) from error
        return event

    async def _more(self) -> bytes:
        """What arrived since the last time, empty at the end."""
        if not self._received and not self._is_over:
            self._arrival = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(READ_SECONDS):
                    await self._arrival
            except TimeoutError as error:
                raise TransportError(f"no answer within {READ_SECONDS:g} s") from error
            finally:
                self._arrival = None
        if not self._received and self._error is not None:
            raise TransportError(_BROKEN_OFF) from self._error
        received, self._received = bytes(self._received), bytearray()
        self._transport.resume_reading()
        return received

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of `asyncio.Protocol`, as are the methods below."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Keep what came until it is asked for."""
        self._received += data
        if len(self._received) >= _BUFFER_BYTES:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Nothing more comes; the transport closes itself."""
        self._is_over = True
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """Nothing more comes, perhaps since the connection failed."""
        self._is_over = True
        self._error = error
        self._wake()

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)
