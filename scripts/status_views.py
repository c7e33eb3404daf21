"""What `status` shows: findings first, then sources, sessions, syncs, and what the database holds."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from scripts.console import facts, output, print_json, short_id, show, table
from scripts.status import RECENT


def print_status(status: dict[str, Any], *, as_json: bool) -> None:
    """Health at a glance, then sources, sessions that need attention, recent syncs, disk and queues."""
    if as_json:
        print_json(status)
        return
    _print_findings(status["findings"])
    if not status["sources"]:
        output.print("Nothing has been scraped or imported yet. Try `property-manager demo`.")
        return
    _print_sources(status["sources"])
    _print_attention(status["attention"])
    _print_syncs(status["syncs"])
    _print_system(status["storage"], status["queues"])


def _print_findings(findings: list[dict[str, str]]) -> None:
    if not findings:
        output.print(Text("Healthy: nothing waits, nothing is late, nothing broke.", "green"))
    for finding in findings:
        output.print(Text(f"{finding['finding']}; next: {finding['next_step']}", "yellow"))
    output.print()


def _print_sources(sources: list[dict[str, Any]]) -> None:
    columns = ("source", "active", "removed", "pending sessions", "last good session", "lag", "last good sync")
    rows = [
        (
            *(row["source"], row["active_listings"], row["removed_listings"], row["pending_sessions"]),
            *(row["last_good_session_at"], _age(row["lag_seconds"], is_late=row["is_late"]), row["last_sync_at"]),
        )
        for row in sources
    ]
    show(table("Sources", columns, rows))


def _print_attention(sessions: list[dict[str, Any]]) -> None:
    if not sessions:
        return
    output.print()
    output.print(Text("Worth a look", "bold"))
    for session in sessions[:RECENT]:
        state = session["session_status"]
        head = f"{short_id(session['session_id'])} {session['source']}/{session['scope']} "
        head += f"of {session['observed_at']:%Y-%m-%d %H:%M} is {state}: {session['reason'] or 'no reason kept'}"
        output.print(Text(head, "red" if state in ("failed", "quarantined") else "yellow"))
        output.print(Text(f"  next: {session['next_step']}"))
    if len(sessions) > RECENT:
        output.print(f"and {len(sessions) - RECENT} more; `property-manager status --json` names them all")


def _print_syncs(syncs: list[dict[str, Any]]) -> None:
    output.print()
    columns = ("sync", "status", "started", "observed", "created", "updated", "removed", "error")
    keys = ("status", "started_at", "observed", "created", "updated", "removed", "error")
    rows = [(short_id(row["sync_id"]), *(row[key] for key in keys)) for row in syncs]
    show(table("Recent syncs", columns, rows))


def _print_system(storage: dict[str, Any], queues: dict[str, Any]) -> None:
    largest = ", ".join(f"{name} {_size(size)}" for name, size in storage["table_bytes"].items())
    output.print()
    show(
        facts(
            "Database",
            [
                ("size", _size(storage["database_bytes"])),
                ("largest tables", largest),
                ("free for the database", _free_for_database(storage["database_free_bytes"])),
                ("free for logs and dbt", _size(storage["free_bytes"])),
                ("notification queue", f"{queues['notification_usage']:.0%} used"),
                ("published version", queues["version"]),
                ("last sequence of the feed", queues["last_sequence"]),
            ],
        )
    )


def _free_for_database(size: int | None) -> str:
    return "not seen from here: DATABASE_URL names another server" if size is None else _size(size)


def _age(seconds: float | None, *, is_late: bool) -> str | None:
    if seconds is None:
        return None
    hours = seconds / 3600
    age = f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.0f} d"
    return f"{age}, late" if is_late else age


def _size(count: int) -> str:
    size, units = float(count), iter(("B", "kB", "MB", "GB"))
    unit = next(units)
    while size >= 1000 and unit != "GB":
        size, unit = size / 1000, next(units)
    return f"{size:.0f} {unit}" if unit in ("B", "kB") else f"{size:.1f} {unit}"
