"""Commands that undo, replay, migrate and remove."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from loaders.errors import EXIT_QUALITY_GATE, UsageError
from scripts.commands.options import SpreadCommand, json_option, operation, wait_option
from scripts.commands.outcomes import chosen_mapping, exit_for, sync_landed


@click.command(name="migrate-legacy", cls=SpreadCommand)
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
    mapping, settings = chosen_mapping(legacy.SOURCE, None, mapped), parse_settings(assignments)
    url = ready_database()
    with connect(url, application_name="property-manager migrate-legacy") as connection:
        if is_switched or is_rolled_back:
            is_new = legacy.switch(connection) if is_switched else legacy.restore(connection)
            frozen = legacy.views_of_legacy_table(connection) if is_switched else []
            print_legacy_name(is_view=is_switched, is_new=is_new, frozen_views=frozen, as_json=as_json)
            return
        ensure_source(connection, legacy.SOURCE)
        change_settings(connection, legacy.SOURCE, settings)
        landed = legacy.land(connection, mapping)
        synced = sync_landed(url, source=legacy.SOURCE, wait=wait)
        counts = legacy.reconcile(connection) if synced.error is None else None
        quarantine = legacy.quarantine(connection)
    print_migration(landed, synced.reports, counts, quarantine, synced.error, as_json=as_json)
    exit_for(synced)
    # A session that an earlier call landed, and that no sync of this call took.
    if quarantine is not None:
        sys.exit(EXIT_QUALITY_GATE)


@click.command()
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


@click.command()
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


@click.command()
@click.option("--days", type=click.IntRange(min=1), help="Keep raw rows so long; default each source's retention_days.")
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Count only.")
@wait_option
@json_option
@operation
def cleanup(days: int | None, is_dry_run: bool, wait: bool, as_json: bool) -> None:
    """Remove raw rows by whole months, crawl pages and old run logs, and blank personal data that is due.

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
