"""Landing and syncing a feed, side by side with plain PostgreSQL doing the same: `make bench-quick`.

Each side's output is compared row by row with the other's before a time counts; different outputs end the
program with exit code 1. Times are the best of three, in turns in one run: only the ratios mean anything
elsewhere. It uses databases of its own on a throw-away embedded server, or on the server DATABASE_URL names.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from feed import MAPPING, write_day
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table
from workplace import database, workplace

from loaders.database import connect, statements
from loaders.errors import UsageError
from loaders.importer import ImportOptions, ImportResult, import_files
from scripts import embedded_postgres
from scripts.sync import sync_pending

ROUNDS = 3
SQL = Path(__file__).parent / "sql"
SOURCE = "benchmark"

_OPTIONS = ImportOptions(SOURCE, mapping=MAPPING, is_complete=True)

Seconds = dict[str, float]


class OutputsDifferError(Exception):
    """The two sides did not produce the same rows, so their times must not be compared."""


@dataclass
class Landing:
    """Best times in seconds for landing a day, and the most memory the process took until then, in MB."""

    ours: float = float("inf")
    psql: float = float("inf")
    peak_memory_mb: float = 0.0


@dataclass
class Sync:
    """The best sync with its nodes and its time inside PostgreSQL, and the best run by hand, in seconds."""

    ours: float = float("inf")
    in_database: float = 0.0
    nodes: Seconds = field(default_factory=dict)
    by_hand: Seconds = field(default_factory=lambda: {"": float("inf")})


def main() -> int:
    """Run both comparisons and print them; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="listings a day, at least 200")
    parser.add_argument("--steps", action="store_true", help="print the times of dbt's nodes and of the steps by hand")
    arguments = parser.parse_args()
    if arguments.rows < 200:
        parser.error("--rows must be at least 200, so that some listings change")
    messages = Console(stderr=True)
    try:
        with (
            workplace() as (server_url, folder),
            Progress(SpinnerColumn(), TextColumn("{task.description}"), console=messages) as progress,
        ):
            task = progress.add_task("Generating the feed")
            days = [write_day(folder / f"day-{day}.csv", arguments.rows, day) for day in range(ROUNDS + 2)]
            progress.update(task, description="Landing, in turns with psql")
            landing = measure_landing(server_url, folder, days[0])
            progress.update(task, description="Syncing, in turns with statements by hand")
            sync = measure_sync(server_url, days)
    except OutputsDifferError as error:
        messages.print(f"[bold red]The outputs differ:[/] {error}")
        return 1
    output = Console()
    output.print(_summary(arguments.rows, landing, sync))
    output.print(f"Outputs equal row by row: landed rows; live, feed, history and sightings of {ROUNDS + 1} syncs.")
    if arguments.steps:
        output.print(_steps("Sync, by node", sync.nodes), _steps("By hand, by step", sync.by_hand))
    return 0


def measure_landing(server_url: str, folder: Path, feed: Path) -> Landing:
    """Land a day and let psql copy the same rows into a table of the same make, in turns."""
    best = Landing()
    dump = folder / "landed.copy"
    with database(server_url, "landing") as url, connect(url) as connection:
        connection.execute((SQL / "copied_staging.sql").read_bytes())
        for round_number in range(ROUNDS + 1):
            connection.execute("truncate property_scrapes_staging, copied_staging")
            started = time.perf_counter()
            _land(connection, feed)
            ours = time.perf_counter() - started
            _psql(url, f"\\copy (table property_scrapes_staging) to '{dump}'")
            started = time.perf_counter()
            _psql(url, f"\\copy copied_staging from '{dump}'")
            psql = time.perf_counter() - started
            if round_number == 0:
                _require_equal_landing(connection)
            else:
                best.ours, best.psql = min(best.ours, ours), min(best.psql, psql)
    best.peak_memory_mb = _peak_memory_mb()
    return best


def measure_sync(server_url: str, days: list[Path]) -> Sync:
    """Sync days in a database of their own: see `compare_syncs`."""
    with database(server_url, "sync") as url, connect(url) as connection:
        return compare_syncs(connection, url, days)


def compare_syncs(connection: psycopg.Connection, url: str, days: list[Path]) -> Sync:
    """Sync each day on top of the one before, in turns with statements by hand on copies of the tables.

    The first day only fills the database and the second warms it up; the tables are compared from the second on.
    """
    best = Sync()
    _land(connection, days[0])
    connection.execute("update sources set removal_after_sessions = 1")
    sync_pending(url)
    connection.execute((SQL / "by_hand_tables.sql").read_bytes())
    for round_number, day in enumerate(days[1:]):
        _execute_each(connection, SQL / "by_hand_reset.sql")
        landed = _land(connection, day)
        if round_number % 2:
            by_hand = _sync_by_hand(url, landed)
        ours = _sync(connection, url)
        if not round_number % 2:
            by_hand = _sync_by_hand(url, landed)
        require_equal_tables(connection)
        if round_number > 0 and ours.ours < best.ours:
            best.ours, best.in_database, best.nodes = ours.ours, ours.in_database, ours.nodes
        if round_number > 0 and sum(by_hand.values()) < sum(best.by_hand.values()):
            best.by_hand = by_hand
    return best


def require_equal_tables(connection: psycopg.Connection) -> None:
    """Raise OutputsDifferError where a sync and the statements by hand left different rows."""
    found = connection.execute((SQL / "synced_differences.sql").read_bytes()).fetchall()
    differing = [f"{count} rows of {table}" for table, count in found if count]
    if differing:
        raise OutputsDifferError(", ".join(differing))


def _land(connection: psycopg.Connection, file: Path) -> ImportResult:
    (result,) = import_files(connection, [file], _OPTIONS)
    return result


def _sync(connection: psycopg.Connection, url: str) -> Sync:
    before = _database_seconds(connection)
    started = time.perf_counter()
    (report,) = sync_pending(url)
    seconds = time.perf_counter() - started
    return Sync(seconds, _database_seconds(connection) - before, report.node_seconds)


def _sync_by_hand(url: str, landed: ImportResult) -> Seconds:
    seconds: Seconds = {}
    with psycopg.connect(url, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute("set local jit = off; set local timezone = 'UTC'")
        for step, statement in statements(str(SQL / "by_hand.sql")).items():
            started = time.perf_counter()
            connection.execute(statement, {"session_id": landed.session_id})
            seconds[step] = time.perf_counter() - started
        started = time.perf_counter()
        connection.commit()
        seconds["commit"] = time.perf_counter() - started
    return seconds


def _database_seconds(connection: psycopg.Connection) -> float:
    """Seconds spent on statements in this database so far, once its other connections are closed."""
    while _one(connection, "select count(*) from pg_stat_activity where datname = current_database()") > 1:
        time.sleep(0.05)
    return _one(connection, "select active_time / 1000 from pg_stat_database where datname = current_database()")


def _require_equal_landing(connection: psycopg.Connection) -> None:
    differences = _one(connection, (SQL / "landed_differences.sql").read_text(encoding="utf-8"))
    if differences or not _one(connection, "select count(*) from copied_staging"):
        raise OutputsDifferError(f"{differences} landed rows are not those that psql copied")


def _execute_each(connection: psycopg.Connection, file: Path) -> None:
    """Run a file's statements one by one: vacuum refuses to share a transaction."""
    for statement in file.read_text(encoding="utf-8").split(";"):
        if statement.strip():
            connection.execute(statement.encode())


def _one(connection: psycopg.Connection, query: str) -> float:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def _psql(url: str, command: str) -> None:
    psql = embedded_postgres.psql_command()
    if psql is None:
        raise UsageError("psql was not found", "Install PostgreSQL's client programs.")
    subprocess.run([*psql, url, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", command], check=True)


def _peak_memory_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def _summary(rows: int, landing: Landing, sync: Sync) -> Table:
    by_hand = sum(sync.by_hand.values())
    outside = max(0.0, 1 - sync.in_database / sync.ours)
    table = Table(title=f"{rows:,} listings, best of {ROUNDS}", title_justify="left", box=None, pad_edge=False)
    for name in ("", "ours", "plain", "ratio", "aim"):
        table.add_column(name, justify="right" if name else "left")
    table.add_row(
        "landing / psql \\copy, rows per second",
        f"{rows / landing.ours:,.0f}",
        f"{rows / landing.psql:,.0f}",
        f"{landing.psql / landing.ours:.2f}",
        "≥ 0.8",
    )
    table.add_row("  peak memory of the loader, MB", f"{landing.peak_memory_mb:.0f}", "", "", "≤ 150")
    table.add_row(
        "sync / statements by hand, seconds",
        f"{sync.ours:.2f}",
        f"{by_hand:.2f}",
        f"{sync.ours / by_hand:.2f}",
        "≤ 2",
    )
    table.add_row(
        "  of it in PostgreSQL, seconds",
        f"{sync.in_database:.2f}",
        "",
        f"{sync.in_database / by_hand:.2f}",
        "",
    )
    table.add_row("  of it dbt, outside PostgreSQL", f"{outside:.0%}", "", "", "")
    return table


def _steps(title: str, seconds: Seconds) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("step")
    table.add_column("seconds", justify="right")
    for name, taken in sorted(seconds.items(), key=lambda step: -step[1]):
        table.add_row(name, f"{taken:.3f}")
    return table


if __name__ == "__main__":
    sys.exit(main())
