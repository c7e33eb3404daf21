"""`kill -9` at every named step and at random times; afterwards the next command recovers by itself."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from loaders.barriers import NODE_BARRIERS
from tests.faults.stage import Stage
from tests.faults.stories import Story


@dataclass(frozen=True)
class Kills:
    """One story broken off at named points or at random times, one kill after another, before it may recover."""

    story: str
    points: tuple[str, ...] = ()
    times: tuple[float, ...] = ()
    """Shares of the time that the story lasts without a fault."""

    def __str__(self) -> str:
        at = ", ".join((*self.points, *(f"{share:.0%}" for share in self.times)))
        return f"{self.story} killed at {at}"


def kills_at_steps(
    stories: Sequence[Story], nodes: Sequence[str], pages: Sequence[str], repeat: int, *, is_chained: bool
) -> Iterator[Kills]:
    """Kills at each barrier of each story, at the given pages, and before and after the given nodes of dbt.

    Chained, the command that would recover is killed at the following barrier, and only the last one recovers.
    """
    for _ in range(repeat):
        for story in stories:
            yield from _kills(story.name, story.reached, is_chained=is_chained)
        yield from _kills("scrape", pages, is_chained=False)
        for node in nodes:
            yield from _kills("import", [f"{barrier}:{node}" for barrier in NODE_BARRIERS], is_chained=is_chained)


def kills_at_random(stories: Sequence[Story], count: int, random: Random, *, is_chained: bool) -> Iterator[Kills]:
    """Kills at random times: bursts of one to five, or of ten when chained, so that what recovers is killed as well."""
    while count > 0:
        burst = min(count, 10 if is_chained else random.randint(1, 5))
        count -= burst
        story = random.choice([story.name for story in stories])
        yield Kills(story, times=tuple(random.random() for _ in range(burst)))


def carry_out(kills: Kills, stage: Stage, story: Story) -> float:
    """Kill, recover and compare; returns the seconds that recovery took. Raises AssertionError on any difference."""
    expected = story.begin(stage)
    for point in kills.points:
        _kill_at_point(point, stage, story)
    for share in kills.times:
        _kill_after(share * story.seconds, stage, story)
    recovered = stage.ok(*_next(stage, story))
    assert story.tables(stage) == expected, "the tables differ from those of a run without a fault"
    return recovered.seconds


def _kills(story: str, points: Sequence[str], *, is_chained: bool) -> Iterator[Kills]:
    if is_chained and points:
        yield Kills(story, tuple(points))
    else:
        yield from (Kills(story, (point,)) for point in points)


def _kill_at_point(point: str, stage: Stage, story: Story) -> None:
    reached = stage.folder / "reached"
    reached.unlink(missing_ok=True)
    running = stage.start(*_next(stage, story), PROPERTY_BARRIER=point, PROPERTY_BARRIER_FILE=str(reached))
    ended = running.wait()
    assert reached.is_file(), f"{point} was not reached\n{ended.output}"
    assert (reached.read_text(), ended.code) == (point, -signal.SIGKILL), ended.output


def _kill_after(seconds: float, stage: Stage, story: Story) -> None:
    running = stage.start(*_next(stage, story))
    try:
        ended = running.wait(seconds)
        assert ended.code == 0, ended.output
    except TimeoutError:
        return


def _next(stage: Stage, story: Story) -> tuple[str, ...]:
    stage.wait_until_alone()
    with stage.connect() as connection:
        return story.next_command(connection)
