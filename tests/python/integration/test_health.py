"""`status` and `metrics`: what they say of a healthy system and of one that needs help."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from loaders.database import losses_explained
from loaders.errors import DatabaseUnavailableError
from scripts import database, embedded_postgres
from scripts.embedded_cluster import locate
from scripts.status import findings, system_status
from tests.python.conftest import Command
from tests.python.integration.snapshots import MAPPING, flats, write_csv

HEALTHY = {
    "sources": [{"source": "feed", "is_late": False, "pending_sessions": 0}],
    "attention": [{"session_status": "complete"}],
    "unfinished_sync": None,
    "storage": {"free_bytes": 5_000_000_000, "database_free_bytes": 5_000_000_000},
    "queues": {"notification_usage": 0.0},
}


@pytest.mark.parametrize(
    ("changed", "finding"),
    [
        ({"sources": [{"source": "feed", "is_late": True, "pending_sessions": 0}]}, "no recent good session of feed"),
        ({"sources": [{"source": "feed", "is_late": False, "pending_sessions": 2}]}, "2 sessions waiting for a sync"),
        ({"attention": [{"session_status": "quarantined"}]}, "1 session did not end well"),
        ({"unfinished_sync": {"status": "published", "error": None}}, "the last sync is published: its run was broken"),
        (
            {"storage": {"free_bytes": 200_000_000, "database_free_bytes": None}},
            "only 0.2 GB are free on the disk of PROPERTY_HOME",
        ),
        (
            {"storage": {"free_bytes": 5_000_000_000, "database_free_bytes": 200_000_000}},
            "only 0.2 GB are free on the disk of the database",
        ),
        ({"queues": {"notification_usage": 0.75}}, "the queue of notifications is 75% full"),
    ],
)
def test_each_trouble_is_found_and_has_a_next_step(changed: dict, finding: str) -> None:
    assert findings(HEALTHY) == []
    (found,) = findings({**HEALTHY, **changed})
    assert found["finding"].startswith(finding)
    assert found["next_step"]


def test_the_disk_of_the_database_is_that_of_its_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PROPERTY_HOME", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    data = locate(tmp_path).data
    measured: list[Path] = []

    def usage(path: Path) -> SimpleNamespace:
        measured.append(path)
        return SimpleNamespace(free=1)

    monkeypatch.setattr("shutil.disk_usage", usage)
    assert (database.data_directory(), database.free_database_bytes()) == (data, 1)
    assert data.is_relative_to(measured[0])
    assert os.geteuid() != 0 or not measured[0].is_relative_to(tmp_path), "the data of root lie elsewhere"
    monkeypatch.setenv("DATABASE_URL", embedded_postgres.url())
    assert database.data_directory() == data
    monkeypatch.setenv("DATABASE_URL", "postgresql://somewhere.example/db")
    assert (database.data_directory(), database.free_database_bytes()) == (None, None)


@pytest.mark.parametrize(
    ("free", "told"), [(None, "was lost"), (5_000_000_000, "was lost"), (1_000_000, "has no space left")]
)
def test_a_connection_that_broke_on_a_full_disk_is_told_as_such(free: int | None, told: str) -> None:
    broken = psycopg.OperationalError("server closed the connection unexpectedly")
    with pytest.raises(DatabaseUnavailableError) as raised, losses_explained(lambda: free):
        raise broken
    assert told in raised.value.message
    assert "disk" in raised.value.hint or told == "was lost"


@pytest.mark.parametrize(
    ("free", "message"),
    [(None, "cannot connect"), (5_000_000_000, "cannot connect"), (1_000_000, "has no space left: cannot connect")],
)
def test_a_connection_that_fails_on_a_full_disk_is_told_as_such(
    command: Command, monkeypatch: pytest.MonkeyPatch, free: int | None, message: str
) -> None:
    monkeypatch.setattr(database, "free_database_bytes", lambda: free)
    result = command.run("status", DATABASE_URL="postgresql://nobody@127.0.0.1:1/nowhere")
    assert result.code == 1
    assert message in result.stderr
    assert ("Free space" in result.stderr) == ("space" in message)


def test_a_plain_build_at_work_is_no_unfinished_sync(connection: psycopg.Connection, database_url: str) -> None:
    connection.execute(
        "insert into sync_metadata (sync_id, invocation_id, status, base_version) "
        "values (gen_random_uuid(), gen_random_uuid(), 'running', 0)"
    )
    is_over = threading.Event()

    def build() -> None:
        while not is_over.is_set():
            with psycopg.connect(database_url, application_name="property-manager dbt"):
                is_over.wait(0.3)
            is_over.wait(0.3)

    worker = threading.Thread(target=build)
    worker.start()
    try:
        found = [system_status(connection)["unfinished_sync"] for _ in range(5)]
    finally:
        is_over.set()
        worker.join()
    assert found == [None] * 5
    broken_off = system_status(connection)["unfinished_sync"]
    assert broken_off is not None
    assert broken_off["status"] == "running"


@pytest.mark.slow
def test_status_and_metrics_tell_the_same(command: Command, connection: psycopg.Connection, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "day.csv", flats(4))
    command.ok("import", file, "--source", "feed", "--complete", *MAPPING)
    healthy = command.ok("status", "--json").json
    assert healthy["findings"] == []
    assert "Healthy" in command.ok("status").stdout
    (source,) = healthy["sources"]
    assert (source["active_listings"], source["is_late"], source["pending_sessions"]) == (4, False, 0)
    assert source["last_sync_at"] == healthy["syncs"][0]["finished_at"]
    assert healthy["storage"]["table_bytes"]["property_scrapes_staging"] > 0
    assert healthy["storage"]["database_free_bytes"] is None, "the server of the tests is not that of this home"
    assert healthy["queues"] == {"notification_usage": 0, "version": 1, "last_sequence": 4}

    connection.execute("update sources set freshness_hours = 1e-9")
    (late,) = command.ok("status", "--json").json["findings"]
    assert late["finding"] == "no recent good session of feed"
    connection.execute("insert into retired_scopes (source, scope) values ('feed', 'default')")
    assert command.ok("status", "--json").json["findings"] == []
    connection.execute("delete from retired_scopes")
    connection.execute("update sources set freshness_hours = 24")

    command.ok("import", file, "--source", "feed", "--complete", "--observed-at", "2020-05-01", *MAPPING, "--no-sync")
    connection.execute("update scrape_sessions set status = 'quarantined' where status = 'complete'")
    troubled = command.ok("status", "--json").json
    assert [each["next_step"] for each in troubled["findings"]] == ["see below", "property-manager sync-pending"]
    assert troubled["attention"][0]["next_step"].startswith("property-manager quality-checks")
    assert troubled["sources"][0]["last_sync_at"] is None, "the only sync of it was no good one"
    connection.execute("update scrape_sessions set opened_at = opened_at - interval '25 hours'")
    assert command.ok("status", "--json").json["sources"][0]["is_late"], "it never had a good session"
    connection.execute("update scrape_sessions set opened_at = opened_at + interval '25 hours'")
    assert "1 session waiting for a sync; next: property-manager sync-pending" in command.ok("status").stdout

    target = tmp_path / "property_manager.prom"
    target.write_text("old\n", encoding="utf-8")
    assert command.ok("metrics", "--output", target).stdout == ""
    found = samples(target.read_text(encoding="utf-8"))
    assert found["property_manager_listings", "feed", "active"] == 4
    assert found["property_manager_pending_sessions", "feed"] == 1
    assert found["property_manager_sessions_needing_attention", "feed", "quarantined"] == 1
    assert found["property_manager_sync_unfinished",] == 0
    assert found["property_manager_feed_last_sequence",] == 4
    assert ("property_manager_last_good_session_timestamp_seconds", "feed") not in found
    assert list(tmp_path.glob("*.prom*")) == [target]
    assert samples(command.ok("metrics").stdout).keys() == found.keys()


def test_a_crawl_that_broke_off_counts_its_open_pages(command: Command, connection: psycopg.Connection) -> None:
    connection.execute("insert into sources (source) values ('portal')")
    connection.execute(
        """
        insert into scrape_sessions (session_id, source, scope, session_kind, target_url, status)
        values (gen_random_uuid(), 'portal', 'all', 'scrape', 'https://portal.example/all', 'interrupted')
        """
    )
    connection.execute(
        """
        insert into scrape_pages (session_id, url, page_kind, host, state)
        select session_id, 'https://portal.example/' || state, 'list', 'portal.example', state
        from scrape_sessions cross join unnest(array['todo', 'leased', 'done']) as states (state)
        """
    )
    assert samples(command.ok("metrics").stdout)["property_manager_crawl_open_pages", "portal"] == 2


def test_a_later_good_session_settles_what_failed_before_it(connection: psycopg.Connection) -> None:
    connection.execute("insert into sources (source) values ('portal')")
    ends = ("failed", "interrupted", "quarantined", "complete")
    for scope in ("alone", "followed"):
        for day, status in enumerate(ends if scope == "followed" else ends[:3], start=1):
            connection.execute(
                """
                insert into scrape_sessions (session_id, source, scope, session_kind, status, observed_at)
                values (gen_random_uuid(), 'portal', %s, 'import', %s, make_timestamptz(2024, 5, %s, 0, 0, 0))
                """,
                [scope, status, day],
            )
    connection.execute(
        """
        insert into scrape_sessions (session_id, source, scope, session_kind, status, observed_at)
        values (gen_random_uuid(), 'portal', 'alone', 'retirement', 'complete', '2024-06-01')
        """
    )
    named = {(session["scope"], session["session_status"]) for session in system_status(connection)["attention"]}
    assert named == {("alone", status) for status in ends[:3]}


def test_a_file_that_cannot_be_written_is_refused(command: Command, tmp_path: Path) -> None:
    refused = command.run("metrics", "--output", tmp_path / "missing" / "a.prom")
    assert (refused.code, "cannot write" in refused.stderr) == (2, True)


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Values by metric name and labels, as a monitor reads them."""
    families = text_string_to_metric_families(text)
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}
