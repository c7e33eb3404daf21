"""The month that a crawl lands its rows in stays while the crawl may go on."""

from __future__ import annotations

import uuid
from pathlib import Path

import psycopg
import pytest

from loaders.sessions import resume_session
from tests.python.conftest import Command
from tests.python.integration.snapshots import MAPPING, flats, write_csv

MONTH = "property_scrapes_staging_2024_11"


@pytest.mark.slow
def test_a_crawl_that_waits_finds_its_month_again(
    command: Command, connection: psycopg.Connection, tmp_path: Path
) -> None:
    """It was broken off before its first row, in the last minutes of a month."""
    command.ok("import", write_csv(tmp_path / "day.csv", flats(2)), "--source", "feed", "--complete", *MAPPING)
    waiting = uuid.uuid4()
    connection.execute(
        """
        insert into scrape_sessions (session_id, source, scope, session_kind, target_url, status, opened_at)
        values (%s, 'feed', 'all', 'scrape', 'https://portal.example', 'interrupted', '2024-11-30 23:50+00')
        """,
        [waiting],
    )
    connection.execute("select ensure_staging_partition('2024-11-30 23:50+00')")

    cleaned = command.ok("cleanup", "--days", "1", "--json").json
    assert (cleaned["dropped_partitions"], month_stands(connection)) == ([], True)

    connection.execute("update scrape_sessions set status = 'failed' where session_id = %s", [waiting])
    cleaned = command.ok("cleanup", "--days", "1", "--json").json
    assert (cleaned["dropped_partitions"], month_stands(connection)) == ([MONTH], False)

    connection.execute("update scrape_sessions set status = 'interrupted' where session_id = %s", [waiting])
    resume_session(connection, waiting)
    assert month_stands(connection)


def month_stands(connection: psycopg.Connection) -> bool:
    return connection.execute("select to_regclass(%s) is not null", [MONTH]).fetchone() == (True,)
