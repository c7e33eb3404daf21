"""What the gate asked of one session: each check with its value, its limit, its verdict and what followed."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from loaders.database import statements
from loaders.errors import UsageError

_SQL = statements("sources.sql", Path(__file__).parent / "sql")


@dataclass(frozen=True)
class SessionVerdict:
    """A judged session. `checks` are the rows of int_session_checks as they were when it was judged."""

    session_id: uuid.UUID
    source: str
    scope: str
    session_status: str
    observed_at: datetime
    judged_at: datetime
    is_forced: bool
    checks: tuple[dict[str, Any], ...]

    @property
    def failed(self) -> int:
        """How many checks failed, also those that an operator overrode."""
        return sum(check["verdict"] == "fail" for check in self.checks)

    def facts(self) -> dict[str, Any]:
        """What is known of the session beside its checks, for people."""
        return {
            "session": self.session_id,
            "source": self.source,
            "scope": self.scope,
            "status": self.session_status,
            "observed at": self.observed_at,
            "judged at": self.judged_at,
            "forced": "yes" if self.is_forced else "no",
            "failed checks": self.failed,
        }

    def as_json(self) -> dict[str, Any]:
        """The verdict in the stable shape that the command prints with --json."""
        return {
            "session_id": str(self.session_id),
            "source": self.source,
            "scope": self.scope,
            "session_status": self.session_status,
            "observed_at": self.observed_at.isoformat(),
            "judged_at": self.judged_at.isoformat(),
            "is_forced": self.is_forced,
            "failed": self.failed,
            "checks": list(self.checks),
        }


def session_verdict(connection: psycopg.Connection, session_id: uuid.UUID) -> SessionVerdict:
    """The verdict kept with a session. Raises UsageError for a session that no sync has judged yet."""
    with connection.cursor(row_factory=dict_row) as cursor:
        session = cursor.execute(_SQL["verdict"], {"session_id": session_id}).fetchone()
    assert session is not None
    if session["verdict"] is None:
        raise UsageError(
            f"session {session_id} is {session['status']}: no sync has judged it yet",
            f"property-manager sync --session-id {str(session_id)[:8]}"
            if session["status"] == "scraped"
            else "`property-manager status` names the command that helps.",
        )
    return SessionVerdict(
        session_id=session["session_id"],
        source=session["source"],
        scope=session["scope"],
        session_status=session["status"],
        observed_at=session["observed_at"],
        judged_at=session["published_at"],
        is_forced=session["verdict"]["is_forced"],
        checks=tuple(session["verdict"]["checks"]),
    )
