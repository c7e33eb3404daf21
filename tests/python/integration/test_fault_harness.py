"""The short form of `make faults`, on the server and the parsed project of the other tests: each step once.

Every barrier of every story, every page, before and after every node of dbt, and 20 random times. What would recover is
killed at the next step; the tables are compared after each story, and in between after every 32 kills at nodes.
"""

from __future__ import annotations

import re
import subprocess
import sys

import psycopg
import pytest

from tests.python.conftest import ROOT, Command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

SHORT = ("--repeat", "1", "--chained", "--random", "20", "--rounds", "0", "--processes", "1")


@pytest.mark.parametrize(
    ("groups", "least"),
    [
        (("kill at a node of a first sync", "kill at a node of a later sync"), 96),
        (("kill at a named step", "kill at random times", "signals and lost clients"), 82),
    ],
    ids=["nodes of dbt", "named steps and random times"],
)
def test_whatever_is_killed_recovers(
    command: Command, connection: psycopg.Connection, server_url: str, groups: tuple[str, ...], least: int
) -> None:
    """`least` is how many faults must have been brought about."""
    database = connection.info.dbname
    connection.close()
    places = ("--server", server_url, "--database", database, "--home", str(command.home))
    chosen = [word for group in groups for word in ("--group", group)]
    ended = subprocess.run(
        [sys.executable, "-m", "tests.faults", *SHORT, *places, *chosen],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1400,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    reported = re.findall(r"^(.+): (\d+) tried, 0 failed", ended.stdout, re.MULTILINE)
    assert [group for group, _ in reported] == list(groups), ended.stdout
    assert sum(int(tried) for _, tried in reported) >= least, ended.stdout
