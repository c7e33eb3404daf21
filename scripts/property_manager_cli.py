#!/usr/bin/env python3
"""The command line: every command validates, opens the database, calls one operation and prints what it returned."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.commands import database, landing, project, reading, recovery, rules, sources, syncing
from scripts.interrupts import InterruptedCommandError, sigterm_interrupts


class InterruptibleGroup(click.Group):
    """Commands that SIGTERM ends as Ctrl-C does, also while they are still starting."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for; exit code 130 where it was interrupted."""
        try:
            with sigterm_interrupts():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            from scripts.console import print_error

            interrupted = InterruptedCommandError()
            print_error(interrupted, as_json=False)
            sys.exit(interrupted.exit_code)


@click.group(cls=InterruptibleGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="property-manager", prog_name="property-manager")
def main() -> None:
    """Turn repeated scrapes of property portals into one live table and a history of every change.

    Example: property-manager demo
    """


for _command in (
    landing.import_,
    landing.scrape,
    landing.run,
    landing.worker,
    landing.reparse,
    syncing.sync,
    syncing.sync_pending,
    syncing.replay_quarantine,
    reading.status,
    reading.metrics,
    reading.changes,
    reading.history,
    reading.list_sessions,
    reading.session_details,
    reading.quality_checks,
    reading.quality_report,
    sources.source,
    rules.rules,
    recovery.migrate_legacy,
    recovery.replay,
    recovery.rollback,
    recovery.cleanup,
    project.doctor,
    project.demo,
    project.docs,
    project.dbt,
    database.db,
):
    main.add_command(_command)


if __name__ == "__main__":
    main()
