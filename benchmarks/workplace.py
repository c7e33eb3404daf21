"""Where a benchmark runs: a throw-away server with databases of its own, and a folder for files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from loaders.migrate import migrate
from scripts import embedded_postgres
from scripts.config import configured_database_url, load_dotenv


@contextmanager
def workplace() -> Iterator[tuple[str, Path]]:
    """A server to make databases on and a folder for files; what was made is deleted afterwards."""
    load_dotenv()
    with tempfile.TemporaryDirectory(prefix="property-manager-") as name:
        home = Path(name)
        os.environ["PROPERTY_HOME"] = name
        configured = configured_database_url()
        if configured is not None:
            yield configured, home
            return
        try:
            yield embedded_postgres.start(home).url, home
        finally:
            embedded_postgres.destroy(home)


@contextmanager
def database(server_url: str, purpose: str) -> Iterator[str]:
    """The URL of a new, migrated database, dropped afterwards."""
    name = f"property_manager_benchmark_{purpose}_{os.getpid()}"
    identifier = sql.Identifier(name)
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(sql.SQL("create database {}").format(identifier))
        try:
            url = urlsplit(server_url)._replace(path=f"/{name}").geturl()
            migrate(url)
            yield url
        finally:
            admin.execute(sql.SQL("drop database {} with (force)").format(identifier))
