"""Database servers for the whole run, a fresh database per test, and the real command.

Several processes may share a run (pytest-xdist): each has servers, database names and a PROPERTY_HOME of its own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from loaders.migrate import migrate
from scripts.dbt_runner import DbtProject
from scripts.property_manager_cli import main
from tests.python.servers import CONFIGURED, RunningServers, debian_binaries, pgbouncer, server_names

ROOT = Path(__file__).resolve().parents[2]
SHARED_DATA = ROOT.parent / "shared" / "data"

# Optional as Debian's PostgreSQL is: what `doctor` decides by has unit tests.
collect_ignore = [] if pgbouncer() else ["integration/test_pooler.py"]

_WORKER = os.environ.get("PYTEST_XDIST_WORKER")
_DATABASE = f"property_manager_test_{_WORKER}" if _WORKER else "property_manager_test"
_MIGRATED = f"{_DATABASE}_migrated"
_BUILT = f"{_DATABASE}_built"


def pytest_configure() -> None:
    """Let crawls reach the portals of tests, which listen on one loopback address, and nothing else that is private.

    A shell starts what it puts into the background deaf to Ctrl-C; commands under test have to hear it.
    """
    os.environ["PROPERTY_ALLOW_PRIVATE_NETWORK"] = "127.0.0.1"
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    """Say which servers the core of the suite runs on."""
    debian = debian_binaries()
    also = f" and on {debian}" if debian else "; no PostgreSQL of Debian is installed here"
    return "core tests: on the server of PROPERTY_TEST_DATABASE_URL" if CONFIGURED else f"core tests: embedded{also}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on its servers; the embedded one is not named in the test's id."""
    if "server_name" in metafunc.fixturenames:
        names = server_names(is_core=metafunc.definition.get_closest_marker("core") is not None)
        first = pytest.param(names[0], id=pytest.HIDDEN_PARAM)
        others = [pytest.param(name, marks=pytest.mark.slow) for name in names[1:]]
        metafunc.parametrize("server_name", [first, *others], scope="session")


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServers]:
    """The servers that tests use; see `tests.python.servers`."""
    with RunningServers(tmp_path_factory.mktemp("property_home")) as running:
        yield running


@pytest.fixture
def server_url(servers: RunningServers, server_name: str) -> str:
    """The server that this test runs on."""
    return servers.url(server_name)


@pytest.fixture(scope="session")
def templates(servers: RunningServers) -> Iterator[set[tuple[str, str]]]:
    """By server and name, the databases that tests copy; they are dropped at the end."""
    made: set[tuple[str, str]] = set()
    yield made
    for url, name in made:
        with psycopg.connect(url, autocommit=True) as admin:
            _drop(admin, name)


@pytest.fixture
def migrated_template(server_url: str, templates: set[tuple[str, str]]) -> str:
    """A migrated database that tests copy instead of migrating again."""
    if (server_url, _MIGRATED) not in templates:
        with psycopg.connect(server_url, autocommit=True) as admin:
            _drop(admin, _MIGRATED)
            admin.execute(sql.SQL("create database {}").format(sql.Identifier(_MIGRATED)))
        migrate(_with_database(server_url, _MIGRATED))
        templates.add((server_url, _MIGRATED))
    return _MIGRATED


@pytest.fixture
def built_template(
    server_url: str,
    migrated_template: str,
    templates: set[tuple[str, str]],
    command_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """A database that dbt has built, built under the name that tests use, so that this process builds no view twice."""
    if (server_url, _BUILT) not in templates:
        monkeypatch.setenv("PROPERTY_HOME", str(command_home))
        with _database_of(server_url, migrated_template) as url:
            assert DbtProject(url).build("sync").success
            with psycopg.connect(server_url, autocommit=True) as admin:
                _drop(admin, _BUILT)
                rename = sql.SQL("alter database {} rename to {}")
                admin.execute(rename.format(sql.Identifier(_DATABASE), sql.Identifier(_BUILT)))
        templates.add((server_url, _BUILT))
    return _BUILT


@pytest.fixture
def empty_database_url(server_url: str) -> Iterator[str]:
    """A database without any migration, for one test."""
    with _database_of(server_url, "template1") as url:
        yield url


@pytest.fixture
def database_url(request: pytest.FixtureRequest, server_url: str, migrated_template: str) -> Iterator[str]:
    """A migrated database for one test, built where the test is not about the first build.

    Its name is always the same, so that dbt need not parse the project again.
    """
    is_built = "command" in request.fixturenames and request.node.get_closest_marker("first_build") is None
    template = request.getfixturevalue("built_template") if is_built else migrated_template
    with _database_of(server_url, template) as url:
        yield url


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
def command_homes() -> dict[str, Path]:
    """By server, one PROPERTY_HOME for all commands of a run, so that dbt's parsed project is shared."""
    return {}


@pytest.fixture
def command_home(server_name: str, command_homes: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The PROPERTY_HOME of commands on the test's server."""
    if server_name not in command_homes:
        command_homes[server_name] = tmp_path_factory.mktemp("home")
    return command_homes[server_name]


@pytest.fixture
def parsed_project(command_home: Path) -> Path:
    """The target path of the commands, for tests that run dbt itself: it need not parse the project again."""
    return command_home / "dbt" / "public"


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


@contextmanager
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
