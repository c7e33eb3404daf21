"""Every part of the dbt project is described, in words that say more than its name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
RESOURCE_FOLDERS = ("models", "seeds", "macros", "tests/dbt")
STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        a all also an and are as at be been by does for from had has have in is it its never no not null of on
        one or otherwise per see that the their there these they this to was were what when where which while
        with
        """,
    )
)
DOC_BLOCK = re.compile(r"{% docs (\w+) %}(.*?){% enddocs %}", re.DOTALL)
DOC_CALL = re.compile(r"{{ doc\('(\w+)'\) }}")
GRAIN = re.compile(r"(^|[.;] )(At most )?[Oo]ne row per [^.]+\.$")
MACRO = re.compile(r"{%-? *(?:macro|test) (\w+)\(([^)]*)\)")


@dataclass(frozen=True)
class Described:
    """A part of the project with its description, doc blocks filled in."""

    label: str
    name: str
    description: str


@cache
def documents() -> tuple[tuple[Path, dict[str, Any]], ...]:
    paths = [path for folder in RESOURCE_FOLDERS for path in sorted((ROOT / folder).rglob("*.yml"))]
    return tuple((path, yaml.safe_load(path.read_text(encoding="utf-8")) or {}) for path in paths)


def doc_blocks() -> dict[str, str]:
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "models").rglob("*.md"))]
    return {name: " ".join(text.split()) for text in texts for name, text in DOC_BLOCK.findall(text)}


BLOCKS = doc_blocks()


def described(kind: str, entry: dict[str, Any], owner: str = "") -> Described:
    text = DOC_CALL.sub(lambda call: BLOCKS[call.group(1)], entry.get("description") or "")
    label = f"{kind} {owner}.{entry['name']}" if owner else f"{kind} {entry['name']}"
    return Described(label, entry["name"], " ".join(text.split()))


def entries(key: str) -> Iterator[dict[str, Any]]:
    for _, document in documents():
        yield from document.get(key) or []


def source_tables() -> Iterator[dict[str, Any]]:
    for source in entries("sources"):
        yield from source["tables"]


def tables() -> list[Described]:
    named = (("model", "models"), ("seed", "seeds"), ("snapshot", "snapshots"))
    found = [described(kind, entry) for kind, key in named for entry in entries(key)]
    return found + [described("source", table) for table in source_tables()]


def columns() -> list[Described]:
    return [
        described("column", column, owner=entry["name"])
        for key in ("models", "seeds", "snapshots")
        for entry in entries(key)
        for column in entry.get("columns") or []
    ]


def macros() -> list[Described]:
    return [described("macro", entry) for entry in entries("macros")]


def arguments() -> list[Described]:
    return [
        described("argument", argument, owner=entry["name"])
        for entry in entries("macros")
        for argument in entry.get("arguments") or []
    ]


def words_beyond_name(name: str, description: str) -> set[str]:
    """Words of a description that its name does not hold already, plural and stop words aside."""

    def stems(text: str) -> set[str]:
        found = re.findall(r"[a-z0-9]+", text.lower().replace("_", " "))
        return {word.removesuffix("s") for word in found if word not in STOP_WORDS}

    return stems(description) - stems(name)


def signatures(folder: str) -> dict[str, list[str]]:
    return {
        name: [part.split("=")[0].strip() for part in signature.split(",") if part.strip()]
        for path in (ROOT / folder).rglob("*.sql")
        for name, signature in MACRO.findall(path.read_text(encoding="utf-8"))
    }


def documented_signatures() -> dict[str, list[str]]:
    return {
        entry["name"]: [argument["name"] for argument in entry.get("arguments") or []]
        for entry in entries("macros")
        if not entry["name"].startswith("test_")
    }


def generic_tests() -> dict[str, list[str]]:
    """Generic tests with the arguments that their descriptions name."""
    return {
        entry["name"].removeprefix("test_"): re.findall(r"`(\w+)`", entry["description"])
        for entry in entries("macros")
        if entry["name"].startswith("test_")
    }


def test_description_of_a_table_ends_with_its_grain() -> None:
    without_grain = [table.label for table in tables() if not GRAIN.search(table.description)]
    assert without_grain == [], "end the description with a sentence: One row per ..."


@pytest.mark.parametrize(
    ("parts", "fewest_words"),
    [(tables, 3), (columns, 3), (macros, 3), (arguments, 2)],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_description_says_more_than_the_name(parts: Callable[[], list[Described]], fewest_words: int) -> None:
    repeating = [
        f"{part.label}: {part.description!r}"
        for part in parts()
        if len(words_beyond_name(part.name, part.description)) < fewest_words
    ]
    assert repeating == [], "say meaning, unit and origin"


def test_column_says_what_null_means() -> None:
    silent = [column.label for column in columns() if not re.search(r"\bNULL\b|\b[Ee]mpty\b", column.description)]
    assert silent == [], "say what NULL means, or that the column is never NULL"


@pytest.mark.parametrize(
    ("name", "description"),
    [
        ("price_text", "The price text."),
        ("price_texts", "Text of the price. Never NULL."),
        ("is_late", ""),
        ("has_parking", "Has parking."),
    ],
)
def test_a_description_that_repeats_its_name_is_found(name: str, description: str) -> None:
    assert len(words_beyond_name(name, description)) < 3


def test_every_model_has_a_yaml_beside_it() -> None:
    for path in (ROOT / "models").rglob("*.sql"):
        beside = path.with_suffix(".yml")
        assert beside.exists(), f"{path.relative_to(ROOT)} needs {beside.name}"
        named = [model["name"] for model in yaml.safe_load(beside.read_text(encoding="utf-8"))["models"]]
        assert named == [path.stem]


def test_every_seed_is_described() -> None:
    assert {path.stem for path in (ROOT / "seeds").glob("*.csv")} == {entry["name"] for entry in entries("seeds")}


def test_every_macro_is_described_with_its_arguments() -> None:
    assert documented_signatures() == signatures("macros")


def test_every_generic_test_is_described_with_its_arguments() -> None:
    described_ones = {name: sorted(arguments) for name, arguments in generic_tests().items()}
    assert described_ones == {name: sorted(arguments) for name, arguments in signatures("tests/dbt/generic").items()}


def test_every_doc_block_is_used() -> None:
    used = {name for path, _ in documents() for name in DOC_CALL.findall(path.read_text(encoding="utf-8"))} | {
        "__overview__"
    }
    assert set(BLOCKS) == used
