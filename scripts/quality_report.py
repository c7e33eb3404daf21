"""What is known about the quality of one session, read from the marts as one document."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from loaders.database import schema_name, statements
from loaders.errors import UsageError

_SQL = statements("quality_report.sql", Path(__file__).parent / "sql")

SESSIONS_OF_TREND = 30

SCORES = ("completeness", "validation", "uniqueness", "freshness", "geography")
"""The parts of the overall score, in the order in which they are shown."""

_SESSION_KEYS = (
    *("session_id", "sync_id", "source", "scope", "session_kind", "session_status", "observed_at", "published_at"),
    *("is_complete", "may_publish", "may_remove", "incomplete_reason", "quarantine_reason"),
    *("removal_suppressed_reason", "age_hours", "freshness_limit_hours", "frozen_fields"),
)
_COUNT_KEYS = (
    *("rows_landed", "rows_rejected", "duplicates_collapsed", "observed", "created", "updated", "price_changed"),
    *("price_up", "price_down", "reactivated", "missing", "removed", "unchanged", "held", "rejected"),
    "removals_suppressed",
)
_RATE_KEYS = (
    *("page_coverage", "listing_coverage", "volume_ratio", "duplicate_rate", "error_rate"),
    *("usual_observed_count", "usual_duplicate_rate", "usual_error_rate"),
)
_NEVER_JUDGED = "`property-manager sync-pending` judges and publishes what was landed."


class MartsOutdatedError(UsageError):
    """The views of the database are older than this program."""

    code = "marts_outdated"


def latest_session(connection: psycopg.Connection, source: str | None = None) -> uuid.UUID:
    """The session that was judged last, of one source or of all; UsageError where none was."""
    found = connection.execute(_SQL["latest_session"], {"source": source}).fetchone()
    if found is None:
        of_source = f" of {source}" if source else ""
        raise UsageError(f"no session{of_source} has been synced yet", _NEVER_JUDGED)
    return found[0]


def quality_report(connection: psycopg.Connection, session_id: uuid.UUID) -> dict[str, Any]:
    """Scores, fields, broken rules, checks, places, trend and recommendations of one session.

    The shape is that of `quality-report --json`, see docs/quality.md. Raises UsageError for a session that no sync
    has judged, MartsOutdatedError where the views are older than this program.
    """
    connection.execute(_SQL["read_marts"], {"marts": f"{schema_name()}_marts"})
    if connection.execute(_SQL["marts_exist"]).fetchone() != (True,):
        raise _unjudged(connection, session_id)
    try:
        return _read(connection, session_id)
    except (psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedTable) as error:
        raise MartsOutdatedError(
            f"the views of this database are older than the program: {error.diag.message_primary}",
            "Build them anew: property-manager dbt -- run --select marts",
        ) from error


def _read(connection: psycopg.Connection, session_id: uuid.UUID) -> dict[str, Any]:
    found = _rows(connection, "session", session_id=session_id)
    if not found:
        raise _unjudged(connection, session_id)
    (session,) = found
    return {
        "session": {key: session[key] for key in _SESSION_KEYS},
        "overall": {
            "score": session["overall_score"],
            "usual": session["usual_overall_score"],
            "grade": session["quality_grade"],
            "good_sessions": session["usual_session_count"],
        },
        "scores": [
            {"name": name, "score": session[f"{name}_score"], "usual": session[f"usual_{name}_score"]}
            for name in SCORES
        ],
        "counts": {key: session[key] for key in _COUNT_KEYS},
        "rates": {key: session[key] for key in _RATE_KEYS},
        "fields": _rows(connection, "fields", session_id=session_id),
        "violations": session["violations_by_rule"],
        "checks": session["checks"],
        "geography": session["geography"],
        "trend": _rows(
            connection,
            "trend",
            session_id=session_id,
            source=session["source"],
            scope=session["scope"],
            observed_at=session["observed_at"],
            limit=SESSIONS_OF_TREND,
        ),
        "recommendations": _rows(connection, "recommendations", session_id=session_id),
    }


def _unjudged(connection: psycopg.Connection, session_id: uuid.UUID) -> UsageError:
    found = connection.execute("select status from scrape_sessions where session_id = %s", [session_id]).fetchone()
    status = found[0] if found else "unknown"
    hint = _NEVER_JUDGED if status in ("scraped", "published") else "`property-manager status` names the next step."
    return UsageError(f"session {session_id} is {status}: no sync has judged it, so there is nothing to report", hint)


def _rows(connection: psycopg.Connection, statement: str, **parameters: Any) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL[statement], parameters).fetchall()
