"""One visit: a page is fetched, rendered if it needs that, classified and read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from loaders.browser import NotReadyError, Renderer, RenderError
from loaders.errors import FetchError, TransportError
from loaders.frontier import ClaimedPage, Settlement
from loaders.hosts import Hosts
from loaders.http import HttpClient, Response
from loaders.page_limits import PageReadError, check_amount
from loaders.pages import Page, Reader
from loaders.politeness import RetryPolicy, is_retryable, retry_after_seconds
from loaders.robots import RobotsDisallowedError
from loaders.staging import Observation

RENDER_TRIES = 2
"""How often a page is rendered, no more often than it is fetched; failed requests count apart."""

SMALL_CHARACTERS = 32 * 1024
"""A document of no more is read at once: handing it to a thread costs more time than others wait meanwhile."""

_NOT_MODIFIED = 304
_GONE = frozenset({404, 410})
_BLOCKED = frozenset({401, 403, 451})
_CHALLENGE_HEADERS = {"cf-mitigated": {"challenge"}, "x-amzn-waf-action": {"challenge", "captcha"}}
_CHALLENGE = "a captcha or challenge page"
_MARKUP = frozenset({"", "text/html", "application/xhtml+xml", "application/xml", "text/xml", "text/plain"})

Result = TypeVar("Result")


@dataclass(frozen=True)
class Visitor:
    """Visits pages of one portal with the tools of one crawl."""

    client: HttpClient
    hosts: Hosts
    renderer: Renderer
    reader: Reader
    retry: RetryPolicy

    async def visit(self, page: ClaimedPage) -> Settlement:
        """What became of a page. The portal's failures are settlements; only a missing browser is raised."""
        try:
            await self.hosts.admit_claimed(page.url, is_robots_known=page.is_robots_known)
            response = await self.client.get(page.url, admit=self.hosts.admit, headers=_validators(page))
            await self.hosts.answered(response.url)
        except RobotsDisallowedError as error:
            return Settlement(page, "skipped", error=error.message)
        except TransportError as error:
            return self._retry(page, error.message)
        except FetchError as error:
            return _failed(page, error.message)
        if response.status == _NOT_MODIFIED and page.read_listing_id is not None:
            return _unchanged(page, page.read_listing_id)
        if response.status in _GONE:
            if page.kind == "list":
                # A result page that is missing hides adverts; only an advert can be gone.
                return _failed(page, f"HTTP {response.status}", response.status)
            return Settlement(page, "done", "gone", via="http", http_status=response.status)
        if response.status in _BLOCKED or _names_challenge(response):
            return _blocked(page, response, f"HTTP {response.status}")
        try:
            if 200 <= response.status < 300:
                return await self._read(page, response)
            return await self._refused(page, response)
        except PageReadError as error:
            return _unreadable(page, error, response.status)

    async def _refused(self, page: ClaimedPage, response: Response) -> Settlement:
        document = Page(response.url, response.text, page.url)
        if await _found_in(document, self.reader.is_challenge, document):
            return _blocked(page, response, f"HTTP {response.status} with a challenge page")
        error = f"HTTP {response.status}"
        if not is_retryable(response.status):
            return _failed(page, error, response.status)
        asked_for = retry_after_seconds(response.headers.get("retry-after"))
        if asked_for is not None:
            await self.hosts.pause(response.url, self.retry.wait(page.attempt, asked_for))
        return self._retry(page, error, http_status=response.status, retry_after=asked_for)

    async def _read(self, page: ClaimedPage, response: Response) -> Settlement:
        if response.media_type not in _MARKUP:
            return _failed(page, f"the page is {response.media_type}, not HTML", response.status)
        document, via, unready_reason = Page(response.url, response.text, page.url), "http", None
        try:
            if not await _found_in(document, self.reader.is_ready, page.kind, document):
                if await _found_in(document, self.reader.is_plain_challenge, document):
                    return _blocked(page, response, _CHALLENGE)
                document, unready_reason = await self._rendered(page, response)
                via = "browser"
            content = await _found_in(document, self.reader.read, page.kind, document, page.source_listing_id)
            check_amount(response.url, links=len(content.links), rows=len(content.observations))
        except NotReadyError as error:
            unready = Page(response.url, error.html, page.url)
            if await _found_in(unready, self.reader.is_challenge, unready):
                return _blocked(page, response, _CHALLENGE)
            return replace(self._unrendered(page, response, error), document=unready)
        except RenderError as error:
            return self._unrendered(page, response, error)
        except PageReadError as error:
            unreadable = _unreadable(page, error, response.status)
            reason = "; ".join(filter(None, (unreadable.error, unready_reason)))
            return replace(unreadable, error=reason, document=document)
        return Settlement(
            page,
            "done",
            "empty" if content.is_empty else "ok",
            via=via,
            http_status=response.status,
            observations=content.observations,
            links=content.links,
            listing_count=content.listing_count,
            **_validators_of(page, response, via),
            document=document,
        )

    def _unrendered(self, page: ClaimedPage, response: Response, error: RenderError) -> Settlement:
        """For another try; the portal answered, so its host is not in trouble."""
        renderings, tries = page.failed_renderings + 1, min(RENDER_TRIES, self.retry.tries)
        settlement = self._another_try(page, renderings, tries, error.message, http_status=response.status)
        return replace(settlement, is_transient=False)

    async def _rendered(self, page: ClaimedPage, response: Response) -> tuple[Page, str | None]:
        """The rendered page, and why it was not ready where no source file promises that it would be."""
        try:
            ready = self.reader.ready(page.kind) or partial(self._is_readable, page, response)
            html = await self.renderer.render(response, ready, is_allowed=self.hosts.is_allowed)
            return Page(response.url, html, page.url), None
        except NotReadyError as error:
            rendered = Page(response.url, error.html, page.url)
            if self.reader.promises_ready(page.kind) or await _found_in(rendered, self.reader.is_challenge, rendered):
                raise
            return rendered, error.message

    async def _is_readable(self, page: ClaimedPage, response: Response, html: str) -> bool:
        try:
            document = Page(response.url, html, page.url)
            return await _found_in(document, self.reader.is_ready, page.kind, document)
        except PageReadError:
            # Reading it will tell why, and waiting does not mend it.
            return True

    def _retry(
        self, page: ClaimedPage, error: str, *, http_status: int | None = None, retry_after: float | None = None
    ) -> Settlement:
        requests = page.attempt - page.failed_renderings
        return self._another_try(page, requests, self.retry.tries, error, http_status=http_status, wait_for=retry_after)

    def _another_try(
        self,
        page: ClaimedPage,
        failures: int,
        tries: int,
        error: str,
        *,
        http_status: int | None,
        wait_for: float | None = None,
    ) -> Settlement:
        """For later, while fewer than `tries` failed."""
        if failures >= tries:
            return Settlement(page, "failed", "error", http_status=http_status, error=error, is_transient=True)
        wait = self.retry.wait(failures, wait_for)
        return Settlement(page, "todo", http_status=http_status, error=error, wait=wait, is_transient=True)


async def _found_in(document: Page, read: Callable[..., Result], *arguments: Any) -> Result:
    """Read a document, a large one beside the crawl; what no reader can cope with is a page that cannot be read."""
    try:
        if len(document.html) <= SMALL_CHARACTERS:
            return read(*arguments)
        return await asyncio.to_thread(read, *arguments)
    except RecursionError as error:
        raise PageReadError("the page is nested too deeply to be read") from error
    except ValueError as error:
        raise PageReadError(f"the page cannot be read: {error}") from error


def _validators(page: ClaimedPage) -> dict[str, str]:
    """Headers that let the portal answer that the page is as it was."""
    headers = {"If-None-Match": _sendable(page.etag), "If-Modified-Since": _sendable(page.last_modified)}
    return {name: value for name, value in headers.items() if value is not None}


def _validators_of(page: ClaimedPage, response: Response, via: str) -> dict[str, str | None]:
    """What the next visit asks with: of the page itself, and not where scripts fill a document that stays the same."""
    if via != "http" or response.url != page.url:
        return {}
    etag, last_modified = (_sendable(response.headers.get(name)) for name in ("etag", "last-modified"))
    return {"etag": etag, "last_modified": last_modified}


def _sendable(value: str | None) -> str | None:
    """The value of a header as it may be sent back; None for one that no request can carry."""
    return value if value is not None and value.isascii() and value.isprintable() else None


def _unchanged(page: ClaimedPage, listing_id: str) -> Settlement:
    """The listing was seen; nothing is said of its fields."""
    return Settlement(
        page,
        "done",
        "unchanged",
        via="http",
        http_status=_NOT_MODIFIED,
        observations=(Observation(listing_id, "detail", {}, ()),),
        etag=page.etag,
        last_modified=page.last_modified,
    )


def _names_challenge(response: Response) -> bool:
    return any(response.headers.get(name, "").lower() in values for name, values in _CHALLENGE_HEADERS.items())


def _failed(page: ClaimedPage, error: str, http_status: int | None = None) -> Settlement:
    return Settlement(page, "failed", "error", http_status=http_status, error=error)


def _unreadable(page: ClaimedPage, error: PageReadError, http_status: int) -> Settlement:
    return _failed(page, f"{error.message} ({error.hint})" if error.hint else error.message, http_status)


def _blocked(page: ClaimedPage, response: Response, error: str) -> Settlement:
    return Settlement(page, "failed", "blocked", http_status=response.status, error=error, is_transient=True)
