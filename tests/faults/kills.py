"""`kill -9` at every named step and at random times; afterwards the next command recovers by itself."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from loaders.barriers import NODE_BARRIERS
from tests.faults.stage import Stage
from tests.faults.stories import Story

_CLOSING_HOOK = "on-run-end"
_CHAIN = 32
"""Kills at nodes of dbt before what they leave is recovered from and compared, where kills are chained."""


@dataclass(frozen=True)
class Kills:
    """One story broken off at named points or at random times, one kill after another, before it may recover."""

    story: str
    is_first: bool
    """Whether what is killed syncs as the first command of a process, or as one that follows; recovery is first."""
    points: tuple[str, ...] = ()
    times: tuple[float, ...] = ()
    """Shares of the time that the story lasts without a fault."""

    def __str__(self) -> str:
        at = ", ".join((*self.points, *(f"{share:.0%}" for share in self.times)))
        return f"{self.story} killed at {at}{'' if self.is_first else ', after a sync'}"

    def __len__(self) -> int:
        return len(self.points) + len(self.times)


def kills_at_steps(stories: Sequence[Story], repeat: int, *, is_chained: bool) -> Iterator[Kills]:
    """Kills at each barrier of each story, every other time as the first command of a process.

    Chained, the command that would recover is killed at the following barrier, and only the last one recovers.
    """
    for number in range(repeat):
        for story in stories:
            points = story.chain if is_chained else (*story.reached, *story.repeated)
            yield from _kills(story.name, points, len(points) if is_chained else 1, is_first=number % 2 == 1)


def kills_at_nodes(nodes: Sequence[str], again: Collection[str], repeat: int, *, is_chained: bool) -> Iterator[Kills]:
    """Kills of the import before and after nodes of dbt, every other time as the first command of a process.

    Nodes that are not run `again` are always run by a first one. Chained, several in their order before recovery.
    """
    for number in range(repeat):
        for is_first in (True, False):
            own = [node for node in nodes if is_first == (number % 2 == 1 or node not in again)]
            points = [f"{barrier}:{node}" for node in own for barrier in NODE_BARRIERS]
            # dbt runs the queries of a hook before it says that the hook begins: then the sync is done.
            closing = [point for point in points if _CLOSING_HOOK in point]
            others = [point for point in points if point not in closing]
            yield from _kills("import", others, _CHAIN if is_chained else 1, is_first=is_first)
            yield from _kills("import", closing, 1, is_first=is_first)


def kills_at_random(stories: Sequence[Story], count: int, random: Random, *, is_chained: bool) -> Iterator[Kills]:
    """Kills at random times: bursts of one to five, or of four when chained, so that what recovers is killed, too."""
    for number in itertools.count():
        if count <= 0:
            break
        burst = min(count, 4 if is_chained else random.randint(1, 5))
        count -= burst
        story = stories[number % len(stories)].name
        yield Kills(story, random.random() < 0.5, times=tuple(random.random() for _ in range(burst)))


def carry_out(kills: Kills, stage: Stage, story: Story) -> float:
    """Kill, recover and compare; returns the seconds that recovery took. Raises AssertionError on any difference."""
    expected = story.begin(stage)
    for point in kills.points:
        _kill_at_point(point, stage, story, is_first=kills.is_first)
    for share in kills.times:
        _kill_after(share * story.seconds[kills.is_first], stage, story, is_first=kills.is_first)
    recovered = stage.ok(*_next(stage, story))
    assert story.tables(stage) == expected, "the tables differ from those of a run without a fault"
    return recovered.seconds


def _kills(story: str, points: Sequence[str], at_a_time: int, *, is_first: bool) -> Iterator[Kills]:
    for start in range(0, len(points), at_a_time):
        yield Kills(story, is_first, tuple(points[start : start + at_a_time]))


def _kill_at_point(point: str, stage: Stage, story: Story, *, is_first: bool) -> None:
    reached = stage.folder / "reached"
    reached.unlink(missing_ok=True)
    barrier = {"PROPERTY_BARRIER": point, "PROPERTY_BARRIER_FILE": str(reached)}
    ended = stage.start(*_next(stage, story), is_first=is_first, **barrier).wait()
    assert reached.is_file(), f"{point} was not reached\n{ended.output}"
    assert (reached.read_text(), ended.code) == (point, -signal.SIGKILL), ended.output


def _kill_after(seconds: float, stage: Stage, story: Story, *, is_first: bool) -> None:
    running = stage.start(*_next(stage, story), is_first=is_first)
    try:
        ended = running.wait(seconds)
        assert ended.code == 0, ended.output
    except TimeoutError:
        return


def _next(stage: Stage, story: Story) -> tuple[str, ...]:
    stage.wait_until_alone()
    with stage.connect() as connection:
        return story.next_command(connection)
