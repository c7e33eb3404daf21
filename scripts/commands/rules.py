"""The group `rules`: what listings are validated by."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from loaders.errors import UsageError
from scripts.commands.options import json_option, operation, wait_option


@click.group()
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


def _switch_rule(rule_name: str, *, is_enabled: bool, as_json: bool) -> None:
    from loaders.database import connect
    from scripts.database import ready_database
    from scripts.rules import switch_rule
    from scripts.views import print_switched_rule

    with connect(ready_database(), application_name="property-manager rules") as connection:
        version = switch_rule(connection, rule_name, is_enabled=is_enabled)
    print_switched_rule(rule_name, version, is_enabled=is_enabled, as_json=as_json)
