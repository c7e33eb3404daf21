"""What each command shows of its result."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from scripts.console import error_as_json, facts, output, print_error, print_json, short_id, show, table

if TYPE_CHECKING:
    from loaders.crawl import CrawlResult
    from loaders.errors import PropertyManagerError
    from loaders.importer import ImportResult
    from scripts.doctor import Check
    from scripts.embedded_postgres import ServerStatus
    from scripts.replay import Replay
    from scripts.rules import Rehearsal, RuleCheck
    from scripts.sync import SessionCounts, SyncReport

_COUNTS = {
    "observed": "observed",
    "created": "created",
    "updated": "updated",
    "price_down": "price ↓",
    "price_up": "price ↑",
    "reactivated": "reactivated",
    "missing": "missing",
    "removed": "removed",
    "unchanged": "unchanged",
    "held": "held",
    "rejected": "rejected",
}
_ALWAYS_SHOWN = {"observed", "created", "updated", "removed", "unchanged"}


def print_syncs(reports: Sequence[SyncReport], *, as_json: bool) -> None:
    """What was synced, one line a session, with the reason where nothing could be removed."""
    if as_json:
        print_json(_syncs(reports))
    elif reports:
        _print_reports(reports)
    else:
        output.print("Nothing was pending.")


def print_imports(
    imports: Sequence[ImportResult],
    reports: Sequence[SyncReport],
    error: PropertyManagerError | None = None,
    *,
    as_json: bool,
) -> None:
    """What landed of each file, then what was synced, and what ended that early."""
    if as_json:
        totals = {
            name: sum(getattr(result, name) for result in imports)
            for name in ("rows_read", "rows_rejected", "duplicates_collapsed")
        }
        print_json(
            {
                "session_ids": [result.session_id for result in imports],
                **totals,
                "sessions": [asdict(result) for result in imports],
                **_syncs(reports, error),
            }
        )
        return
    columns = ("session", "file", "part", "rows read", "rejected", "duplicates")
    rows = [
        (short_id(r.session_id), r.file, r.split_value, r.rows_read, r.rows_rejected, r.duplicates_collapsed)
        for r in imports
    ]
    show(table("Landed", columns, rows))
    for result in imports:
        if result.rows_rejected:
            command = f"property-manager session-details --session-id {short_id(result.session_id)}"
            rows = "1 row" if result.rows_rejected == 1 else f"{result.rows_rejected} rows"
            output.print(Text(f"{rows} could not be landed; why: {command}", "yellow"))
    _print_reports(reports, error)


def print_scrape(
    result: CrawlResult,
    reports: Sequence[SyncReport],
    error: PropertyManagerError | None = None,
    *,
    as_json: bool,
) -> None:
    """What the crawl read and landed, then what was synced, and what ended that early."""
    if as_json:
        print_json({"session": asdict(result), **_syncs(reports, error)})
        return
    show(
        table(
            "Scraped",
            ("session", "source", "pages", "by HTTP", "by browser", "failed", "blocked", "rows", "complete"),
            [
                (
                    *(short_id(result.session_id), result.source, result.pages_done, result.pages_http),
                    *(result.pages_browser, result.pages_failed, result.pages_blocked, result.rows_landed),
                    "yes" if result.is_complete else "no",
                )
            ],
        )
    )
    if result.incomplete_reason:
        output.print(Text(f"Partial: {result.incomplete_reason}", "yellow"))
    _print_reports(reports, error)


def print_status(status: dict[str, Any], *, as_json: bool) -> None:
    """Sources, sessions that need attention, recent syncs."""
    if as_json:
        print_json(status)
        return
    if not status["sources"]:
        output.print("Nothing has been scraped or imported yet. Try `property-manager demo`.")
        return
    columns = ("source", "active", "removed", "pending sessions", "last good session", "last sync")
    keys = (
        "source",
        "active_listings",
        "removed_listings",
        "pending_sessions",
        "last_good_session_at",
        "last_sync_at",
    )
    show(table("Sources", columns, [[row[key] for key in keys] for row in status["sources"]]))
    if status["attention"]:
        output.print()
        output.print(Text("Worth a look", "bold"))
        for session in status["attention"]:
            state = session["session_status"]
            head = f"{short_id(session['session_id'])} {session['source']}/{session['scope']} "
            head += f"of {session['observed_at']:%Y-%m-%d %H:%M} is {state}: {session['reason'] or 'no reason kept'}"
            output.print(Text(head, "red" if state in ("failed", "quarantined") else "yellow"))
            output.print(Text(f"  next: {session['next_step']}"))
    output.print()
    columns = ("sync", "status", "started", "observed", "created", "updated", "removed", "error")
    keys = ("status", "started_at", "observed", "created", "updated", "removed", "error")
    rows = [(short_id(row["sync_id"]), *(row[key] for key in keys)) for row in status["syncs"]]
    show(table("Recent syncs", columns, rows))


def print_sessions(sessions: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    """Sessions, newest first."""
    if as_json:
        print_json({"sessions": sessions})
        return
    if not sessions:
        output.print("There are no sessions yet.")
        return
    columns = ("session", "source", "kind", "status", "observed at", "complete", "rows", "rejected")
    keys = ("source", "session_kind", "status", "observed_at")
    rows = [
        (
            *(short_id(row["session_id"]), *(row[key] for key in keys)),
            *("yes" if row["is_complete"] else "no", row["rows_landed"], row["rows_rejected"]),
        )
        for row in sessions
    ]
    show(table("", columns, rows))
    for row in sessions:
        if row["reason"]:
            output.print(Text(f"{short_id(row['session_id'])} {row['source']}/{row['scope']}: {row['reason']}", "dim"))


def print_session(details: dict[str, Any], *, as_json: bool) -> None:
    """Everything kept about one session."""
    if as_json:
        print_json(details)
        return
    told = details["session"].items()
    show(facts("Session", [(name.replace("_", " "), value) for name, value in told if name != "verdict"]))
    if details["syncs"]:
        keys = (
            "status",
            "observed",
            "created",
            "updated",
            "price_down",
            "price_up",
            "reactivated",
            "missing",
        )
        keys += ("removed", "unchanged", "rejected")
        rows = [(short_id(row["sync_id"]), *(row[key] for key in keys)) for row in details["syncs"]]
        show(table("Syncs", ("sync", *(key.replace("_", " ") for key in keys)), rows))
    if details["pages"]:
        keys = ("page_kind", "state", "page_class", "fetched_via", "pages")
        rows = [[row[key] for key in keys] for row in details["pages"]]
        show(table("Pages", ("kind", "state", "class", "via", "pages"), rows))
    if details["rejects"]:
        rows = [[row[key] for key in ("reason_code", "rows", "example")] for row in details["rejects"]]
        show(table("Rows that could not be landed", ("reason", "rows", "for example"), rows))


def print_rules(rules: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    """Rules, each with its settings and what it found in the last sync that applied it."""
    if as_json:
        print_json({"rules": rules})
        return
    if not rules:
        output.print("There are no rules yet; the first sync adds those that ship.")
        return
    columns = ("rule", "field", "type", "settings", "severity", "on", "version", "listings", "broken")
    rows = [
        (
            *(rule["rule_name"], rule["field_name"], rule["rule_type"]),
            json.dumps(rule["rule_config"], ensure_ascii=False) if rule["rule_config"] else None,
            *(rule["severity"], "yes" if rule["is_enabled"] else "no", rule["rule_version"]),
            *(rule["evaluated_count"], rule["violated_count"]),
        )
        for rule in rules
    ]
    show(table("", columns, rows))


def print_rule_checks(checks: Sequence[RuleCheck], *, as_json: bool) -> None:
    """Rules that would be refused, each with what is wrong."""
    if as_json:
        print_json({"checks": [{**asdict(check), "ok": check.ok} for check in checks]})
        return
    for check in checks:
        if check.ok:
            output.print(Text("ok   ", "green") + Text(check.rule_name))
        else:
            output.print(Text("fail ", "bold red") + Text(check.problem or ""))
            if check.hint:
                output.print(Text(f"     {check.hint}", "yellow"))
    if not checks:
        output.print("There are no rules yet; the first sync adds those that ship.")


def print_rehearsals(rehearsals: Sequence[Rehearsal], *, as_json: bool) -> None:
    """What rules would have flagged, one line a rule and session."""
    if as_json:
        print_json({"rehearsals": [rehearsal.as_json() for rehearsal in rehearsals]})
        return
    columns = (
        "rule",
        "session",
        "source",
        "observed at",
        "listings",
        "flagged",
        "share",
        "flagged then",
        "for example",
    )
    rows = [
        (
            *(each.rule_name, short_id(each.session_id), each.source, each.observed_at, each.evaluated, each.flagged),
            *(f"{each.share:.1%}", each.flagged_then),
            "; ".join(f"{example['source_listing_id']}: {example['found_value']}" for example in each.examples) or None,
        )
        for each in rehearsals
    ]
    show(table("Would have been flagged", columns, rows))
    output.print("Nothing was changed.")


def print_switched_rule(rule_name: str, version: int | None, *, is_enabled: bool, as_json: bool) -> None:
    """That a rule is on or off now, or was already; `version` is NULL in JSON where nothing changed."""
    if as_json:
        print_json({"rule_name": rule_name, "is_enabled": is_enabled, "rule_version": version})
        return
    state = "on" if is_enabled else "off"
    told = f"was {state} already" if version is None else f"is {state} from the next sync on, as version {version}"
    output.print(Text(f"{rule_name} {told}."))


def print_replay(replay: Replay, reports: Sequence[SyncReport], *, as_json: bool) -> None:
    """What was judged again, and what came of it."""
    if as_json:
        print_json({**replay.as_json(), **_syncs(reports)})
        return
    if replay.replay_sessions:
        output.print(f"Judging again what rules held back: {_counted(replay.listings, 'listing')}.")
    elif replay.reopened_sessions:
        output.print("Judging the quarantined session again.")
    else:
        output.print("No rule holds a listing back here.")
    if replay.quarantined_sessions:
        waiting = _counted(replay.quarantined_sessions, "quarantined session")
        output.print(Text(f"{waiting} can be judged again by --session-id; see status.", "yellow"))
    _print_reports(reports)


def print_checks(checks: Sequence[Check], *, as_json: bool) -> None:
    """The doctor's findings, each with its mend."""
    if as_json:
        print_json({"checks": [asdict(check) for check in checks]})
        return
    for check in checks:
        mark = Text("ok   ", "green") if check.ok else Text("fail ", "bold red")
        output.print(mark + Text(f"{check.name}: {check.finding}", ""))
        if not check.ok:
            output.print(Text(f"     {check.mend}", "yellow"))


def print_server(status: ServerStatus, *, as_json: bool) -> None:
    """The embedded server's state."""
    told = {name: str(value) if value is not None else None for name, value in asdict(status).items()}
    told["running"] = status.running
    if as_json:
        print_json(told)
        return
    show(facts("", [(name.replace("_", " "), value) for name, value in told.items()]))


def _counted(count: int, name: str) -> str:
    return f"{count} {name}" if count == 1 else f"{count} {name}s"


def _syncs(reports: Sequence[SyncReport], error: PropertyManagerError | None = None) -> dict[str, Any]:
    syncs = {"syncs": [report.as_json() for report in reports]}
    return syncs if error is None else {**syncs, **error_as_json(error)}


def _print_reports(reports: Sequence[SyncReport], error: PropertyManagerError | None = None) -> None:
    sessions = [session for report in reports for session in report.sessions]
    if sessions:
        show(_synced(sessions))
    for session in sessions:
        if session.removal_suppressed_reason:
            output.print(_suppression(session))
    if error is not None:
        print_error(error, as_json=False)


def _synced(sessions: Sequence[SessionCounts]) -> Table:
    """One line a session, without the columns that say nothing here."""
    counts = [name for name in _COUNTS if name in _ALWAYS_SHOWN or any(getattr(each, name) for each in sessions)]
    has_scopes = len({(each.source, each.scope) for each in sessions}) > len({each.source for each in sessions})
    keys = ["source", *(["scope"] if has_scopes else []), "observed_at", *counts]
    columns = ["session", *(_COUNTS.get(key, key.replace("_", " ")) for key in keys)]
    rows = [(short_id(session.session_id), *(getattr(session, key) for key in keys)) for session in sessions]
    return table("Synced", columns, rows)


def _suppression(session: SessionCounts) -> Text:
    name, reason = short_id(session.session_id), session.removal_suppressed_reason
    if session.session_status == "quarantined":
        return Text(f"{name} was quarantined, nothing of it is published: {reason}", "red")
    unseen = session.removals_suppressed
    not_seen = f" ({unseen} listings of its scope were not seen)" if unseen else ""
    return Text(f"{name} removed nothing by absence: {reason}{not_seen}", "yellow")
