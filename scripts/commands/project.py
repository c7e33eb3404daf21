"""Commands about this installation: its check-up, its demo, its documentation and dbt itself."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from scripts.commands.options import json_option, operation


@click.command()
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


@click.command()
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


@click.command()
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


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@operation
def dbt(arguments: Sequence[str]) -> None:
    """Run dbt with your own arguments against this database.

    Example: property-manager dbt -- build --select properties_live
    """
    from scripts.database import ready_database
    from scripts.dbt_runner import pass_through

    sys.exit(pass_through(ready_database(), arguments))
