"""The browser's way out: what it forwards, what it refuses, and where it stops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from loaders.gateway import MAX_CONNECTIONS, Gateway
from loaders.network_guard import NetworkGuard

ANSWER = b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi"


class Server:
    """A server on loopback that keeps what it was sent and answers each connection once, then stays silent."""

    def __init__(self, answer: bytes) -> None:
        self.received: list[bytes] = []
        self._answer = answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._answer)
        await writer.drain()
        received = b""
        with suppress(ConnectionResetError):
            received = await reader.read()
        self.received.append(received)
        writer.close()


def exchange(
    request: Callable[[int], bytes], *, answer: bytes = ANSWER, allowed: str = "127.0.0.1", max_bytes: int = 1_000
) -> tuple[bytes, list[bytes], str | None]:
    """What a browser reads for what it sends, what the site at that port received, and what the gateway says of it."""

    async def run() -> tuple[bytes, list[bytes], str | None]:
        server = Server(answer)
        async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
            gateway = Gateway(NetworkGuard.parse(allowed), max_bytes=max_bytes)
            await gateway.open()
            reader, writer = await asyncio.open_connection(*address_of(gateway))
            writer.write(request(listening.sockets[0].getsockname()[1]))
            read = b""
            while piece := await asyncio.wait_for(reader.read(100), 5.0):
                read += piece
                if read.endswith(b"hi"):
                    break
            writer.close()
            trouble = gateway.trouble
            if allowed:
                await wait_until(lambda: bool(server.received))
            await gateway.close()
            return read, server.received, trouble

    return asyncio.run(run())


def address_of(gateway: Gateway) -> tuple[str, int]:
    host, _, port = gateway.url.removeprefix("http://").partition(":")
    return host, int(port)


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5.0):
        while not condition():
            await asyncio.sleep(0.01)


def test_a_request_is_forwarded_for_one_exchange() -> None:
    read, received, _ = exchange(
        lambda port: (
            f"GET http://127.0.0.1:{port}/a?b=1 HTTP/1.1\r\nHost: x\r\nProxy-Connection: keep-alive\r\n\r\n"
        ).encode()
    )
    head = received[0].decode()
    assert head.startswith("GET /a?b=1 HTTP/1.1\r\n")
    assert head.endswith("Connection: close\r\n\r\n")
    assert "Proxy-Connection" not in head
    assert b"keep-alive" not in read
    assert b"Connection: close" in read


def test_what_follows_a_request_is_not_sent_to_its_site() -> None:
    """It may be meant for another site, cookies and all."""
    second = b"GET http://portal.example/ HTTP/1.1\r\nCookie: secret=1\r\n\r\n"
    _, received, _ = exchange(
        lambda port: (
            f"POST http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody".encode() + second
        )
    )
    assert received[0].endswith(b"\r\n\r\nbody")


def test_a_tunnel_carries_bytes_both_ways() -> None:
    read, received, _ = exchange(
        lambda port: f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\n\r\nhello".encode(), answer=b"hi"
    )
    assert read == b"HTTP/1.1 200 Connection established\r\n\r\nhi"
    assert received == [b"hello"]


def test_interim_answers_are_left_out() -> None:
    read, _, _ = exchange(
        lambda port: f"GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
        answer=b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ANSWER,
    )
    assert read.startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET http://127.0.0.1:{port}/", "403"),
        ("CONNECT 127.0.0.1:{port}", "403"),
        ("CONNECT [::ffff:127.0.0.1]:{port}", "403"),
        ("GET /", "400"),
        ("GET ftp://127.0.0.1/", "400"),
        ("GET http:///", "400"),
        ("CONNECT 127.0.0.1:port", "400"),
        ("NONSENSE", "400"),
    ],
)
def test_what_is_not_for_the_network_is_refused(request_line: str, status: str) -> None:
    read, received, _ = exchange(
        lambda port: f"{request_line.format(port=port)} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), allowed=""
    )
    assert read.startswith(f"HTTP/1.1 {status} ".encode())
    assert received == []


def test_a_body_of_unknown_length_is_refused() -> None:
    head = "POST http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    read, received, _ = exchange(lambda port: head.format(port=port).encode())
    assert received == [b""]
    assert read.startswith(b"HTTP/1.1 411 ")


def test_a_page_loads_so_much_and_no_more() -> None:
    read, _, trouble = exchange(
        lambda port: f"GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
        answer=b"HTTP/1.1 200 OK\r\n\r\n" + bytes(100_000),
        max_bytes=1_000,
    )
    assert len(read) < 2_000
    assert trouble == "the page loads more than 1,000 bytes"


def test_a_page_opens_so_many_connections_and_no_more() -> None:
    async def asked_often() -> tuple[bytes, bytes]:
        gateway = Gateway(NetworkGuard())
        await gateway.open()
        statuses = [await status(gateway) for _ in range(MAX_CONNECTIONS + 1)]
        await gateway.begin_page()
        following = await status(gateway)
        await gateway.close()
        assert set(statuses[:-1]) == {following}
        return statuses[-1], following

    async def status(gateway: Gateway) -> bytes:
        reader, writer = await asyncio.open_connection(*address_of(gateway))
        writer.write(b"CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n")
        line = (await reader.readline()).split(b" ")[1]
        writer.close()
        return line

    refused: Awaitable[tuple[bytes, bytes]] = asked_often()
    assert asyncio.run(refused) == (b"429", b"403")
