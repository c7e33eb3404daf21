"""`make faults`: whatever breaks a command off, the next one ends with the tables of a run without a fault.

Kills at each named step and at random times, and commands side by side. Ends with 1 when anything was lost or
doubled, when a step was not reached, or when a recovery was not done within 90 s.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import click
from psycopg.conninfo import conninfo_to_dict

from scripts import embedded_postgres
from tests.faults import interrupts, kills, races, servers
from tests.faults.stage import Stage
from tests.faults.stories import Story, told_stories

# Forks end without telling Python's tracker of semaphores, which warns of those of their parent.
os.environ["PYTHONWARNINGS"] = "ignore:resource_tracker:UserWarning"
DATABASE = "property_manager_faults"


@dataclass(frozen=True)
class Plan:
    """What is tried: how often each step, whether in chains, and how much at random."""

    repeat: int
    is_chained: bool
    random_kills: int
    rounds: int
    names: tuple[str, ...]
    seed: int


@dataclass(frozen=True)
class Check:
    """One fault: what it is, and how it is brought about; it raises when the tables suffer."""

    group: str
    title: str
    run: Callable[[], object]
    kills: int = 1


@dataclass(frozen=True)
class Share:
    """Which of the faults one process brings about, and where."""

    folder: Path
    home: Path
    server: str | None
    database: str
    number: int
    processes: int


@click.command()
@click.option("--repeat", default=5, show_default=True, help="Kills at each named step.")
@click.option("--chained", "is_chained", is_flag=True, help="Kill what recovers too, and compare after the last kill.")
@click.option("--random", "random_kills", default=200, show_default=True, help="Kills at random times.")
@click.option("--rounds", default=100, show_default=True, help="Rounds of commands side by side.")
@click.option("--story", "names", multiple=True, help="Only these of import, scrape, replay, rollback and cleanup.")
@click.option("--seed", default=1, show_default=True, help="Which nodes and times: the same seed, the same faults.")
@click.option("--processes", default=2, show_default=True, help="How many faults are brought about at a time.")
@click.option("--only", help="Only faults whose title contains this.")
@click.option("--group", "groups", multiple=True, help="Only faults of these groups, as the report names them.")
@click.option("--server", help="URL of the server to work on; by default an embedded one is started.")
@click.option("--database", default=DATABASE, show_default=True, help="Database that is made anew and dropped.")
@click.option("--home", type=click.Path(path_type=Path), help="PROPERTY_HOME of the commands; by default a new one.")
def main(
    processes: int,
    only: str | None,
    groups: tuple[str, ...],
    server: str | None,
    database: str,
    home: Path | None,
    **amounts: Any,
) -> None:
    """Bring faults about and compare what they leave."""
    plan = Plan(**amounts)
    with tempfile.TemporaryDirectory(prefix="pm-faults-") as name:
        # The server's user must be able to pass through, to a small disk that is mounted there.
        Path(name).chmod(0o755)
        jobs = []
        for number in range(processes):
            folder = Path(name) / f"job-{number}"
            folder.mkdir()
            own = database if processes == 1 else f"{database}_{number}"
            share = Share(folder, home or folder / "home", server, own, number, processes)
            pid = os.fork()
            if pid == 0:
                _exit_after(partial(_work, share, plan, lambda check: _is_wanted(check, only, groups)))
            jobs.append((pid, folder / "results"))
        ended = _ends_of([pid for pid, _ in jobs])
        results = [json.loads(line) for _, file in jobs if file.exists() for line in file.read_text().splitlines()]
    _report(results)
    sys.exit(int(any(ended) or any(result["error"] for result in results)))


def all_checks(stage: Stage, stories: list[Story], plan: Plan, own_server: Path | None) -> list[Check]:
    """Every fault of the plan, in the same order in every process; a server that others use is not broken."""
    random = Random(plan.seed)
    nodes, again = stage.dbt_nodes("sync"), stage.dbt_nodes("sync_again")
    stories = [story for story in stories if not plan.names or story.name in plan.names]
    by_name = {story.name: story for story in stories}
    checks = []
    at_nodes = list(kills.kills_at_nodes(nodes, again, plan.repeat, is_chained=plan.is_chained))
    for group, found in (
        ("kill at a named step", kills.kills_at_steps(stories, plan.repeat, is_chained=plan.is_chained)),
        ("kill at a node of a first sync", [kill for kill in at_nodes if kill.is_first]),
        ("kill at a node of a later sync", [kill for kill in at_nodes if not kill.is_first]),
        ("kill at random times", kills.kills_at_random(stories, plan.random_kills, random, is_chained=plan.is_chained)),
    ):
        for kill in found:
            run = partial(kills.carry_out, kill, stage, by_name[kill.story])
            checks.append(Check(group, str(kill), run, len(kill)))
    checks += _race_checks(stage, by_name["import"], plan.rounds)
    checks += _interrupt_checks(stage, by_name, nodes, plan, random)
    if own_server is not None:
        checks += _server_checks(stage, own_server, by_name, plan, random)
    return checks


def _interrupt_checks(
    stage: Stage,
    stories: dict[str, Story],
    nodes: list[str],
    plan: Plan,
    random: Random,
) -> list[Check]:
    group, story = "signals and lost clients", stories["import"]
    comparing = sorted(node for node in nodes if node.startswith("model.property_manager.int_"))
    checks = []
    for _ in range(plan.repeat):
        for number in (signal.SIGTERM,) if plan.is_chained else (signal.SIGINT, signal.SIGTERM):
            run = partial(interrupts.interrupted_while_waiting, stage, story, number)
            checks.append(Check(group, f"import: {number.name} while a statement waits", run))
            for name, each in () if plan.is_chained else stories.items():
                share = random.random()
                run = partial(interrupts.interrupted, stage, each, number, share)
                checks.append(Check(group, f"{name}: {number.name} at {share:.0%}", run))
        if plan.is_chained:
            continue
        checks.append(Check(group, "import: killed while a statement waits", partial(interrupts.orphan, stage, story)))
        node = random.choice(comparing)
        checks.append(Check(group, f"zombie frozen after {node}", partial(interrupts.zombie, stage, story, node)))
    return checks


def _server_checks(stage: Stage, home: Path, stories: dict[str, Story], plan: Plan, random: Random) -> list[Check]:
    group = "database faults"
    checks = []
    for _ in range(plan.repeat):
        for name, story in stories.items():
            for fault in servers.FAULTS:
                share = random.random()
                run = partial(servers.lost, stage, home, story, fault, share)
                checks.append(Check(group, f"{name}: {fault.__name__.replace('_', ' ')} at {share:.0%}", run))
    for room in (4, 30):
        title = f"a disk with {room} MB left"
        checks.append(Check(group, title, partial(servers.disk_full, stage, stories["import"], room)))
    return checks


def _race_checks(stage: Stage, story: Story, rounds: int) -> list[Check]:
    checks = []
    for number in range(rounds):
        if number % 10 == 8:
            title, run = "two plain dbt builds and a command", partial(races.plain_builds, stage, story)
        elif number % 10 == 7:
            title, run = "three scopes of a source side by side", partial(races.scopes_of_one_source, stage, 3)
        elif number % 10 == 9:
            title, run = "three sources side by side", partial(races.different_sources, stage, 3)
        else:
            count, wait = (2, 5, 10)[number % 3], number % 2 == 1
            title = f"{count} syncs at once{', waiting' if wait else ''}"
            run = partial(races.same_session, stage, story, count, wait=wait)
        checks.append(Check("commands at once", title, run))
    return checks


def _is_wanted(check: Check, only: str | None, groups: tuple[str, ...]) -> bool:
    return (only is None or only in check.title) and (not groups or check.group in groups)


def _work(share: Share, plan: Plan, is_wanted: Callable[[Check], bool]) -> None:
    """One process: prepare a database, bring about this process's share of the faults and write down each result."""
    own_server = None if share.server else share.folder / "server"
    with _server(share.server, own_server) as server_url:
        url = _with_database(server_url, share.database)
        stage = Stage(server_url, share.database, url, share.folder, share.home)
        stage.open()
        try:
            with told_stories(stage) as stories:
                checks = all_checks(stage, stories, plan, own_server)
                chosen = [check for check in checks if is_wanted(check)]
                for check in chosen[share.number :: share.processes]:
                    _write_result(share.folder / "results", check)
        finally:
            stage.close()


def _write_result(file: Path, check: Check) -> None:
    error, seconds, skipped = None, None, None
    try:
        seconds = check.run()
    except servers.SkippedError as reason:
        skipped = str(reason)
    except Exception:  # noqa: BLE001 - whatever went wrong is the result
        error = traceback.format_exc()
        print(f"FAILED {check.title}\n{error}", file=sys.stderr, flush=True)
    result = {"group": check.group, "title": check.title, "kills": check.kills}
    result |= {"seconds": seconds, "error": error, "skipped": skipped}
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(result) + "\n")
    click.echo(check.title, err=True)


def _ends_of(pids: list[int]) -> list[int]:
    """The exit codes of processes; Ctrl-C ends them, and their servers, first."""
    try:
        return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    except KeyboardInterrupt:
        for pid in pids:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGINT)
                os.waitpid(pid, 0)
        raise


def _report(results: list[dict[str, Any]]) -> None:
    for group in dict.fromkeys(result["group"] for result in results):
        own = [result for result in results if result["group"] == group]
        failed = [result for result in own if result["error"]]
        seconds = [result["seconds"] for result in own if result["seconds"] is not None]
        longest = f", longest recovery {max(seconds):.1f} s" if seconds else ""
        tried = sum(result["kills"] for result in own)
        click.echo(f"{group}: {tried} tried, {len(failed)} failed{longest}")
        for reason in {result["skipped"] for result in own} - {None}:
            click.echo(f"  skipped: {reason}")
        for result in failed:
            click.echo(f"  {result['title']}")


def _exit_after(work: Callable[[], None]) -> None:
    """End this fork with the work's outcome, without running what its parent has registered."""
    code = 1
    try:
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - nothing may go on in a fork
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


@contextmanager
def _server(url: str | None, home: Path | None) -> Iterator[str]:
    if url is not None or home is None:
        assert url is not None
        yield url
        return
    os.environ["PROPERTY_EMBEDDED_FSYNC"] = "off"
    try:
        yield embedded_postgres.start(home).url
    finally:
        embedded_postgres.destroy(home)


def _with_database(url: str, name: str) -> str:
    parts = conninfo_to_dict(url)
    query = "&".join(f"{key}={value}" for key, value in parts.items() if key in ("host", "port", "sslmode"))
    password = f":{parts['password']}" if parts.get("password") else ""
    return f"postgresql://{parts.get('user', '')}{password}@/{name}?{query}"


if __name__ == "__main__":
    main()
