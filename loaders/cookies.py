"""Cookies of one crawl: what a portal sets goes back to it with the next requests, as a browser would do."""

from __future__ import annotations

from collections.abc import Iterable
from email.message import Message
from http.cookiejar import CookieJar
from typing import Any, cast
from urllib.request import Request


class Cookies:
    """The cookies that sites set so far, kept in memory as long as the crawl."""

    def __init__(self) -> None:
        self._jar = CookieJar()
        self._is_empty = True

    def keep(self, url: str, set_cookies: Iterable[str]) -> None:
        """Take the Set-Cookie headers of an answer; those that the site may not set are passed over."""
        headers = Message()
        for value in set_cookies:
            headers["Set-Cookie"] = value
        if headers:
            self._jar.extract_cookies(cast(Any, _Answer(headers)), Request(url))  # noqa: S310
            self._is_empty = False

    def header(self, url: str) -> str | None:
        """The Cookie header of a request to this address; None where no cookie belongs there."""
        if self._is_empty:
            return None
        request = Request(url)  # noqa: S310
        self._jar.add_cookie_header(request)
        return request.get_header("Cookie")


class _Answer:
    """What the jar asks of an answer."""

    def __init__(self, headers: Message) -> None:
        self._headers = headers

    def info(self) -> Message:
        return self._headers
