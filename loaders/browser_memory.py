"""Keeps the memory of a browser within bounds: its largest page ends, and the others go on."""

from __future__ import annotations

import asyncio

import psutil

BASE_MEGABYTES = 1_000
MEGABYTES_PER_TAB = 500

_LOOK_SECONDS = 0.5
_MEGABYTE = 1024 * 1024


async def hold_memory(mark: str, tabs: int) -> None:
    """Watch the browser that this process started with the argument `mark`, until it ends.

    Where all its processes together take more than the base and the share of each tab, the largest page is ended.
    """
    browser = await asyncio.to_thread(_browser, mark)
    limit = (BASE_MEGABYTES + MEGABYTES_PER_TAB * tabs) * _MEGABYTE
    while browser is not None and browser.is_running():
        await asyncio.to_thread(_relieve, browser, limit)
        await asyncio.sleep(_LOOK_SECONDS)


def _browser(mark: str) -> psutil.Process | None:
    return next((child for child in psutil.Process().children(recursive=True) if mark in _arguments(child)), None)


def _relieve(browser: psutil.Process, limit: int) -> None:
    try:
        sizes = {process: _size(process) for process in [browser, *browser.children(recursive=True)]}
        pages = [process for process in sizes if "--type=renderer" in _arguments(process)]
        if pages and sum(sizes.values()) > limit:
            max(pages, key=sizes.__getitem__).kill()
    except psutil.NoSuchProcess:
        return  # It ended by itself; the next look tells.


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _size(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0
