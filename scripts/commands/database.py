"""The group `db`: the database, embedded or configured."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from scripts.commands.options import json_option, operation


@click.group()
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
