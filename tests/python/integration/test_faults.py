"""kill -9 at named points: the next command ends with the same tables as a run without a fault."""

from __future__ import annotations

import signal
from pathlib import Path

import psycopg
import pytest

from tests.python.conftest import Command
from tests.python.integration.snapshots import MAPPING, edited, empty, flats, tables, without, write_csv

pytestmark = pytest.mark.slow

DAY_ONE = ("--source", "feed", "--complete", "--observed-at", "2024-05-01T06:00:00Z", *MAPPING)
DAY_TWO = ("--source", "feed", "--complete", "--observed-at", "2024-05-02T06:00:00Z", *MAPPING)
ONE_ABSENCE = ("--set", "removal_after_sessions=1")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    first = flats(80)
    second = {**edited(without(first, "flat-5"), "flat-9", price=1), **flats(3, start=200)}
    return write_csv(tmp_path / "one.csv", first), write_csv(tmp_path / "two.csv", second)


@pytest.mark.first_build
def test_a_published_sync_is_finished_before_new_sessions_are_taken(
    command: Command, connection: psycopg.Connection, files: tuple[Path, Path], tmp_path: Path
) -> None:
    _kill_at(command, "after_publish_commit", tmp_path / "reached", "import", files[0], *DAY_ONE, *ONE_ABSENCE)
    assert connection.execute("select to_regclass('properties_history') is null").fetchone() == (True,)
    syncs = command.ok("import", files[1], *DAY_TWO, "--json").json["syncs"]

    assert [sync["sessions"][0]["observed"] for sync in syncs] == [80, 82]
    written_down = connection.execute(
        """
        select candidate_changes, candidate_listings, cardinality(candidate_sessions)
        from sync_metadata order by version
        """
    ).fetchall()
    assert written_down == [(80, 80, 1), (5, 5, 1)], "ending a sync writes down no other candidates"
    assert tables(connection) == _without_fault(command, connection, files)


def test_plain_dbt_build_recovers_like_the_command(
    command: Command,
    connection: psycopg.Connection,
    files: tuple[Path, Path],
    parsed_project: Path,
    tmp_path: Path,
) -> None:
    command.ok("import", files[0], *DAY_ONE, *ONE_ABSENCE)
    _kill_at(command, "after_publish_commit", tmp_path / "reached", "import", files[1], *DAY_TWO)
    # Unit tests read none of these tables, and the data tests that guard nothing only read them.
    excluded = ("--exclude-resource-type", "unit_test", "--exclude", "test_type:generic")
    options = (*excluded, "--target-path", parsed_project)
    built = command.run_in_process_of_its_own("dbt", "--", "build", *options)
    assert built.code == 0, built.stdout
    assert tables(connection) == _without_fault(command, connection, files)


def _kill_at(command: Command, barrier: str, reached: Path, *arguments: str | Path) -> None:
    process = command.start(*arguments, PROPERTY_BARRIER=barrier, PROPERTY_BARRIER_FILE=str(reached))
    stdout, stderr = process.communicate(timeout=300)
    assert reached.is_file(), f"the barrier {barrier} was not reached\n{stdout}\n{stderr}"
    assert reached.read_text() == barrier
    assert process.returncode == -signal.SIGKILL


def _without_fault(
    command: Command, connection: psycopg.Connection, files: tuple[Path, Path]
) -> dict[str, list[tuple[object, ...]]]:
    """The tables of the same two imports on an emptied database, without a fault."""
    empty(connection)
    command.ok("import", files[0], *DAY_ONE, *ONE_ABSENCE)
    command.ok("import", files[1], *DAY_TWO)
    return tables(connection)
