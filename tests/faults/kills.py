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
class Kill:
    """One story broken off at a named point, or at random times, one kill after another."""

    story: str
    point: str | None = None
    times: tuple[float, ...] = ()
    """Shares of the time that the story lasts without a fault."""

    def __str__(self) -> str:
        at = self.point or ", ".join(f"{share:.0%}" for share in self.times)
        return f"{self.story} killed at {at}"


def kills_at_steps(stories: Sequence[Story], nodes: Sequence[str], repeat: int) -> Iterator[Kill]:
    """A kill at each barrier of each story and before and after each of dbt's nodes in the import."""
    for _ in range(repeat):
        for story in stories:
            yield from (Kill(story.name, point) for point in story.reached)
        for node in nodes:
            yield from (Kill("import", f"{barrier}:{node}") for barrier in NODE_BARRIERS)


def kills_at_random(stories: Sequence[Story], count: int, random: Random) -> Iterator[Kill]:
    """Kills at random times: bursts of one to four, so that what recovers is killed as well."""
    while count > 0:
        burst = min(count, random.randint(1, 4))
        count -= burst
        story = random.choice([story.name for story in stories])
        yield Kill(story, times=tuple(random.random() for _ in range(burst)))


def carry_out(kill: Kill, stage: Stage, story: Story, expected: object) -> float:
    """Kill, recover and compare; returns the seconds that recovery took. Raises AssertionError on any difference."""
    stage.reset(story.name)
    if kill.point is not None:
        _kill_at_point(kill.point, stage, story)
    for share in kill.times:
        _kill_after(share * story.seconds, stage, story)
    recovered = stage.ok(*_next(stage, story))
    assert story.tables(stage) == expected, "the tables differ from those of a run without a fault"
    return recovered.seconds


def _kill_at_point(point: str, stage: Stage, story: Story) -> None:
    reached = stage.folder / "reached"
    reached.unlink(missing_ok=True)
    running = stage.start(*story.command, PROPERTY_BARRIER=point, PROPERTY_BARRIER_FILE=str(reached))
    ended = running.wait()
    assert reached.is_file(), f"the point was not reached\n{ended.output}"
    assert (reached.read_text(), ended.code) == (point, -signal.SIGKILL), ended.output


def _kill_after(seconds: float, stage: Stage, story: Story) -> None:
    running = stage.start(*_next(stage, story))
    try:
        ended = running.wait(seconds)
        assert ended.code == 0, ended.output
    except TimeoutError:
        return


def _next(stage: Stage, story: Story) -> tuple[str, ...]:
    with stage.connect() as connection:
        return story.next_command(connection)
