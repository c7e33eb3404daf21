"""The short form of `make faults`, on the server and the parsed project of the other tests.

Kills of replays, rollbacks and clean-ups have tests of their own, beside the commands.
"""

from __future__ import annotations

import subprocess
import sys

import psycopg
import pytest

from tests.python.conftest import ROOT, Command

pytestmark = pytest.mark.slow

SHORT = ("--repeat", "1", "--sampled", "1", "--chained", "--random", "20", "--rounds", "0", "--processes", "1")
SHORT += ("--story", "import", "--story", "scrape")


def test_whatever_is_killed_recovers(command: Command, connection: psycopg.Connection, server_url: str) -> None:
    database = connection.info.dbname
    connection.close()
    places = ("--server", server_url, "--database", database, "--home", str(command.home))
    ended = subprocess.run(
        [sys.executable, "-m", "tests.faults", *SHORT, *places],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ", 0 failed" in ended.stdout
