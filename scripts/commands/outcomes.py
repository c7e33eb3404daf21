"""Syncing on behalf of a command, and the exit codes that follow from it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from loaders.errors import EXIT_QUALITY_GATE, PropertyManagerError, UsageError


def run_syncs(url: str, *, wait: bool, on_report: Callable[[Any], None] | None = None, **options: Any) -> list[Any]:
    """Sync with progress on screen; see `scripts.sync.sync_pending`."""
    from scripts.progress import sync_progress
    from scripts.sync import sync_pending as run

    with sync_progress() as tell:

        def on_each(report: Any) -> None:
            tell(report)
            if on_report is not None:
                on_report(report)

        return run(url, wait=wait, on_report=on_each, **options)


class Synced(NamedTuple):
    """What was synced, and what ended it early."""

    reports: list[Any]
    error: PropertyManagerError | None = None


def sync_landed(url: str, *, source: str, wait: bool, allows_mass_removal: bool = False) -> Synced:
    """Sync what this command has landed; a failure is returned, so that what landed is reported all the same."""
    reports: list[Any] = []
    try:
        run_syncs(url, source=source, wait=wait, on_report=reports.append, allows_mass_removal=allows_mass_removal)
    except PropertyManagerError as error:
        logging.getLogger("property_manager").exception("landed, but not synced: %s", error.message)
        error.hint = f"What was landed waits, do not land it again: `property-manager sync-pending`. {error.hint}"
        return Synced(reports, error)
    return Synced(reports)


def exit_for(synced: Synced) -> None:
    """End with the exit code of what ended the sync early, or of the gate."""
    if synced.error is not None:
        sys.exit(synced.error.exit_code)
    exit_for_gate(synced.reports)


def exit_for_gate(reports: Sequence[Any]) -> None:
    """End with the exit code of the gate when it put a session aside."""
    if any(report.has_quarantined for report in reports):
        sys.exit(EXIT_QUALITY_GATE)


def chosen_mapping(source: str, file: Path | None, options: Sequence[str]) -> Any:
    """The mapping that options or a file give, else the configured one of the source; None without any."""
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
