"""A sync must get on: it stops with an error when it ends no session, and is not misled by what lands meanwhile."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from loaders.errors import BusyError
from scripts import sync
from scripts.dbt_runner import DbtOutcome, DbtProject, NodeFailure
from scripts.sync import SessionCounts, SyncFailedError, SyncReport, sync_pending

NOW = datetime(2024, 5, 1, tzinfo=UTC)
Syncs = Callable[[Callable[[uuid.UUID], None]], list[uuid.UUID]]


@pytest.fixture
def syncs(connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> Syncs:
    """Puts something in the place of dbt's run, which is told the oldest pending session; returns those it was told."""

    def replace(work: Callable[[uuid.UUID], None]) -> list[uuid.UUID]:
        told: list[uuid.UUID] = []

        def sync_once(*_: object, **__: object) -> SyncReport:
            row = connection.execute(
                "select session_id from scrape_sessions where status = 'scraped' order by observed_at, session_id"
            ).fetchone()
            assert row is not None
            told.append(row[0])
            assert len(told) < 10, "it goes on for ever"
            work(row[0])
            status = connection.execute("select status from scrape_sessions where session_id = %s", row).fetchone()
            assert status is not None
            return SyncReport(uuid.uuid4(), "complete", NOW, 0.0, (_counts(row[0], status[0]),), {})

        monkeypatch.setattr(sync, "_sync_once", sync_once)
        return told

    return replace


def test_a_sync_after_which_as_many_sessions_are_pending_fails(
    connection: psycopg.Connection, database_url: str, syncs: Syncs
) -> None:
    land(connection, 2)
    told = syncs(lambda _: None)
    with pytest.raises(SyncFailedError, match="made no progress"):
        sync_pending(database_url)
    assert len(told) == 1


def test_a_sync_that_ends_nothing_while_another_session_lands_fails(
    connection: psycopg.Connection, database_url: str, syncs: Syncs
) -> None:
    land(connection, 1)
    told = syncs(lambda _: land(connection, 1))
    with pytest.raises(SyncFailedError, match="made no progress"):
        sync_pending(database_url)
    assert len(told) == 1


@pytest.mark.parametrize("ends_as", ["complete", "quarantined"])
def test_sessions_that_land_meanwhile_are_synced_too(
    connection: psycopg.Connection, database_url: str, syncs: Syncs, ends_as: str
) -> None:
    """Twice as many land as are synced, so that more are pending than before."""
    land(connection, 1)

    def work(session_id: uuid.UUID) -> None:
        connection.execute("update scrape_sessions set status = %s where session_id = %s", [ends_as, session_id])
        if len(told) == 1:
            land(connection, 2)

    told = syncs(work)
    assert len(sync_pending(database_url)) == len(set(told)) == 3
    assert connection.execute("select count(*) from scrape_sessions where status = 'scraped'").fetchone() == (0,)


@pytest.mark.parametrize("deadlocks", [1, 2])
def test_a_run_that_ends_in_a_deadlock_is_repeated_once(
    connection: psycopg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch, deadlocks: int
) -> None:
    land(connection, 1)
    built: list[str] = []

    def build(_: DbtProject, selector: str) -> DbtOutcome:
        built.append(selector)
        if len(built) <= deadlocks:
            return DbtOutcome(False, (NodeFailure("stg_sources", "error", "deadlock detected"),), {})
        invocation = uuid.uuid4()
        connection.execute("update sync_requests set claimed_by = %s where claimed_by is null", [invocation])
        connection.execute(
            "insert into sync_metadata (sync_id, invocation_id, status, base_version) values (%s, %s, 'complete', 0)",
            [uuid.uuid4(), invocation],
        )
        connection.execute("update scrape_sessions set status = 'complete'")
        return DbtOutcome(True, (), {})

    monkeypatch.setattr(DbtProject, "parse", lambda _: None)
    monkeypatch.setattr(DbtProject, "build", build)
    if deadlocks == 1:
        assert [report.status for report in sync_pending(database_url)] == ["complete"]
    else:
        with pytest.raises(SyncFailedError, match="nothing was published: stg_sources: deadlock detected"):
            sync_pending(database_url)
    assert built == ["sync", "sync"]


def test_a_plain_build_that_took_the_request_is_told_as_busy(
    connection: psycopg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(connection, 1)
    busy = "Database Error: busy: another property-manager command is syncing"
    outcome = DbtOutcome(False, (NodeFailure("on-run-start", "error", busy),), {})
    monkeypatch.setattr(DbtProject, "parse", lambda _: None)
    monkeypatch.setattr(DbtProject, "build", lambda *_: outcome)
    with pytest.raises(BusyError, match="a plain dbt build"):
        sync_pending(database_url)


def land(connection: psycopg.Connection, count: int) -> None:
    """Let sessions wait for a sync."""
    connection.execute("insert into sources (source) values ('feed') on conflict do nothing")
    connection.execute(
        """
        insert into scrape_sessions (session_id, source, scope, session_kind, status)
        select gen_random_uuid(), 'feed', 'all', 'import', 'scraped' from generate_series(1, %s)
        """,
        [count],
    )


def _counts(session_id: uuid.UUID, status: str) -> SessionCounts:
    values: dict[str, Any] = {each.name: None for each in fields(SessionCounts) if each.default is MISSING}
    return SessionCounts(**{**values, "session_id": session_id, "session_status": status})
