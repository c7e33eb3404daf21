"""Ctrl-C, SIGTERM, and clients that die or freeze: no query goes on for nobody, and no zombie writes."""

from __future__ import annotations

import signal
import time

from tests.faults.stage import CLIENTS, RECOVERY_SECONDS, Running, Stage, until
from tests.faults.stories import Story

ENDS_WITHIN = 10
"""Seconds in which an interrupted command must have ended."""

GONE_WITHIN = 3
"""Seconds in which the database must have noticed that a client is gone."""

_INTERRUPTED = 130
_PUBLISH_LOCK = "select pg_advisory_lock(20558, hashtext(current_schema()))"
_WAITING = f"{CLIENTS} and wait_event_type = 'Lock'"


def interrupted(stage: Stage, story: Story, number: signal.Signals, share: float) -> float:
    """A signal after a share of the story's time; returns the seconds until the command had ended."""
    expected = story.begin(stage)
    running = stage.start(*story.command)
    time.sleep(share * story.seconds[True])
    running.send(number)
    seconds = _ended_in_time(running)
    stage.wait_until_alone(GONE_WITHIN)
    with stage.connect() as connection:
        stage.ok(*story.next_command(connection))
    assert story.tables(stage) == expected, "the tables differ from those of a run without a fault"
    return seconds


def interrupted_while_waiting(stage: Stage, story: Story, number: signal.Signals) -> float:
    """A signal while a statement of dbt waits for a lock, which it would do for ever."""
    expected = story.begin(stage)
    with stage.connect() as holder:
        holder.execute(_PUBLISH_LOCK)
        running = stage.start(*story.command)
        until(lambda: holder.execute(_WAITING).fetchone() == (1,), RECOVERY_SECONDS, "no statement waits")
        running.send(number)
        seconds = _ended_in_time(running)
        stage.wait_until_alone(GONE_WITHIN)
    stage.ok("sync-pending")
    assert story.tables(stage) == expected, "the tables differ from those of a run without a fault"
    return seconds


def orphan(stage: Stage, story: Story) -> float:
    """`kill -9` while a statement waits; returns the seconds until the database had ended it."""
    expected = story.begin(stage)
    with stage.connect() as holder:
        holder.execute(_PUBLISH_LOCK)
        running = stage.start(*story.command)
        until(lambda: holder.execute(_WAITING).fetchone() == (1,), RECOVERY_SECONDS, "no statement waits")
        running.send(signal.SIGKILL)
        running.wait()
        killed = time.monotonic()
        stage.wait_until_alone(GONE_WITHIN)
        seconds = time.monotonic() - killed
    stage.ok("sync-pending")
    assert story.tables(stage) == expected, "the tables differ from those of a run without a fault"
    return seconds


def zombie(stage: Stage, story: Story, node: str) -> None:
    """A build freezes after a node, a command takes its sync over, and the build wakes up: it must not write."""
    expected = story.begin(stage)
    stage.ok(*story.command, "--no-sync")
    reached = stage.folder / "reached"
    reached.unlink(missing_ok=True)
    frozen = stage.start(
        *stage.plain_build(0, "--threads", "1"),
        PROPERTY_BARRIER=f"after_node:{node}",
        PROPERTY_BARRIER_FILE=str(reached),
        PROPERTY_BARRIER_SIGNAL="STOP",
    )
    try:
        until(reached.exists, RECOVERY_SECONDS, f"{node} was not reached")
        stage.ok("sync-pending")
        published = story.tables(stage)
    finally:
        frozen.send(signal.SIGCONT)
    ended = frozen.wait()
    assert ended.code != 0, f"the zombie went through\n{ended.output}"
    assert story.tables(stage) == published == expected, "the zombie wrote"


def _ended_in_time(running: Running) -> float:
    signalled = time.monotonic()
    ended = running.wait(ENDS_WITHIN)
    assert ended.code in (0, _INTERRUPTED), f"exit code {ended.code}\n{ended.output}"
    return time.monotonic() - signalled
