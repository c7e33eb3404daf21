"""The group `source`: files that describe portals, their scopes and their ids."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from scripts.commands.options import json_option, mass_removal_option, operation, private_network_option, wait_option
from scripts.commands.outcomes import Synced, exit_for, sync_landed


@click.group()
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
    synced = Synced([]) if is_dry_run else sync_landed(url, source=name, wait=wait)
    print_retirement(retirement, synced.reports, synced.error, as_json=as_json)
    exit_for(synced)


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
