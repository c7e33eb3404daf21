"""What is known about sources, sessions and syncs, for `status`, `list-sessions` and `session-details`."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from loaders.database import statements
from scripts.config import MINIMUM_FREE_BYTES, free_bytes
from scripts.database import free_database_bytes

_SQL = statements("status.sql", Path(__file__).parent / "sql")

RECENT = 10
LARGEST = 8
CROWDED_QUEUE = 0.5
_LOOKS_FOR_DBT = 20
_SECONDS_BETWEEN_LOOKS = 0.1
TROUBLED = ("running", "interrupted", "failed", "quarantined")


def system_status(connection: psycopg.Connection) -> dict[str, Any]:
    """Health at a glance: findings with the command that helps, sources, sessions needing attention, syncs, storage.

    Sizes are in bytes, lags in seconds, the usage of the notification queue is a share from 0 to 1. `free_bytes` is of
    the disk of PROPERTY_HOME, `database_free_bytes` of the embedded server's data, None for another server.
    """
    sources = _rows(connection, "sources")
    live = _live_counts(connection)
    for source in sources:
        source["active_listings"] = live.get((source["source"], "active"), 0)
        source["removed_listings"] = live.get((source["source"], "removed"), 0)
    attention = _rows(connection, "attention")
    for session in attention:
        session["next_step"] = next_step(session)
    (storage,) = _rows(connection, "storage", limit=LARGEST)
    (queues,) = _rows(connection, "queues")
    status = {
        "sources": sources,
        "attention": attention,
        "unfinished_sync": _unfinished_sync(connection),
        "syncs": _rows(connection, "syncs", limit=RECENT),
        "storage": {**storage, "free_bytes": free_bytes(), "database_free_bytes": free_database_bytes()},
        "queues": queues,
    }
    return {"findings": findings(status), **status}


def findings(status: dict[str, Any]) -> list[dict[str, str]]:
    """What is wrong, worst first, each with what to do; empty for a healthy system."""
    sources, sync = status["sources"], status["unfinished_sync"]
    troubled = [session for session in status["attention"] if session["session_status"] in TROUBLED]
    late = [source["source"] for source in sources if source["is_late"]]
    pending = sum(source["pending_sessions"] for source in sources)
    free, disk = _fullest_disk(status["storage"])
    usage = status["queues"]["notification_usage"]
    found = [
        (
            free < MINIMUM_FREE_BYTES,
            f"only {free / 1e9:.1f} GB are free on the disk of {disk}",
            "property-manager cleanup --help",
        ),
        (
            usage > CROWDED_QUEUE,
            f"the queue of notifications is {usage:.0%} full: a listener does not read",
            "end the listener that holds the oldest transaction, see pg_stat_activity",
        ),
        (
            sync is not None,
            f"the last sync is {sync['status']}: {sync['error'] or 'its run was broken off'}" if sync else "",
            "property-manager sync-pending",
        ),
        (bool(troubled), f"{_counted(len(troubled), 'session')} did not end well", "see below"),
        (bool(pending), f"{_counted(pending, 'session')} waiting for a sync", "property-manager sync-pending"),
        (bool(late), f"no recent good session of {', '.join(late)}", "scrape or import again, or look at its schedule"),
    ]
    return [{"finding": finding, "next_step": step} for is_found, finding, step in found if is_found]


def _fullest_disk(storage: dict[str, Any]) -> tuple[int, str]:
    free = {"the database": storage["database_free_bytes"], "PROPERTY_HOME": storage["free_bytes"]}
    return min((size, disk) for disk, size in free.items() if size is not None)


def next_step(session: dict[str, Any]) -> str:
    """The command that helps with a session that did not end well, or what to look at."""
    prefix = str(session["session_id"])[:8]
    match session["session_status"]:
        case "running" | "interrupted":
            return f"property-manager scrape --resume {prefix}    (takes it up where it stopped)"
        case "failed":
            return f"property-manager session-details --session-id {prefix}"
        case "quarantined":
            return f"property-manager quality-checks --session-id {prefix}"
        case _ if session["frozen_fields"]:
            return f"property-manager quality-checks --session-id {prefix}"
        case _:
            return "none: nothing was removed by absence, everything else is published"


def recent_sessions(connection: psycopg.Connection, limit: int) -> list[dict[str, Any]]:
    """The last sessions, newest first."""
    return _rows(connection, "sessions", limit=limit)


def session_details(connection: psycopg.Connection, session_id: uuid.UUID) -> dict[str, Any]:
    """Everything kept about one session: its row, its syncs, its pages and its rejected rows."""
    (session,) = _rows(connection, "session", session_id=session_id)
    return {
        "session": session,
        "syncs": _rows(connection, "session_syncs", session_id=session_id),
        "pages": _rows(connection, "session_pages", session_id=session_id),
        "rejects": _rows(connection, "session_rejects", session_id=session_id),
    }


def interrupted_crawls(connection: psycopg.Connection, source: str | None) -> list[dict[str, Any]]:
    """Crawls that were broken off and that nobody works on, each with the command that helps."""
    crawls = _rows(connection, "interrupted", source=source)
    for crawl in crawls:
        crawl["next_step"] = next_step(crawl)
    return crawls


def page_errors(connection: psycopg.Connection, session_id: uuid.UUID) -> list[dict[str, Any]]:
    """The pages of a session that failed at least once, with every try that did; those never read come first."""
    return _rows(connection, "page_errors", session_id=session_id)


def _unfinished_sync(connection: psycopg.Connection) -> dict[str, Any] | None:
    """The sync that nobody works on. A plain `dbt build` holds no lock and, between two of its nodes, no connection."""
    for _ in range(_LOOKS_FOR_DBT):
        sync = next(iter(_rows(connection, "unfinished_sync")), None)
        if sync is None or sync["status"] == "failed":
            return sync
        if _rows(connection, "dbt_at_work"):
            return None
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return sync


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _live_counts(connection: psycopg.Connection) -> dict[tuple[str, str], int]:
    if connection.execute("select to_regclass('properties_live')").fetchone() == (None,):
        return {}
    rows = _rows(connection, "live_counts")
    return {(row["source"], row["listing_status"]): row["listings"] for row in rows}


def _rows(connection: psycopg.Connection, statement: str, **parameters: Any) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL[statement], parameters).fetchall()
