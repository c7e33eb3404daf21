"""What a crawl does with its tasks and with the memory of its process."""

from __future__ import annotations

import asyncio
import gc
import warnings

import pytest

from loaders.crawl import long_lived_objects_set_aside, start_in


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


def test_what_was_there_before_a_crawl_is_collected_again_after_it() -> None:
    set_aside = []

    def crawl() -> None:
        with long_lived_objects_set_aside():
            set_aside.append(gc.get_freeze_count())
            raise OSError("the database is gone")

    with pytest.raises(OSError, match="the database is gone"):
        crawl()
    assert set_aside[0] > 0
    assert gc.get_freeze_count() == 0
