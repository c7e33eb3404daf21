"""Retention: raw rows, crawl pages, run logs and rule results go by age, and personal data of listings that left.

The feed, the history, sightings, the audit, and all that is unsynced, quarantined or held back stay.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from loaders import barriers
from loaders.database import statements
from loaders.errors import BusyError, PropertyManagerError, UsageError

ERASURE_BATCH = 5_000
RUN_LOG_DAYS = 365
MAX_DAYS = 100_000

_SQL = statements("retention.sql", Path(__file__).parent / "sql")
_ERASURE = (
    "due_ids",
    "blank_live",
    "blank_history",
    "blank_changes",
    "blank_raw_rows",
    "blank_violations",
    "blank_replaced",
    "record_erasures",
)
# Seconds after which a crawl that is landing rows is left alone, so that cleaning never makes it wait.
_PATIENCE = "set local lock_timeout = '5s'"


@dataclass
class Cleanup:
    """What was removed, or would be: rows, pages and runs counted, partitions by name, listings by source."""

    raw_rows: int = 0
    kept_rows: int = 0
    dropped_partitions: list[str] = field(default_factory=list)
    rejected_rows: int = 0
    crawl_pages: int = 0
    page_documents: int = 0
    failed_syncs: int = 0
    completed_syncs: int = 0
    rule_results: int = 0
    erased_listings: dict[str, int] = field(default_factory=dict)


def clean_up(
    connection: psycopg.Connection, *, days: int | None = None, is_dry_run: bool = False, only_new: bool = False
) -> Cleanup:
    """Remove what is older than `days`, or than each source's `retention_days`, and blank personal data; audited.

    Raw rows go by whole months. `only_new` passes over months whose sessions were all cleaned before. Each month and
    each batch of listings is a transaction, so that a crash leaves nothing half done. Raises BusyError when a loader
    holds a month for longer than a few seconds; what was done before stays done.
    """
    result = Cleanup()
    if connection.execute(_SQL["has_published"]).fetchone() != (True,):
        return result
    limits = connection.execute(_SQL["limits"], {"days": days}).fetchall()
    begun = connection.execute(_SQL["now"]).fetchone()
    assert begun is not None
    try:
        if limits:
            old = {"sources": [source for source, _ in limits], "keep_from": [instant for _, instant in limits]}
            _remove_raw_rows(connection, result, {**old, "only_new": only_new}, is_dry_run=is_dry_run)
            result.rejected_rows = _remove(connection, "rejects", old, is_dry_run=is_dry_run)
            result.crawl_pages = _remove(connection, "pages", old, is_dry_run=is_dry_run)
        result.page_documents = _expire_documents(connection, is_dry_run=is_dry_run)
        result.failed_syncs = _remove(connection, "runs", {"days": run_log_days()}, is_dry_run=is_dry_run)
        sync_days = sync_log_days()
        if sync_days is not None:
            past = {"days": sync_days, "begun_at": begun[0]}
            result.completed_syncs = _remove(connection, "syncs", past, is_dry_run=is_dry_run)
            result.rule_results = _remove(connection, "rule_results", past, is_dry_run=is_dry_run)
        if connection.execute(_SQL["erases"]).fetchone() == (True,):
            _erase_personal_data(connection, result, is_dry_run=is_dry_run)
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
        raise BusyError("a loader is writing into what would be cleaned", "Run the command again later.") from error
    return result


def apply_retention(connection: psycopg.Connection) -> None:
    """What follows each sync: the settings of every source are applied.

    What stands in the way is logged and left to the next sync: the sync itself is done.
    """
    try:
        clean_up(connection, only_new=True)
    except PropertyManagerError as error:
        logging.getLogger("property_manager").warning("retention is put off: %s %s", error.message, error.hint)


def run_log_days() -> int:
    """Days for which failed syncs are kept, PROPERTY_RUN_LOG_DAYS. Raises UsageError unless it is a number from 1."""
    return _days("PROPERTY_RUN_LOG_DAYS") or RUN_LOG_DAYS


def sync_log_days() -> int | None:
    """Days for which completed syncs and rule results are kept, PROPERTY_SYNC_LOG_DAYS; None keeps all of them.

    Raises UsageError unless it is a number from 1.
    """
    return _days("PROPERTY_SYNC_LOG_DAYS")


def _days(variable: str) -> int | None:
    text = os.environ.get(variable, "").strip()
    if not text:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= MAX_DAYS:
        raise UsageError(f"{variable} is {text!r}", "Give a number of days from 1.")
    return int(text)


def _remove_raw_rows(
    connection: psycopg.Connection, result: Cleanup, parameters: dict[str, Any], *, is_dry_run: bool
) -> None:
    with connection.cursor(row_factory=dict_row) as cursor:
        months = cursor.execute(_SQL["old_partitions"], parameters).fetchall()
    for month in months:
        with connection.transaction(force_rollback=is_dry_run):
            _clean_month(connection, result, month, is_dry_run=is_dry_run)


def _clean_month(connection: psycopg.Connection, result: Cleanup, month: dict[str, Any], *, is_dry_run: bool) -> None:
    """Drop a month of raw rows; where rows of it must stay, they alone come back into the emptied partition."""
    partition = sql.Identifier(month["partition_name"])
    if not is_dry_run:
        connection.execute(_PATIENCE)
        connection.execute(sql.SQL("lock table {} in access exclusive mode").format(partition))
    connection.execute(_SQL["keep_rows"], month)
    counts = connection.execute(_SQL["count_rows"], month).fetchone()
    assert counts is not None
    removed, kept = counts
    result.raw_rows += removed
    result.kept_rows += kept
    is_dropped = not kept and not month["is_needed"]
    if is_dropped:
        result.dropped_partitions.append(month["partition_name"])
    if is_dry_run:
        return
    if is_dropped:
        connection.execute(sql.SQL("drop table {}").format(partition))
    elif removed:
        connection.execute(sql.SQL("truncate {}").format(partition))
        connection.execute(sql.SQL("insert into {} select * from kept_rows").format(partition))
    connection.execute(_SQL["mark_sessions"], month)
    _audit(connection, "remove raw rows", month["partition_name"], {"removed": removed, "kept": kept})
    barriers.reach("before_cleanup_commit")


def _remove(connection: psycopg.Connection, what: str, parameters: dict[str, Any], *, is_dry_run: bool) -> int:
    """Remove what is past, with an audit row, or only try it; how many rows."""
    with connection.transaction(force_rollback=is_dry_run):
        removed = connection.execute(_SQL[f"remove_{what}"], parameters).rowcount
        if removed:
            _audit(connection, f"remove {what.replace('_', ' ')}", None, {"removed": removed})
            if not is_dry_run:
                barriers.reach("before_cleanup_commit")
    return removed


def _expire_documents(connection: psycopg.Connection, *, is_dry_run: bool) -> int:
    with connection.transaction():
        row = connection.execute(_SQL["expire_documents"], {"is_dry_run": is_dry_run}).fetchone()
        assert row is not None
        if row[0] and not is_dry_run:
            _audit(connection, "remove documents", None, {"removed": row[0]})
    return row[0]


def _erase_personal_data(connection: psycopg.Connection, result: Cleanup, *, is_dry_run: bool) -> None:
    erased: Counter[str] = Counter()
    while True:
        with connection.transaction(force_rollback=is_dry_run):
            connection.execute(_SQL["take_publish_lock"])
            connection.execute(_SQL["unchecked_sessions"])
            connection.execute(_SQL["due_erasures"], {"limit": None if is_dry_run else ERASURE_BATCH})
            due = dict(connection.execute(_SQL["count_due"]).fetchall())
            erased.update(due)
            if due and not is_dry_run:
                for statement in _ERASURE:
                    connection.execute(_SQL[statement])
                for source, listings in due.items():
                    _audit(connection, "erase personal data", source, {"listings": listings})
                barriers.reach("before_erasure_commit")
            is_last = is_dry_run or sum(due.values()) < ERASURE_BATCH
            if is_last and not is_dry_run:
                connection.execute(_SQL["mark_checked"])
        if is_last:
            break
    result.erased_listings = dict(erased)


def _audit(connection: psycopg.Connection, action: str, target: str | None, details: dict[str, Any]) -> None:
    connection.execute(_SQL["audit"], {"action": action, "target": target, "details": Jsonb(details)})
