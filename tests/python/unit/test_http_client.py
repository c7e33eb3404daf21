"""What the HTTP client sends over the wire, and what it makes of answers."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from loaders import guarded_pool
from loaders.errors import FetchError, RefusedAddressError, TransportError
from loaders.http import HttpClient, Response
from loaders.network_guard import NetworkGuard

EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
EVERYWHERE = NetworkGuard.parse("all")
CERTIFICATE = Path(__file__).with_name("portal_example.pem")
"""A certificate of portal.example by an authority that nobody knows, and its key."""

Ask = Callable[[HttpClient, str], Awaitable[object]]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def exchange(answers: list[bytes], ask: Ask) -> list[list[str]]:
    """The lines of each request that a server received, which gave these answers, one a connection."""
    requests: list[list[str]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            requests.append(head.decode("latin-1").strip().split("\r\n"))
            answer = answers[min(len(requests), len(answers)) - 1]
            writer.write(answer)
            await writer.drain()
            if b"Content-Length" not in answer:
                break
        writer.close()

    served(serve, ask)
    return requests


def served(serve: Serve, ask: Ask) -> None:
    """Ask a server on loopback."""

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            async with HttpClient("home-watch/1", guard=EVERYWHERE) as client:
                await ask(client, url)
            # The server needs a moment to notice who left.
            await asyncio.sleep(0.02)

    asyncio.run(run())


async def heard(reader: asyncio.StreamReader) -> bytes:
    """The next request of a connection; empty when the client is gone."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


def answer_of(body: bytes, *headers: bytes) -> bytes:
    length = b"Content-Length: %d" % len(body)
    return b"\r\n".join([b"HTTP/1.1 200 OK", *headers, length, b"", body])


def answered(answer: bytes) -> Response:
    responses: list[Response] = []

    async def ask(client: HttpClient, url: str) -> None:
        responses.append(await client.get(f"{url}/page"))

    exchange([answer], ask)
    return responses[0]


def test_a_request_says_who_asks_and_what_is_understood() -> None:
    async def ask(client: HttpClient, url: str) -> None:
        await client.get(f"{url}/page?a=1", headers={"If-None-Match": '"v1"'})

    ((first, *headers),) = exchange([EMPTY], ask)
    assert first == "GET /page?a=1 HTTP/1.1"
    assert headers[0].startswith("Host: 127.0.0.1:")
    assert set(headers[1:]) == {
        "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.5",
        "Accept-Encoding: gzip, deflate",
        "Connection: keep-alive",
        "User-Agent: home-watch/1",
        'If-None-Match: "v1"',
    }


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("", "/"),
        ("?page=2", "/?page=2"),
        ("/a b/ü?q=żółć#map", "/a%20b/%C3%BC?q=%C5%BC%C3%B3%C5%82%C4%87"),
        ("/%7Ea/100%25?x=%2F", "/%7Ea/100%25?x=%2F"),
        ("/a;b=1//c/../d?x=2;y+z&=", "/a;b=1//c/../d?x=2;y+z&="),
    ],
)
def test_an_address_goes_over_the_wire_in_ascii(path: str, target: str) -> None:
    async def ask(client: HttpClient, url: str) -> None:
        response = await client.get(url + path)
        assert response.url == url + path

    ((first, *_),) = exchange([EMPTY], ask)
    assert first == f"GET {target} HTTP/1.1"


def test_a_name_and_password_in_the_address_are_sent_as_such() -> None:
    async def ask(client: HttpClient, url: str) -> None:
        await client.get(url.replace("://", "://anna:p%40ss@"))
        await client.get(url)

    named, plain = exchange([EMPTY], ask)
    assert "Authorization: Basic YW5uYTpwQHNz" in named
    assert not any(line.startswith("Authorization") for line in plain)


def test_cookies_go_back_where_they_belong() -> None:
    visited = (
        b"HTTP/1.1 302 Found\r\nLocation: /flats/2\r\nContent-Length: 0\r\n"
        b"Set-Cookie: visit=7; Path=/; HttpOnly\r\nSet-Cookie: seen=flats; Path=/flats\r\n"
        b"Set-Cookie: ours=1; Domain=portal.example\r\nSet-Cookie: late=1; Path=/; Secure\r\n\r\n"
    )
    left = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: visit=; Path=/; Max-Age=0\r\n\r\n"

    async def ask(client: HttpClient, url: str) -> None:
        for path in ("/flats/1", "/about", "/flats/3"):
            await client.get(url + path)

    requests = exchange([visited, EMPTY, left, EMPTY], ask)
    sent = [[line for line in lines if line.startswith("Cookie")] for lines in requests]
    assert sent == [[], ["Cookie: seen=flats; visit=7"], ["Cookie: visit=7"], ["Cookie: seen=flats"]]


def test_what_a_cookie_holds_goes_back_in_utf_8() -> None:
    async def ask(client: HttpClient, url: str) -> None:
        await client.get(url)
        await client.get(url)

    _, (*lines,) = exchange([answer_of(b"", b"Set-Cookie: city=Krak\xc3\xb3w")], ask)
    assert "Cookie: city=Krak\xc3\xb3w" in lines


def test_headers_that_no_request_can_carry_are_told() -> None:
    async def run() -> None:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        async with server, HttpClient("home-watch/1\r\nX: y", guard=EVERYWHERE) as client:
            await client.get(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    with pytest.raises(FetchError, match="the request cannot be written") as raised:
        asyncio.run(run())
    assert not isinstance(raised.value, TransportError)


def test_headers_are_read_whatever_they_hold() -> None:
    response = answered(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-City: Krak\xc3\xb3w\r\nX-OLD: Krak\xf3w\r\n"
        b"Vary: accept\r\nvary: cookie\r\n\r\nok"
    )
    assert response.headers == {
        "content-length": "2",
        "x-city": "Kraków",
        "x-old": "Kraków",
        "vary": "accept, cookie",
    }
    assert response.body == b"ok"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"no HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConte",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 200_000 + b"\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
    ids=["none", "no-http", "head", "body", "two-lengths", "chunk", "long-head", "other-protocol"],
)
def test_an_answer_that_is_none_is_worth_another_try(answer: bytes) -> None:
    asked = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        while await heard(reader):
            asked += 1
            writer.write(answer)
            writer.write_eof()
        writer.close()

    async def ask(client: HttpClient, url: str) -> None:
        with pytest.raises(TransportError, match=r"^the connection broke off$"):
            await client.get(url)

    served(serve, ask)
    assert asked == 1, "whether to ask again is for the crawl to say"


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, b"ok"),
        (b"HTTP/1.1 200 OK\nContent-Length: 2\nX-Folded: a\n b\n\nok", 200, b"ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
        (b"HTTP/1.0 200 OK\r\n\r\nok", 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok, and more", 200, b"ok"),
        (b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 304, b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok", 304, b""),
    ],
    ids=["same-length", "both-lengths", "line-feeds", "continue", "old", "longer", "304-chunked", "304-body"],
)
def test_what_a_sloppy_server_answers_is_read(answer: bytes, status: int, body: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await heard(reader):
            writer.write(answer)
            if b"HTTP/1.0" in answer:
                break
        writer.close()

    async def ask(client: HttpClient, url: str) -> None:
        for _ in range(2):
            response = await client.get(url)
            assert (response.status, response.body) == (status, body)

    served(serve, ask)


def test_a_connection_serves_one_request_after_another() -> None:
    asked_by: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await heard(reader):
            asked_by.append(writer.get_extra_info("peername")[1])
            writer.write(answer_of(b"ok", b"Connection: close") if len(asked_by) == 3 else answer_of(b"ok"))
        writer.close()

    async def ask(client: HttpClient, url: str) -> None:
        for _ in range(5):
            await client.get(url)

    served(serve, ask)
    first, second, third, fourth, fifth = asked_by
    assert (first, fourth) == (third, fifth)
    assert second == first
    assert fourth != first, "what the server closes is not asked again"


def test_what_nobody_asked_for_answers_no_request() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await heard(reader):
            path = head.split()[1]
            writer.write(answer_of(path))
            await asyncio.sleep(0.02)
            writer.write(answer_of(b"what nobody asked for"))
        writer.close()

    async def ask(client: HttpClient, url: str) -> None:
        for path in ("/a", "/b"):
            assert (await client.get(url + path)).body == path.encode()
            await asyncio.sleep(0.1)

    served(serve, ask)


def test_few_connections_are_kept_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded_pool, "MAX_IDLE_CONNECTIONS", 2)
    open_now = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now
        open_now += 1
        while await heard(reader):
            await asyncio.sleep(0.05)
            writer.write(answer_of(b"ok"))
        open_now -= 1
        writer.close()

    async def ask(client: HttpClient, url: str) -> None:
        await asyncio.gather(*(client.get(url) for _ in range(4)))
        await asyncio.sleep(0.05)
        assert open_now == 2

    served(serve, ask)
    assert open_now == 0, "the others end with the client"


def test_silence_ends_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded_pool, "READ_SECONDS", 0.2)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await heard(reader):
            for _ in range(4):
                await asyncio.sleep(0.1)
                writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
            if b"/silent" in head:
                await reader.read()
            writer.write(answer_of(b"ok"))
        writer.close()

    async def ask(client: HttpClient, url: str) -> None:
        assert (await client.get(f"{url}/slow")).body == b"ok"
        with pytest.raises(TransportError, match=r"^no answer within 0\.2 s$"):
            await client.get(f"{url}/silent")

    served(serve, ask)


def test_every_address_of_a_host_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[str] = []

    def addresses(host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        looked_up.append(host)
        return [(2, 1, 6, "", (address, port)) for address in ("10.0.0.1", "127.0.0.3", "127.0.0.1")]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await heard(reader)
        writer.write(answer_of(head.split(b"\r\n")[1]))
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setattr(socket, "getaddrinfo", addresses)
        guard = NetworkGuard.parse("127.0.0.1, 127.0.0.3")
        async with server, HttpClient("home-watch/1", guard=guard) as client:
            response = await client.get(f"http://portal.example:{port}/")
            assert response.body.decode() == f"Host: portal.example:{port}"
            server.close()
            with pytest.raises(TransportError, match="no connection: "):
                await client.get(f"http://portal.example:{port}/")
        async with HttpClient("home-watch/1", guard=NetworkGuard.parse("127.0.0.2")) as client:
            with pytest.raises(RefusedAddressError, match=r"10\.0\.0\.1 is a private address"):
                await client.get(f"http://portal.example:{port}/")

    asyncio.run(run())
    assert looked_up == ["portal.example"] * 3


@pytest.mark.parametrize(
    ("name", "is_known", "trouble"),
    [
        ("portal.example", True, None),
        ("portal.example", False, "no connection: .*CERTIFICATE_VERIFY_FAILED"),
        ("other.example", True, "no connection: .*CERTIFICATE_VERIFY_FAILED.*other.example"),
    ],
)
def test_certificates_are_checked_against_the_name(
    name: str,
    is_known: bool,
    trouble: str | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    if is_known:
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await heard(reader):
            writer.write(answer_of(head.split(b"\r\n")[1]))
        writer.close()

    async def run() -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(CERTIFICATE)
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        lookup = [(2, 1, 6, "", ("127.0.0.1", port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: lookup)
        async with server, HttpClient("home-watch/1", guard=EVERYWHERE) as client:
            for _ in range(2):
                response = await client.get(f"https://{name}:{port}/")
                assert response.body.decode() == f"Host: {name}:{port}"

    if trouble is None:
        asyncio.run(run())
    else:
        with pytest.raises(TransportError, match=trouble):
            asyncio.run(run())
    assert [record for record in caplog.records if "portal" in record.getMessage()] == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/", "http://[::1/", "http://portal.example:a/"])
def test_what_is_no_address_is_refused(url: str) -> None:
    async def run() -> None:
        async with HttpClient("home-watch/1", guard=EVERYWHERE) as client:
            await client.get(url)

    with pytest.raises((FetchError, RefusedAddressError)) as raised:
        asyncio.run(run())
    assert not isinstance(raised.value, TransportError)
