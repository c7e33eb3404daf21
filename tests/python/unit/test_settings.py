"""Settings of a source: one list for `--set`, the table and the documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from loaders.database import SQL_DIRECTORY
from loaders.errors import UsageError
from loaders.settings import SETTINGS, parse_settings

ROOT = Path(__file__).parents[3]
BOOKKEEPING = {"source", "created_at", "updated_at"}


def test_every_column_of_the_table_is_a_setting() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted((SQL_DIRECTORY / "migrations").glob("*.sql")))
    created = re.search(r"create table sources \((.*?)\n\);", text, re.DOTALL)
    assert created is not None
    columns = set(re.findall(r"^    (\w+) ", created.group(1), re.MULTILINE))
    for altered in re.findall(r"alter table sources\n(.*?);", text, re.DOTALL):
        columns |= set(re.findall(r"add column (\w+) ", altered))
    assert columns - BOOKKEEPING == set(SETTINGS)


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    chapter = text.partition("### Settings of a source")[2].partition("\n## ")[0]
    assert [name for name in SETTINGS if f"`{name}`" not in chapter] == []


def test_null_switches_a_limit_off_and_unknown_names_are_refused() -> None:
    assert parse_settings(["max_fill_rate_drop=null", "max_id_turnover=0.9"]) == {
        "max_fill_rate_drop": None,
        "max_id_turnover": "0.9",
    }
    with pytest.raises(UsageError, match="there is no setting 'fill_rate'"):
        parse_settings(["fill_rate=1"])
