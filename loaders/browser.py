"""Rendering: one Chromium, launched when the first page needs it, fed with documents already fetched."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import (
    Browser,
    BrowserContext,
    Dialog,
    Page,
    Playwright,
    Route,
    async_playwright,
)
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from loaders.errors import PropertyManagerError
from loaders.http import RefusedAddressError, Response, check_address

READY_SECONDS = 15.0
RENDER_SECONDS = 45.0
RENDERS_PER_CONTEXT = 300
LAUNCH_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--blink-settings=imagesEnabled=false",
)

_UNNEEDED = frozenset({"image", "media", "font"})
_SYSTEM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
_SYSTEM_PATHS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
_PLAYWRIGHT_PATTERNS = (
    "chromium_headless_shell-*/chrome-*/headless_shell",
    "chromium_headless_shell-*/chrome-headless-shell-*/chrome-headless-shell",
    "chromium-*/chrome-linux*/chrome",
    "chromium-*/chrome-mac*/*.app/Contents/MacOS/*",
)


class BrowserMissingError(PropertyManagerError):
    """A page needs a browser and there is none."""

    code = "browser_missing"

    def __init__(self, detail: str) -> None:
        super().__init__(
            f"a page needs a browser, and {detail}",
            "Run `make browser`, install one (Debian, Ubuntu: apt-get install chromium), or set "
            "PROPERTY_BROWSER to its path. Then run the same command again: it goes on where it stopped.",
        )


class RenderError(PropertyManagerError):
    """A page could not be rendered; worth another try."""

    code = "render"


class NotReadyError(RenderError):
    """The page was rendered, but what says that it is complete never appeared. `html` is what was there."""

    def __init__(self, message: str, html: str) -> None:
        super().__init__(message)
        self.html = html


@dataclass
class _Tab:
    context: BrowserContext
    page: Page
    document: Response | None = None
    trouble: str | None = None
    renders: int = 0


def find_browser() -> Path:
    """The Chromium to use: PROPERTY_BROWSER, then Playwright's own, then the system's.

    Raises BrowserMissingError when there is none, or when PROPERTY_BROWSER does not name a program.
    """
    configured = os.environ.get("PROPERTY_BROWSER")
    if configured:
        path = shutil.which(configured)
        if path is None:
            raise BrowserMissingError(f"PROPERTY_BROWSER names {configured}, which is not a program")
        return Path(path)
    found = _playwright_browser() or _system_browser()
    if found is None:
        raise BrowserMissingError("no Chromium was found")
    return found


class Renderer:
    """Renders pages in a few reused tabs. An async context manager; nothing starts before it is needed."""

    def __init__(self, agent: str, *, tabs: int = 2, ready_seconds: float = READY_SECONDS) -> None:
        self._agent = agent
        self._ready_seconds = ready_seconds
        self._slots = asyncio.Semaphore(tabs)
        self._launching = asyncio.Lock()
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None
        self._idle: list[_Tab] = []
        self._tab_of: dict[Page, _Tab] = {}

    async def __aenter__(self) -> Renderer:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._shut_down()

    async def render(self, document: Response, ready: str) -> str:
        """The HTML of a fetched document after its scripts ran and the selector `ready` matched.

        The document itself is not requested again; what its scripts ask for is. Raises NotReadyError when
        `ready` does not appear, RenderError when the browser fails, BrowserMissingError without one.
        """
        async with self._slots:
            tab = await self._open_tab()
            keep = False
            try:
                async with asyncio.timeout(RENDER_SECONDS):
                    html = await self._load(tab, document, ready)
                    await tab.page.goto("about:blank")
                keep = True
            except TimeoutError as error:
                raise RenderError(f"rendering took more than {RENDER_SECONDS:g} s") from error
            except PlaywrightError as error:
                raise RenderError(f"the browser failed: {_first_line(error)}") from error
            finally:
                await self._return_tab(tab, keep)
            return html

    async def _load(self, tab: _Tab, document: Response, ready: str) -> str:
        tab.document, tab.trouble = document, None
        tab.renders += 1
        await tab.page.goto(document.url, wait_until="commit")
        try:
            await tab.page.wait_for_selector(ready, state="attached", timeout=self._ready_seconds * 1000)
        except PlaywrightTimeoutError as error:
            trouble = f" ({tab.trouble})" if tab.trouble else ""
            raise NotReadyError(
                f"{ready!r} did not appear within {self._ready_seconds:g} s of rendering{trouble}",
                await tab.page.content(),
            ) from error
        return await tab.page.content()

    async def _open_tab(self) -> _Tab:
        browser = await self._running_browser()
        while self._idle:
            tab = self._idle.pop()
            if tab.context.browser is browser and not tab.page.is_closed():
                return tab
            self._tab_of.pop(tab.page, None)
        try:
            context = await browser.new_context(user_agent=self._agent, service_workers="block", accept_downloads=False)
            await context.route("**/*", self._answer)
            page = await context.new_page()
        except PlaywrightError as error:
            raise RenderError(f"the browser failed: {_first_line(error)}") from error
        tab = _Tab(context, page)
        self._tab_of[page] = tab
        page.on("dialog", _dismiss)
        page.on("popup", _close)
        page.on("response", lambda answer: _note_trouble(tab, answer.status, answer.url))
        page.on("requestfailed", lambda request: _note_failure(tab, request.resource_type, request.url))
        return tab

    async def _return_tab(self, tab: _Tab, keep: bool) -> None:
        if keep and tab.renders < RENDERS_PER_CONTEXT and not tab.page.is_closed():
            self._idle.append(tab)
            return
        self._tab_of.pop(tab.page, None)
        # Whatever closing a spent tab runs into, the page was rendered or its own error is on its way.
        with suppress(PlaywrightError):
            await tab.context.close()

    async def _answer(self, route: Route) -> None:
        request = route.request
        tab = self._tab_of.get(request.frame.page)
        is_document = request.is_navigation_request() and request.frame.parent_frame is None
        if tab is not None and tab.document is not None and is_document:
            document, tab.document = tab.document, None
            content_type = document.headers.get("content-type", "text/html")
            await route.fulfill(status=200, content_type=content_type, body=document.body)
            return
        try:
            check_address(request.url)
        except RefusedAddressError:
            await route.abort("blockedbyclient")
            return
        if request.resource_type in _UNNEEDED:
            await route.abort("blockedbyclient")
        else:
            await route.continue_()

    async def _running_browser(self) -> Browser:
        async with self._launching:
            if self._browser is None or not self._browser.is_connected():
                path = find_browser()
                if self._playwright is None:
                    self._playwright = await async_playwright().start()
                try:
                    self._browser = await self._playwright.chromium.launch(
                        executable_path=path,
                        args=list(LAUNCH_ARGUMENTS),
                        handle_sigint=False,
                        handle_sigterm=False,
                        handle_sighup=False,
                    )
                except PlaywrightError as error:
                    raise BrowserMissingError(f"{path} could not be started: {_first_line(error)}") from error
            return self._browser

    async def _shut_down(self) -> None:
        browser, self._browser = self._browser, None
        playwright, self._playwright = self._playwright, None
        if browser is not None and browser.is_connected():
            await browser.close()
        if playwright is not None:
            await playwright.stop()


async def _dismiss(dialog: Dialog) -> None:
    await dialog.dismiss()


async def _close(page: Page) -> None:
    await page.close()


def _note_trouble(tab: _Tab, status: int, url: str) -> None:
    if status >= 400:
        tab.trouble = f"{url} answered HTTP {status}"


def _note_failure(tab: _Tab, resource_type: str, url: str) -> None:
    if resource_type not in _UNNEEDED:
        tab.trouble = f"{url} failed"


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _playwright_browser() -> Path | None:
    configured = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    caches = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    folder = Path(configured) if configured and configured != "0" else caches / "ms-playwright"
    for pattern in _PLAYWRIGHT_PATTERNS:
        programs = [path for path in folder.glob(pattern) if os.access(path, os.X_OK)]
        if programs:
            return max(programs, key=lambda path: path.stat().st_mtime)
    return None


def _system_browser() -> Path | None:
    found = next(filter(None, map(shutil.which, _SYSTEM_NAMES)), None)
    found = found or next((path for path in _SYSTEM_PATHS if os.access(path, os.X_OK)), None)
    return Path(found) if found else None
