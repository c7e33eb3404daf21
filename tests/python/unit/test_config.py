"""Directories, `.env` and DATABASE_URL."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from loaders.errors import UsageError
from scripts.config import configured_database_url, load_dotenv, project_root, property_home


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment of the test's own, which `load_dotenv` may write to."""
    monkeypatch.setattr(os, "environ", {"PATH": os.environ["PATH"], "HOME": "/home/somebody"})


def read(folder: Path, text: str) -> dict[str, str]:
    """What a `.env` of this text adds to the environment."""
    before = dict(os.environ)
    file = folder / ".env"
    file.write_text(text, encoding="utf-8")
    load_dotenv(file)
    return {name: value for name, value in os.environ.items() if name not in before}


def test_project_root_is_the_clone() -> None:
    assert (project_root() / "dbt_project.yml").is_file()


def test_home_is_in_the_clone_by_default() -> None:
    assert property_home() == project_root() / ".property_manager"


@pytest.mark.parametrize(
    ("configured", "expected"),
    [("/data/flats", "/data/flats"), ("~/flats", "/home/somebody/flats"), ("/data/a/../b", "/data/b")],
)
def test_home_is_configured(configured: str, expected: str) -> None:
    os.environ["PROPERTY_HOME"] = configured
    assert property_home() == Path(expected)


def test_blank_home_means_the_default() -> None:
    os.environ["PROPERTY_HOME"] = "  "
    assert property_home() == project_root() / ".property_manager"


@pytest.mark.parametrize("value", [None, "", "  "])
def test_no_database_is_configured(value: str | None) -> None:
    if value is not None:
        os.environ["DATABASE_URL"] = value
    assert configured_database_url() is None


def test_database_is_configured() -> None:
    os.environ["DATABASE_URL"] = " postgresql://u:p%40ss@host/db "
    assert configured_database_url() == "postgresql://u:p%40ss@host/db"


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("NAME=value", "value"),
        ("export NAME=value", "value"),
        ("  NAME = value  ", "value"),
        ("NAME=", ""),
        ("NAME=a=b", "a=b"),
        ("NAME=value # said aside", "value"),
        ("NAME=p#ss", "p#ss"),
        ("NAME=# nothing", ""),
        ('NAME="two words # all of it"', "two words # all of it"),
        ("NAME='it said \"no\"' # aside", 'it said "no"'),
        ('NAME=""', ""),
        (r"NAME=back\slash$dollar", r"back\slash$dollar"),
    ],
)
def test_line_of_dotenv(tmp_path: Path, line: str, value: str) -> None:
    assert read(tmp_path, line) == {"NAME": value}


def test_comments_and_blank_lines_are_skipped(tmp_path: Path) -> None:
    assert read(tmp_path, "# first\r\n\r\nA=1\r\n   # indented\r\nB=2\r\n") == {"A": "1", "B": "2"}


def test_environment_wins_over_dotenv(tmp_path: Path) -> None:
    os.environ["NAME"] = "of the shell"
    read(tmp_path, "NAME=of the file")
    assert os.environ["NAME"] == "of the shell"


def test_missing_dotenv_is_fine(tmp_path: Path) -> None:
    before = dict(os.environ)
    load_dotenv(tmp_path / ".env")
    assert dict(os.environ) == before


@pytest.mark.parametrize("bad", ["no assignment", "9NAME=x", "=value", 'NAME="open', "NAME='a' b"])
def test_malformed_line_is_named_and_nothing_is_added(tmp_path: Path, bad: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"{tmp_path / '.env'}, line 2")):
        read(tmp_path, f"GOOD=1\n{bad}\n")
    assert "GOOD" not in os.environ


def test_error_does_not_repeat_the_value(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        read(tmp_path, 'DATABASE_URL="postgresql://u:secret@host/db')
    assert "secret" not in raised.value.message + raised.value.hint
