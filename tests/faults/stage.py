"""A database that can be put back to a kept state, and commands run in forks of one warm process.

Importing dbt, parsing the project and compiling its macros takes seconds: so the harness does that once and forks for
every command. A fork is a process of its own with its own connections, and dies by the same signals. It syncs as a new
process does, with seeds and views, or as one that has synced before.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg import sql

from loaders import crawl, importer
from loaders.migrate import migrate
from scripts.config import project_root
from scripts.dbt_runner import DbtProject, dbt_directory
from scripts.property_manager_cli import main

RECOVERY_SECONDS = 90
"""A command that is not done by then hangs, which is a fault of its own."""

CLIENTS = """
select count(*) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and application_name like 'property-manager%'
"""
"""Counts the connections of commands."""

_SMALL_BATCH = 16


class Ended(NamedTuple):
    """How a command ended: its exit code, negative for a signal; its output; seconds."""

    code: int
    output: str
    seconds: float


class Running:
    """A command in a fork of this process."""

    def __init__(self, pid: int, output: Path) -> None:
        self.pid = pid
        self._output = output
        self._started = time.monotonic()

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens where the command has ended."""
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return

    def wait(self, seconds: float = RECOVERY_SECONDS) -> Ended:
        """The end of the command. Raises TimeoutError, and kills it, when it lasts longer."""
        deadline = time.monotonic() + seconds
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                return Ended(code, self._output.read_text(errors="replace"), time.monotonic() - self._started)
            if time.monotonic() > deadline:
                self.send(signal.SIGKILL)
                os.waitpid(self.pid, 0)
                raise TimeoutError(f"not done after {seconds:.0f} s\n{self._output.read_text(errors='replace')}")
            time.sleep(0.005)


@dataclass
class Stage:
    """One database of a server with its kept states. `folder` holds feeds and outputs, `home` is PROPERTY_HOME."""

    server_url: str
    database: str
    url: str
    folder: Path
    home: Path
    _names: list[str] = field(default_factory=list)
    """The names of dbt's nodes in the order of a sync."""

    def open(self) -> None:
        """Make the states `empty`, which is migrated, and `built` by dbt; small files then have several batches."""
        importer.BATCH_ROWS = _SMALL_BATCH
        crawl.BATCH_ROWS = 1
        self._set_environment({})
        self._recreate("template1")
        # Not in this process: its pool of connections must not be inherited by forks.
        prepared = self.fork(lambda: migrate(self.url)).wait()
        assert prepared.code == 0, prepared.output
        self.keep("empty")
        project = DbtProject(self.url)
        self._names = list(project.build("sync").node_seconds)
        project.build("sync_again")
        self.keep("built")
        # What forks share stays shared: collecting garbage would write to its pages.
        gc.freeze()

    def close(self) -> None:
        """Drop the database and its kept states."""
        with psycopg.connect(self.server_url, autocommit=True) as admin:
            names = [name for (name,) in admin.execute("select datname from pg_database")]
            for name in names:
                if name == self.database or name.startswith(f"{self.database}_kept_"):
                    _drop(admin, name)

    def keep(self, state: str) -> None:
        """Keep the database as it is now under a name."""
        with psycopg.connect(self.server_url, autocommit=True) as admin:
            _drop(admin, self._kept(state))
            _copy(admin, self.database, self._kept(state))

    def reset(self, state: str) -> None:
        """Put the database back to a kept state; whoever is connected is thrown out."""
        self._recreate(self._kept(state))

    def connect(self) -> psycopg.Connection:
        """A connection in UTC that commits each statement."""
        connection = psycopg.connect(self.url, autocommit=True)
        connection.execute("set timezone = 'UTC'")
        return connection

    def wait_until_alone(self, seconds: float = RECOVERY_SECONDS) -> None:
        """Wait until the database has noticed that no command is connected any more."""
        with self.connect() as connection:
            until(lambda: connection.execute(CLIENTS).fetchone() == (0,), seconds, "a statement goes on for nobody")

    def run(self, *arguments: str, is_first: bool = True) -> Ended:
        """Run a command to its end."""
        return self.start(*arguments, is_first=is_first).wait()

    def ok(self, *arguments: str, is_first: bool = True) -> Ended:
        """Run a command that must succeed."""
        ended = self.run(*arguments, is_first=is_first)
        if ended.code != 0:
            raise AssertionError(f"{' '.join(arguments)} ended with {ended.code}\n{ended.output}")
        return ended

    def start(self, *arguments: str, is_first: bool = True, **environment: str) -> Running:
        """Start a command, as the first of its process or as one that follows a sync."""

        def command() -> None:
            if is_first:
                DbtProject.forget_built()
            main(list(arguments), prog_name="property-manager")

        return self.fork(command, **environment)

    def fork(self, work: Callable[[], object], **environment: str) -> Running:
        """Do some work in a process of its own, whose output goes to a file; it has begun when this returns."""
        output = self.folder / f"output-{time.monotonic_ns()}"
        begun, begins = os.pipe()
        pid = os.fork()
        if pid:
            output.touch()
            os.close(begins)
            os.read(begun, 1)
            os.close(begun)
            return Running(pid, output)
        code = 1
        try:
            os.setpgid(0, 0)
            descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(descriptor, 1)
            os.dup2(descriptor, 2)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._set_environment(environment)
            os.close(begins)
            work()
            code = 0
        except SystemExit as exit_:
            code = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def plain_build(self, number: int, *more: str) -> tuple[str, ...]:
        """A plain `dbt build` without tests; runs side by side need target paths of their own."""
        target = self.folder / f"target-{number}"
        if not target.exists():
            shutil.copytree(dbt_directory(), target)
        build = ("build", "--exclude-resource-type", "unit_test", "--exclude-resource-type", "test")
        return ("dbt", "--", *build, "--target-path", str(target), *more)

    def dbt_nodes(self, selector: str) -> list[str]:
        """The ids of dbt's nodes that a selector runs and of the hooks in the manifest, in the order of a sync."""
        from dbt.cli.main import dbtRunner

        manifest = DbtProject(self.url).manifest
        places = ("--project-dir", "--profiles-dir", "--target-path")
        paths = (project_root(), project_root(), dbt_directory())
        options = [word for place, path in zip(places, paths, strict=True) for word in (place, str(path))]
        listing = ("ls", "--selector", selector, "--output", "json", "--output-keys", "unique_id")
        result = dbtRunner(manifest=manifest).invoke(["--quiet", "--log-level", "none", *listing, *options])
        if not result.success:
            raise AssertionError(f"dbt ls failed: {result.exception}")
        nodes = [json.loads(line)["unique_id"] for line in result.result]
        nodes += [node for node in manifest.nodes if node.startswith("operation.")]
        # Sources are listed as well; nothing runs for them.
        order = {name: number for number, name in enumerate(self._names)}
        return sorted(
            (node for node in nodes if not node.startswith("source.")), key=lambda node: order[node.split(".", 2)[-1]]
        )

    def _set_environment(self, more: dict[str, str]) -> None:
        os.environ.update({"DATABASE_URL": self.url, "PROPERTY_HOME": str(self.home), "COLUMNS": "200", **more})

    def _recreate(self, template: str) -> None:
        with psycopg.connect(self.server_url, autocommit=True) as admin:
            _drop(admin, self.database)
            _copy(admin, template, self.database)

    def _kept(self, state: str) -> str:
        return f"{self.database}_kept_{state}"


def until(holds: Callable[[], bool], seconds: float, otherwise: str) -> None:
    """Wait until something holds. Raises AssertionError when it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"{otherwise}, after {seconds:.0f} s")
        time.sleep(0.02)


def _drop(admin: psycopg.Connection, name: str) -> None:
    admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def _copy(admin: psycopg.Connection, source: str, target: str) -> None:
    """Copy a database, once whoever was connected to it is gone."""
    statement = sql.SQL("create database {} template {}").format(sql.Identifier(target), sql.Identifier(source))
    deadline = time.monotonic() + RECOVERY_SECONDS
    while True:
        try:
            admin.execute(statement)
        except psycopg.errors.ObjectInUse:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
