"""How the browser is started."""

from __future__ import annotations

import asyncio

import psutil
from playwright.async_api import async_playwright

from loaders.browser import DISABLED_FEATURES, find_browser


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
