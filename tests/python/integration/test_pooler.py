"""`doctor` before a pooler, in the mode that works and in the one that does not; collected where PgBouncer is."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.python.conftest import Command
from tests.python.servers import pgbouncer

pytestmark = pytest.mark.slow

Pooler = Callable[[str], str]

SETTINGS = """
[databases]
* = host={host} port={port} user={user}

[pgbouncer]
listen_port = 6432
unix_socket_dir = {directory}
auth_type = any
pool_mode = {mode}
"""


@pytest.fixture
def pooler(database_url: str) -> Iterator[Pooler]:
    """A function that starts PgBouncer before the test's server in a mode; returns the URL of the test's database."""
    server = conninfo_to_dict(database_url)
    if not str(server.get("host")).startswith("/"):
        pytest.skip("the server has no local socket")
    with ExitStack() as stack:
        yield lambda mode: stack.enter_context(_running(server, mode))


def test_a_pooler_in_transaction_mode_is_found(command: Command, pooler: Pooler) -> None:
    found = command.run("doctor", "--json", DATABASE_URL=pooler("transaction"))
    (sessions,) = [check for check in found.json["checks"] if check["name"] == "Sessions"]
    assert (found.code, sessions["ok"], "transaction mode" in sessions["finding"]) == (1, False, True)
    assert "session mode" in sessions["mend"]


def test_a_pooler_in_session_mode_is_fine(command: Command, pooler: Pooler) -> None:
    found = command.ok("doctor", "--json", DATABASE_URL=pooler("session"))
    assert [check["ok"] for check in found.json["checks"] if check["name"] == "Sessions"] == [True]


@contextmanager
def _running(server: dict, mode: str) -> Iterator[str]:
    owner = Path(server["host"]).stat()
    with tempfile.TemporaryDirectory(prefix="pooler-", dir="/tmp") as name:
        directory = Path(name)
        settings = directory / "pgbouncer.ini"
        settings.write_text(
            SETTINGS.format(
                host=server["host"], port=server["port"], user=server["user"], directory=directory, mode=mode
            )
        )
        as_owner = {}
        if os.geteuid() == 0:
            # PgBouncer refuses to run as root, and the socket is open to the server's user alone.
            os.chown(directory, owner.st_uid, owner.st_gid)
            settings.chmod(0o644)
            as_owner = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
        process = subprocess.Popen(
            [pgbouncer(), "-q", str(settings)],
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **as_owner,
        )
        url = f"postgresql://{server['user']}@/{server['dbname']}?host={directory}&port=6432"
        try:
            _wait_for(url)
            yield url
        finally:
            process.terminate()
            process.wait(timeout=10)


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
