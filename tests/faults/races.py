"""Several commands at once: exactly one publishes, and the tables are those of one command alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.faults.stage import RECOVERY_SECONDS, Ended, Running, Stage, until
from tests.faults.stories import DAY_ONE, DAY_TWO, Story, Tables, second_feed
from tests.python.integration.snapshots import MAPPING, edited, flats, tables, without, write_csv

BUSY = 75
REFUSED_BY_DBT = 2
_BEGUN = "select count(*) > 1 from sync_metadata"


def same_session(stage: Stage, story: Story, count: int, *, wait: bool) -> None:
    """`count` commands sync one landed session at once: the rest is busy, or waits and finds it done."""
    expected = story.begin(stage)
    stage.ok(*story.command, "--no-sync")
    ended = _all([stage.start("sync-pending", *(["--wait"] if wait else [])) for _ in range(count)])
    codes = Counter(each.code for each in ended)
    wanted = {0: count} if wait else {0: 1, BUSY: count - 1}
    assert codes == wanted, f"exit codes {dict(codes)}, wanted {wanted}\n" + _outputs(ended)
    _require_one_sync_more(stage, story)
    assert story.tables(stage) == expected, "the tables differ from those of one command alone"


def plain_builds(stage: Stage, story: Story) -> None:
    """Two plain `dbt build` and, once one has begun, a command: one publishes at most, and 0 means it is published.

    Builds hold no lock, so that each may be refused by what another did; `sync-pending` then finishes the rest.
    """
    expected = story.begin(stage)
    stage.ok(*story.command, "--no-sync")
    builds = [stage.start(*stage.plain_build(number)) for number in range(2)]
    with stage.connect() as connection:
        until(lambda: connection.execute(_BEGUN).fetchone() == (True,), RECOVERY_SECONDS, "no build began a sync")
    ended = _all([*builds, stage.start("sync-pending", "--wait")])
    codes = {each.code for each in ended}
    assert codes <= {0, 1, REFUSED_BY_DBT}, _outputs(ended)
    if 0 in codes:
        _require_one_sync_more(stage, story)
    stage.ok("sync-pending")
    _require_one_sync_more(stage, story)
    assert story.tables(stage) == expected, "the tables differ from those of one command alone"


def different_sources(stage: Stage, count: int) -> None:
    """Imports of several sources side by side give the tables of one after the other."""
    file = write_csv(stage.folder / "source.csv", second_feed())
    imports = [_import(file, DAY_ONE, "--source", f"feed_{number}") for number in range(count)]
    outcome = _alike_side_by_side(stage, "empty", imports)
    assert len(outcome["live"]) == count * len(second_feed())


def scopes_of_one_source(stage: Stage, count: int) -> None:
    """Imports of scopes that share listings, side by side, give the tables of one after the other.

    Each scope shares flats with the next one. On the second day two of the shared flats are gone from both scopes, one
    is gone from the first of them alone, and one has another price in both. Which scope misses a flat first, and tells
    it as `missing`, depends on their order; nothing else does.
    """
    stage.reset("empty")
    days: dict[str, list[tuple[str, ...]]] = {DAY_ONE: [], DAY_TWO: []}
    for number in range(count):
        start = 20 * number + 1
        first = flats(30, start=start)
        gone = (start, start + 1, start + 20, start + 21, start + 22)
        second = without(first, *(f"flat-{flat}" for flat in gone))
        for flat in (start + 3, start + 23):
            second = edited(second, f"flat-{flat}", price=110_000)
        for day, listings in ((DAY_ONE, first), (DAY_TWO, second)):
            file = write_csv(stage.folder / f"scope-{number}-{day[:10]}.csv", listings)
            settings = ("--set", "removal_after_sessions=1", "max_removal_share=null")
            days[day].append(_import(file, day, "--source", "feed", "--scope", f"scope_{number}", *settings))
    for arguments in days[DAY_ONE]:
        stage.ok(*arguments)
    stage.keep("scopes")
    outcome = _alike_side_by_side(stage, "scopes", days[DAY_TWO])
    assert any(change_type == "removed" for _, change_type, *_ in outcome["changes"]), "no listing left"


def _import(file: Path, observed_at: str, *more: str) -> tuple[str, ...]:
    return ("import", str(file), "--complete", "--wait", "--observed-at", observed_at, *more, *MAPPING)


def _alike_side_by_side(stage: Stage, state: str, commands: Sequence[tuple[str, ...]]) -> Tables:
    """The tables after some commands, which must be the same one after the other and side by side."""
    stage.reset(state)
    for arguments in commands:
        stage.ok(*arguments)
    one_by_one = _lasting_tables(stage)
    stage.reset(state)
    ended = _all([stage.start(*arguments) for arguments in commands])
    assert {each.code for each in ended} == {0}, _outputs(ended)
    side_by_side = _lasting_tables(stage)
    for name, rows in one_by_one.items():
        differing = [row for row in (*rows, *side_by_side[name]) if (row in rows) != (row in side_by_side[name])]
        assert side_by_side[name] == rows, f"{name}: side by side differs from one after the other: {differing}"
    return one_by_one


def _lasting_tables(stage: Stage) -> Tables:
    """The tables without what the feed tells of listings that are missed for the first time."""
    with stage.connect() as connection:
        told = tables(connection)
    return {**told, "changes": [row for row in told["changes"] if row[1] != "missing"]}


def _all(commands: Sequence[Running]) -> list[Ended]:
    return [command.wait() for command in commands]


def _outputs(ended: Sequence[Ended]) -> str:
    return "\n".join(f"[{each.code}] {each.output}" for each in ended)


def _require_one_sync_more(stage: Stage, story: Story) -> None:
    """The sync of the past and one more, whatever else was tried."""
    with stage.connect() as connection:
        done = connection.execute("select count(*) from sync_metadata where status = 'complete'").fetchone()
    assert done == (2,), f"{done} syncs are complete"
