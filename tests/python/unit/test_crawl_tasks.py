"""Visits of pages that are started while the crawl is already ending."""

from __future__ import annotations

import asyncio
import gc
import warnings

from loaders.crawl import start_in


def test_no_coroutine_is_left_over_when_its_group_is_ending() -> None:
    started: list[str] = []

    async def fail() -> None:
        raise OSError("the database is gone")

    async def visit(name: str) -> None:
        started.append(name)

    async def crawl() -> None:
        async with asyncio.TaskGroup() as group:
            start_in(group, visit("before"))
            group.create_task(fail())
            try:
                await asyncio.sleep(60)
            finally:
                start_in(group, visit("after"))

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            asyncio.run(crawl())
        except ExceptionGroup as failures:
            first = type(failures.exceptions[0])
        gc.collect()
    assert [str(warning.message) for warning in warned] == []
    assert started == ["before"]
    assert first is OSError
