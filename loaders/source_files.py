"""Source files: one small YAML per portal, checked when read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loaders.config_files import ConfigFileError, Section, config_folder, read_config
from loaders.errors import UsageError
from loaders.fields import ALL_FIELDS
from loaders.urls import belongs_to, source_name, start_url

BUILT_IN = Path(__file__).parent / "sources"

_SOURCE_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_FIELD_PLACEHOLDER = "{field}"


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
class PageRules:
    """How the pages of one portal are read; None for a kind of page that is read by its structured data."""

    list_page: ListRules | None = None
    detail_page: DetailRules | None = None
    hosts: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()

    @property
    def is_generic(self) -> bool:
        """Whether no page is read by selectors."""
        return self.list_page is None and self.detail_page is None


@dataclass(frozen=True)
class Start:
    """Where a crawl of the portal begins: the first result page of one scope."""

    url: str
    scope: str | None = None
    max_pages: int | None = None


@dataclass(frozen=True)
class SourceFile:
    """One portal: how its pages are read, where crawls begin, and settings by name.

    Its hosts are those it is chosen for without being named, and to which its links may lead.
    """

    name: str
    path: Path
    rules: PageRules
    starts: tuple[Start, ...] = ()
    settings: Mapping[str, str | None] = field(default_factory=dict)


def choose_source(url: str, name: str | None) -> tuple[str, SourceFile | None]:
    """The source's name and its file: the named one, or the one whose hosts match; None: structured data.

    Raises UsageError for a name that cannot be a source, ConfigFileError for a file that cannot be used.
    """
    if name is not None:
        return name, find_source(name)
    for path in source_paths().values():
        source = load_source_file(path)
        if belongs_to(url, source.rules.hosts):
            return source.name, source
    derived = source_name(url)
    return derived, find_source(derived)


def find_source(name: str) -> SourceFile | None:
    """The file of a source, where there is one; raises as `choose_source`."""
    check_source_name(name)
    path = source_paths().get(name)
    return load_source_file(path) if path is not None else None


def require_source_file(name: str) -> SourceFile:
    """The file of a source. Raises UsageError where there is none, ConfigFileError where it cannot be used."""
    source = find_source(name)
    if source is None:
        known = ", ".join(sorted(source_paths()))
        raise UsageError(
            f"there is no source file {name}.yml", f"`property-manager source new {name}` makes one. Known: {known}."
        )
    return source


def check_source_name(name: str) -> None:
    """Raise UsageError for what cannot be the name of a source."""
    if not _SOURCE_NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a source name",
            "Use lower-case letters, digits and underscores, starting with a letter.",
        )


def source_paths() -> dict[str, Path]:
    """Source files by name; those in the user's folder win over the built-in ones."""
    user = config_folder()
    folders = [BUILT_IN] if user is None else [BUILT_IN, user / "sources"]
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.yml"))}


def load_source_file(path: Path) -> SourceFile:
    """Read and check one source file; raises ConfigFileError."""
    if not _SOURCE_NAME.fullmatch(path.stem):
        raise ConfigFileError(
            f"{path}: {path.stem!r} is not a source name",
            "Name the file with lower-case letters, digits and underscores, starting with a letter.",
        )
    top = read_config(path)
    source = SourceFile(
        name=path.stem,
        path=path,
        rules=PageRules(
            list_page=_list_rules(top.section("list")) if top.has("list") else None,
            detail_page=_detail_rules(top.section("detail")) if top.has("detail") else None,
            hosts=top.texts("hosts"),
            blocked=tuple(top.checked_css("blocked", css) for css in top.texts("blocked")),
        ),
        starts=tuple(_start(top, value) for value in top.values("start")),
        settings=top.settings("settings"),
    )
    top.end()
    return source


def _start(top: Section, value: Any) -> Start:
    section = top.section("start", {"url": value} if isinstance(value, str) else value)
    address = section.text("url")
    try:
        start_url(address)
    except UsageError as error:
        raise section.error("url", f"cannot be crawled: {error.message}", error.hint) from error
    start = Start(
        url=address,
        scope=section.text("scope") if section.has("scope") else None,
        max_pages=section.number("max_pages", least=1) if section.has("max_pages") else None,
    )
    section.end()
    return start


def _list_rules(section: Section) -> ListRules:
    rules = ListRules(
        ready=section.css("ready"),
        cards=_rule(section, "cards", section.value("cards")),
        link=section.css("link"),
        fields=_fields(section),
        next=section.css("next"),
        count=_rule(section, "count", section.value("count")) if section.has("count") else None,
        empty=section.css("empty") if section.has("empty") else None,
        page_parameter=section.text("page_parameter") if section.has("page_parameter") else None,
    )
    if "source_listing_id" not in rules.fields:
        raise section.error("fields", "names no source_listing_id", "Say where a card carries the portal's own id.")
    section.end()
    return rules


def _detail_rules(section: Section) -> DetailRules:
    fields = _fields(section)
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


def _fact_rules(section: Section) -> dict[str, Rule]:
    within, value = section.css("within"), section.text("value")
    names = ALL_FIELDS if section.value("fields") == "all" else section.texts("fields")
    if _FIELD_PLACEHOLDER not in value:
        raise section.error("value", f"lacks {_FIELD_PLACEHOLDER}", "For example 'div[data-field=\"{field}\"] > dd'.")
    rules = {}
    for name in names:
        _check_field(section, name)
        css = section.checked_css("value", f"{within} {value.replace(_FIELD_PLACEHOLDER, name)}")
        rules[name] = Rule(css, within=within)
    section.end()
    return rules


def _attribute_rows(section: Section) -> AttributeRows:
    rows = AttributeRows(section.css("rows"), section.css("name"), section.css("value"))
    section.end()
    return rows


def _fields(section: Section) -> dict[str, tuple[Rule, ...]]:
    entries = section.section("fields")
    rules = {}
    for name in entries:
        _check_field(section, name)
        alternatives = entries.values(name)
        if not alternatives:
            raise entries.error(name, "has no selector", "Give one, or leave the field out.")
        rules[name] = tuple(_rule(entries, name, alternative) for alternative in alternatives)
    return rules


def _check_field(section: Section, name: str) -> None:
    if name not in ALL_FIELDS:
        raise section.error("fields", f"names an unknown field {name!r}", f"Known fields: {', '.join(ALL_FIELDS)}.")


def _rule(section: Section, key: str, value: Any) -> Rule:
    """A selector as text, or as an object of its parts."""
    if isinstance(value, str):
        return Rule(section.checked_css(key, value))
    entry = section.section(key, value)
    rule = Rule(
        css=entry.css("css"),
        matches=entry.number("matches", least=0) if entry.has("matches") else 0,
        pattern=entry.pattern("pattern") if entry.has("pattern") else None,
        within=entry.css("within") if entry.has("within") else None,
    )
    entry.end()
    return rule
