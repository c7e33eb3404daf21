"""Several commands at once: exactly one publishes, and the tables are those of one command alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.faults.stage import Ended, Running, Stage
from tests.faults.stories import DAY_ONE, MAPPING, Story, first_feed, second_feed
from tests.python.integration.snapshots import tables, write_csv

BUSY = 75


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
    """Two plain `dbt build` and a command at once: at most one publishes; `sync-pending` then finishes the rest."""
    expected = story.begin(stage)
    stage.ok(*story.command, "--no-sync")
    _all([stage.start(*stage.plain_build(number)) for number in range(2)])
    stage.ok("sync-pending", "--wait")
    assert story.tables(stage) == expected, "the tables differ from those of one command alone"


def different_scopes(stage: Stage, count: int) -> None:
    """Imports of several sources side by side give the tables of one after the other."""
    files = [write_csv(stage.folder / f"scope-{number}.csv", second_feed()) for number in range(count)]
    imports = [
        ("import", str(file), "--source", f"feed_{number}", "--complete", "--wait", "--observed-at", DAY_ONE, *MAPPING)
        for number, file in enumerate(files)
    ]
    outcomes = []
    for at_once in (False, True):
        stage.reset("empty")
        if at_once:
            ended = _all([stage.start(*arguments) for arguments in imports])
            assert {each.code for each in ended} == {0}, _outputs(ended)
        else:
            for arguments in imports:
                stage.ok(*arguments)
        with stage.connect() as connection:
            outcomes.append(tables(connection))
    assert outcomes[0] == outcomes[1], "side by side differs from one after the other"
    assert len(outcomes[0]["live"]) == count * len(second_feed()) >= len(first_feed())


def _all(commands: Sequence[Running]) -> list[Ended]:
    return [command.wait() for command in commands]


def _outputs(ended: Sequence[Ended]) -> str:
    return "\n".join(f"[{each.code}] {each.output}" for each in ended)


def _require_one_sync_more(stage: Stage, story: Story) -> None:
    """The sync of the past and one more, whatever else was tried."""
    with stage.connect() as connection:
        done = connection.execute("select count(*) from sync_metadata where status = 'complete'").fetchone()
    assert done == (2,), f"{done} syncs are complete"
