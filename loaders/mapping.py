"""Mappings: which column of a file becomes which field, as a YAML file or as `--map field=column`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any

import yaml

from loaders.errors import UsageError
from loaders.fields import ALL_FIELDS, LISTING_FIELDS

Reader = Callable[[Sequence[str | None]], str | None]

_SECTIONS = ("fields", "constants", "attributes", "ignore")
_TEMPLATE_PART = re.compile(r"\{([^{}]+)\}")


class MappingError(UsageError):
    """A mapping that does not fit the fields or the file."""

    code = "mapping"


@dataclass(frozen=True)
class Mapping:
    """`fields` and `attributes` give a column or a template like `{ADDRESS}|{CITY}` by name; `constants` give text."""

    fields: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()

    @property
    def observed_fields(self) -> tuple[str, ...]:
        """Fields that every row of the file could carry."""
        named = self.fields.keys() | self.constants.keys()
        listed = tuple(name for name in LISTING_FIELDS if name in named)
        return listed + tuple(f"attributes.{name}" for name in self.attributes)


def load_mapping(path: Path) -> Mapping:
    """Read a mapping file; raises MappingError that names the file and the entry."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MappingError(f"cannot read the mapping file {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MappingError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(document, dict):
        raise MappingError(f"{path} holds no mapping", "Start with `fields:` and one line `name: column` per field.")
    unknown = sorted(map(str, document.keys() - set(_SECTIONS)))
    if unknown:
        raise MappingError(f"{path}: unknown section {unknown[0]!r}", f"Known sections: {', '.join(_SECTIONS)}.")
    named: dict[str, dict[str, str]] = {}
    for section in ("fields", "constants", "attributes"):
        entries = document.get(section) or {}
        if not isinstance(entries, dict):
            raise MappingError(f"{path}: `{section}:` must hold `name: value` lines")
        named[section] = {str(name): str(value) for name, value in entries.items() if value is not None}
    ignore = document.get("ignore") or []
    if not isinstance(ignore, list):
        raise MappingError(f"{path}: `ignore:` must be a list of columns")
    return checked(
        Mapping(named["fields"], named["constants"], named["attributes"], tuple(map(str, ignore))), str(path)
    )


def mapping_from_options(options: Sequence[str]) -> Mapping:
    """Read `field=column` pairs; `attributes.<name>=column` maps an attribute, `field='text'` a constant."""
    fields: dict[str, str] = {}
    constants: dict[str, str] = {}
    attributes: dict[str, str] = {}
    for option in options:
        name, separator, column = option.partition("=")
        if not separator or not name or not column:
            raise MappingError(f"--map {option!r} is not of the form field=column", "For example --map price=PRICE.")
        if name.startswith("attributes."):
            attributes[name.removeprefix("attributes.")] = column
        elif len(column) >= 2 and column[0] == column[-1] == "'":
            constants[name] = column[1:-1]
        else:
            fields[name] = column
    return checked(Mapping(fields, constants, attributes), "--map")


def default_mapping(columns: Sequence[str]) -> Mapping:
    """Columns that carry a field's own name map to it; used when no mapping is given."""
    return Mapping({name: name for name in ALL_FIELDS if name in columns})


def checked(mapping: Mapping, origin: str) -> Mapping:
    """The mapping itself when its names are known; raises MappingError otherwise."""
    for name in (*mapping.fields, *mapping.constants):
        if name not in ALL_FIELDS:
            raise MappingError(
                f"{origin}: unknown field {name!r}",
                f"Map it as attributes.{name}, or use one of: {', '.join(ALL_FIELDS)}.",
            )
    twice = sorted(mapping.fields.keys() & mapping.constants.keys())
    if twice:
        raise MappingError(f"{origin}: {twice[0]!r} is mapped both to a column and to a constant")
    return mapping


def column_reader(expression: str, columns: Sequence[str], origin: str) -> Reader:
    """A function from a row's values to the text of one column or template.

    A template whose columns are all empty is empty; raises MappingError for a column the file does not have.
    """
    if expression in columns:
        return itemgetter(columns.index(expression))
    parts = _TEMPLATE_PART.findall(expression)
    missing = [name for name in parts or [expression] if name not in columns]
    if missing:
        raise MappingError(
            f"{origin}: the file has no column {missing[0]!r}", f"Its columns are: {', '.join(columns)}."
        )
    positions = [columns.index(name) for name in parts]
    form = _TEMPLATE_PART.sub("\0", expression).replace("{", "{{").replace("}", "}}").replace("\0", "{}")

    def read(row: Sequence[str | None]) -> str | None:
        values = [row[position] or "" for position in positions]
        return form.format(*values) if any(values) else None

    return read


def constant_reader(text: str | None) -> Reader:
    """A function from any row's values to this text."""
    return lambda _row: text


def json_value(record: dict[str, Any], path: str) -> str | None:
    """The raw text at a dotted path of a JSON record; numbers keep their notation, lists and objects stay JSON."""
    value: Any = record
    if path in record:
        value = record[path]
    else:
        for step in path.split("."):
            if not isinstance(value, dict) or step not in value:
                return None
            value = value[step]
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, RawNumber):
        return value.text
    return json.dumps(value, ensure_ascii=False, default=lambda number: number.text)


@dataclass(frozen=True, slots=True)
class RawNumber:
    """A JSON number in the notation of the file."""

    text: str
