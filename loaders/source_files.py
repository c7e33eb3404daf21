"""Source files: one small YAML of selectors per portal, checked when read."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from cssselect import SelectorError
from parsel import Selector
from parsel.csstranslator import HTMLTranslator

from loaders.errors import UsageError
from loaders.fields import ALL_FIELDS
from loaders.urls import belongs_to, source_name

BUILT_IN = Path(__file__).parent / "sources"

_SOURCE_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_FIELD_PLACEHOLDER = "{field}"


class SourceFileError(UsageError):
    """A source file that cannot be used; the message names the file, the key and the mend."""

    code = "source_file"


@dataclass(frozen=True)
class Rule:
    """One selector. `pattern` keeps its group; where `within` does not match, the field is unknown."""

    css: str
    matches: int = 0
    pattern: re.Pattern[str] | None = None
    within: str | None = None


@dataclass(frozen=True)
class AttributeRows:
    """A table of further values: `rows`, and in each row the `name` and the `value`."""

    rows: str
    name: str
    value: str


@dataclass(frozen=True)
class ListRules:
    """How result pages are read."""

    ready: str
    cards: Rule
    link: str
    fields: Mapping[str, tuple[Rule, ...]]
    next: str
    count: Rule | None = None
    empty: str | None = None
    page_parameter: str | None = None


@dataclass(frozen=True)
class DetailRules:
    """How advert pages are read."""

    ready: str
    fields: Mapping[str, tuple[Rule, ...]]
    attribute_rows: AttributeRows | None = None
    structured_data: bool = True


@dataclass(frozen=True)
class SourceFile:
    """The selectors of one portal.

    `hosts` are those it is chosen for without being named, and to which its links may lead.
    """

    name: str
    list_page: ListRules
    detail_page: DetailRules
    hosts: tuple[str, ...] = ()
    blocked: tuple[str, ...] = field(default=())


def choose_source(url: str, name: str | None) -> tuple[str, SourceFile | None]:
    """The source's name and its file: the named one, or the one whose hosts match; None: structured data.

    Raises UsageError for a name that cannot be a source, SourceFileError for a file that cannot be used.
    """
    files = _files()
    if name is not None:
        if not _SOURCE_NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} cannot be the name of a source",
                "Use lower-case letters, digits and underscores, starting with a letter.",
            )
        return name, load_source_file(files[name]) if name in files else None
    for path in files.values():
        source = load_source_file(path)
        if belongs_to(url, source.hosts):
            return source.name, source
    derived = source_name(url)
    return derived, load_source_file(files[derived]) if derived in files else None


@cache
def load_source_file(path: Path) -> SourceFile:
    """Read and check one source file; raises SourceFileError."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SourceFileError(f"cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SourceFileError(f"{path} is not valid YAML: {error}") from error
    if not _SOURCE_NAME.fullmatch(path.stem):
        raise SourceFileError(
            f"{path}: {path.stem!r} cannot be the name of a source",
            "Name the file with lower-case letters, digits and underscores, starting with a letter.",
        )
    top = _Section(path, "", document)
    list_page, detail_page = top.section("list"), top.section("detail")
    source = SourceFile(
        name=path.stem,
        list_page=_list_rules(list_page),
        detail_page=_detail_rules(detail_page),
        hosts=top.texts("hosts"),
        blocked=tuple(top.checked_css("blocked", css) for css in top.texts("blocked")),
    )
    top.end()
    return source


def _list_rules(section: _Section) -> ListRules:
    rules = ListRules(
        ready=section.css("ready"),
        cards=section.rule("cards"),
        link=section.css("link"),
        fields=section.fields("fields"),
        next=section.css("next"),
        count=section.rule("count") if section.has("count") else None,
        empty=section.css("empty") if section.has("empty") else None,
        page_parameter=section.text("page_parameter") if section.has("page_parameter") else None,
    )
    if "source_listing_id" not in rules.fields:
        raise section.error("fields", "names no source_listing_id", "Say where a card carries the portal's own id.")
    section.end()
    return rules


def _detail_rules(section: _Section) -> DetailRules:
    fields = dict(section.fields("fields"))
    if section.has("facts"):
        for name, rule in _fact_rules(section.section("facts")).items():
            fields[name] = (*fields.get(name, ()), rule)
    rules = DetailRules(
        ready=section.css("ready"),
        fields=fields,
        attribute_rows=_attribute_rows(section.section("attribute_rows")) if section.has("attribute_rows") else None,
        structured_data=section.flag("structured_data", default=True),
    )
    section.end()
    return rules


def _fact_rules(section: _Section) -> dict[str, Rule]:
    within, value = section.css("within"), section.text("value")
    names = ALL_FIELDS if section.is_text("fields", "all") else section.texts("fields")
    if _FIELD_PLACEHOLDER not in value:
        raise section.error("value", f"lacks {_FIELD_PLACEHOLDER}", "For example 'div[data-field=\"{field}\"] > dd'.")
    rules = {}
    for name in names:
        section.check_field("fields", name)
        css = section.checked_css("value", f"{within} {value.replace(_FIELD_PLACEHOLDER, name)}")
        rules[name] = Rule(css, within=within)
    section.end()
    return rules


def _attribute_rows(section: _Section) -> AttributeRows:
    rows = AttributeRows(section.css("rows"), section.css("name"), section.css("value"))
    section.end()
    return rows


class _Section:
    """One level of a source file; every complaint names the file and the key."""

    def __init__(self, path: Path, prefix: str, document: Any) -> None:
        self._path = path
        self._prefix = prefix
        if not isinstance(document, dict):
            raise SourceFileError(
                f"{path}: {prefix.rstrip('.') or 'the file'} must hold `key: value` lines",
                f"Start from a copy of {BUILT_IN / 'demo_portal.yml'}.",
            )
        self._document = document
        self._known: set[str] = set()

    def has(self, key: str) -> bool:
        self._known.add(key)
        return self._document.get(key) is not None

    def section(self, key: str) -> _Section:
        return _Section(self._path, f"{self._prefix}{key}.", self._required(key))

    def text(self, key: str) -> str:
        value = self._required(key)
        if not isinstance(value, str) or not value.strip():
            raise self.error(key, f"must be a text, not {value!r}")
        return value

    def is_text(self, key: str, text: str) -> bool:
        return self._required(key) == text

    def texts(self, key: str) -> tuple[str, ...]:
        self._known.add(key)
        values = self._document.get(key) or []
        values = [values] if isinstance(values, str) else values
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise self.error(key, "must be a list of texts")
        return tuple(values)

    def flag(self, key: str, *, default: bool) -> bool:
        self._known.add(key)
        value = self._document.get(key, default)
        if not isinstance(value, bool):
            raise self.error(key, f"must be true or false, not {value!r}")
        return value

    def css(self, key: str) -> str:
        return self.checked_css(key, self.text(key))

    def rule(self, key: str) -> Rule:
        return self._rule(key, self._required(key))

    def fields(self, key: str) -> dict[str, tuple[Rule, ...]]:
        entries = _Section(self._path, f"{self._prefix}{key}.", self._required(key))
        rules = {}
        for name, value in entries._document.items():
            self.check_field(key, str(name))
            alternatives = value if isinstance(value, list) else [value]
            rules[str(name)] = tuple(entries._rule(str(name), alternative) for alternative in alternatives)
        return rules

    def check_field(self, key: str, name: str) -> None:
        if name not in ALL_FIELDS:
            raise self.error(key, f"names an unknown field {name!r}", f"Known fields: {', '.join(ALL_FIELDS)}.")

    def checked_css(self, key: str, css: str) -> str:
        try:
            Selector("<html></html>", type="html").xpath(HTMLTranslator().css_to_xpath(css))
        except (SelectorError, ValueError) as error:
            raise self.error(key, f"{css!r} is not a CSS selector: {error}") from error
        return css

    def end(self) -> None:
        unknown = sorted(str(key) for key in self._document.keys() - self._known)
        if unknown:
            raise self.error(unknown[0], "is not a known key", f"Known here: {', '.join(sorted(self._known))}.")

    def error(self, key: str, problem: str, hint: str = "") -> SourceFileError:
        return SourceFileError(f"{self._path}: {self._prefix}{key} {problem}", hint)

    def _rule(self, key: str, value: Any) -> Rule:
        if isinstance(value, str):
            return Rule(self.checked_css(key, value))
        entry = _Section(self._path, f"{self._prefix}{key}.", value)
        matches = entry._document.get("matches", 0)
        if not isinstance(matches, int) or isinstance(matches, bool) or matches < 0:
            raise entry.error("matches", f"must be a whole number from 0, not {matches!r}")
        rule = Rule(
            css=entry.css("css"),
            matches=matches,
            pattern=entry._pattern("pattern") if entry.has("pattern") else None,
            within=entry.css("within") if entry.has("within") else None,
        )
        entry._known.add("matches")
        entry.end()
        return rule

    def _pattern(self, key: str) -> re.Pattern[str]:
        text = self.text(key)
        try:
            pattern = re.compile(text)
        except re.error as error:
            raise self.error(key, f"{text!r} is not a regular expression: {error}") from error
        if pattern.groups != 1:
            raise self.error(key, f"{text!r} needs exactly one group", "For example 'of ([0-9.,]+) homes'.")
        return pattern

    def _required(self, key: str) -> Any:
        self._known.add(key)
        if self._document.get(key) is None:
            raise self.error(key, "is missing", f"Start from a copy of {BUILT_IN / 'demo_portal.yml'}.")
        return self._document[key]


def _files() -> dict[str, Path]:
    """Source files by name; those in the user's folder win over the built-in ones."""
    folders = [BUILT_IN]
    if configured := os.environ.get("PROPERTY_CONFIG_DIR"):
        folders.append(Path(configured) / "sources")
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.yml"))}
