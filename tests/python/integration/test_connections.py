"""Connections come from one bounded pool, and each begins as if it were new."""

from __future__ import annotations

from contextlib import ExitStack
from threading import Thread

import psycopg
import pytest

from loaders import database
from loaders.database import MAX_CONNECTIONS, connect
from loaders.errors import DatabaseUnavailableError
from tests.python.integration.test_crawl import wait_until

OWN = "select count(*) from pg_stat_activity where application_name = 'pool test'"


def test_a_process_opens_no_more_connections_than_the_pool_has(
    database_url: str, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "WAIT_SECONDS", 0.2)
    with ExitStack() as held:
        for _ in range(MAX_CONNECTIONS):
            held.enter_context(connect(database_url, application_name="pool test"))
        with pytest.raises(DatabaseUnavailableError, match=r"no connection to the database within 0\.2 s"):
            held.enter_context(connect(database_url))
        assert connection.execute(OWN).fetchone() == (MAX_CONNECTIONS,)
    # The server needs a moment to notice who left.
    wait_until(lambda: connection.execute(OWN).fetchone() == (0,))


def test_who_waits_gets_a_connection_without_what_the_last_one_left(
    database_url: str, connection: psycopg.Connection
) -> None:
    lock = "select pg_try_advisory_lock(1, 2)"
    got: list[tuple[int, object, object]] = []

    def wait_for_one() -> None:
        with connect(database_url) as own:
            zone, path = own.execute("select current_setting('timezone'), current_schema()").fetchone() or ()
            got.append((own.info.backend_pid, zone, path))
            own.execute("select pg_sleep(0.2)")

    with ExitStack() as held:
        for _ in range(MAX_CONNECTIONS - 1):
            held.enter_context(connect(database_url))
        with connect(database_url) as last:
            last.execute("set timezone = 'Europe/Warsaw'; set search_path = pg_catalog")
            assert last.execute(lock).fetchone() == (True,)
            pid = last.info.backend_pid
            waiting = Thread(target=wait_for_one)
            waiting.start()
            wait_until(lambda: database._pool(database_url, "public").get_stats().get("requests_waiting"))
        waiting.join()
        assert connection.execute(lock).fetchone() == (True,)
    assert got == [(pid, "UTC", "public")]
