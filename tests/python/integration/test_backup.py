"""A dump that is restored elsewhere syncs to the same tables as the original."""

from __future__ import annotations

import subprocess
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from scripts import embedded_postgres
from tests.python.conftest import Command
from tests.python.integration.snapshots import MAPPING, edited, flats, tables, without, write_csv

pytestmark = pytest.mark.slow


def test_a_restored_dump_syncs_to_the_same(command: Command, connection: psycopg.Connection, tmp_path: Path) -> None:
    feed = ("--source", "feed", "--complete", *MAPPING)
    command.ok("import", write_csv(tmp_path / "1.csv", flats(8)), *feed, "--observed-at", "2024-05-01")
    second = {**edited(without(flats(8), "flat-2"), "flat-4", price=90_000), **flats(2, start=50)}
    command.ok("import", write_csv(tmp_path / "2.csv", second), *feed, "--observed-at", "2024-05-02", "--no-sync")
    dump = tmp_path / "listings.dump"
    run("pg_dump", "--format", "custom", "--file", dump, command.database_url)

    outcomes = []
    for is_restored in (False, True):
        if is_restored:
            empty(connection)
            run("pg_restore", "--no-owner", "--exit-on-error", "--dbname", command.database_url, dump)
        command.ok("sync-pending")
        outcomes.append(tables(connection))
    assert outcomes[0] == outcomes[1]
    assert len(outcomes[0]["live"]) == 10
    assert {status for _, _, _, status, *_ in outcomes[0]["sessions"]} == {"complete"}


def empty(connection: psycopg.Connection) -> None:
    """Leave the database as `create database` makes it."""
    schemas = connection.execute("select nspname from pg_namespace where nspname like 'public%'").fetchall()
    for (schema,) in schemas:
        connection.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(schema)))
    connection.execute("create schema public")


def run(program: str, *arguments: str | Path) -> None:
    """Run a client program of PostgreSQL: the embedded server's, else the system's."""
    psql = embedded_postgres.psql_command()
    assert psql is not None
    subprocess.run([Path(psql[0]).with_name(program), *arguments], check=True, capture_output=True)
