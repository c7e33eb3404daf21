"""Database servers for tests: the one a variable names, an embedded one, and Debian's own where it is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from scripts import embedded_postgres

CONFIGURED = os.environ.get("PROPERTY_TEST_DATABASE_URL")
_DEBIAN_PACKAGES = Path("/usr/lib/postgresql")
_OLDEST_SUPPORTED = 15


def debian_binaries() -> Path | None:
    """The programs of the oldest PostgreSQL of Debian that the project supports, where one is installed."""
    versions = {int(folder.name): folder / "bin" for folder in _DEBIAN_PACKAGES.glob("[0-9]*")}
    supported = [version for version in sorted(versions) if version >= _OLDEST_SUPPORTED]
    return versions[supported[0]] if supported else None


def pgbouncer() -> str | None:
    """PgBouncer's program, where it is installed; Debian keeps it where only root looks."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")


def server_names(*, is_core: bool) -> list[str]:
    """The servers that a test runs on: core tests run on every one there is."""
    if CONFIGURED:
        return ["configured"]
    return ["embedded", "debian"] if is_core and debian_binaries() else ["embedded"]


class RunningServers:
    """The servers of one process: each is started when it is first asked for, and all end together.

    Tests of several servers may follow each other in any order, so none ends before the last test.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._stack = ExitStack()
        self._urls: dict[str, str] = {}

    def __enter__(self) -> RunningServers:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def url(self, name: str) -> str:
        """The libpq URL of the server of this name."""
        if name not in self._urls:
            self._urls[name] = self._stack.enter_context(_running_server(name, self._home))
        return self._urls[name]


@contextmanager
def _running_server(name: str, home: Path) -> Iterator[str]:
    """The libpq URL of a server, started for the run and gone with its data afterwards."""
    if name == "configured":
        assert CONFIGURED is not None
        yield CONFIGURED
    elif name == "debian":
        with _debian_server() as url:
            yield url
    else:
        os.environ["PROPERTY_EMBEDDED_FSYNC"] = "off"
        try:
            yield embedded_postgres.start(home).url
        finally:
            embedded_postgres.destroy(home)


@contextmanager
def _debian_server() -> Iterator[str]:
    binaries = debian_binaries()
    assert binaries is not None
    directory = Path(tempfile.mkdtemp(prefix="pm-"))
    identity = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(directory, nobody.pw_uid, nobody.pw_gid)
        identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

    def run(program: str, *arguments: str) -> None:
        command = [binaries / program, "-D", directory / "data", *arguments]
        subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL, **identity)

    options = f"-k {directory} -c listen_addresses='' -c fsync=off -c timezone=Europe/Warsaw"
    try:
        run("initdb", "-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        run("pg_ctl", "start", "-s", "-w", "-l", str(directory / "log"), "-o", options)
        try:
            yield f"postgresql://tester@/postgres?host={directory}"
        finally:
            run("pg_ctl", "stop", "-s", "-m", "immediate")
    finally:
        shutil.rmtree(directory)
