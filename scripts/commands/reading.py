"""Commands that only read: health, sessions, changes, histories and quality."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from loaders.errors import EXIT_QUALITY_GATE, UsageError
from scripts.commands.options import json_option, operation


@click.command()
@json_option
@operation
def status(as_json: bool) -> None:
    """Show the health at a glance: what is wrong with the command that helps, lag, recent syncs, disk and queues.

    Example: property-manager status --json
    """
    from loaders.database import connect
    from scripts.database import ready_database
    from scripts.status import system_status
    from scripts.status_views import print_status

    with connect(ready_database()) as connection:
        print_status(system_status(connection), as_json=as_json)


@click.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Replace this file as a whole, for node_exporter's textfile collector; default stdout.",
)
@operation
def metrics(output: Path | None) -> None:
    """Write the health as Prometheus metrics.

    Example: property-manager metrics --output /var/lib/node_exporter/property_manager.prom
    """
    from loaders.database import connect
    from scripts.database import ready_database
    from scripts.metrics import metrics_text, write_metrics
    from scripts.status import system_status

    with connect(ready_database()) as connection:
        found = system_status(connection)
    if output is None:
        click.echo(metrics_text(found), nl=False)
    else:
        write_metrics(found, output)


@click.command()
@click.option("--since", type=click.IntRange(min=0), help="Only rows after this sequence number.")
@click.option("--type", "change_types", multiple=True, help="Only this kind of change, such as removed; repeatable.")
@click.option("--field", "field_names", multiple=True, help="Only changes of this field; repeatable.")
@click.option("--significant", "only_significant", is_flag=True, help="Only significant changes.")
@click.option("--source", help="Only changes of this source.")
@click.option(
    "--limit", type=click.IntRange(min=1), help="How many at most; without --since the last ones, for people 50."
)
@click.option("--follow", "is_followed", is_flag=True, help="Wait for new changes and show them as they are published.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV with a header.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@operation
def changes(
    since: int | None,
    change_types: tuple[str, ...],
    field_names: tuple[str, ...],
    only_significant: bool,
    source: str | None,
    limit: int | None,
    is_followed: bool,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Read the change feed, in order; a program goes on with --since and the last sequence it read.

    Example: property-manager changes --field price --significant
    """
    from loaders.database import connect
    from scripts import feed_views
    from scripts.database import ready_database
    from scripts.feed import CHANGE_TYPES, FeedFilter, follow_changes, latest_changes, read_changes
    from scripts.sync import require_source

    unknown = [name for name in change_types if name not in CHANGE_TYPES]
    if unknown:
        raise UsageError(f"--type {unknown[0]!r} is no kind of change", f"Kinds are: {', '.join(CHANGE_TYPES)}.")
    if as_csv and as_json:
        raise UsageError("--csv and --json cannot be combined", "Choose one of them.")
    if is_followed and limit is not None:
        raise UsageError("--follow and --limit cannot be combined", "Leave one of them out.")
    chosen = FeedFilter(source, change_types, field_names, only_significant)
    is_for_people = not (as_csv or as_json)
    with connect(ready_database()) as connection:
        if source is not None:
            require_source(connection, source)
        if is_followed:
            rows = follow_changes(connection, chosen, since=since)
        elif since is None and (limit is not None or is_for_people):
            rows = latest_changes(connection, chosen, limit or 50)
        else:
            rows = read_changes(connection, chosen, since=since or 0, limit=limit)
        if as_json:
            feed_views.print_changes_as_lines(rows)
        elif as_csv:
            feed_views.print_changes_as_csv(rows)
        elif is_followed:
            feed_views.print_changes_as_they_come(rows)
        else:
            feed_views.print_changes(list(rows))


@click.command()
@click.argument("listing", metavar="PROPERTY")
@click.option("--source", help="The source, where several know a listing of this id.")
@json_option
@operation
def history(listing: str, source: str | None, as_json: bool) -> None:
    """Show one listing's life: what it is now, its price over time and every change.

    PROPERTY is its property_id, the first digits of it, or its id at the portal.

    Example: property-manager history 3f2a9c01
    """
    from loaders.database import connect
    from scripts.database import ready_database
    from scripts.feed import listing_history
    from scripts.feed_views import print_history
    from scripts.sync import require_source

    with connect(ready_database()) as connection:
        if source is not None:
            require_source(connection, source)
        print_history(listing_history(connection, listing, source), as_json=as_json)


@click.command(name="list-sessions")
@click.option("--limit", type=click.IntRange(min=1), default=10, show_default=True, help="How many, newest first.")
@json_option
@operation
def list_sessions(limit: int, as_json: bool) -> None:
    """List recent sessions, newest first.

    Example: property-manager list-sessions --limit 10
    """
    from loaders.database import connect
    from scripts.database import ready_database
    from scripts.status import recent_sessions
    from scripts.views import print_sessions

    with connect(ready_database()) as connection:
        print_sessions(recent_sessions(connection, limit), as_json=as_json)


@click.command(name="session-details")
@click.option("--session-id", required=True, help="The session, or the first digits of its id.")
@click.option("--errors", "shows_errors", is_flag=True, help="Show the pages that failed instead, with every try.")
@json_option
@operation
def session_details(session_id: str, shows_errors: bool, as_json: bool) -> None:
    """Show everything kept about one session: its counts, pages, rejected rows and syncs.

    Example: property-manager session-details --session-id 3f2a9c01 --errors
    """
    from loaders.database import connect
    from scripts.database import ready_database
    from scripts.status import page_errors
    from scripts.status import session_details as details
    from scripts.sync import resolve_session
    from scripts.views import print_page_errors, print_session

    with connect(ready_database()) as connection:
        resolved, _, _ = resolve_session(connection, session_id)
        if shows_errors:
            print_page_errors(page_errors(connection, resolved), as_json=as_json)
        else:
            print_session(details(connection, resolved), as_json=as_json)


@click.command(name="quality-checks")
@click.option("--session-id", required=True, help="The session, or the first digits of its id.")
@json_option
@operation
def quality_checks(session_id: str, as_json: bool) -> None:
    """List what the gate checked of a session: value, limit, verdict and consequence; exit code 3 when one failed.

    Example: property-manager quality-checks --session-id 3f2a9c01
    """
    from loaders.database import connect
    from scripts.database import ready_database
    from scripts.quality_checks import session_verdict
    from scripts.sync import resolve_session
    from scripts.views import print_quality_checks

    with connect(ready_database()) as connection:
        resolved, _, _ = resolve_session(connection, session_id)
        verdict = session_verdict(connection, resolved)
    print_quality_checks(verdict, as_json=as_json)
    if verdict.failed:
        sys.exit(EXIT_QUALITY_GATE)


@click.command(name="quality-report")
@click.option("--session-id", help="The session, or the first digits of its id; default the latest that was synced.")
@click.option("--source", help="Without --session-id: the latest session of this source.")
@click.option(
    "--html", "html_file", type=click.Path(path_type=Path), help="Write the report as one self-contained page."
)
@json_option
@operation
def quality_report(session_id: str | None, source: str | None, html_file: Path | None, as_json: bool) -> None:
    """Show how good the data of a session are: scores, fields, rules, places, trend and what to do.

    Example: property-manager quality-report --session-id 3f2a9c01 --html report.html
    """
    from loaders.database import connect
    from scripts.database import ready_database
    from scripts.quality_page import write_page
    from scripts.quality_report import latest_session
    from scripts.quality_report import quality_report as read_report
    from scripts.sync import require_source, resolve_session
    from scripts.views import print_quality_report

    if session_id is not None and source is not None:
        raise UsageError(
            "--session-id and --source cannot be combined", "A session id says everything; leave --source out."
        )
    with connect(ready_database()) as connection:
        if session_id is not None:
            resolved, _, _ = resolve_session(connection, session_id)
        else:
            if source is not None:
                require_source(connection, source)
            resolved = latest_session(connection, source)
        report = read_report(connection, resolved)
    if html_file is not None:
        write_page(report, html_file)
    print_quality_report(report, html_file, as_json=as_json)
