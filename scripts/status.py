"""What is known about sources, sessions and syncs, for `status`, `list-sessions` and `session-details`."""

from __future__ import annotations

import shlex
import uuid
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from loaders.database import statements
from loaders.urls import start_url

_SQL = statements("status.sql", Path(__file__).parent / "sql")

RECENT = 10


def system_status(connection: psycopg.Connection) -> dict[str, Any]:
    """Health at a glance: sources with their live listings, sessions needing attention, recent syncs."""
    sources = _rows(connection, "sources")
    live = _live_counts(connection)
    for source in sources:
        source["active_listings"] = live.get((source["source"], "active"), 0)
        source["removed_listings"] = live.get((source["source"], "removed"), 0)
    attention = _rows(connection, "attention", limit=RECENT)
    for session in attention:
        session["next_step"] = next_step(session)
    return {"sources": sources, "attention": attention, "syncs": _rows(connection, "syncs", limit=RECENT)}


def next_step(session: dict[str, Any]) -> str:
    """The command that helps with a session that did not end well, or what to look at."""
    prefix = str(session["session_id"])[:8]
    match session["session_status"]:
        case "running" | "interrupted":
            command = ["property-manager", "scrape", "--url", session["target_url"], "--source", session["source"]]
            if session["scope"] not in (session["target_url"], start_url(session["target_url"])):
                command += ["--scope", session["scope"]]
            return f"{shlex.join(command)}    (takes it up where it stopped)"
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


def _live_counts(connection: psycopg.Connection) -> dict[tuple[str, str], int]:
    if connection.execute("select to_regclass('properties_live')").fetchone() == (None,):
        return {}
    rows = _rows(connection, "live_counts")
    return {(row["source"], row["listing_status"]): row["listings"] for row in rows}


def _rows(connection: psycopg.Connection, statement: str, **parameters: Any) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL[statement], parameters).fetchall()
