"""Connections and the SQL that the Python side runs, kept as named statements in `sql/*.sql`."""

from __future__ import annotations

import atexit
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg_pool import NullConnectionPool, PoolTimeout

from loaders.errors import DatabaseUnavailableError, UsageError

SQL_DIRECTORY = Path(__file__).parent / "sql"
MINIMUM_SERVER_VERSION = 150000
MAX_CONNECTIONS = 8
"""How many connections one process has at once; dbt's are its own."""

WAIT_SECONDS = 30.0
CONNECT_SECONDS = 10
FULL_DISK_BYTES = 64_000_000
"""Less than four segments of the server's log: a server that needs one more may find no room for it."""

# What the pool has to tell, such as a rollback after an error, whoever held the connection is told anyway.
logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)

_DISK_FULL = "53100"
_LOST = re.compile(f"08...|{_DISK_FULL}|57P0.")  # SQLSTATEs: connection exceptions, disk full, the server's end
_STATEMENT_HEADER = re.compile(r"^-- name: (?P<name>\w+)\n-- (?P<purpose>.+)\n", re.MULTILINE)


def schema_name() -> str:
    """The schema of the tables that keep their names, `PROPERTY_SCHEMA`, by default `public`."""
    name = os.environ.get("PROPERTY_SCHEMA") or "public"
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,40}", name):
        raise UsageError(
            f"PROPERTY_SCHEMA is {name!r}, which is not a plain schema name",
            "Use lower-case letters, digits and underscores, starting with a letter.",
        )
    return name


@contextmanager
def connect(url: str, *, application_name: str = "property-manager") -> Iterator[psycopg.Connection]:
    """An autocommit connection in UTC whose server process ends soon after its client is gone.

    All connections of this process to one database come from a pool of at most MAX_CONNECTIONS; at the end of the block
    the connection gives up what it holds, its locks included. Raises DatabaseUnavailableError when the server cannot be
    reached, is older than PostgreSQL 15, or no connection becomes free within WAIT_SECONDS.
    """
    pool = _pool(url, schema_name())
    try:
        connection = pool.getconn(WAIT_SECONDS)
    except PoolTimeout as error:
        raise DatabaseUnavailableError(
            f"no connection to the database within {WAIT_SECONDS:g} s",
            f"Check that the server answers; this process opens {MAX_CONNECTIONS} connections at most.",
        ) from error
    except (psycopg.OperationalError, psycopg.ProgrammingError) as error:
        raise DatabaseUnavailableError(
            f"cannot connect to the database: {str(error).strip()}",
            "Check DATABASE_URL, or unset it to use the embedded server.",
        ) from error
    try:
        connection.execute("select set_config('application_name', %s, false)", [application_name])
        yield connection
    finally:
        pool.putconn(connection)


@cache
def _pool(url: str, schema: str) -> NullConnectionPool:
    """A pool that keeps no idle connection, so that nothing stands in the way of who drops or copies a database."""
    pool = NullConnectionPool(
        url,
        kwargs={"autocommit": True, "connect_timeout": CONNECT_SECONDS},
        max_size=MAX_CONNECTIONS,
        configure=partial(_configure, schema),
        reset=partial(_reset, schema),
        num_workers=1,
        open=True,
    )
    atexit.register(pool.close)
    return pool


def _reset(schema: str, connection: psycopg.Connection) -> None:
    """Hand a connection to who waits for one as if it were new."""
    connection.execute("discard all")
    _configure(schema, connection)


def _configure(schema: str, connection: psycopg.Connection) -> None:
    if connection.info.server_version < MINIMUM_SERVER_VERSION:
        version = connection.info.server_version // 10000
        connection.close()
        raise DatabaseUnavailableError(
            f"the server runs PostgreSQL {version}; 15 or newer is needed",
            "Point DATABASE_URL at a newer server, or unset it to use the embedded one.",
        )
    connection.execute(
        sql.SQL("set timezone = 'UTC'; set client_connection_check_interval = '2s'; set search_path = {}").format(
            sql.Identifier(schema)
        )
    )


def lost_connection(
    error: BaseException, free_database_bytes: Callable[[], int | None] | None = None
) -> DatabaseUnavailableError | None:
    """What to tell a user of a connection that broke, or of a database that cannot go on; None for other errors.

    A server that cannot write its log ends all connections without a word about the disk; where the disk can be seen
    from here, `free_database_bytes` tells what is free on it.
    """
    if not isinstance(error, psycopg.OperationalError):
        return None
    return explained_loss(str(error), error.sqlstate, free_database_bytes)


def explained_loss(
    message: str, sqlstate: str | None, free_database_bytes: Callable[[], int | None] | None = None
) -> DatabaseUnavailableError | None:
    """As `lost_connection`, for the message and the SQLSTATE of any driver; without a SQLSTATE no server answered."""
    if not _LOST.match(sqlstate or "08000"):
        return None
    cause = message.strip().partition("\n")[0]
    if sqlstate == _DISK_FULL or is_disk_full(free_database_bytes):
        return no_space_left(cause)
    return DatabaseUnavailableError(
        f"the connection to the database was lost: {cause}",
        "It may be restarting. `property-manager status` shows what waits once it is back; what was committed is kept.",
    )


def is_disk_full(free_database_bytes: Callable[[], int | None] | None) -> bool:
    """Whether the disk of the database is seen to be full."""
    free = None if free_database_bytes is None else free_database_bytes()
    return free is not None and free < FULL_DISK_BYTES


def no_space_left(cause: str) -> DatabaseUnavailableError:
    """What to tell a user of a database whose disk is full."""
    return DatabaseUnavailableError(
        f"the database has no space left: {cause}",
        "Free space on the database's disk, then run the command again; what was committed is kept.",
    )


@contextmanager
def losses_explained(free_database_bytes: Callable[[], int | None] | None = None) -> Iterator[None]:
    """Within it a broken connection raises DatabaseUnavailableError; other errors pass."""
    try:
        yield
    except psycopg.OperationalError as error:
        told = lost_connection(error, free_database_bytes)
        if told is None:
            raise
        raise told from error


@cache
def statements(file_name: str, directory: Path = SQL_DIRECTORY) -> dict[str, str]:
    """The named statements of one SQL file, each headed by its name and one line of purpose."""
    text = (directory / file_name).read_text(encoding="utf-8")
    headers = list(_STATEMENT_HEADER.finditer(text))
    ends = [header.start() for header in headers[1:]] + [len(text)]
    return {header["name"]: text[header.end() : end].strip() for header, end in zip(headers, ends, strict=True)}
