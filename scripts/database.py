"""The database that commands work on: the configured one, or the embedded server, started and migrated on demand."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from loaders.database import connect
from loaders.errors import UsageError
from loaders.migrate import migrate
from scripts import embedded_postgres
from scripts.config import configured_database_url, free_bytes, project_root

DEMO_DATABASE = "property_manager_demo"
_READ_BY_DBT = ("PROPERTY_SCHEMA", "PROPERTY_DBT_THREADS", "PROPERTY_HOME")


def database_url() -> str:
    """The URL of the database without touching its schema; starts the embedded server when that is the one meant."""
    configured = configured_database_url()
    if configured is not None and not _is_embedded(configured):
        return configured
    started = embedded_postgres.start().url
    return configured or started


def ready_database() -> str:
    """The URL of a database that runs and has every migration."""
    url = database_url()
    migrate(url)
    return url


def demo_database_url() -> str:
    """The URL of the demo's own database on the embedded server."""
    return embedded_postgres.start().url.replace("/property_manager?", f"/{DEMO_DATABASE}?")


def fresh_demo_database() -> str:
    """An empty, migrated database for the demo, always on the embedded server; an earlier demo's data are dropped."""
    with connect(embedded_postgres.start().url) as connection:
        name = sql.Identifier(DEMO_DATABASE)
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(name))
        connection.execute(sql.SQL("create database {}").format(name))
    url = demo_database_url()
    migrate(url)
    return url


def data_directory() -> Path | None:
    """Where the data of the database lie when the embedded server is meant; None for another server."""
    configured = configured_database_url()
    if configured is not None and not _is_embedded(configured):
        return None
    return embedded_postgres.data_directory()


def free_database_bytes() -> int | None:
    """Free bytes on the disk of the database; None where it cannot be seen from here."""
    directory = data_directory()
    return None if directory is None else free_bytes(directory)


def shell_environment(url: str) -> str:
    """Lines for `eval` that prepare a shell for commands and plain dbt against a database."""
    exports = {
        "DATABASE_URL": url,
        **{name: os.environ[name] for name in _READ_BY_DBT if name in os.environ},
        "DBT_PROJECT_DIR": str(project_root()),
        "DBT_PROFILES_DIR": str(project_root()),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in exports.items())


def refuse_with_configured_database() -> None:
    """Raise UsageError when DATABASE_URL names another server than the embedded one."""
    configured = configured_database_url()
    if configured is not None and not _is_embedded(configured):
        raise UsageError(
            "DATABASE_URL names another server, so commands do not use the embedded one",
            "Unset it, here or in .env, to use the embedded server.",
        )


def _is_embedded(url: str) -> bool:
    """Whether a URL leads to this clone's embedded server, as in a shell that `db env` prepared."""
    try:
        host = conninfo_to_dict(url).get("host")
    except psycopg.ProgrammingError:
        return False
    return host == conninfo_to_dict(embedded_postgres.url())["host"]


def run_psql(arguments: Sequence[str]) -> int:
    """Run psql on the database and return its exit code."""
    command = embedded_postgres.psql_command()
    if command is None:
        raise UsageError("psql was not found", "Install it, for example with `apt-get install postgresql-client`.")
    return subprocess.run([*command, database_url(), *arguments], check=False).returncode
