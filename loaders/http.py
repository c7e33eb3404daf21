"""Plain HTTP to addresses that the guard lets through: size, time and redirects of every page are bounded."""

from __future__ import annotations

import asyncio
import os
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from time import monotonic
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from w3lib.encoding import html_to_unicode
from w3lib.url import safe_url_string

from loaders.bodies import Body
from loaders.cookies import Cookies
from loaders.errors import FetchError, RefusedAddressError, TransportError
from loaders.guarded_pool import GuardedPool
from loaders.network_guard import NetworkGuard
from loaders.urls import is_web_address

MAX_BODY_BYTES = 10 * 1024 * 1024
MAX_REDIRECTS = 5
PAGE_SECONDS = 60.0

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {
    "Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.5",
    "Accept-Encoding": "gzip, deflate",
    "Connection": "keep-alive",
}


@dataclass(frozen=True)
class Response:
    """The answer to one GET after redirects. `url` is where it came from, `headers` have lower-case names."""

    url: str
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """The media type in lower case without parameters, empty when the server names none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def text(self) -> str:
        """The body as text, by byte order mark, header, or what the document declares."""
        return html_to_unicode(self.headers.get("content-type"), self.body, default_encoding="utf-8")[1]


def user_agent() -> str:
    """What the crawler calls itself: PROPERTY_USER_AGENT, else the project's name and version."""
    default = f"property-manager/{version('property-manager')} (operator: set a contact in PROPERTY_USER_AGENT)"
    return os.environ.get("PROPERTY_USER_AGENT") or default


def check_address(url: str) -> None:
    """Raise RefusedAddressError for an address that is not http or https. Every request passes here first.

    Where it leads is the guard's matter, when it is connected to.
    """
    if not is_web_address(url):
        raise RefusedAddressError(f"{url!r} is not a web address", "Only http and https addresses are opened.")


class HttpClient:
    """A client for one crawl. Use it as an async context manager."""

    def __init__(
        self,
        agent: str | None = None,
        *,
        guard: NetworkGuard | None = None,
        max_body_bytes: int = MAX_BODY_BYTES,
        page_seconds: float = PAGE_SECONDS,
    ) -> None:
        """`page_seconds` bound a page with all its redirects. The guard defaults to the configured one."""
        self.agent = agent or user_agent()
        self._max_body_bytes = max_body_bytes
        self._page_seconds = page_seconds
        self._headers = {**_HEADERS, "User-Agent": self.agent}
        self._cookies = Cookies()
        self._pool = GuardedPool(guard or NetworkGuard.configured())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.close()

    async def get(
        self,
        url: str,
        *,
        admit: Callable[[str], Awaitable[None]] | None = None,
        max_body_bytes: int | None = None,
        truncate: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """GET an address and follow redirects; `admit` is awaited before every further address is asked.

        `headers` go with the first request only.

        A body beyond the cap raises FetchError, or is cut there with `truncate`. Raises RefusedAddressError for what
        the guard refuses, TransportError for time-outs and broken connections, and whatever `admit` raises.
        """
        cap = max_body_bytes or self._max_body_bytes
        seconds = self._page_seconds
        target = url
        check_address(target)
        for _ in range(MAX_REDIRECTS + 1):
            started = monotonic()
            response = await self._get_one(target, cap, truncate, headers if target == url else None, seconds)
            location = response.headers.get("location")
            if response.status not in _REDIRECTS or not location:
                return response
            seconds -= monotonic() - started
            target = _redirect_target(target, location)
            check_address(target)
            if admit is not None:
                await admit(target)
        raise FetchError(f"{url} redirects more than {MAX_REDIRECTS} times")

    async def _get_one(
        self, url: str, cap: int, truncate: bool, headers: Mapping[str, str] | None, seconds: float
    ) -> Response:
        try:
            address = _written_out(url)
            sent = {**self._headers, **_credentials(address), **(headers or {})}
            if cookies := self._cookies.header(address):
                sent["Cookie"] = cookies
            async with asyncio.timeout(seconds), self._pool.get(address, sent.items()) as answer:
                received = [(_text(name).lower(), _text(value)) for name, value in answer.headers]
                self._cookies.keep(address, [value for name, value in received if name == "set-cookie"])
                told = _joined(received)
                body = Body(url, told.get("content-encoding", ""), cap)
                async for piece in answer.pieces():
                    if not body.add(piece):
                        if not truncate:
                            raise FetchError(f"{url} is larger than {cap:,} bytes")
                        break
                else:
                    body.finish()
                return Response(url, answer.status, told, body.content)
        except TimeoutError as error:
            raise TransportError(f"no complete answer within {self._page_seconds:g} s") from error


def _written_out(url: str) -> str:
    """An address as it goes over the wire: in ASCII, without what follows #."""
    try:
        return urldefrag(safe_url_string(url)).url
    except ValueError as error:
        raise FetchError(f"{url!r} is not a valid address: {error}") from error


def _credentials(address: str) -> dict[str, str]:
    """The header that a name and password in the address stand for."""
    parts = urlsplit(address)
    if parts.username is None:
        return {}
    text = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": f"Basic {b64encode(text.encode()).decode()}"}


def _text(value: bytes) -> str:
    """A header's name or value, which may hold anything."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _joined(headers: list[tuple[str, str]]) -> dict[str, str]:
    """Headers by name; what stands twice is one list."""
    joined: dict[str, str] = {}
    for name, value in headers:
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def _redirect_target(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise FetchError(f"{url} redirects to {location!r}, which is not an address") from error
