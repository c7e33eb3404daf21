"""Syncing: pending sessions become published changes, one dbt run at a time, oldest session first."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import class_row, dict_row

from loaders import barriers
from loaders.database import connect, losses_explained, statements
from loaders.errors import BusyError, PropertyManagerError, UsageError
from scripts.database import free_database_bytes
from scripts.dbt_runner import DbtOutcome, DbtProject
from scripts.retention import apply_retention

_SQL = statements("sync.sql", Path(__file__).parent / "sql")


class SyncFailedError(PropertyManagerError):
    """A sync that published nothing, or published and could not write its history."""

    code = "sync_failed"


@dataclass(frozen=True)
class SessionCounts:
    """Distinct listings of one session by what the sync did with them; see sync_sessions for each count."""

    session_id: uuid.UUID
    source: str
    scope: str
    observed_at: datetime
    session_status: str
    observed: int
    created: int
    relisted: int
    updated: int
    price_changed: int
    price_up: int
    price_down: int
    reactivated: int
    missing: int
    removed: int
    unchanged: int
    held: int
    rejected: int
    removal_suppressed_reason: str | None
    removals_suppressed: int
    frozen_fields: list[str]
    frozen_reason: str | None


@dataclass(frozen=True)
class SyncReport:
    """One sync: when it ran, how long (seconds), its sessions, and the seconds of dbt's nodes by their names."""

    sync_id: uuid.UUID
    status: str
    started_at: datetime
    seconds: float
    sessions: tuple[SessionCounts, ...]
    node_seconds: dict[str, float]

    @property
    def has_quarantined(self) -> bool:
        """Whether the gate put one of its sessions aside."""
        return any(session.session_status == "quarantined" for session in self.sessions)

    def as_json(self) -> dict[str, Any]:
        """The report in the stable shape that commands print with --json."""
        return {
            "sync_id": str(self.sync_id),
            "status": self.status,
            "started_at": self.started_at.isoformat(),
            "seconds": round(self.seconds, 3),
            "sessions": [
                {
                    **asdict(session),
                    "session_id": str(session.session_id),
                    "observed_at": session.observed_at.isoformat(),
                }
                for session in self.sessions
            ],
        }


def sync_pending(
    database_url: str,
    *,
    source: str | None = None,
    until_session: uuid.UUID | None = None,
    is_forced: bool = False,
    allows_mass_removal: bool = False,
    wait: bool = False,
    on_report: Callable[[SyncReport], None] | None = None,
) -> list[SyncReport]:
    """Sync until nothing is pending, or until one session is done; a quarantined one is judged again.

    `source` limits it to one source. `is_forced` overrides the gate for `until_session`, `allows_mass_removal` lifts
    the limit on removals for every session this call syncs; both are audited. At the end retention is applied. Raises
    BusyError when another command is syncing and `wait` is off, SyncFailedError when a run fails; what earlier runs
    published stays published.
    """
    reports: list[SyncReport] = []
    project = DbtProject(database_url)
    with (
        losses_explained(free_database_bytes),
        connect(database_url, application_name="property-manager sync") as connection,
        run_lock(connection, wait=wait),
    ):
        if until_session is not None:
            connection.execute(_SQL["judge_again"], {"session_id": until_session, "is_forced": is_forced})
        pending = _count_pending(connection, source)
        while sum(pending) and not _is_done(connection, until_session):
            barriers.reach("before_sync")
            report = _sync_once(
                connection,
                project,
                {"source": source, "allows_mass_removal": allows_mass_removal},
                is_first=not reports and not _has_views(connection, project),
            )
            reports.append(report)
            if on_report is not None:
                on_report(report)
            before, pending = pending, _count_pending(connection, source)
            # Others may have landed as many sessions meanwhile.
            has_ended = any(session.session_status not in ("scraped", "published") for session in report.sessions)
            if sum(pending) >= sum(before) and not has_ended:
                raise SyncFailedError(
                    "the sync made no progress: as many sessions are pending as before",
                    "Look at `property-manager status` and the log; this is a defect worth reporting.",
                )
        barriers.reach("after_sync")
        if reports:
            apply_retention(connection)
    return reports


def resolve_session(connection: psycopg.Connection, prefix: str) -> tuple[uuid.UUID, str, str]:
    """The id, source and state of the one session whose id starts with `prefix`."""
    if not prefix or set(prefix.lower()) - set("0123456789abcdef-"):
        raise UsageError(f"{prefix!r} is not a session id", "`property-manager list-sessions` shows the ids.")
    found = connection.execute(_SQL["session_by_prefix"], {"prefix": prefix.lower()}).fetchall()
    if not found:
        raise UsageError(f"there is no session {prefix}", "`property-manager list-sessions` shows the ids.")
    if len(found) > 1:
        raise UsageError(f"more than one session id starts with {prefix}", "Give more digits of the id.")
    return found[0]


def require_source(connection: psycopg.Connection, source: str) -> None:
    """Raise UsageError when nothing was ever landed under this name."""
    known = [name for (name,) in connection.execute(_SQL["sources"])]
    if source not in known:
        raise UsageError(f"there is no source {source!r}", f"Known are: {', '.join(known) or 'none yet'}.")


def require_history(connection: psycopg.Connection, refusal: type[PropertyManagerError]) -> None:
    """Raise the given refusal while a sync has published and still owes its history."""
    unfinished = connection.execute(_SQL["owes_history"]).fetchone()
    if unfinished is not None:
        raise refusal(
            f"sync {unfinished[0]} has published and still owes its history",
            "Run `property-manager sync-pending` first; it finishes this sync.",
        )


@contextmanager
def run_lock(connection: psycopg.Connection, *, wait: bool) -> Iterator[None]:
    """Hold, until the connection ends, the lock that lets one command sync at a time; BusyError without `wait`."""
    if wait:
        connection.execute(_SQL["wait_for_run_lock"])
    elif connection.execute(_SQL["try_run_lock"]).fetchone() != (True,):
        raise BusyError("another command is syncing", "Wait until it is done, or run this with --wait.")
    yield


def _count_pending(connection: psycopg.Connection, source: str | None) -> tuple[int, int]:
    row = connection.execute(_SQL["count_pending"], {"source": source}).fetchone()
    assert row is not None
    return row[0], row[1]


def _has_views(connection: psycopg.Connection, project: DbtProject) -> bool:
    """Whether the views and seeds that this process built all stand, so that they need not be built again."""
    relations = project.built_relations
    return bool(relations) and connection.execute(_SQL["has_relations"], {"relations": relations}).fetchone() == (True,)


def _is_done(connection: psycopg.Connection, session_id: uuid.UUID | None) -> bool:
    if session_id is None:
        return False
    row = connection.execute("select status from scrape_sessions where session_id = %s", [session_id]).fetchone()
    return row is None or row[0] not in ("scraped", "published")


def _sync_once(
    connection: psycopg.Connection, project: DbtProject, request: dict[str, Any], *, is_first: bool
) -> SyncReport:
    selector = "sync" if is_first else "sync_again"
    request_id, outcome = _build(connection, project, request, selector)
    # What dbt drops, a reader's transaction may lock in another order, and PostgreSQL ends one of the two now and then.
    if any("deadlock detected" in failure.message for failure in outcome.failures):
        request_id, outcome = _build(connection, project, request, selector)
    with connection.cursor(row_factory=dict_row) as cursor:
        sync = cursor.execute(_SQL["requested_sync"], {"request_id": request_id}).fetchone()
    if sync is None or sync["status"] != "complete":
        raise _failed(sync, outcome)
    with connection.cursor(row_factory=class_row(SessionCounts)) as cursor:
        counts = cursor.execute(_SQL["session_counts"], {"sync_id": sync["sync_id"]}).fetchall()
    return SyncReport(
        sync["sync_id"], sync["status"], sync["started_at"], sync["seconds"], tuple(counts), outcome.node_seconds
    )


def _build(
    connection: psycopg.Connection, project: DbtProject, request: dict[str, Any], selector: str
) -> tuple[uuid.UUID, DbtOutcome]:
    request_id = uuid.uuid4()
    # Reading the project takes seconds, in which a plain `dbt build` could take the request for its own.
    project.parse()
    connection.execute(_SQL["request_sync"], {"request_id": request_id, **request})
    outcome = project.build(selector)
    connection.execute(_SQL["end_request"], {"request_id": request_id})
    return request_id, outcome


def _failed(sync: dict[str, Any] | None, outcome: DbtOutcome) -> PropertyManagerError:
    if any("busy: another property-manager command is syncing" in failure.message for failure in outcome.failures):
        return BusyError(
            "a plain dbt build is syncing in this command's place", "Run the command again when it is done."
        )
    causes = "; ".join(f"{failure.name}: {failure.message}" for failure in outcome.failures) or "see the log"
    if sync is not None and sync["status"] == "published":
        return SyncFailedError(
            f"the changes are published, but history could not be written: {causes}",
            "Mend the cause and run `property-manager sync-pending`; it finishes this sync first.",
        )
    return SyncFailedError(
        f"nothing was published: {causes}",
        "Mend the cause and run the command again; the sessions are still pending.",
    )
