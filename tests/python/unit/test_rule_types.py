"""Every rule type is exercised by a dbt unit test, described, and shown with an example."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
CHECK = ROOT / "loaders" / "sql" / "migrations" / "0023_check_every_rule_type.sql"
RULE_TYPES = re.findall(r'^        "(\w+)": \[', CHECK.read_text(encoding="utf-8"), re.MULTILINE)


def unit_tests() -> list[dict[str, Any]]:
    model = ROOT / "models" / "intermediate" / "int_rule_violations.yml"
    return yaml.safe_load(model.read_text(encoding="utf-8"))["unit_tests"]


def test_all_types_are_known_here() -> None:
    assert len(RULE_TYPES) == 11


@pytest.mark.parametrize("rule_type", RULE_TYPES)
def test_a_unit_test_breaks_a_rule_of_the_type_and_keeps_another_listing_clean(rule_type: str) -> None:
    broken, kept = 0, 0
    for test in unit_tests():
        given = {entry["input"]: entry["rows"] for entry in test["given"]}
        names = {rule["rule_name"] for rule in given["ref('stg_validation_rules')"] if rule["rule_type"] == rule_type}
        found = [row for row in test["expect"]["rows"] if row["rule_name"] in names]
        listings = given["ref('int_listings_observed')"] if names else []
        broken += len(found)
        kept += len(listings) * len(names) - len(found)
    assert broken > 0
    assert kept > 0


@pytest.mark.parametrize("rule_type", RULE_TYPES)
def test_the_guide_shows_the_type_with_its_settings(rule_type: str) -> None:
    guide = (ROOT / "docs" / "validation-rules.md").read_text(encoding="utf-8")
    (line,) = re.findall(rf'^        "{rule_type}": \[(.*)\]', CHECK.read_text(encoding="utf-8"), re.MULTILINE)
    assert f"| `{rule_type}` |" in guide
    for setting in re.findall(r"\w+", line):
        assert f'"{setting}"' in guide, setting
