"""Processes that share one crawl on this machine; none outlives the one that started them."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def helpers(count: int, work: Callable[..., None], *arguments: Any) -> Iterator[None]:
    """Run `work` in so many further processes; they end by themselves, or are stopped when this one fails."""
    processes = [
        multiprocessing.get_context("spawn").Process(target=work, args=arguments, name=f"crawl-worker-{number}")
        for number in range(2, count + 2)
    ]
    for process in processes:
        process.start()
    try:
        yield
    except BaseException:
        for process in processes:
            process.terminate()
        raise
    finally:
        for process in processes:
            process.join()


@contextmanager
def parent_is_gone(task: asyncio.Task[Any] | None) -> Iterator[None]:
    """Cancel a helper's task once the process that started it has ended, however that happened."""
    parent = multiprocessing.parent_process()
    if parent is None or task is None:
        yield
        return
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_reader(parent.sentinel)
        task.cancel()

    loop.add_reader(parent.sentinel, stop)
    try:
        yield
    finally:
        loop.remove_reader(parent.sentinel)
