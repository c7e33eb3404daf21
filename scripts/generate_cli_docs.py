"""Writes docs/cli.md from the help of every command; `--check` tells whether the file is up to date."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from scripts.config import project_root
from scripts.property_manager_cli import main as property_manager

PROGRAM = "property-manager"
WIDTH = 100

_INTRODUCTION = f"""# Commands

This file is generated from the help of the commands; `python -m scripts.generate_cli_docs` writes it again.
`scripts/property_manager_cli.py` takes the same commands as `{PROGRAM}`.
"""


def walk(command: click.Command, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """The command and everything below it, in the order of their names."""
    yield command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from walk(child, _context(child, name, context))


def commands() -> list[tuple[click.Command, click.Context]]:
    """Every command of the program with a context that renders its help at a fixed width."""
    return list(walk(property_manager, _context(property_manager, PROGRAM, None)))


def render() -> str:
    """The whole file: a heading and the help of every command."""
    parts = [_INTRODUCTION]
    for command, context in commands():
        parts.append(f"## {context.command_path}\n\n```text\n{_help(command, context)}\n```\n")
    return "\n".join(parts)


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 when the file is stale.")
@click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=project_root() / "docs" / "cli.md",
    help="The file to write or check; default docs/cli.md.",
)
def main(check: bool, file: Path) -> None:
    """Write the reference of the command line.

    Example: python -m scripts.generate_cli_docs --check
    """
    text = render()
    if not check:
        file.write_text(text, encoding="utf-8")
    elif not file.is_file() or file.read_text(encoding="utf-8") != text:
        raise click.ClickException(
            f"{file} does not match the help of the commands. Run `python -m scripts.generate_cli_docs`."
        )


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    return click.Context(
        command, info_name=name, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH, **_settings(command)
    )


def _settings(command: click.Command) -> dict[str, object]:
    """What a command sets for its own context, apart from the width."""
    return {name: value for name, value in command.context_settings.items() if name != "max_content_width"}


def _help(command: click.Command, context: click.Context) -> str:
    return "\n".join(line.rstrip() for line in command.get_help(context).splitlines())


if __name__ == "__main__":
    main()
