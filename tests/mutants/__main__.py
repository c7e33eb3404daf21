"""`make mutants`: does a test notice each of a random sample of small mistakes in the SQL?

Two processes try mutants on copies of the project. A mutant that neither compiles nor parses counts for nothing.
Ends with 1 when fewer than 95 % are noticed, or when a survivor stands without a reason in survivors.yml.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import yaml
from rich.console import Console
from rich.table import Table

from scripts.config import project_root
from tests.mutants.operators import Mutant, files_to_mutate, mutants_of, sample

PATTERNS = ("macros/changes/**/*.sql", "macros/quality/**/*.sql", "macros/publish/**/*.sql")
PATTERNS += ("models/intermediate/*.sql", "models/publish/**/*.sql")
# They read pages and choose sessions; change, rules, gate and publication begin behind them.
EXCLUDED = ("int_listings_observed.sql", "int_sessions_to_sync.sql")
SURVIVORS = Path(__file__).with_name("survivors.yml")
WANTED = 0.95

_COPIED = shutil.ignore_patterns(".git", ".venv", ".property_manager", "target", "logs", "__pycache__", "*.egg-info")

output = Console(highlight=False, soft_wrap=True)

Result = dict[str, Any]


class WorkerFailedError(click.ClickException):
    """A worker ended before its work was done; its last words are on stderr."""


@click.command()
@click.option("--sample", "size", default=210, show_default=True, help="How many mutants to try.")
@click.option("--seed", default=1, show_default=True, help="Which ones: the same seed, the same mutants.")
@click.option("--only", multiple=True, metavar="PATTERN", help="Mutate only these files, such as macros/changes/*.sql.")
@click.option("--processes", default=2, show_default=True, help="How many mutants are tried at a time.")
@click.option("--quick", is_flag=True, help="Leave out the golden scenarios, which survivors face last.")
@click.option("--fresh", is_flag=True, help="Try mutants again that an earlier run has judged.")
def main(size: int, seed: int, only: tuple[str, ...], processes: int, quick: bool, fresh: bool) -> None:
    """Make small mistakes in the SQL and count those that a test notices."""
    root = project_root()
    files = files_to_mutate(root, only or PATTERNS, EXCLUDED)
    everything = [
        mutant
        for file in files
        for mutant in mutants_of(file.relative_to(root).as_posix(), file.read_text(encoding="utf-8"))
    ]
    if not everything:
        raise click.UsageError(f"no mutant can be made of {', '.join(only or PATTERNS)}")
    chosen = sample(everything, size, seed)
    store = root / "target" / "mutants" / ("quick.jsonl" if quick else "results.jsonl")
    if fresh:
        store.unlink(missing_ok=True)
    known = _read(store)
    waiting = [mutant for mutant in chosen if mutant.id not in known]
    output.print(f"{len(chosen)} of {len(everything)} mutants, {len(chosen) - len(waiting)} judged by an earlier run.")
    if waiting:
        _judge(root, waiting, store, min(processes, len(waiting)), quick=quick)
    results = _read(store)
    sys.exit(_report([(mutant, results[mutant.id]) for mutant in chosen]))


def _judge(root: Path, waiting: list[Mutant], store: Path, processes: int, *, quick: bool) -> None:
    store.parent.mkdir(parents=True, exist_ok=True)
    todo: queue.SimpleQueue[Mutant] = queue.SimpleQueue()
    for mutant in waiting:
        todo.put(mutant)
    lock, errors = threading.Lock(), []

    def work(number: int) -> None:
        options = [*([] if quick else ["--last-resort"]), *(["--check-original"] if number == 0 else [])]
        try:
            with _worker(root, options) as process:
                _work(process, todo, store, lock)
        except (WorkerFailedError, OSError) as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=[number]) for number in range(processes)]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        # Workers end with what they are at, and stop their servers; what was judged is kept.
        while not todo.empty():
            todo.get_nowait()
        for thread in threads:
            thread.join()
        raise
    if errors:
        raise errors[0]


def _work(process: subprocess.Popen[str], todo: queue.SimpleQueue[Mutant], store: Path, lock: threading.Lock) -> None:
    _answer(process)
    while True:
        try:
            mutant = todo.get_nowait()
        except queue.Empty:
            return
        assert process.stdin is not None
        process.stdin.write(json.dumps(asdict(mutant)) + "\n")
        process.stdin.flush()
        result = _answer(process)
        with lock:
            with store.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"id": mutant.id, **result}) + "\n")
            output.print(
                f"{result['outcome']:8} {mutant.path}:{mutant.line} {mutant.operator}: {result['by']}", markup=False
            )


def _answer(process: subprocess.Popen[str]) -> Result:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise WorkerFailedError(f"a worker ended with {process.wait()}; its last words stand above")
    return json.loads(line)


@contextmanager
def _worker(root: Path, options: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that tries mutants on a copy of the project, which is deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder) / "project"
        shutil.copytree(root, copy, ignore=_COPIED)
        environment = {**os.environ, "PROPERTY_HOME": str(Path(folder) / "home"), "PYTHONPATH": str(copy)}
        environment.pop("DATABASE_URL", None)
        command = [sys.executable, "-m", "tests.mutants.worker", *options]
        process = subprocess.Popen(
            command, cwd=copy, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait()


def _read(store: Path) -> dict[str, Result]:
    if not store.exists():
        return {}
    lines = store.read_text(encoding="utf-8").splitlines()
    return {result["id"]: result for result in map(json.loads, lines)}


def _report(judged: list[tuple[Mutant, Result]]) -> int:
    """Print the table, the survivors and the score; returns the exit code."""
    outcomes = ("noticed", "invalid", "survived")
    counts = Counter((mutant.path, mutant.operator, result["outcome"]) for mutant, result in judged)
    table = Table("file", "operator", "made", *outcomes, box=None)
    for path, operator in sorted({(path, operator) for path, operator, _ in counts}):
        row = [counts[path, operator, outcome] for outcome in outcomes]
        table.add_row(path, operator, *map(str, (sum(row), *row)))
    output.print(table)

    reasons = known_survivors()
    survivors = [mutant for mutant, result in judged if result["outcome"] == "survived"]
    unexplained = 0
    for mutant in survivors:
        reason = reasons.get((mutant.path, mutant.original_line, mutant.mutated_line))
        unexplained += reason is None
        output.print(f"survived {mutant.path}:{mutant.line} {mutant.operator}", markup=False)
        output.print(f"    {mutant.original_line}\n    {mutant.mutated_line}", markup=False)
        output.print(f"    {reason or 'no reason is given in ' + SURVIVORS.name}", markup=False)
    noticed = sum(result["outcome"] == "noticed" for _, result in judged)
    valid = noticed + len(survivors)
    share = noticed / valid if valid else 1.0
    output.print(
        f"{noticed} of {valid} noticed: {share:.1%}; {len(survivors)} survived, {unexplained} of them unexplained"
    )
    return 0 if share >= WANTED and not unexplained else 1


def known_survivors() -> dict[tuple[str, str, str], str]:
    """The reason of each mutant that nobody need notice, by path, original line and mutated line."""
    entries = yaml.safe_load(SURVIVORS.read_text(encoding="utf-8")) or []
    return {(entry["path"], entry["line"], entry["becomes"]): entry["reason"] for entry in entries}


if __name__ == "__main__":
    main()
