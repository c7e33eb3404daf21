"""Rendering: one Chromium, launched when the first page needs it, fed with documents already fetched.

Every tab has a gateway of its own as its only way to the network.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from playwright.async_api import (
    Browser,
    BrowserContext,
    CDPSession,
    Dialog,
    Page,
    Playwright,
    async_playwright,
)
from playwright.async_api import Error as PlaywrightError

from loaders.browser_memory import hold_memory
from loaders.errors import PropertyManagerError
from loaders.gateway import Gateway
from loaders.http import MAX_BODY_BYTES, Response
from loaders.network_guard import NetworkGuard
from loaders.urls import is_web_address

READY_SECONDS = 15.0
RENDER_SHARE = 3.0
"""A page may take so many times the seconds until `ready`, with its scripts and until its HTML is taken."""

LOOK_SECONDS = 0.05
"""How often a page is looked at until it is ready."""

ASK_SECONDS = 0.2
ASK_SHARE = 3.0
"""A page that has to be read to know is taken so often, and rests so many times what reading it took."""

Ready = str | Callable[[str], Awaitable[bool]]
"""What tells that a page is complete: a selector that matches, or a question to its HTML."""

OPEN_SECONDS = 30.0
"""How long opening a tab in a running browser may take."""

CLOSE_SECONDS = 5.0
"""How long leaving a page, or closing what showed it, may take."""

MAX_SCRIPT_MEGABYTES = 512
RENDERS_PER_CONTEXT = 300
DISABLED_FEATURES = (
    # A process kept ready for the next site would serve one page each time, at a third of the page's cost.
    "SpareRendererForSitePerProcess",
    # The address bar of a full browser would take two more pages for each tab.
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxFullPopup",
    # Chromium takes the last list alone, so Playwright's own features are named again.
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay",
    "MediaRouter",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "TcpPortRandomizationWin",
    "OptimizationHints",
    "NetworkTimeServiceQuerying",
    "AimEnabled",
    "PreconnectToSearch",
    "msForceBrowserSignIn",
    "msEdgeUpdateLaunchServicesPreferredVersion",
)
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
    # A further window would ask for its first page before it can be closed: the headless shell opens none.
    "--block-new-web-contents",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    # Full browsers read the first, the headless shell the second: no packets around the gateway.
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    f"--js-flags=--max-old-space-size={MAX_SCRIPT_MEGABYTES}",
    f"--disable-features={','.join(DISABLED_FEATURES)}",
)

_READ_DOCUMENT = """(() => {
    const type = document.doctype ? new XMLSerializer().serializeToString(document.doctype) : "";
    const html = type + (document.documentElement ? document.documentElement.outerHTML : "");
    return html.length > %d ? null : html;
})()"""
_READ_READY_DOCUMENT = f"""new Promise(resolve => {{
    const look = () => document.querySelector(%s) === null ? setTimeout(look, {LOOK_SECONDS * 1000:g}) : resolve();
    look();
}}).then(() => {_READ_DOCUMENT})"""
_WORLD = "property-manager"
_UNNEEDED = ("Image", "Media", "Font")
_BY_PERMISSION = ("Document", "XHR", "Fetch", "Ping", "Other")
"""Chromium takes `fetch` and EventSource for XHR, prefetching for Fetch, beacons for Ping, and scripts of workers, what
is loaded ahead and the icon of the site for Other."""
_SYSTEM_NAMES = (
    "chromium",
    "chromium-browser",
    "chromium-headless-shell",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
)
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
    devtools: CDPSession
    gateway: Gateway
    main_frame: str
    crash: asyncio.Future[None]
    is_allowed: Callable[[str], bool]
    document: Response | None = None
    refusal: str | None = None
    trouble: str | None = None
    icons: set[str] = field(default_factory=set)
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

    def __init__(
        self, agent: str, *, tabs: int = 2, ready_seconds: float = READY_SECONDS, guard: NetworkGuard | None = None
    ) -> None:
        """The guard defaults to the configured one."""
        self._agent = agent
        self._guard = guard or NetworkGuard.configured()
        self._render_seconds = RENDER_SHARE * ready_seconds
        self._ready_seconds = ready_seconds
        self._tabs = tabs
        self._slots = asyncio.Semaphore(tabs)
        self._memory: asyncio.Task[None] | None = None
        self._launching = asyncio.Lock()
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None
        self._idle: list[_Tab] = []

    async def __aenter__(self) -> Renderer:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._shut_down()

    async def render(
        self, document: Response, ready: Ready, *, is_allowed: Callable[[str], bool] = is_web_address
    ) -> str:
        """The HTML of a fetched document after its scripts ran and it was `ready`.

        The document itself is not requested again; what its scripts ask for is, where `is_allowed` lets them. Raises
        NotReadyError when it never is `ready`, RenderError when the browser fails, BrowserMissingError without one.
        """
        async with self._slots:
            tab = await self._open_tab()
            tab.is_allowed = is_allowed
            keep = False
            try:
                async with asyncio.timeout(self._render_seconds):
                    html = await self._load(tab, document, ready)
                keep = await _is_left(tab)
            except TimeoutError as error:
                raise RenderError(f"rendering took more than {self._render_seconds:g} s") from error
            except PlaywrightError as error:
                raise RenderError(f"the browser failed: {_first_line(error)}") from error
            finally:
                await self._return_tab(tab, keep)
            return html

    async def _load(self, tab: _Tab, document: Response, ready: Ready) -> str:
        tab.document, tab.refusal, tab.trouble = document, None, None
        tab.icons.clear()
        tab.renders += 1
        await tab.gateway.begin_page()
        await tab.page.goto(document.url, wait_until="commit")
        try:
            reading = _content_when_ready(tab, ready) if isinstance(ready, str) else _content_when_told(tab, ready)
            async with asyncio.timeout(self._ready_seconds):
                return await _unless_it_crashes(tab, reading)
        except TimeoutError as error:
            trouble = tab.gateway.trouble or tab.refusal or tab.trouble
            missing = f"{ready!r} did not appear" if isinstance(ready, str) else "nothing to read appeared"
            raise NotReadyError(
                f"{missing} within {self._ready_seconds:g} s of rendering" + (f" ({trouble})" if trouble else ""),
                await _content(tab),
            ) from error

    async def _open_tab(self) -> _Tab:
        browser = await self._running_browser()
        while self._idle:
            tab = self._idle.pop()
            if tab.context.browser is browser and not tab.page.is_closed():
                return tab
            await _close_tab(tab)
        gateway = Gateway(self._guard)
        await gateway.open()
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                return await self._new_tab(browser, gateway)
        except BaseException as error:
            await gateway.close()
            if isinstance(error, TimeoutError):
                raise RenderError(f"the browser opened no tab within {OPEN_SECONDS:g} s") from error
            if isinstance(error, PlaywrightError):
                raise RenderError(f"the browser failed: {_first_line(error)}") from error
            raise

    async def _new_tab(self, browser: Browser, gateway: Gateway) -> _Tab:
        context = await browser.new_context(
            user_agent=self._agent,
            service_workers="block",
            accept_downloads=False,
            proxy={"server": gateway.url, "bypass": "<-loopback>"},
        )
        page = await context.new_page()
        devtools = await context.new_cdp_session(page)
        tree = await devtools.send("Page.getFrameTree")
        tab = _Tab(
            context,
            page,
            devtools,
            gateway,
            tree["frameTree"]["frame"]["id"],
            asyncio.get_running_loop().create_future(),
            is_web_address,
        )
        await _minimise(tab)
        await _intercept(tab)
        page.on("crash", lambda _: _note_crash(tab))
        page.on("dialog", _answer_dialog)
        page.on("popup", _close)
        page.on("response", lambda answer: _note_trouble(tab, answer.status, answer.url))
        page.on("requestfailed", lambda request: _note_failure(tab, request.resource_type, request.url))
        return tab

    async def _return_tab(self, tab: _Tab, keep: bool) -> None:
        if keep and tab.renders < RENDERS_PER_CONTEXT and not tab.page.is_closed():
            self._idle.append(tab)
        else:
            await _close_tab(tab)

    async def _running_browser(self) -> Browser:
        async with self._launching:
            if self._browser is None or not self._browser.is_connected():
                path = find_browser()
                mark = f"--property-manager-renderer={uuid4()}"
                if self._playwright is None:
                    self._playwright = await async_playwright().start()
                try:
                    self._browser = await self._playwright.chromium.launch(
                        executable_path=path,
                        args=[*LAUNCH_ARGUMENTS, mark],
                        # Full browsers open no window of their own accord.
                        ignore_default_args=["--disable-popup-blocking"],
                        handle_sigint=False,
                        handle_sigterm=False,
                        handle_sighup=False,
                    )
                except PlaywrightError as error:
                    raise BrowserMissingError(f"{path} could not be started: {_first_line(error)}") from error
                if self._memory is not None:
                    self._memory.cancel()
                self._memory = asyncio.create_task(hold_memory(mark, self._tabs))
            return self._browser

    async def _shut_down(self) -> None:
        browser, self._browser = self._browser, None
        playwright, self._playwright = self._playwright, None
        if self._memory is not None:
            self._memory.cancel()
        while self._idle:
            await self._idle.pop().gateway.close()
        if browser is not None and browser.is_connected():
            # Where it does not end by itself, stopping Playwright ends it.
            with suppress(PlaywrightError, TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await browser.close()
        if playwright is not None:
            await playwright.stop()


async def _minimise(tab: _Tab) -> None:
    """Spare a full browser drawing its window, of which nobody sees anything; the page is still shown its frames."""
    with suppress(PlaywrightError):
        window = await tab.devtools.send("Browser.getWindowForTarget")
        bounds = {"windowId": window["windowId"], "bounds": {"windowState": "minimized"}}
        await tab.devtools.send("Browser.setWindowBounds", bounds)


async def _intercept(tab: _Tab) -> None:
    """Let the tab ask before it requests what needs permission, or is not needed; all else takes the gateway unasked.

    Playwright's own routes would ask for every request and switch the browser's cache off.
    """
    tab.devtools.on("Fetch.requestPaused", partial(_answer, tab))
    patterns = [{"resourceType": kind} for kind in (*_BY_PERMISSION, *_UNNEEDED)]
    await tab.devtools.send("Fetch.enable", {"patterns": patterns})


async def _answer(tab: _Tab, paused: dict[str, Any]) -> None:
    """Hand out the document that was fetched, once, and let pass what the page needs and may ask for."""
    request = {"requestId": paused["requestId"]}
    kind, url, document = paused["resourceType"], paused["request"]["url"], tab.document
    # A page that is gone needs no answer any more.
    with suppress(PlaywrightError):
        if _is_icon(paused):
            tab.icons.add(url)
            # The browser does not ask again for what is not there.
            await tab.devtools.send("Fetch.fulfillRequest", {**request, "responseCode": 404})
        elif kind in _UNNEEDED or not is_web_address(url):
            await tab.devtools.send("Fetch.failRequest", {**request, "errorReason": "BlockedByClient"})
        elif document is not None and kind == "Document" and paused["frameId"] == tab.main_frame:
            tab.document = None
            content_type = document.headers.get("content-type", "text/html")
            answer = {
                "responseCode": 200,
                "responseHeaders": [{"name": "Content-Type", "value": content_type}],
                "body": b64encode(document.body).decode(),
            }
            await tab.devtools.send("Fetch.fulfillRequest", {**request, **answer})
        elif not tab.is_allowed(url):
            tab.refusal = f"robots.txt does not let {url} be fetched"
            # Otherwise a page that wants to go there would be replaced by an error page.
            await tab.devtools.send("Fetch.failRequest", {**request, "errorReason": "Aborted"})
        else:
            await tab.devtools.send("Fetch.continueRequest", request)


def _is_icon(paused: dict[str, Any]) -> bool:
    """Whether a request is for the icon of a site, which nobody sees: no other of its kind asks for pictures."""
    return paused["resourceType"] == "Other" and paused["request"]["headers"].get("Accept", "").startswith("image/")


async def _answer_dialog(dialog: Dialog) -> None:
    """Dismiss what a page asks, unless it asks whether it may be left."""
    with suppress(PlaywrightError):
        await (dialog.accept() if dialog.type == "beforeunload" else dialog.dismiss())


async def _is_left(tab: _Tab) -> bool:
    """Leave a page that was read; whether the tab can take another one."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await tab.page.goto("about:blank")
    except (TimeoutError, PlaywrightError):
        return False
    return True


async def _close_tab(tab: _Tab) -> None:
    """Close a spent tab, whatever that runs into: its page was rendered, or the page's own error is on its way."""
    try:
        with suppress(PlaywrightError, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await tab.context.close()
    finally:
        await tab.gateway.close()


async def _close(page: Page) -> None:
    with suppress(PlaywrightError):
        await page.close()


def _note_crash(tab: _Tab) -> None:
    if not tab.crash.done():
        tab.crash.set_result(None)


def _note_trouble(tab: _Tab, status: int, url: str) -> None:
    if status >= 400 and url not in tab.icons:
        tab.trouble = f"{url} answered HTTP {status}"


def _note_failure(tab: _Tab, resource_type: str, url: str) -> None:
    if resource_type.title() not in _UNNEEDED:
        tab.trouble = f"{url} failed"


async def _unless_it_crashes(tab: _Tab, reading: Coroutine[Any, Any, str]) -> str:
    """What is read of a page; one that crashed would never answer."""
    task = asyncio.create_task(reading)
    try:
        await asyncio.wait({task, tab.crash}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise RenderError("the page crashed")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _content_when_ready(tab: _Tab, ready: str) -> str:
    """The document once something in it matches, however often the page goes elsewhere until then."""
    while True:
        try:
            return await _evaluated(tab, _READ_READY_DOCUMENT % (json.dumps(ready), MAX_BODY_BYTES))
        except PlaywrightError:
            await asyncio.sleep(LOOK_SECONDS)
            if tab.page.is_closed():
                raise


async def _content_when_told(tab: _Tab, is_ready: Callable[[str], Awaitable[bool]]) -> str:
    """The document once it is said to be ready; asked again whenever it changed."""
    asked: str | None = None
    while True:
        began = time.monotonic()
        try:
            html = await _content(tab)
        except PlaywrightError:
            if tab.page.is_closed():
                raise
        else:
            if html != asked and await is_ready(html):
                return html
            asked = html
        await asyncio.sleep(max(ASK_SECONDS, ASK_SHARE * (time.monotonic() - began)))


async def _content(tab: _Tab) -> str:
    """The document as it stands."""
    return await _evaluated(tab, _READ_DOCUMENT % MAX_BODY_BYTES)


async def _evaluated(tab: _Tab, reading: str) -> str:
    """What a reading of the document gives, in a world of its own where the page's scripts cannot interfere."""
    # Worlds without a name pile up: each page's would be made again at every page that follows it in the tab.
    world = await tab.devtools.send("Page.createIsolatedWorld", {"frameId": tab.main_frame, "worldName": _WORLD})
    where = {"contextId": world["executionContextId"], "awaitPromise": True, "returnByValue": True}
    answer = await tab.devtools.send("Runtime.evaluate", {"expression": reading, **where})
    if (thrown := answer.get("exceptionDetails")) is not None:
        said = thrown.get("exception", {}).get("description", thrown["text"])
        raise RenderError(f"the page cannot be read: {_first_line(said)}")
    html = answer["result"].get("value")
    if html is None:
        raise RenderError(f"the rendered page is larger than {MAX_BODY_BYTES:,} characters")
    # A script may have cut a character in two, and the half that is left is no text.
    return html.encode("utf-8", "replace").decode()


def _first_line(error: Exception | str) -> str:
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
