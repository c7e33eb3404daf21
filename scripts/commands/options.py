"""Options that several commands share, and what runs every command."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from loaders.errors import PropertyManagerError, UsageError

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
        from scripts.interrupts import InterruptedCommandError
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
            result = command(*args, **kwargs)
            logger.info("%s finished", command.__name__)
        except PropertyManagerError as error:
            logger.exception("%s failed: %s", command.__name__, error.message)
            print_error(told(error), as_json=as_json)
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
