"""A dump that is restored elsewhere syncs to the same tables as the original."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from scripts import embedded_postgres
from tests.python.conftest import Command
from tests.python.integration.snapshots import MAPPING, edited, flats, tables, without, write_csv

pytestmark = pytest.mark.slow


@pytest.fixture
def restored_url(database_url: str, connection: psycopg.Connection) -> Iterator[str]:
    """An empty database beside the test's own."""
    name = sql.Identifier(f"{connection.info.dbname}_restored")
    drop = sql.SQL("drop database if exists {} with (force)").format(name)
    connection.execute(drop)
    connection.execute(sql.SQL("create database {}").format(name))
    yield database_url.replace(f"/{connection.info.dbname}?", f"/{connection.info.dbname}_restored?")
    connection.execute(drop)


def test_a_restored_dump_syncs_to_the_same(
    command: Command, connection: psycopg.Connection, restored_url: str, tmp_path: Path
) -> None:
    feed = ("--source", "feed", "--complete", *MAPPING)
    command.ok("import", write_csv(tmp_path / "1.csv", flats(8)), *feed, "--observed-at", "2024-05-01")
    second = {**edited(without(flats(8), "flat-2"), "flat-4", price=90_000), **flats(2, start=50)}
    command.ok("import", write_csv(tmp_path / "2.csv", second), *feed, "--observed-at", "2024-05-02", "--no-sync")

    dump = tmp_path / "listings.dump"
    for program, *arguments in (
        ("pg_dump", "--format", "custom", "--file", str(dump), command.database_url),
        ("pg_restore", "--no-owner", "--exit-on-error", "--dbname", restored_url, str(dump)),
    ):
        subprocess.run([beside_psql(program), *arguments], check=True, capture_output=True)

    third = write_csv(tmp_path / "3.csv", edited(second, "flat-7", title="Flat with a view"))
    outcomes = []
    for url in (restored_url, command.database_url):
        here = Command(url, command.home)
        here.ok("sync-pending")
        here.ok("import", third, *feed, "--observed-at", "2024-05-03")
        with psycopg.connect(url, autocommit=True) as opened:
            outcomes.append(tables(opened))
    assert outcomes[0] == outcomes[1]
    assert len(outcomes[0]["live"]) == 10
    assert {status for _, _, _, status, *_ in outcomes[0]["sessions"]} == {"complete"}


def beside_psql(program: str) -> Path:
    """A client program of PostgreSQL: the embedded server's, else the system's."""
    psql = embedded_postgres.psql_command()
    assert psql is not None
    return Path(psql[0]).with_name(program)
