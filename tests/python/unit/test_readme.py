"""Documents name only commands, options, files, make targets and variables that exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from scripts.demo.portal import main as demo_portal
from scripts.generate_cli_docs import PROGRAM, commands
from scripts.generate_cli_docs import main as generate_cli_docs

ROOT = Path(__file__).parents[3]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/**/*.md"))]
EXAMPLES = [path for path in DOCUMENTS if path.name != "cli.md"]
SHELL_BLOCK = re.compile(r"^```(?:sh|text|ini)\n(.*?)^```", re.DOTALL | re.MULTILINE)
INLINE_CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
VARIABLE = re.compile(r"\b(?:PROPERTY_[A-Z_]*[A-Z]|DATABASE_URL)\b")
CALL = re.compile(r"(?:^|[\s(\"/`])property-manager ([a-z].*)")
MODULES = {"scripts.demo.portal": demo_portal, "scripts.generate_cli_docs": generate_cli_docs}

COMMANDS = {context.command_path: command for command, context in commands()}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def lines_of_shell(text: str) -> Iterator[str]:
    """Lines of shell blocks, continued ones joined, and inline code."""
    for block in SHELL_BLOCK.findall(text):
        yield from block.replace("\\\n", " ").splitlines()
    yield from INLINE_CODE.findall(re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


def options_of(command: click.Command) -> set[str]:
    names = {"--help", "-h"}
    for parameter in command.params:
        names |= {*parameter.opts, *parameter.secondary_opts}
    return names


def words_of(call: str) -> list[str]:
    """The words of one call: nothing after a pipe, a closing bracket or a comment."""
    call = re.split(r"\)\"|[|;]| #| && ", call.replace('"$(', "$("))[0]
    try:
        return shlex.split(call)
    except ValueError:
        return call.split()


def unknown_in_call(call: str) -> list[str]:
    """Commands and options of one call that do not exist; the words after `--` belong to other programs."""
    path, words = PROGRAM, words_of(call)
    while words and isinstance(COMMANDS[path], click.Group):
        child = f"{path} {words.pop(0)}"
        if child not in COMMANDS:
            return [child]
        path = child
    known = options_of(COMMANDS[path])
    own = words[: words.index("--")] if "--" in words else words
    return [f"{path} {word}" for word in own if word.startswith("-") and word.partition("=")[0] not in known]


def calls(text: str) -> list[str]:
    return [found for line in lines_of_shell(text) for found in CALL.findall(line)]


def anchors(path: Path) -> set[str]:
    titles = HEADING.findall(path.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_commands_and_options_exist(path: Path) -> None:
    found = calls(path.read_text(encoding="utf-8"))
    assert [unknown for call in found for unknown in unknown_in_call(call)] == []


def test_the_readme_shows_every_command() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text.partition("## Commands")[2].partition("\n## ")[0]
    names = [path.rpartition(" ")[2] for path, command in COMMANDS.items() if path != PROGRAM and path.count(" ") >= 1]
    assert [name for name in names if not re.search(rf"[`\s]{name}\b", table)] == []


def test_an_unknown_command_or_option_would_be_found() -> None:
    block = "```sh\nproperty-manager scrap --url x\nproperty-manager import a --compleet -m\n```\n"
    text = f"{block}`property-manager db stopp`"
    found = [unknown for call in calls(text) for unknown in unknown_in_call(call)]
    assert found == [
        "property-manager scrap",
        "property-manager import --compleet",
        "property-manager import -m",
        "property-manager db stopp",
    ]


@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_modules_that_are_run_exist_with_their_options(path: Path) -> None:
    for line in lines_of_shell(path.read_text(encoding="utf-8")):
        for module, rest in re.findall(r"python -m (scripts\.\S+)(.*)", line):
            words = shlex.split(rest, comments=True)
            assert module in MODULES, module
            unknown = [word for word in words if word.startswith("-") and word not in options_of(MODULES[module])]
            assert unknown == [], line


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_links_lead_to_files_and_headings(path: Path) -> None:
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        linked = (path.parent / file).resolve() if file else path
        assert linked.exists(), target
        assert linked.is_relative_to(ROOT), target
        if anchor:
            assert anchor in anchors(linked), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_files_that_are_named_exist(path: Path) -> None:
    folders = ("loaders", "scripts", "models", "macros", "seeds", "tests", "docs", "benchmarks", ".ci")
    text = path.read_text(encoding="utf-8")
    names = re.findall(rf"`((?:{'|'.join(map(re.escape, folders))})/[\w./-]*)`", text)
    assert [name for name in names if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_make_targets_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named_targets = [
        target
        for line in lines_of_shell(path.read_text(encoding="utf-8"))
        for target in re.findall(r"(?:^|&& )make ([a-z-]+)", line)
    ]
    assert set(named_targets) <= targets


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_variables_exist(path: Path) -> None:
    places = [ROOT / ".env.example", ROOT / "profiles.yml"]
    for folder in ("loaders", "scripts", "tests/python"):
        places += [file for file in (ROOT / folder).rglob("*.py") if file != Path(__file__)]
    known = {name for file in places for name in VARIABLE.findall(file.read_text(encoding="utf-8"))}
    assert set(VARIABLE.findall(path.read_text(encoding="utf-8"))) <= known


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_documents_name_no_place_of_one_machine(path: Path) -> None:
    assert not re.search(r"(?<![\w.])/(?:work|root)(?:/|\b)|/tmp/lab", path.read_text(encoding="utf-8"))
