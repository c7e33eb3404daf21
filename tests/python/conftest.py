"""One database server for the whole run, a fresh database per test, and the real command as a subprocess."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from loaders.migrate import migrate
from scripts.property_manager_cli import main
from tests.python.servers import CONFIGURED, debian_binaries, running_server, server_names

ROOT = Path(__file__).resolve().parents[2]
SHARED_DATA = ROOT.parent / "shared" / "data"

_DATABASE = "property_manager_test"


def pytest_report_header() -> str:
    """Say which servers the core of the suite runs on."""
    debian = debian_binaries()
    also = f" and on {debian}" if debian else "; no PostgreSQL of Debian is installed here"
    return "core tests: on the server of PROPERTY_TEST_DATABASE_URL" if CONFIGURED else f"core tests: embedded{also}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on its servers; the embedded one is not named in the test's id."""
    if "server_url" in metafunc.fixturenames:
        names = server_names(is_core=metafunc.definition.get_closest_marker("core") is not None)
        first = pytest.param(names[0], id=pytest.HIDDEN_PARAM)
        others = [pytest.param(name, marks=pytest.mark.slow) for name in names[1:]]
        metafunc.parametrize("server_url", [first, *others], indirect=True, scope="session")


@pytest.fixture(scope="session")
def server_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server that tests use; see `tests.python.servers`."""
    with running_server(request.param, tmp_path_factory.mktemp("property_home")) as url:
        yield url


@pytest.fixture(scope="session")
def template_database(server_url: str) -> Iterator[str]:
    """A migrated database that tests copy instead of migrating again."""
    name = f"{_DATABASE}_template"
    with psycopg.connect(server_url, autocommit=True) as admin:
        _drop(admin, name)
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    migrate(_with_database(server_url, name))
    yield name
    with psycopg.connect(server_url, autocommit=True) as admin:
        _drop(admin, name)


@pytest.fixture
def empty_database_url(server_url: str) -> Iterator[str]:
    """A database without any migration, for one test."""
    yield from _database_of(server_url, "template1")


@pytest.fixture
def database_url(server_url: str, template_database: str) -> Iterator[str]:
    """A migrated database for one test. Its name is always the same, so that dbt need not parse the project again."""
    yield from _database_of(server_url, template_database)


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection to the test's database."""
    with psycopg.connect(database_url, autocommit=True) as opened:
        opened.execute("set timezone = 'UTC'")
        yield opened


@dataclass
class Result:
    """What a command printed and how it ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.stdout)


@dataclass
class Command:
    """Runs `property-manager` as its users do, in a process of its own."""

    database_url: str
    home: Path

    def start(self, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
        """Start the command without waiting for it."""
        return subprocess.Popen(
            [sys.executable, "-m", "scripts.property_manager_cli", *map(str, arguments)],
            cwd=ROOT,
            env={**os.environ, **self._environment(), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str | Path, **environment: str) -> Result:
        """Run the command to its end in this process, whatever its exit code; dbt is imported once."""
        result = CliRunner().invoke(
            main,
            list(map(str, arguments)),
            env={**self._environment(), **environment},
            prog_name="property-manager",
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Result(result.exit_code, result.stdout, result.stderr)

    def run_in_process_of_its_own(self, *arguments: str | Path, **environment: str) -> Result:
        """Run the command to its end as a shell would."""
        process = self.start(*arguments, **environment)
        stdout, stderr = process.communicate(timeout=500)
        return Result(process.returncode, stdout, stderr)

    def ok(self, *arguments: str | Path, **environment: str) -> Result:
        """Run the command and expect exit code 0."""
        result = self.run(*arguments, **environment)
        assert result.code == 0, f"exit code {result.code}\n{result.stdout}\n{result.stderr}"
        return result

    def _environment(self) -> dict[str, str]:
        return {"DATABASE_URL": self.database_url, "PROPERTY_HOME": str(self.home), "COLUMNS": "200"}


@pytest.fixture(scope="session")
def command_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One PROPERTY_HOME for all commands of a run, so that dbt's parsed project is shared."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def command(database_url: str, command_home: Path) -> Command:
    """The command line against the test's database."""
    return Command(database_url, command_home)


@pytest.fixture
def shared_data() -> Path:
    """Real listing snapshots beside the project; skips where they are absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real listing snapshots (../shared/data) are not on this machine")
    return SHARED_DATA


def _database_of(server_url: str, template: str) -> Iterator[str]:
    with psycopg.connect(server_url, autocommit=True) as admin:
        _drop(admin, _DATABASE)
        statement = sql.SQL("create database {} template {}")
        admin.execute(statement.format(sql.Identifier(_DATABASE), sql.Identifier(template)))
    yield _with_database(server_url, _DATABASE)
    with psycopg.connect(server_url, autocommit=True) as admin:
        _drop(admin, _DATABASE)


def _drop(admin: psycopg.Connection, name: str) -> None:
    admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def _with_database(url: str, name: str) -> str:
    parts = conninfo_to_dict(url)
    query = "&".join(f"{key}={value}" for key, value in parts.items() if key in ("host", "port", "sslmode"))
    user = parts.get("user", "")
    password = f":{parts['password']}" if parts.get("password") else ""
    return f"postgresql://{user}{password}@/{name}?{query}"
