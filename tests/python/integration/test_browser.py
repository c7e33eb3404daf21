"""How the browser is started, what it hands out, and what it leaves behind."""

from __future__ import annotations

import asyncio

import psutil
import pytest
from playwright.async_api import async_playwright

from loaders.browser import DISABLED_FEATURES, Renderer, find_browser
from loaders.http import Response
from loaders.network_guard import NetworkGuard


def document(html: str) -> Response:
    """A document as it was fetched; what its scripts do needs no portal."""
    return Response("http://127.0.0.1:9/flat/1", 200, {"content-type": "text/html"}, html.encode())


def renderer(**options: float) -> Renderer:
    return Renderer("home-watch/1", guard=NetworkGuard.parse("127.0.0.1:9"), **{"ready_seconds": 5.0, **options})


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


def test_half_a_character_is_replaced() -> None:
    """A script that shortens a text may cut an emoji in two."""

    async def run() -> str:
        async with renderer() as browser:
            page = "<p id=t></p><script>t.textContent = 'Loft \\u{1F3E0}'.slice(0, 6); t.className = 'done'</script>"
            return await browser.render(document(page), ".done")

    html = asyncio.run(run())
    assert ">Loft ?</p>" in html
    assert html.encode().decode() == html


LEAVING = {
    "asks whether it may be left": "addEventListener('beforeunload', event => event.preventDefault())",
    "cannot be left": "addEventListener('beforeunload', () => { while (true); })",
}


@pytest.mark.parametrize("script", LEAVING.values(), ids=LEAVING)
def test_a_page_that_clings_to_its_tab_is_read_all_the_same(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loaders.browser.CLOSE_SECONDS", 1.0)

    async def run() -> list[str]:
        async with renderer(tabs=1) as browser:
            pages = [f"<p class=done>{number}</p><script>{script}</script>" for number in (1, 2)]
            return [await browser.render(document(page), ".done") for page in pages]

    assert [f">{number}</p>" in html for number, html in enumerate(asyncio.run(run()), 1)] == [True, True]
