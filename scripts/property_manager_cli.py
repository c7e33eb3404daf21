#!/usr/bin/env python3
"""The command line: every command validates, opens the database, calls one operation and prints what it returned."""

from __future__ import annotations

import functools
import logging
import re
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import click

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from loaders.errors import EXIT_QUALITY_GATE, PropertyManagerError, UsageError, worst_exit_code

_ASSIGNMENT = re.compile(r"^[a-z_][\w.]*=")


class SpreadCommand(click.Command):
    """A command whose `--set` and `--map` take several `name=value` words: `--set a=1 b=2` is `--set a=1 --set b=2`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        spread: list[str] = []
        repeated: str | None = None
        for position, word in enumerate(args):
            if word in ("--set", "--map"):
                repeated = word
                spread.append(word)
            elif repeated and args[position - 1] != repeated and _ASSIGNMENT.match(word) and not Path(word).exists():
                spread += [repeated, word]
            else:
                if repeated and args[position - 1] != repeated:
                    repeated = None
                spread.append(word)
        return super().parse_args(ctx, spread)


def operation(command: Callable[..., Any]) -> Callable[..., Any]:
    """Run a command with logging; expected failures become a message and an exit code, never a traceback."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        from scripts.config import load_dotenv
        from scripts.console import print_error
        from scripts.interrupts import InterruptedCommandError, sigterm_interrupts
        from scripts.logs import start_logging, told

        as_json = bool(kwargs.get("as_json"))
        try:
            load_dotenv()
            logger = start_logging()
        except PropertyManagerError as error:
            print_error(error, as_json=as_json)
            sys.exit(error.exit_code)
        try:
            logger.info("%s started", command.__name__)
            with sigterm_interrupts():
                result = command(*args, **kwargs)
            logger.info("%s finished", command.__name__)
        except PropertyManagerError as error:
            logger.exception("%s failed: %s", command.__name__, error.message)
            print_error(error, as_json=as_json)
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            logger.warning("%s interrupted", command.__name__)
            interrupted = InterruptedCommandError()
            print_error(interrupted, as_json=as_json)
            sys.exit(interrupted.exit_code)
        except (click.exceptions.Exit, click.ClickException):
            raise
        except Exception as error:
            logger.exception("%s failed unexpectedly", command.__name__)
            unexpected = told(error)
            print_error(unexpected, as_json=as_json)
            sys.exit(unexpected.exit_code)
        return result

    return run


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option that prints JSON for programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")(command)


def wait_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option that waits for another sync instead of giving up."""
    return click.option("--wait", is_flag=True, help="Wait while another command is syncing.")(command)


def mass_removal_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option that lifts the limit on removals for what the command syncs."""
    return click.option(
        "--allow-mass-removal",
        "allows_mass_removal",
        is_flag=True,
        help="Remove more than max_removal_share of a scope at once; audited.",
    )(command)


def private_network_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option that lets a crawl reach machines that are not on the public network."""

    def allow(context: click.Context, _: click.Parameter, networks: str | None) -> None:
        from loaders.network_guard import allowing

        if networks is not None:
            try:
                context.with_resource(allowing(networks))
            except UsageError as error:
                raise click.BadParameter(f"{error.message}. {error.hint}") from error

    return click.option(
        "--allow-private-network",
        is_flag=False,
        flag_value="all",
        expose_value=False,
        callback=allow,
        metavar="[NETWORKS]",
        help="Also open addresses that are not public: all, or those named, such as 10.2.0.0/16,127.0.0.1:8100.",
    )(command)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="property-manager", prog_name="property-manager")
def main() -> None:
    """Turn repeated scrapes of property portals into one live table and a history of every change.

    Example: property-manager demo
    """


@main.command(name="import", cls=SpreadCommand)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--source", required=True, help="Name of the feed, such as my_feed.")
@click.option("--scope", default="default", show_default=True, help="The set of listings that the files enumerate.")
@click.option(
    "--mapping",
    "mapping_file",
    type=click.Path(path_type=Path),
    help="YAML file: fields, constants, …; default mappings/SOURCE.yml.",
)
@click.option("--map", "mapped", multiple=True, metavar="FIELD=COLUMN …", help="Map columns on the command line.")
@click.option("--observed-at", help="When the files were observed (ISO 8601); default now.")
@click.option("--observed-at-column", help="Column that holds each row's time of observation.")
@click.option("--split-by", help="One session per value of this column, ascending.")
@click.option("--complete/--partial", "is_complete", default=False, help="Whether each session enumerates its scope.")
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE …", help="Change settings of the source.")
@click.option("--no-sync", is_flag=True, help="Land the rows only.")
@mass_removal_option
@wait_option
@json_option
@operation
def import_(
    files: Sequence[Path],
    source: str,
    scope: str,
    mapping_file: Path | None,
    mapped: Sequence[str],
    observed_at: str | None,
    observed_at_column: str | None,
    split_by: str | None,
    is_complete: bool,
    assignments: Sequence[str],
    no_sync: bool,
    allows_mass_removal: bool,
    wait: bool,
    as_json: bool,
) -> None:
    """Land CSV, CSV.gz or NDJSON files and sync them.

    Example: property-manager import flats.csv --source my_feed --complete --map source_listing_id=id price=PRICE
    """
    from loaders.configuration import configured_settings
    from loaders.database import connect
    from loaders.importer import ImportOptions, import_files, require_files
    from loaders.sessions import ensure_source
    from loaders.settings import change_settings, parse_settings
    from loaders.source_files import check_source_name
    from scripts.console import say
    from scripts.database import ready_database
    from scripts.progress import import_progress
    from scripts.views import print_imports

    check_source_name(source)
    options = ImportOptions(
        source=source,
        scope=scope,
        mapping=_mapping(source, mapping_file, mapped),
        observed_at=_time(observed_at),
        observed_at_column=observed_at_column,
        split_by=split_by,
        is_complete=is_complete,
    )
    settings = {**configured_settings(options.source), **parse_settings(assignments)}
    require_files(files)
    url = ready_database()
    if not is_complete:
        say("Importing as partial: nothing is removed by absence. Use --complete if a session is the whole scope.")
    with connect(url, application_name="property-manager import") as connection:
        ensure_source(connection, options.source)
        change_settings(connection, options.source, settings)
        with import_progress() as on_progress:
            imports = import_files(connection, files, options, on_progress)
    synced = _Synced([])
    if not no_sync:
        synced = _sync_landed(url, source=options.source, wait=wait, allows_mass_removal=allows_mass_removal)
    print_imports(imports, synced.reports, synced.error, as_json=as_json)
    _exit_for(synced)


@main.command(cls=SpreadCommand)
@click.option("--url", help="First result page of the portal; default the start that the file of --source names.")
@click.option("--resume", metavar="SESSION", help="Instead of --url: go on with a crawl that was broken off.")
@click.option("--source", help="Name of the portal; default from the source file or the host.")
@click.option("--scope", help="The set of listings that the URL enumerates; default the normalised URL.")
@click.option("--session-name", help="A name for people.")
@click.option("--max-pages", type=click.IntRange(min=1), help="Stop after so many result pages; makes it partial.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes that share it.")
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE …", help="Change settings of the source.")
@click.option(
    "--dry-run", "is_dry_run", is_flag=True, help="Show what would be fetched; at most robots.txt is fetched for that."
)
@click.option("--no-sync", is_flag=True, help="Land the rows only.")
@private_network_option
@mass_removal_option
@wait_option
@json_option
@operation
def scrape(
    url: str | None,
    resume: str | None,
    source: str | None,
    scope: str | None,
    session_name: str | None,
    max_pages: int | None,
    workers: int,
    assignments: Sequence[str],
    is_dry_run: bool,
    no_sync: bool,
    allows_mass_removal: bool,
    wait: bool,
    as_json: bool,
) -> None:
    """Crawl a portal's result pages and adverts, land what they say and sync it.

    A crawl that was broken off goes on by the same command, or by --resume with the first digits of its session.

    Example: property-manager scrape --url "https://example.com/properties" --max-pages 10
    """
    from loaders.source_files import check_source_name
    from scripts.database import ready_database
    from scripts.scrape import plan_scrape, resume_scrape, scrape_portal
    from scripts.views import print_plan, print_scrape

    if url is None and resume is None and source is not None:
        url, scope, max_pages = _configured_start(source, scope, max_pages)
    _require_one_target(url, resume, (source, scope, session_name, max_pages))
    if source is not None:
        check_source_name(source)
    database = ready_database()
    if is_dry_run:
        plan = plan_scrape(
            database,
            url=url,
            resume=resume,
            source=source,
            scope=scope,
            max_pages=max_pages,
            assignments=assignments,
        )
        print_plan(plan, as_json=as_json)
        return
    if url is not None:
        result = scrape_portal(
            database,
            url=url,
            source=source,
            scope=scope,
            session_name=session_name,
            max_pages=max_pages,
            assignments=assignments,
            workers=workers,
        )
    else:
        result = resume_scrape(database, resume or "", assignments=assignments, workers=workers)
    synced = _Synced([])
    if not no_sync:
        synced = _sync_landed(database, source=result.source, wait=wait, allows_mass_removal=allows_mass_removal)
    print_scrape(result, synced.reports, synced.error, as_json=as_json)
    _exit_for(synced)


@main.command()
@click.option("--source", "names", multiple=True, help="Only this source; repeatable. Default all that name a start.")
@click.option("--jobs", type=click.IntRange(1, 16), default=2, show_default=True, help="Crawls at once.")
@click.option("--deadline", metavar="DURATION", help="Stop crawls after so long, such as 45m or 1h30m.")
@private_network_option
@json_option
@operation
def run(names: tuple[str, ...], jobs: int, deadline: str | None, as_json: bool) -> None:
    """Crawl and sync every source whose file names a start, for a nightly schedule.

    What goes wrong with one source stops no other; the exit code is the worst of all. While another run is under way
    the exit code is 75. A crawl that the deadline stopped goes on with the next run.

    Example: property-manager run --jobs 4 --deadline 6h
    """
    from scripts.database import ready_database
    from scripts.run_sources import Deadline, parse_duration, run_sources
    from scripts.run_views import print_runs, tell_run

    ends = Deadline(parse_duration(deadline) if deadline is not None else None)
    runs = run_sources(ready_database(), names=names, jobs=jobs, ends=ends, on_run=tell_run)
    print_runs(runs, as_json=as_json)
    if code := worst_exit_code(run.exit_code for run in runs):
        sys.exit(code)


@main.command()
@click.option("--session-id", help="Only this crawl, by the first digits of its id; default every running one.")
@private_network_option
@json_option
@operation
def worker(session_id: str | None, as_json: bool) -> None:
    """Share running crawls with the processes that work on them, here or on other machines; ends when nothing is left.

    All workers together ask a host no more often than its settings and its robots.txt allow. Nothing is synced.

    Example: property-manager worker --session-id 3f2a9c01
    """
    from scripts.database import ready_database
    from scripts.scrape import work
    from scripts.views import print_work

    done = work(ready_database(), session_id)
    print_work(done, as_json=as_json)
    if done.errors:
        sys.exit(worst_exit_code(error.exit_code for error in done.errors))


@main.command()
@click.option("--session-id", required=True, help="The session, or the first digits of its id.")
@click.option(
    "--force",
    "is_forced",
    is_flag=True,
    help="Publish it whatever the gate says, quarantined or not; audited. Limits on removals stay.",
)
@mass_removal_option
@wait_option
@json_option
@operation
def sync(session_id: str, is_forced: bool, allows_mass_removal: bool, wait: bool, as_json: bool) -> None:
    """Sync one session; older unfinished sessions of its source come first and are reported.

    A quarantined session is judged again, with the settings, rules and ids of today.

    Example: property-manager sync --session-id 3f2a9c01
    """
    from loaders.database import connect
    from scripts.console import say
    from scripts.database import ready_database
    from scripts.sync import resolve_session
    from scripts.views import print_syncs

    url = ready_database()
    with connect(url) as connection:
        resolved, source, status = resolve_session(connection, session_id)
    if status in ("running", "interrupted", "failed"):
        raise UsageError(
            f"session {resolved} is {status}; only a session that was scraped to its end can be synced",
            "`property-manager status` names the command that helps.",
        )
    if is_forced and status not in ("scraped", "quarantined"):
        raise UsageError(
            f"session {resolved} is {status} already; --force is for a session that waits or was quarantined"
        )
    if status == "quarantined":
        say(f"Session {resolved} was quarantined; it is judged again.")
    elif status not in ("scraped", "published"):
        say(f"Session {resolved} is {status} already.")
    reports = _sync(
        url,
        source=source,
        until_session=resolved,
        is_forced=is_forced,
        allows_mass_removal=allows_mass_removal,
        wait=wait,
    )
    print_syncs(reports, as_json=as_json)
    _exit_for_gate(reports)


@main.command(name="sync-pending")
@click.option("--source", help="Only sessions of this source.")
@mass_removal_option
@wait_option
@json_option
@operation
def sync_pending(source: str | None, allows_mass_removal: bool, wait: bool, as_json: bool) -> None:
    """Sync until nothing is pending; crawls that were broken off are named with the command that helps.

    Example: property-manager sync-pending
    """
    from loaders.database import connect
    from scripts.database import ready_database
    from scripts.status import interrupted_crawls
    from scripts.sync import require_source
    from scripts.views import print_syncs

    url = ready_database()
    if source is not None:
        with connect(url) as connection:
            require_source(connection, source)
    reports = _sync(url, source=source, wait=wait, allows_mass_removal=allows_mass_removal)
    with connect(url) as connection:
        interrupted = interrupted_crawls(connection, source)
    print_syncs(reports, interrupted, as_json=as_json)
    _exit_for_gate(reports)


@main.command()
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


@main.command()
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


@main.command()
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


@main.command()
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


@main.command(name="list-sessions")
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


@main.command(name="session-details")
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


@main.command(name="quality-checks")
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


@main.group()
def source() -> None:
    """Describe a portal in a small file and try it out; retire scopes, and map listings to new ids.

    Example: property-manager source test my_portal
    """


@source.command(name="new")
@click.argument("name")
@click.option("--url", required=True, help="First result page of the portal.")
@json_option
@operation
def new_source(name: str, url: str, as_json: bool) -> None:
    """Write a source file for a portal from the template, into the folder sources of PROPERTY_CONFIG_DIR.

    Example: property-manager source new my_portal --url "https://portal.example/flats"
    """
    from scripts.source_views import print_new_source
    from scripts.sources import new_source as write

    print_new_source(name, write(name, url), as_json=as_json)


@source.command(name="check")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@json_option
@operation
def check_source(names: tuple[str, ...], as_json: bool) -> None:
    """Check source files, by default all: keys, selectors, settings, and whether saved pages are read as they were.

    Exit code 1 when one is not in order. Nothing is fetched.

    Example: property-manager source check my_portal
    """
    from loaders.database import connect
    from scripts.database import ready_database
    from scripts.source_views import print_checked_sources
    from scripts.sources import check_sources

    with connect(ready_database()) as connection:
        checks = check_sources(connection, names)
    print_checked_sources(checks, as_json=as_json)
    if not all(check.ok for check in checks):
        sys.exit(1)


@source.command(name="test")
@click.argument("name")
@click.option("--url", help="A page of the portal; default the first start, and the first advert it leads to.")
@click.option(
    "--kind",
    type=click.Choice(["list", "detail"]),
    default="list",
    show_default=True,
    help="What the page of --url is.",
)
@click.option("--no-save", is_flag=True, help="Do not save the pages for `source check`.")
@private_network_option
@json_option
@operation
def test_source(name: str, url: str | None, kind: str, no_save: bool, as_json: bool) -> None:
    """Read a live page and show, field by field, what each selector gave and what is missing; nothing is landed.

    Pages that were read are saved in the folder pages of PROPERTY_CONFIG_DIR. Exit code 1 when one was not.

    Example: property-manager source test my_portal
    """
    from loaders.database import connect
    from scripts.console import print_json
    from scripts.database import ready_database
    from scripts.source_views import print_tried_page
    from scripts.sources import try_source

    tried = []
    with connect(ready_database(), application_name="property-manager source test") as connection:
        for page in try_source(connection, name, url=url, kind=kind, is_saved=not no_save):
            tried.append(page)
            if not as_json:
                print_tried_page(page)
    if as_json:
        print_json({"source": name, "pages": [page.as_json() for page in tried]})
    if not all(page.ok for page in tried):
        sys.exit(1)


@source.command(name="retire-scope")
@click.argument("name")
@click.argument("scope")
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Only say how many listings would be removed.")
@mass_removal_option
@wait_option
@json_option
@operation
def retire_scope(name: str, scope: str, is_dry_run: bool, allows_mass_removal: bool, wait: bool, as_json: bool) -> None:
    """Retire a scope that is no longer crawled: a sync removes the listings that no other scope lists.

    Example: property-manager source retire-scope my_feed north --dry-run
    """
    from loaders.database import connect
    from scripts.database import ready_database
    from scripts.retire_scope import retire_scope as retire
    from scripts.sync import require_source
    from scripts.views import print_retirement

    url = ready_database()
    with connect(url) as connection:
        require_source(connection, name)
        retirement = retire(connection, name, scope, is_dry_run=is_dry_run, allows_mass_removal=allows_mass_removal)
    synced = _Synced([]) if is_dry_run else _sync_landed(url, source=name, wait=wait)
    print_retirement(retirement, synced.reports, synced.error, as_json=as_json)
    _exit_for(synced)


@source.command(name="restore-scope")
@click.argument("name")
@click.argument("scope")
@json_option
@operation
def restore_scope(name: str, scope: str, as_json: bool) -> None:
    """Let a retired scope be crawled again; its listings come back when they are seen.

    Example: property-manager source restore-scope my_feed north
    """
    from loaders.database import connect
    from scripts.database import ready_database
    from scripts.retire_scope import restore_scope as restore
    from scripts.sync import require_source
    from scripts.views import print_restored

    with connect(ready_database()) as connection:
        require_source(connection, name)
        restore(connection, name, scope)
    print_restored(name, scope, as_json=as_json)


@source.command()
@click.argument("name")
@click.option(
    "--map", "file", required=True, type=click.Path(path_type=Path), help="CSV file with the columns old and new."
)
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Only check the file.")
@json_option
@operation
def rekey(name: str, file: Path, is_dry_run: bool, as_json: bool) -> None:
    """Map new ids to published listings after the portal changed its id scheme.

    Example: property-manager source rekey my_feed --map ids.csv --dry-run
    """
    from loaders.database import connect
    from scripts.database import ready_database
    from scripts.rekey import rekey_source
    from scripts.sync import require_source
    from scripts.views import print_rekey

    with connect(ready_database()) as connection:
        require_source(connection, name)
        result = rekey_source(connection, name, file, is_dry_run=is_dry_run)
    print_rekey(result, is_dry_run=is_dry_run, as_json=as_json)


@main.command(name="quality-report")
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


@main.command(name="replay-quarantine")
@click.option("--source", help="Only what is held back of this source.")
@click.option("--session-id", help="Only what this session holds back; a quarantined session is judged again.")
@wait_option
@json_option
@operation
def replay_quarantine(source: str | None, session_id: str | None, wait: bool, as_json: bool) -> None:
    """Judge stored rows that rules or the gate held back again, without scraping, and sync them.

    Example: property-manager replay-quarantine --source my_feed
    """
    from loaders.database import connect
    from scripts.database import ready_database
    from scripts.replay import prepare_replay
    from scripts.sync import require_source, resolve_session
    from scripts.views import print_replay

    url = ready_database()
    with connect(url, application_name="property-manager replay-quarantine") as connection:
        if source is not None:
            require_source(connection, source)
        resolved = None
        if session_id is not None:
            resolved, owner, _ = resolve_session(connection, session_id)
            if source not in (None, owner):
                raise UsageError(f"session {resolved} belongs to {owner}, not to {source}", "Leave --source out.")
            source = owner
        replay = prepare_replay(connection, source=source, session_id=resolved)
    reports = _sync(url, source=source, wait=wait)
    print_replay(replay, reports, as_json=as_json)
    _exit_for_gate(reports)


@main.command(name="migrate-legacy", cls=SpreadCommand)
@click.option("--map", "mapped", multiple=True, metavar="FIELD=COLUMN …", help="Columns that have unusual names.")
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE …", help="Change settings of source legacy.")
@click.option("--switch", "is_switched", is_flag=True, help="Let a view of the live table take the table's name.")
@click.option("--rollback", "is_rolled_back", is_flag=True, help="Undo --switch: the table takes its name back.")
@wait_option
@json_option
@operation
def migrate_legacy(
    mapped: Sequence[str],
    assignments: Sequence[str],
    is_switched: bool,
    is_rolled_back: bool,
    wait: bool,
    as_json: bool,
) -> None:
    """Land the rows of pulled_properties as source legacy, sync them and account for each; safe to repeat.

    Example: property-manager migrate-legacy --map price=asking_price
    """
    from loaders.database import connect
    from loaders.sessions import ensure_source
    from loaders.settings import change_settings, parse_settings
    from scripts import legacy
    from scripts.database import ready_database
    from scripts.views import print_legacy_name, print_migration

    if is_switched + is_rolled_back + bool(mapped or assignments) > 1:
        raise UsageError("--switch, --rollback, and --map with --set cannot be combined", "Run them one by one.")
    mapping, settings = _mapping(legacy.SOURCE, None, mapped), parse_settings(assignments)
    url = ready_database()
    with connect(url, application_name="property-manager migrate-legacy") as connection:
        if is_switched or is_rolled_back:
            is_new = legacy.switch(connection) if is_switched else legacy.restore(connection)
            print_legacy_name(is_view=is_switched, is_new=is_new, as_json=as_json)
            return
        ensure_source(connection, legacy.SOURCE)
        change_settings(connection, legacy.SOURCE, settings)
        landed = legacy.land(connection, mapping)
        synced = _sync_landed(url, source=legacy.SOURCE, wait=wait)
        counts = legacy.reconcile(connection) if synced.error is None else None
    print_migration(landed, synced.reports, counts, synced.error, as_json=as_json)
    _exit_for(synced)


@main.command()
@click.option("--from-raw", is_flag=True, help="From the raw rows of all sessions; the only kind there is.")
@click.option("--source", required=True, help="The source.")
@click.option("--keep", "keeps_schema", is_flag=True, help="Leave the schema of the replay for a closer look.")
@wait_option
@json_option
@operation
def replay(from_raw: bool, source: str, keeps_schema: bool, wait: bool, as_json: bool) -> None:
    """Sync all sessions of a source anew in a schema of their own; compare changes and history with the live ones.

    Live tables are only read. Exit code 3 when replay and live tables differ.

    Example: property-manager replay --from-raw --source my_feed
    """
    from loaders.database import connect
    from scripts.database import ready_database
    from scripts.progress import replay_progress
    from scripts.raw_replay import replay_from_raw
    from scripts.sync import require_source
    from scripts.views import print_raw_replay

    if not from_raw:
        raise UsageError("the command does not say what to replay from", "Add --from-raw.")
    url = ready_database()
    with connect(url) as connection:
        require_source(connection, source)
    with replay_progress() as on_step:
        found = replay_from_raw(url, source, keeps_schema=keeps_schema, wait=wait, on_step=on_step)
    print_raw_replay(found, as_json=as_json)
    if found.differences:
        sys.exit(EXIT_QUALITY_GATE)


@main.command()
@click.option("--session-id", required=True, help="The session, or the first digits of its id.")
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Count what would be undone; nothing is written.")
@wait_option
@json_option
@operation
def rollback(session_id: str, is_dry_run: bool, wait: bool, as_json: bool) -> None:
    """Undo what one session published: the live table is as it was, the feed and the audit tell of it.

    Refused while a later session changed one of its listings; undo that one first.

    Example: property-manager rollback --session-id 3f2a9c01 --dry-run
    """
    from loaders.database import connect
    from scripts.database import ready_database
    from scripts.rollback import rollback_session
    from scripts.sync import resolve_session, run_lock
    from scripts.views import print_rollback

    with (
        connect(ready_database(), application_name="property-manager rollback") as connection,
        run_lock(connection, wait=wait),
    ):
        resolved, _, _ = resolve_session(connection, session_id)
        undone = rollback_session(connection, resolved, is_dry_run=is_dry_run)
    print_rollback(undone, as_json=as_json)


@main.command()
@click.option("--source", required=True, help="The portal whose selectors were mended.")
@click.option("--session-id", help="Only this crawl, by the first digits of its id; default the latest of every scope.")
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Only show what is read otherwise.")
@json_option
@operation
def reparse(source: str, session_id: str | None, is_dry_run: bool, as_json: bool) -> None:
    """Read the kept pages of a crawl again after its selectors were mended; nothing is fetched.

    What is read otherwise is shown field by field and lands as a corrected session, which the next sync publishes.

    Example: property-manager reparse --source my_portal --dry-run
    """
    from loaders.database import connect
    from loaders.reparse import reparse as read_again
    from scripts.database import ready_database
    from scripts.reparse_views import print_reparsed
    from scripts.sync import require_source, resolve_session

    with connect(ready_database(), application_name="property-manager reparse") as connection:
        require_source(connection, source)
        resolved = resolve_session(connection, session_id)[0] if session_id is not None else None
        crawls = read_again(connection, source, session_id=resolved, is_dry_run=is_dry_run)
    print_reparsed(crawls, as_json=as_json)


@main.group()
def rules() -> None:
    """List, check, rehearse and switch validation rules.

    Example: property-manager rules list
    """


@rules.command(name="list")
@json_option
@operation
def rules_list(as_json: bool) -> None:
    """List the rules with what each found in the last sync.

    Example: property-manager rules list
    """
    from loaders.database import connect
    from scripts.database import ready_database
    from scripts.rules import list_rules
    from scripts.views import print_rules

    with connect(ready_database()) as connection:
        print_rules(list_rules(connection), as_json=as_json)


@rules.command(name="check")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@json_option
@operation
def rules_check(file: Path | None, as_json: bool) -> None:
    """Say what is wrong with the rules of a YAML or JSON file, or with those that are stored; nothing is written.

    Example: property-manager rules check rules.yml
    """
    from loaders.database import connect
    from scripts.database import ready_database
    from scripts.rules import check_rules, read_rules
    from scripts.views import print_rule_checks

    given = None if file is None else read_rules(file)
    with connect(ready_database()) as connection:
        checks = check_rules(connection, given)
    print_rule_checks(checks, as_json=as_json)
    if not all(check.ok for check in checks):
        sys.exit(1)


@rules.command(name="dry-run")
@click.argument("rule_name", required=False)
@click.option("--file", type=click.Path(path_type=Path), help="YAML or JSON file with new or changed rules.")
@click.option("--sessions", type=click.IntRange(min=1), default=5, show_default=True, help="How many, newest first.")
@click.option("--source", help="Only sessions of this source.")
@wait_option
@json_option
@operation
def rules_dry_run(
    rule_name: str | None, file: Path | None, sessions: int, source: str | None, wait: bool, as_json: bool
) -> None:
    """Show what a rule would have flagged in past sessions, before it takes effect; nothing is written.

    Example: property-manager rules dry-run --file rules.yml --sessions 10
    """
    from loaders.database import connect
    from scripts.database import ready_database
    from scripts.rules import read_rules, rehearse
    from scripts.sync import require_source
    from scripts.views import print_rehearsals

    if (rule_name is None) == (file is None):
        raise UsageError("name one rule, or a file with --file", "`property-manager rules list` shows the names.")
    subject = rule_name if file is None else read_rules(file)
    url = ready_database()
    if source is not None:
        with connect(url) as connection:
            require_source(connection, source)
    assert subject is not None
    print_rehearsals(rehearse(url, subject, sessions=sessions, source=source, wait=wait), as_json=as_json)


@rules.command()
@click.argument("rule_name")
@json_option
@operation
def enable(rule_name: str, as_json: bool) -> None:
    """Switch a rule on, from the next sync on.

    Example: property-manager rules enable price_is_positive
    """
    _switch_rule(rule_name, is_enabled=True, as_json=as_json)


@rules.command()
@click.argument("rule_name")
@json_option
@operation
def disable(rule_name: str, as_json: bool) -> None:
    """Switch a rule off, from the next sync on.

    Example: property-manager rules disable price_is_stated
    """
    _switch_rule(rule_name, is_enabled=False, as_json=as_json)


@main.command()
@click.option("--days", type=click.IntRange(min=1), help="Keep raw rows so long; default each source's retention_days.")
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Count only.")
@wait_option
@json_option
@operation
def cleanup(days: int | None, is_dry_run: bool, wait: bool, as_json: bool) -> None:
    """Remove raw rows by whole months, crawl pages and old failed syncs, and blank personal data that is due.

    What is unsynced, quarantined or held back stays, and so do feed, history and audit.

    Example: property-manager cleanup --days 30 --dry-run
    """
    from contextlib import nullcontext

    from loaders.database import connect
    from scripts.database import ready_database
    from scripts.retention import clean_up
    from scripts.sync import run_lock
    from scripts.views import print_cleanup

    with (
        connect(ready_database(), application_name="property-manager cleanup") as connection,
        nullcontext() if is_dry_run else run_lock(connection, wait=wait),
    ):
        print_cleanup(clean_up(connection, days=days, is_dry_run=is_dry_run), is_dry_run=is_dry_run, as_json=as_json)


@main.command()
@json_option
@operation
def doctor(as_json: bool) -> None:
    """Check everything a run needs and say how to mend what is missing.

    Example: property-manager doctor
    """
    from scripts.doctor import run_checks
    from scripts.views import print_checks

    checks = run_checks()
    print_checks(checks, as_json=as_json)
    if not all(check.ok for check in checks):
        sys.exit(1)


@main.command()
@click.option("--days", type=click.IntRange(min=3), default=5, show_default=True, help="Days the portal lives through.")
@click.option(
    "--adverts", type=click.IntRange(min=40), default=150, show_default=True, help="Adverts on the first day."
)
@click.option("--seed", type=int, default=7, show_default=True, help="Same seed, same market.")
@operation
def demo(days: int, adverts: int, seed: int) -> None:
    """Scrape a portal on loopback over several days, sync each day and tell the story.

    Example: property-manager demo --adverts 150
    """
    from scripts.demo.story import tell

    tell(days=days, adverts=adverts, seed=seed)


@main.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("target/docs"),
    show_default=True,
    help="Folder for the page.",
)
@operation
def docs(output: Path) -> None:
    """Write the dbt documentation with its lineage graph as one static page.

    Example: property-manager docs --output site
    """
    from scripts.console import output as out
    from scripts.database import ready_database
    from scripts.dbt_runner import DbtProject

    page = DbtProject(ready_database()).generate_docs(output.resolve())
    out.print(f"The documentation is in {page}")


@main.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@operation
def dbt(arguments: Sequence[str]) -> None:
    """Run dbt with your own arguments against this database.

    Example: property-manager dbt -- build --select properties_live
    """
    from scripts.database import ready_database
    from scripts.dbt_runner import pass_through

    sys.exit(pass_through(ready_database(), arguments))


@main.group()
def db() -> None:
    """Start, stop and inspect the database.

    Example: property-manager db status
    """


@db.command()
@json_option
@operation
def start(as_json: bool) -> None:
    """Start the embedded server, if it is not running.

    Example: property-manager db start
    """
    from scripts import embedded_postgres
    from scripts.database import refuse_with_configured_database
    from scripts.views import print_server

    refuse_with_configured_database()
    embedded_postgres.start()
    print_server(embedded_postgres.status(), as_json=as_json)


@db.command()
@operation
def stop() -> None:
    """Stop the embedded server; its data stay.

    Example: property-manager db stop
    """
    from scripts import embedded_postgres
    from scripts.console import output as out

    out.print("Stopped." if embedded_postgres.stop() else "It was not running.")


@db.command(name="status")
@json_option
@operation
def db_status(as_json: bool) -> None:
    """Show whether the embedded server runs, and where its data are.

    Example: property-manager db status
    """
    from scripts import embedded_postgres
    from scripts.views import print_server

    print_server(embedded_postgres.status(), as_json=as_json)


@db.command()
@operation
def url() -> None:
    """Print the URL of the database, starting the embedded server if needed.

    Example: psql "$(property-manager db url)"
    """
    from scripts.database import database_url

    click.echo(database_url())


@db.command()
@click.option("--demo", "is_demo", is_flag=True, help="The database of the last demo.")
@operation
def env(is_demo: bool) -> None:
    """Print exports that prepare a shell for commands and plain dbt.

    Example: eval "$(property-manager db env)" && dbt build
    """
    from scripts.database import demo_database_url, ready_database, shell_environment

    click.echo(shell_environment(demo_database_url() if is_demo else ready_database()))


@db.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@operation
def psql(arguments: Sequence[str]) -> None:
    """Open psql on the database; further arguments go to psql.

    Example: property-manager db psql -- -c "select count(*) from properties_live"
    """
    from scripts.database import run_psql

    sys.exit(run_psql(arguments))


@db.command()
@json_option
@operation
def migrate(as_json: bool) -> None:
    """Apply the migrations that are missing.

    Example: property-manager db migrate
    """
    from loaders.migrate import migrate as apply
    from scripts.console import output as out
    from scripts.console import print_json
    from scripts.database import database_url

    applied = apply(database_url())
    if as_json:
        print_json({"applied": applied})
    else:
        out.print("\n".join(f"applied {name}" for name in applied) or "The database is up to date.")


def _switch_rule(rule_name: str, *, is_enabled: bool, as_json: bool) -> None:
    from loaders.database import connect
    from scripts.database import ready_database
    from scripts.rules import switch_rule
    from scripts.views import print_switched_rule

    with connect(ready_database(), application_name="property-manager rules") as connection:
        version = switch_rule(connection, rule_name, is_enabled=is_enabled)
    print_switched_rule(rule_name, version, is_enabled=is_enabled, as_json=as_json)


def _sync(url: str, *, wait: bool, on_report: Callable[[Any], None] | None = None, **options: Any) -> list[Any]:
    from scripts.progress import sync_progress
    from scripts.sync import sync_pending as run

    with sync_progress() as tell:

        def on_each(report: Any) -> None:
            tell(report)
            if on_report is not None:
                on_report(report)

        return run(url, wait=wait, on_report=on_each, **options)


class _Synced(NamedTuple):
    """What was synced, and what ended it early."""

    reports: list[Any]
    error: PropertyManagerError | None = None


def _sync_landed(url: str, *, source: str, wait: bool, allows_mass_removal: bool = False) -> _Synced:
    """Sync what this command has landed; a failure is returned, so that what landed is reported all the same."""
    reports: list[Any] = []
    try:
        _sync(url, source=source, wait=wait, on_report=reports.append, allows_mass_removal=allows_mass_removal)
    except PropertyManagerError as error:
        logging.getLogger("property_manager").exception("landed, but not synced: %s", error.message)
        error.hint = f"What was landed waits, do not land it again: `property-manager sync-pending`. {error.hint}"
        return _Synced(reports, error)
    return _Synced(reports)


def _exit_for(synced: _Synced) -> None:
    if synced.error is not None:
        sys.exit(synced.error.exit_code)
    _exit_for_gate(synced.reports)


def _exit_for_gate(reports: Sequence[Any]) -> None:
    if any(report.has_quarantined for report in reports):
        sys.exit(EXIT_QUALITY_GATE)


def _require_one_target(url: str | None, resume: str | None, names: Sequence[Any]) -> None:
    if (url is None) == (resume is None):
        raise UsageError(
            "give either --url or --resume, or --source with a source file that names a start",
            "--url crawls a portal, --resume goes on with a session that was broken off.",
        )
    if resume is not None and any(name is not None for name in names):
        raise UsageError(
            "--resume cannot be combined with --source, --scope, --session-name or --max-pages",
            "The session has them already; leave them out.",
        )


def _configured_start(source: str, scope: str | None, max_pages: int | None) -> tuple[str, str | None, int | None]:
    """The one start of a source file; what the command line says wins over what the file says of it."""
    from loaders.source_files import require_source_file

    found = require_source_file(source)
    if len(found.starts) != 1:
        raise UsageError(
            f"{found.path} names {len(found.starts) or 'no'} starts, so --url is needed",
            f"`property-manager run --source {source}` crawls every start that the file names.",
        )
    start = found.starts[0]
    return start.url, scope or start.scope, max_pages or start.max_pages


def _mapping(source: str, file: Path | None, options: Sequence[str]) -> Any:
    from loaders.configuration import configured_mapping
    from loaders.mapping import load_mapping, mapping_from_options

    if file is not None and options:
        raise UsageError("--mapping and --map cannot be combined", "Put the pairs of --map into the mapping file.")
    if file is not None:
        return load_mapping(file)
    if options:
        return mapping_from_options(options)
    configured = configured_mapping(source)
    return load_mapping(configured) if configured is not None else None


def _time(text: str | None) -> datetime | None:
    from loaders.importer import parse_time

    if text is None:
        return None
    parsed = parse_time(text)
    if parsed is None:
        raise UsageError(f"--observed-at {text!r} is not a time", "Use ISO 8601, such as 2024-05-31T06:00:00Z.")
    return parsed


if __name__ == "__main__":
    main()
