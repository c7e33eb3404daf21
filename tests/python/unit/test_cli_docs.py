"""The reference of the command line is up to date, and every command and option is explained."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from scripts.generate_cli_docs import PROGRAM, WIDTH, commands, main, render

COMMANDS = {context.command_path: command for command, context in commands()}
OPTIONS = [
    pytest.param(option, id=f"{path} {option.opts[0]}")
    for path, command in COMMANDS.items()
    for option in command.params
    if isinstance(option, click.Option)
]


def test_the_reference_equals_what_the_commands_say() -> None:
    checked = CliRunner().invoke(main, ["--check"])
    assert checked.exit_code == 0, checked.output


def test_a_stale_reference_is_told(tmp_path: Path) -> None:
    file = tmp_path / "cli.md"
    missing = CliRunner().invoke(main, ["--check", "--file", str(file)])
    written = CliRunner().invoke(main, ["--file", str(file)])
    current = CliRunner().invoke(main, ["--check", "--file", str(file)])
    file.write_text(file.read_text(encoding="utf-8").replace("--json", "--xml"), encoding="utf-8")
    stale = CliRunner().invoke(main, ["--check", "--file", str(file)])
    assert [missing.exit_code, written.exit_code, current.exit_code, stale.exit_code] == [1, 0, 0, 1]
    assert "python -m scripts.generate_cli_docs" in stale.output


def test_the_width_is_that_of_the_reference_not_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = render()
    monkeypatch.setenv("COLUMNS", "40")
    assert render() == wide
    helps = [line for line in wide.splitlines() if line.startswith("  ")]
    assert 78 < max(map(len, helps)) <= WIDTH


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_has_help_and_an_example_of_itself(path: str) -> None:
    text = " ".join((COMMANDS[path].help or "").split())
    explanation, _, example = text.partition("Example: ")
    assert explanation.endswith(". ")
    name = path.removeprefix(PROGRAM).strip()
    assert f"{PROGRAM} {name}".strip() in example


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_has_help(option: click.Option) -> None:
    assert option.help
    assert option.help.endswith((".", "…"))
