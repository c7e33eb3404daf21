"""Numbered, forward-only migrations of the tables that the loaders and commands write."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import psycopg
from psycopg import sql

from loaders.database import SQL_DIRECTORY, connect, schema_name
from loaders.errors import PropertyManagerError

MIGRATIONS_DIRECTORY = SQL_DIRECTORY / "migrations"

_LOCK = "select pg_advisory_xact_lock(hashtext('property_manager migrations'))"
_CREATE_LOG = """
create table if not exists schema_migrations (
    migration text primary key,
    applied_at timestamptz not null default now()
)
"""


class DatabaseNewerThanCodeError(PropertyManagerError):
    """The database has migrations that this version of the project does not know."""

    code = "database_newer"


class MigrationFailedError(PropertyManagerError):
    """A migration could not be applied; its transaction was rolled back."""

    code = "migration_failed"


@cache
def known_migrations() -> tuple[Path, ...]:
    """The project's migrations in the order in which they apply."""
    return tuple(sorted(MIGRATIONS_DIRECTORY.glob("[0-9][0-9][0-9][0-9]_*.sql")))


def pending_migrations(connection: psycopg.Connection) -> list[Path]:
    """Migrations not applied yet; raises DatabaseNewerThanCodeError for a database from a newer version."""
    if connection.execute("select to_regclass('schema_migrations')").fetchone() == (None,):
        return list(known_migrations())
    applied = {name for (name,) in connection.execute("select migration from schema_migrations")}
    unknown = sorted(applied - {path.stem for path in known_migrations()})
    if unknown:
        raise DatabaseNewerThanCodeError(
            f"the database was migrated by a newer version (it has {unknown[-1]})",
            "Update the clone (git pull) and try again; nothing was changed.",
        )
    return [path for path in known_migrations() if path.stem not in applied]


def migrate(url: str) -> list[str]:
    """Apply what is missing, each migration in a transaction under one lock; returns the names applied."""
    with connect(url, application_name="property-manager migrate") as connection:
        return apply_migrations(connection)


def apply_migrations(connection: psycopg.Connection) -> list[str]:
    """Apply what is missing over an open autocommit connection; returns the names applied."""
    if not _schema_exists(connection):
        connection.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(schema_name())))
    applied: list[str] = []
    while True:
        with connection.transaction():
            connection.execute(_LOCK)
            connection.execute(_CREATE_LOG)
            pending = pending_migrations(connection)
            if not pending:
                return applied
            _apply(connection, pending[0])
            applied.append(pending[0].stem)


def _schema_exists(connection: psycopg.Connection) -> bool:
    found = connection.execute("select 1 from pg_namespace where nspname = %s", [schema_name()]).fetchone()
    return found is not None


def _apply(connection: psycopg.Connection, path: Path) -> None:
    try:
        connection.execute(path.read_text(encoding="utf-8").encode())
    except psycopg.Error as error:
        raise MigrationFailedError(
            f"migration {path.stem} failed and was rolled back: {str(error).strip()}",
            "Mend the cause named above and run `property-manager db migrate` again.",
        ) from error
    connection.execute("insert into schema_migrations (migration) values (%s)", [path.stem])
