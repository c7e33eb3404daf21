"""How the browser is started, what it hands out, and what it leaves behind."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import ClassVar

import psutil
import pytest
from playwright.async_api import Browser, BrowserContext, async_playwright

from loaders.browser import DISABLED_FEATURES, NotReadyError, Renderer, RenderError, find_browser
from loaders.gateway import Gateway
from loaders.http import HttpClient, Response
from loaders.network_guard import NetworkGuard
from tests.python.integration.sites import Page, Site

pytestmark = pytest.mark.slow


def document(html: str) -> Response:
    """A document as it was fetched; what its scripts do needs no portal."""
    return Response("http://127.0.0.1:9/flat/1", 200, {"content-type": "text/html"}, html.encode())


def renderer(**options: float) -> Renderer:
    return Renderer("home-watch/1", guard=NetworkGuard.parse("127.0.0.1:9"), **{"ready_seconds": 5.0, **options})


@pytest.mark.parametrize(
    ("installed", "found"),
    [
        (["chromium-headless-shell"], "chromium-headless-shell"),
        (["google-chrome", "chromium-headless-shell", "chromium"], "chromium"),
        (["google-chrome", "chromium-headless-shell"], "chromium-headless-shell"),
    ],
)
def test_browsers_of_the_system_are_found_by_name(
    installed: list[str], found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in installed:
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.delenv("PROPERTY_BROWSER", raising=False)
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "none"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_browser() == tmp_path / found


def test_no_feature_is_on_that_playwright_switches_off() -> None:
    async def arguments() -> list[str]:
        async with async_playwright() as playwright:
            options = {"executable_path": find_browser(), "args": ["--no-sandbox"]}
            async with await playwright.chromium.launch(**options):
                lines = [child.cmdline() for child in psutil.Process().children(recursive=True)]
                return next(line for line in lines if "--remote-debugging-pipe" in line)

    prefix = "--disable-features="
    (features,) = [each.removeprefix(prefix) for each in asyncio.run(arguments()) if each.startswith(prefix)]
    assert set(features.split(",")) <= set(DISABLED_FEATURES)


def test_cookies_of_http_and_of_the_browser_stay_apart() -> None:
    script = """(async () => {
        document.cookie = "script=1";
        await fetch("/first");
        await fetch("/second");
        document.body.className = "done";
    })()"""
    pages: dict[str, Page] = {
        "/go": (302, {"Location": "/flat", "Set-Cookie": "redirect=1"}, ""),
        "/flat": (200, {"Set-Cookie": "document=1"}, f"<body><script>{script}</script>"),
        "/first": (200, {"Set-Cookie": "answer=1"}, ""),
        "/second": (200, {}, ""),
    }

    async def run(site: Site) -> None:
        guard = NetworkGuard.parse(site.url.removeprefix("http://"))
        async with HttpClient(guard=guard) as client, Renderer(client.agent, tabs=1, guard=guard) as browser:
            page = await client.get(f"{site.url}/go")
            for _ in range(2):
                await browser.render(page, ".done")
            await client.get(f"{site.url}/second")
        async with HttpClient(guard=guard) as another:
            await another.get(f"{site.url}/second")

    with Site(pages) as site:
        asyncio.run(run(site))
    fetched, rendered, again = site.cookies[:2], site.cookies[2:6], site.cookies[6:]
    assert fetched == [None, "redirect=1"]
    assert rendered == ["script=1", *["script=1; answer=1"] * 3]
    assert again == ["redirect=1; document=1", None]


def test_half_a_character_is_replaced() -> None:
    """A script that shortens a text may cut an emoji in two."""

    async def run() -> str:
        async with renderer() as browser:
            page = "<p id=t></p><script>t.textContent = 'Loft \\u{1F3E0}'.slice(0, 6); t.className = 'done'</script>"
            return await browser.render(document(page), ".done")

    html = asyncio.run(run())
    assert ">Loft ?</p>" in html
    assert html.encode().decode() == html


def test_a_page_that_waits_until_it_is_seen_is_rendered() -> None:
    """Portals load what comes into view, and draw when a frame is due."""
    page = """<div style="height: 100px"></div><p id=t>waits</p><script>
        const seen = new IntersectionObserver(([entry]) => {
            if (!entry.isIntersecting || document.visibilityState !== "visible") return;
            requestAnimationFrame(() => requestAnimationFrame(() => { t.className = "done"; }));
        });
        seen.observe(t);
    </script>"""

    async def run() -> str:
        async with renderer(tabs=1) as browser:
            await browser.render(document(PLAIN), ".done")
            return await browser.render(document(page), ".done")

    assert 'class="done">waits' in asyncio.run(run())


def test_a_page_that_goes_elsewhere_is_waited_for_there() -> None:
    page = """<p>1</p><script>
        const next = new Blob(["<p class=done>2</p>"], {type: "text/html"});
        setTimeout(() => { location.replace(URL.createObjectURL(next)); }, 200);
    </script>"""

    async def run() -> str:
        async with renderer(tabs=1) as browser:
            return await browser.render(document(page), ".done")

    assert ">2</p>" in asyncio.run(run())


def test_what_a_script_redefines_changes_nothing_of_what_is_read() -> None:
    page = """<p class=done>1</p><script>
        document.querySelector = () => null;
        Object.defineProperty(Element.prototype, "outerHTML", {get: () => "forged"});
        window.setTimeout = () => {};
    </script>"""

    async def run() -> str:
        async with renderer(tabs=1) as browser:
            return await browser.render(document(page), ".done")

    assert '<p class="done">1</p>' in asyncio.run(run())


FILLED_LATER = """<p id=t>waits</p><script>
    setTimeout(() => { t.textContent = "first"; }, 200);
    setTimeout(() => { t.textContent = "second"; }, 700);
</script>"""


def test_a_page_is_asked_until_it_is_ready_and_only_where_it_changed() -> None:
    asked: list[str] = []

    async def is_second(html: str) -> bool:
        asked.append(html)
        return ">second<" in html

    async def run() -> str:
        async with renderer(tabs=1) as browser:
            return await browser.render(document(FILLED_LATER), is_second)

    assert ">second</p>" in asyncio.run(run())
    assert len(asked) == len(set(asked))
    assert any(">waits<" in html or ">first<" in html for html in asked)


def test_a_page_that_is_never_ready_is_handed_over_as_it_stands() -> None:
    async def is_ready(_: str) -> bool:
        return False

    async def run() -> None:
        async with renderer(tabs=1, ready_seconds=1.5) as browser:
            await browser.render(document(FILLED_LATER), is_ready)

    with pytest.raises(NotReadyError, match="nothing to read appeared within") as caught:
        asyncio.run(run())
    assert ">second</p>" in caught.value.html


def test_a_selector_that_is_none_fails_at_once() -> None:
    async def run() -> None:
        async with asyncio.timeout(60), renderer(tabs=1, ready_seconds=60.0) as browser:
            await browser.render(document(PLAIN), "..")

    with pytest.raises(RenderError, match=r"'\.\.' is not a valid selector"):
        asyncio.run(run())


ASKING = """<link rel=icon href=/icon.png><link rel=preload as=fetch href=/closed/ahead>
<iframe src=/closed/frame></iframe><iframe src=/frame></iframe><p id=t>1</p><script>
    open("/closed/window");
    navigator.sendBeacon("/closed/beacon");
    new EventSource("/closed/events");
    new Worker("/closed/worker");
    new Worker("/worker");
    const old = new XMLHttpRequest();
    old.open("GET", "/closed/xhr");
    old.send();
    fetch("/moved").catch(() => fetch("/data")).then(() => setTimeout(() => { location = "/closed/page"; }, 500));
    setTimeout(() => { t.className = "waited"; }, 1500);
</script>"""
ANSWERS: dict[str, Page] = {
    "/frame": (200, {}, "<script>fetch('/closed/of-frame')</script>"),
    "/worker": (200, {"Content-Type": "text/javascript"}, "fetch('/closed/of-worker')"),
    "/moved": (302, {"Location": "/closed/moved"}, ""),
    "/data": (200, {}, "data"),
}


def ask(ready: str, *, page: str = ASKING) -> tuple[str, list[str]]:
    """What a page becomes that may ask for nothing below /closed, and what it asked for."""

    async def run(site: Site) -> str:
        guard = NetworkGuard.parse("127.0.0.1")
        async with Renderer("home-watch/1", tabs=1, ready_seconds=4.0, guard=guard) as browser:
            fetched = Response(f"{site.url}/flat/1", 200, {"content-type": "text/html"}, page.encode())
            return await browser.render(fetched, ready, is_allowed=lambda url: "/closed" not in url)

    with Site(ANSWERS) as site:
        try:
            return asyncio.run(run(site)), sorted(site.requests)
        except NotReadyError as error:
            return error.message.replace(site.url, ""), sorted(site.requests)


def test_a_page_asks_for_what_it_is_allowed_and_stays_where_it_is() -> None:
    html, requests = ask(".waited")
    assert '<p id="t" class="waited">1</p>' in html
    assert requests == ["/data", "/frame", "/moved", "/worker"]


@pytest.mark.slow
def test_a_page_that_needs_what_it_is_refused_says_so() -> None:
    page = "<link rel=icon href=/icon.png><script>fetch('/closed/data').catch(() => fetch('/missing'))</script>"
    message, requests = ask(".done", page=page)
    assert message.endswith("of rendering (robots.txt does not let /closed/data be fetched)")
    assert requests == ["/missing"]


@pytest.mark.slow
def test_an_icon_is_neither_asked_for_nor_missed() -> None:
    for page in ("<link rel=icon href=/icon.png>", "<p>no icon</p>"):
        message, requests = ask(".done", page=page)
        assert message.endswith("of rendering")
        assert requests == []


class WatchedGateway(Gateway):
    """A gateway that is known to be open until it is closed."""

    opened: ClassVar[list[WatchedGateway]] = []

    async def open(self) -> None:
        await super().open()
        self.opened.append(self)

    async def close(self) -> None:
        await super().close()
        self.opened.remove(self)


@pytest.fixture
def gateways(monkeypatch: pytest.MonkeyPatch) -> list[WatchedGateway]:
    """The gateways that are open."""
    monkeypatch.setattr(WatchedGateway, "opened", [])
    monkeypatch.setattr("loaders.browser.Gateway", WatchedGateway)
    return WatchedGateway.opened


PLAIN = "<p class=done>1</p>"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "is_tab_kept"),
    [
        pytest.param("event => event.preventDefault()", True, id="asks whether it may be left"),
        pytest.param("() => { while (true); }", False, id="cannot be left"),
    ],
)
def test_a_page_that_clings_to_its_tab_is_read_all_the_same(
    gateways: list[WatchedGateway], script: str, is_tab_kept: bool
) -> None:
    async def run() -> list[tuple[str, bool]]:
        read = []
        async with renderer(tabs=1) as browser:
            for number in (1, 2):
                page = f"<p class=done>{number}</p><script>addEventListener('beforeunload', {script})</script>"
                read.append((await browser.render(document(page), ".done"), bool(gateways)))
        return read

    (first, is_first_kept), (second, is_second_kept) = asyncio.run(run())
    assert (">1</p>" in first, ">2</p>" in second) == (True, True)
    assert (is_first_kept, is_second_kept) == (is_tab_kept, is_tab_kept)


def test_no_gateway_is_left_behind(gateways: list[WatchedGateway]) -> None:
    async def run() -> list[int]:
        counts = []
        async with renderer(tabs=1) as browser:
            await browser.render(document(PLAIN), ".done")
            counts.append(len(gateways))
            next(each for each in psutil.Process().children(recursive=True) if is_browser(each)).kill()
            await asyncio.sleep(0.5)
            await browser.render(document(PLAIN), ".done")
            counts.append(len(gateways))
        return [*counts, len(gateways)]

    assert asyncio.run(run()) == [1, 1, 0]


def test_reading_a_page_leaves_nothing_in_its_tab() -> None:
    """What is left of one page costs time at every later page."""

    async def run() -> list[int]:
        counts = []
        async with renderer(tabs=1) as browser:
            for _ in range(4):
                await browser.render(document(PLAIN), ".done")
                counts.append(await script_contexts(browser))
        return counts

    first, *later = asyncio.run(run())
    assert later == [first] * 3


async def script_contexts(browser: Renderer) -> int:
    """How many worlds of scripts the idle tab of a renderer holds."""
    (tab,) = browser._idle
    devtools = await tab.context.new_cdp_session(tab.page)
    contexts: list[object] = []
    devtools.on("Runtime.executionContextCreated", lambda context: contexts.append(context))
    await devtools.send("Runtime.enable")
    await devtools.detach()
    return len(contexts)


def is_browser(process: psutil.Process) -> bool:
    return "--remote-debugging-pipe" in process.cmdline()


async def never(*_: object, **__: object) -> None:
    await asyncio.Event().wait()


def test_a_browser_that_opens_no_tab_fails_in_time(
    gateways: list[WatchedGateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with asyncio.timeout(60), renderer(tabs=1) as browser:
            with monkeypatch.context() as patched:
                patched.setattr(Browser, "new_context", never)
                patched.setattr("loaders.browser.OPEN_SECONDS", 1.0)
                with pytest.raises(RenderError, match="the browser opened no tab within 1 s"):
                    await browser.render(document(PLAIN), ".done")
            assert gateways == []
            await browser.render(document(PLAIN), ".done")

    asyncio.run(run())


def test_a_tab_that_does_not_close_keeps_nobody_waiting(
    gateways: list[WatchedGateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loaders.browser.RENDERS_PER_CONTEXT", 1)
    monkeypatch.setattr("loaders.browser.CLOSE_SECONDS", 1.0)
    monkeypatch.setattr(BrowserContext, "close", never)

    async def run() -> str:
        async with asyncio.timeout(60), renderer(tabs=1) as browser:
            html = await browser.render(document(PLAIN), ".done")
            assert gateways == []
            return html

    assert ">1</p>" in asyncio.run(run())
