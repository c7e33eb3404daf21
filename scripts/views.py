"""What each command shows of its result."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from scripts.console import error_as_json, facts, output, print_error, print_json, short_id, show, table

if TYPE_CHECKING:
    from loaders.crawl import CrawlResult
    from loaders.crawl_plan import CrawlPlan
    from loaders.errors import PropertyManagerError
    from loaders.importer import ImportResult
    from scripts.doctor import Check
    from scripts.embedded_postgres import ServerStatus
    from scripts.legacy import Quarantine, Reconciliation
    from scripts.quality_checks import SessionVerdict
    from scripts.raw_replay import RawReplay
    from scripts.rekey import RekeyResult
    from scripts.replay import Replay
    from scripts.retention import Cleanup
    from scripts.retire_scope import Retirement
    from scripts.rollback import Rollback
    from scripts.rules import Rehearsal, RuleCheck
    from scripts.scrape import WorkDone
    from scripts.sync import SessionCounts, SyncReport

_COUNTS = {
    "observed": "observed",
    "created": "created",
    "relisted": "relisted",
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
_CRAWL_COLUMNS = (
    "session",
    "source",
    "pages",
    "unchanged",
    "by HTTP",
    "by browser",
    "failed",
    "blocked",
    "rows",
    "complete",
)
_BAR = 20
_STEPS = "▁▂▃▄▅▆▇█"
_CITIES = 8
_LEGACY_ROWS = {
    "rows": "rows of the legacy table",
    "active": "active in the live table",
    "removed": "removed in the live table",
    "held_back": "held back by rules",
    "left_before": "marked as gone or sold, never published",
    "repeated": "repeat another row's listing",
    "without_id": "without an id",
}
_ALWAYS_SHOWN = {"observed", "created", "updated", "removed", "unchanged"}


def print_syncs(
    reports: Sequence[SyncReport], interrupted: Sequence[dict[str, Any]] | None = None, *, as_json: bool
) -> None:
    """What was synced, one line a session, with the reason where nothing could be removed; then crawls broken off."""
    if as_json:
        print_json(_syncs(reports) if interrupted is None else {**_syncs(reports), "interrupted": interrupted})
        return
    if reports:
        _print_reports(reports)
    else:
        output.print("Nothing was pending.")
    for crawl in interrupted or ():
        head = f"{short_id(crawl['session_id'])} {crawl['source']}/{crawl['scope']} was broken off at "
        head += f"{crawl['pages_done']} of {crawl['pages_planned']} pages: {crawl['reason']}"
        output.print(Text(head, "yellow"))
        output.print(Text(f"  next: {crawl['next_step']}"))


def _crawl_cells(result: CrawlResult) -> tuple[Any, ...]:
    return (
        *(short_id(result.session_id), result.source, result.pages_done, result.pages_unchanged, result.pages_http),
        *(result.pages_browser, result.pages_failed, result.pages_blocked, result.rows_landed),
        "yes" if result.is_complete else "no",
    )


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
            _CRAWL_COLUMNS,
            [_crawl_cells(result)],
        )
    )
    if result.incomplete_reason:
        output.print(Text(f"Partial: {result.incomplete_reason}", "yellow"))
    _print_reports(reports, error)


def print_work(done: WorkDone, *, as_json: bool) -> None:
    """The crawls that a worker saw to their end, and those that failed."""
    if as_json:
        errors = [error_as_json(error)["error"] for error in done.errors]
        print_json({"sessions": [asdict(result) for result in done.results], "errors": errors})
        return
    if done.results:
        show(table("Crawls at their end", _CRAWL_COLUMNS, map(_crawl_cells, done.results)))
    elif not done.errors:
        output.print("No crawl is running.")
    for error in done.errors:
        print_error(error, as_json=False)


def print_plan(plan: CrawlPlan, *, as_json: bool) -> None:
    """What a crawl would do."""
    if as_json:
        print_json(asdict(plan))
        return
    told = asdict(plan) | {"next_urls": "\n".join(plan.next_urls)}
    show(facts("Would be scraped", [(name.replace("_", " "), value) for name, value in told.items()]))
    if plan.robots_verdict != "allowed":
        output.print(
            Text(f"Nothing would be fetched: robots.txt is {plan.robots_verdict}; {plan.robots_reason}", "red")
        )
    if not plan.names_contact:
        output.print(
            Text("Nobody can write to you: set PROPERTY_USER_AGENT to a name with an address of yours.", "yellow")
        )


def print_page_errors(pages: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    """Pages that failed at least once, one line a try."""
    if as_json:
        print_json({"pages": pages})
        return
    if not pages:
        output.print("No page failed.")
        return
    rows = [
        (
            *(page["url"], page["state"], page["page_class"], attempt["attempt"], attempt["happened_at"]),
            *(attempt["http_status"], attempt["error"]),
        )
        for page in pages
        for attempt in page["tries"] or [dict.fromkeys(("attempt", "happened_at", "http_status"), None) | page]
    ]
    show(table("Pages with errors", ("page", "now", "class", "try", "at", "HTTP", "error"), rows))


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


def print_quality_checks(verdict: SessionVerdict, *, as_json: bool) -> None:
    """What the gate asked of a session, each check with its value, limit and consequence."""
    if as_json:
        print_json(verdict.as_json())
        return
    show(facts("Session", list(verdict.facts().items())))
    columns = ("check", "value", "usual", "limit", "verdict", "consequence", "finding")
    rows = [
        (
            check["check_name"] if check["field_name"] is None else f"{check['check_name']} {check['field_name']}",
            *(_measure(check[key]) for key in ("value", "usual_value", "threshold")),
            *(check["verdict"], check["consequence"].replace("_", " "), check["message"]),
        )
        for check in verdict.checks
    ]
    show(table("Checks", columns, rows))


def print_rekey(result: RekeyResult, *, is_dry_run: bool, as_json: bool) -> None:
    """How many ids were mapped, and which sessions wait for that."""
    if as_json:
        print_json({**asdict(result), "dry_run": is_dry_run})
        return
    verb = "would be mapped" if is_dry_run else "were mapped"
    output.print(f"{result.mapped} new ids of {result.source} {verb}, {result.already_mapped} are mapped already.")
    for session_id in result.quarantined_sessions:
        output.print(f"Quarantined, to be judged again: property-manager sync --session-id {short_id(session_id)}")


def print_retirement(
    retirement: Retirement,
    reports: Sequence[SyncReport],
    error: PropertyManagerError | None = None,
    *,
    as_json: bool,
) -> None:
    """What the retirement of a scope removes and keeps, then what was synced."""
    if as_json:
        print_json({**asdict(retirement), **_syncs(reports, error)})
        return
    verb = "would be removed" if retirement.session_id is None else "go with its sync"
    output.print(
        f"Scope {retirement.scope} of {retirement.source}: {retirement.removed} listings {verb}, "
        f"{retirement.kept} stay, listed by other scopes."
    )
    _print_reports(reports, error)


def print_restored(source: str, scope: str, *, as_json: bool) -> None:
    """That a scope may be crawled again."""
    if as_json:
        print_json({"source": source, "scope": scope})
        return
    output.print(f"Scope {scope} of {source} may be crawled again; its listings come back when they are seen.")


def print_migration(
    landed: int,
    reports: Sequence[SyncReport],
    reconciliation: Reconciliation | None,
    quarantine: Quarantine | None,
    error: PropertyManagerError | None,
    *,
    as_json: bool,
) -> None:
    """How many rows of the legacy table landed, what was synced, and what became of each row."""
    counts = None if reconciliation is None else asdict(reconciliation)
    if as_json:
        held = quarantine and {**asdict(quarantine), "next_step": quarantine.next_step}
        print_json({"landed": landed, "reconciliation": counts, "quarantine": held, **_syncs(reports, error)})
        return
    output.print(f"{landed} rows landed." if landed else "This state of the legacy table has landed before.")
    _print_reports(reports, error)
    if quarantine is not None:
        held = f"Session {short_id(quarantine.session_id)} is quarantined, nothing of it is published: "
        output.print(Text(f"{held}{quarantine.reason}\nnext: {quarantine.next_step}", "yellow"), soft_wrap=True)
        return
    if counts is None:
        output.print(Text("Nothing of it is published yet; `property-manager status` says why.", "yellow"))
        return
    show(facts("Every row is accounted for", [(told, counts[name]) for name, told in _LEGACY_ROWS.items()]))


def print_legacy_name(*, is_view: bool, is_new: bool, frozen_views: Sequence[str], as_json: bool) -> None:
    """What the name pulled_properties stands for, and which views still read the table behind it."""
    if as_json:
        print_json({"is_view": is_view, "changed": is_new, "frozen_views": list(frozen_views)})
        return
    holder = "a view of the live table" if is_view else "the legacy table"
    output.print(f"pulled_properties is {holder}{'' if is_new else ' already'}.")
    if frozen_views:
        told = f"These views still read the legacy table: {', '.join(frozen_views)}. "
        output.print(Text(f"{told}Create them anew to let them read the live table.", "yellow"), soft_wrap=True)


def print_cleanup(cleanup: Cleanup, *, is_dry_run: bool, as_json: bool) -> None:
    """What was removed and blanked, or would be."""
    if as_json:
        print_json({**asdict(cleanup), "dry_run": is_dry_run})
        return
    erased = ", ".join(f"{count} of {source}" for source, count in cleanup.erased_listings.items())
    show(
        facts(
            "Would be removed" if is_dry_run else "Removed",
            [
                ("raw rows", cleanup.raw_rows),
                ("partitions", ", ".join(cleanup.dropped_partitions) or 0),
                ("rows that could not be landed", cleanup.rejected_rows),
                ("crawl pages", cleanup.crawl_pages),
                ("documents of pages", cleanup.page_documents),
                ("failed syncs", cleanup.failed_syncs),
                ("completed syncs", cleanup.completed_syncs),
                ("rule results", cleanup.rule_results),
                ("personal data of listings", erased or 0),
                ("old raw rows that stay", cleanup.kept_rows),
            ],
        )
    )


def print_quality_report(report: dict[str, Any], page: Path | None = None, *, as_json: bool) -> None:
    """How good the data of a session are; where a page was written, only its place."""
    if as_json:
        print_json(report)
        return
    if page is not None:
        output.print(Text(f"The report is in {page}"), soft_wrap=True)
        return
    session, overall = report["session"], report["overall"]
    title = f"Session {short_id(session['session_id'])} of {session['source']}/{session['scope']}, "
    title += f"observed {session['observed_at']:%Y-%m-%d %H:%M}: {_percent(overall['score']) or 'no score known'}"
    title += f", {overall['grade']}" if overall["grade"] else ""
    output.print(Text(title, "bold"))
    if session["quarantine_reason"]:
        output.print(Text(f"Quarantined, nothing of it is published: {session['quarantine_reason']}", "red"))
    elif session["removal_suppressed_reason"]:
        output.print(Text(f"Removed nothing by absence: {session['removal_suppressed_reason']}", "yellow"))
    output.print()
    scores = [{"name": "overall", **overall}, *report["scores"]]
    rows = [(each["name"], _bar(each["score"]), _percent(each["score"]), _percent(each["usual"])) for each in scores]
    show(table("Scores", ("score", "", "now", "usual"), rows))
    output.print()
    _print_recommendations(report["recommendations"])
    fields = [each for each in report["fields"] if each["weight"] > 0]
    if fields:
        rows = [
            (
                *(each["field_name"], _bar(each["fill_rate"]), _percent(each["fill_rate"])),
                *(_percent(each["usual_fill_rate"]), each["unreadable_count"], "frozen" if each["is_frozen"] else ""),
            )
            for each in fields
        ]
        output.print()
        show(table("Completeness by field", ("field", "", "filled", "usual", "unreadable", "state"), rows))
    if report["violations"]:
        keys = ("rule_name", "field_name", "severity", "rule_version", "listings")
        output.print()
        columns = ("rule", "field", "severity", "version", "listings")
        show(table("Violations by rule", columns, [[each[key] for key in keys] for each in report["violations"]]))
    if report["checks"]:
        keys = ("verdict", "check_name", "field_name", "message", "consequence")
        notable = [[each[key] for key in keys] for each in report["checks"] if each["verdict"] in ("fail", "warn")]
        output.print()
        passed = sum(each["verdict"] == "pass" for each in report["checks"])
        if notable:
            show(table("Checks", ("verdict", "check", "field", "finding", "consequence"), notable))
        output.print(Text(f"{passed} of {len(report['checks'])} checks passed.", "dim"))
    _print_places(report["geography"])
    trend = [each for each in report["trend"] if each["overall_score"] is not None]
    if len(trend) > 1:
        line = "".join(_STEPS[min(int(each["overall_score"] * len(_STEPS)), len(_STEPS) - 1)] for each in trend)
        output.print()
        span = f"{trend[0]['observed_at']:%Y-%m-%d} to {trend[-1]['observed_at']:%Y-%m-%d}"
        output.print(Text(f"Overall score over {len(trend)} sessions, {span}: {line}"))


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
    elif not replay.retired_listings:
        output.print("No rule holds a listing back here.")
    if replay.retired_listings:
        stay = _counted(replay.retired_listings, "listing")
        output.print(Text(f"{stay} held back in retired scopes: see source restore-scope.", "yellow"))
    if replay.quarantined_sessions:
        waiting = _counted(replay.quarantined_sessions, "quarantined session")
        output.print(Text(f"{waiting} can be judged again by --session-id; see status.", "yellow"))
    _print_reports(reports)


def print_rollback(undone: Rollback, *, as_json: bool) -> None:
    """What was undone, or would be."""
    if as_json:
        print_json(undone.as_json())
        return
    if undone.was_undone:
        output.print(f"Session {undone.session_id} was rolled back before; nothing was done.")
        return
    output.print(
        facts(
            f"{'Would roll back' if undone.is_dry_run else 'Rolled back'} session {undone.session_id}",
            [
                ("source and scope", f"{undone.source} {undone.scope}"),
                ("back as they were", _counted(undone.restored, "listing")),
                ("no longer published", _counted(undone.retracted, "listing")),
                ("scopes, flags or held price alone", _counted(undone.adjusted, "listing")),
                ("rows added to the feed", undone.feed_rows),
                ("sightings forgotten", undone.sightings),
            ],
        )
    )


def print_raw_replay(found: RawReplay, *, as_json: bool) -> None:
    """Whether a replay gave the same, and the first rows in which it did not, field by field."""
    if as_json:
        print_json(found.as_json())
        return
    output.print(
        facts(
            f"Replay of {found.source}",
            [
                ("syncs and rollbacks repeated", f"{found.syncs} and {found.rollbacks}"),
                ("compared", f"{_counted(found.changes, 'change')}, {_counted(found.versions, 'version')}"),
                ("left out, personal data blanked", _counted(found.erased_listings, "listing")),
                ("differences", found.differences or "none"),
                ("kept in the schema", found.schema or "nothing"),
            ],
        )
    )
    if found.examples:
        rows = [row for example in found.examples for row in _differences(example)]
        show(table("Differences", ("table", "listing", "row", "what", "live", "replay"), rows))


def _differences(example: dict[str, Any]) -> list[tuple[str, ...]]:
    """One line for each column with other values, or one for a row that only one side has."""
    row = (example["table_name"], example["property_id"], example["row_key"])
    if not example["columns"]:
        return [(*row, example["kind"], "", "")]
    return [
        (
            *row,
            column,
            *(json.dumps(example[side].get(column), ensure_ascii=False) for side in ("recorded", "replayed")),
        )
        for column in example["columns"]
    ]


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


def _print_recommendations(recommendations: Sequence[dict[str, Any]]) -> None:
    if not recommendations:
        output.print(Text("Nothing to do: the session looks as it should.", "green"))
        return
    output.print(Text("What to do", "bold"))
    styles = {"critical": "red", "warning": "yellow"}
    for advice in recommendations:
        output.print(Text(f" {advice['urgency']:<9}{advice['message']}", styles.get(advice["urgency"], "")))


def _print_places(geography: dict[str, Any] | None) -> None:
    if not geography or not (geography["city_count"] or geography["located_count"]):
        return
    total = geography["with_city_count"]
    rows = [
        (each["city"], _bar(each["listings"] / total), each["listings"], _percent(each["listings"] / total))
        for each in geography["cities"][:_CITIES]
    ]
    output.print()
    if rows:
        show(table(f"Places: {geography['city_count']} cities", ("city", "", "listings", "share"), rows))
    if geography["located_count"]:
        told = f"{geography['located_count']} listings have coordinates, in {geography['cell_count']} areas; "
        output.print(Text(f"{told}{geography['outlier_count']} lie far from the rest.", "dim"))


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.1f}%"


def _bar(share: float | None) -> str:
    return "" if share is None else "█" * round(share * _BAR) + "░" * (_BAR - round(share * _BAR))


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
        if session.frozen_reason:
            fields = ", ".join(session.frozen_fields)
            told = f"{short_id(session.session_id)} publishes nothing of {fields}: {session.frozen_reason}"
            output.print(Text(told, "yellow"))
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


def _measure(value: float | None) -> str | None:
    """A value of a check: counts as they are, shares with four digits at most."""
    return None if value is None else f"{value:.4f}".rstrip("0").rstrip(".")


def _suppression(session: SessionCounts) -> Text:
    name, reason = short_id(session.session_id), session.removal_suppressed_reason
    if session.session_status == "quarantined":
        return Text(f"{name} was quarantined, nothing of it is published: {reason}", "red")
    unseen = session.removals_suppressed
    not_seen = f" ({unseen} listings of its scope were not seen)" if unseen else ""
    return Text(f"{name} removed nothing by absence: {reason}{not_seen}", "yellow")
