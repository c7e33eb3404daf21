"""Commands that sync what has landed, and judge again what was held back."""

from __future__ import annotations

import click

from loaders.errors import UsageError
from scripts.commands.options import json_option, mass_removal_option, operation, wait_option
from scripts.commands.outcomes import exit_for_gate, run_syncs


@click.command()
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
    reports = run_syncs(
        url,
        source=source,
        until_session=resolved,
        is_forced=is_forced,
        allows_mass_removal=allows_mass_removal,
        wait=wait,
    )
    print_syncs(reports, as_json=as_json)
    exit_for_gate(reports)


@click.command(name="sync-pending")
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
    reports = run_syncs(url, source=source, wait=wait, allows_mass_removal=allows_mass_removal)
    with connect(url) as connection:
        interrupted = interrupted_crawls(connection, source)
    print_syncs(reports, interrupted, as_json=as_json)
    exit_for_gate(reports)


@click.command(name="replay-quarantine")
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
    reports = run_syncs(url, source=source, wait=wait)
    print_replay(replay, reports, as_json=as_json)
    exit_for_gate(reports)
