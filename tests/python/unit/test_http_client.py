"""What the HTTP client sends over the wire, and what it makes of answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from loaders.errors import FetchError, RefusedAddressError, TransportError
from loaders.http import HttpClient, Response
from loaders.network_guard import NetworkGuard

EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
EVERYWHERE = NetworkGuard.parse("all")
Ask = Callable[[HttpClient, str], Awaitable[object]]


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

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server, HttpClient("home-watch/1", guard=EVERYWHERE) as client:
            await ask(client, url)

    asyncio.run(run())
    return requests


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
    ("answer", "message"),
    [
        (b"", "the connection broke off"),
        (b"no HTTP at all\r\n\r\n", "the connection broke off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf", "the connection broke off"),
    ],
)
def test_an_answer_that_is_none_is_worth_another_try(answer: bytes, message: str) -> None:
    with pytest.raises(TransportError, match=message):
        answered(answer)


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/", "http://[::1/", "http://portal.example:a/"])
def test_what_is_no_address_is_refused(url: str) -> None:
    async def run() -> None:
        async with HttpClient("home-watch/1", guard=EVERYWHERE) as client:
            await client.get(url)

    with pytest.raises((FetchError, RefusedAddressError)) as raised:
        asyncio.run(run())
    assert not isinstance(raised.value, TransportError)
