"""Commands that land listings: from files, from portals, and from pages read before."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from loaders.errors import UsageError, worst_exit_code
from scripts.commands.options import (
    SpreadCommand,
    json_option,
    mass_removal_option,
    operation,
    private_network_option,
    wait_option,
)
from scripts.commands.outcomes import Synced, chosen_mapping, exit_for, sync_landed


@click.command(name="import", cls=SpreadCommand)
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
        mapping=chosen_mapping(source, mapping_file, mapped),
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
    synced = Synced([])
    if not no_sync:
        synced = sync_landed(url, source=options.source, wait=wait, allows_mass_removal=allows_mass_removal)
    print_imports(imports, synced.reports, synced.error, as_json=as_json)
    exit_for(synced)


@click.command(cls=SpreadCommand)
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
    synced = Synced([])
    if not no_sync:
        synced = sync_landed(database, source=result.source, wait=wait, allows_mass_removal=allows_mass_removal)
    print_scrape(result, synced.reports, synced.error, as_json=as_json)
    exit_for(synced)


@click.command()
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


@click.command()
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


@click.command()
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


def _time(text: str | None) -> datetime | None:
    from loaders.importer import parse_time

    if text is None:
        return None
    parsed = parse_time(text)
    if parsed is None:
        raise UsageError(f"--observed-at {text!r} is not a time", "Use ISO 8601, such as 2024-05-31T06:00:00Z.")
    return parsed
