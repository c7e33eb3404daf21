"""Source files: what is accepted, which one is chosen, and how complaints read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from loaders.config_files import ConfigFileError
from loaders.configuration import configured_settings
from loaders.errors import UsageError
from loaders.source_files import BUILT_IN, Start, choose_source, load_source_file
from scripts.sources import new_source

GOOD = """
hosts: [portal.example]
list:
  ready: .count
  cards: {css: .card, matches: 1}
  link: a::attr(href)
  next: a[rel=next]
  count: {css: .count, pattern: 'of (\\d+)'}
  fields:
    source_listing_id: ::attr(data-id)
detail:
  ready: h1
  fields:
    title: [h1.title, h1]
"""


def write(folder: Path, text: str, name: str = "my_portal.yml") -> Path:
    path = folder / "sources" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_file(tmp_path: Path) -> None:
    source = load_source_file(write(tmp_path, GOOD))
    assert source.name == "my_portal"
    assert source.rules.list_page.cards.matches == 1
    assert [rule.css for rule in source.rules.detail_page.fields["title"]] == ["h1.title", "h1"]


@pytest.mark.parametrize(
    ("replaced", "by", "message"),
    [
        (
            "ready: .count",
            "ready: '..count'",
            r"my_portal\.yml: list\.ready '\.\.count' is not a CSS selector",
        ),
        ("  link: a::attr(href)\n", "", r"list\.link is missing"),
        ("link:", "links:", r"list\.link is missing"),
        ("hosts:", "host:", r"my_portal\.yml: host is not a known key"),
        ("matches: 1", "matches: many", r"list\.cards\.matches must be a whole number"),
        ("matches: 1", "match: 1", r"list\.cards\.match is not a known key"),
        ("(\\d+)'", "\\d+'", r"list\.count\.pattern .* needs exactly one group"),
        ("of (\\d+)'", "of (('", r"list\.count\.pattern .* is not a regular expression"),
        ("title: [", "headline: [", r"detail\.fields names an unknown field 'headline'"),
        ("source_listing_id: ::attr(data-id)", "price: .p", r"list\.fields names no source_listing_id"),
        ("hosts: [portal.example]", "hosts: [1]", r"hosts must be a list of texts"),
        ("list:", "list: 3\nnothing:", r"list must hold `key: value` lines"),
        ("hosts:", "hosts: [", r"is not valid YAML"),
        ("detail:", "list:", r"the key 'list' is given twice"),
        ("hosts:", "start: ftp://portal.example/\nhosts:", r"start\.url cannot be crawled"),
        ("hosts:", "start: {scope: north}\nhosts:", r"start\.url is missing"),
        ("hosts:", "start: [{url: 'https://portal.example/', pages: 3}]\nhosts:", r"start\.pages is not a known key"),
        ("hosts:", "settings: {speed: 3}\nhosts:", r"settings\.speed is not a setting"),
        ("hosts:", "settings: {currency: [EUR]}\nhosts:", r"settings\.currency must be one value"),
        ("    title: [h1.title, h1]", "    title: []", r"detail\.fields\.title has no selector"),
    ],
)
def test_a_bad_file_names_file_and_key(tmp_path: Path, replaced: str, by: str, message: str) -> None:
    assert replaced in GOOD
    path = write(tmp_path, GOOD.replace(replaced, by))
    with pytest.raises(ConfigFileError, match=message):
        load_source_file(path)


def test_starts_and_settings(tmp_path: Path) -> None:
    source = load_source_file(
        write(
            tmp_path,
            """
start:
  - https://portal.example/flats
  - {url: "https://portal.example/houses", scope: houses, max_pages: 3}
settings: {requests_per_second: 0.5, max_removal_share: null}
""",
        )
    )
    assert source.starts == (
        Start("https://portal.example/flats"),
        Start("https://portal.example/houses", "houses", 3),
    )
    assert source.settings == {"requests_per_second": "0.5", "max_removal_share": None}
    assert source.rules.is_generic


def test_the_template_is_a_valid_file_and_so_are_its_sections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROPERTY_CONFIG_DIR", str(tmp_path))
    path = new_source("my_portal", "https://www.portal.example/flats?city=delft")
    source = load_source_file(path)
    assert source.starts == (Start("https://www.portal.example/flats?city=delft"),)
    assert source.rules.hosts == ("www.portal.example",)
    assert source.rules.is_generic

    generic, _, sections = path.read_text(encoding="utf-8").partition("# list:")
    path.write_text(generic + "list:" + re.sub(r"^# ?", "", sections, flags=re.M), encoding="utf-8")
    rules = load_source_file(path).rules
    assert rules.list_page is not None
    assert rules.detail_page is not None
    with pytest.raises(UsageError, match="exists already"):
        new_source("my_portal", "https://www.portal.example/")


def test_thresholds_of_the_user_win_over_the_source_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROPERTY_CONFIG_DIR", str(tmp_path))
    write(tmp_path, "settings: {currency: EUR, min_coverage: 0.5}\n" + GOOD)
    assert configured_settings("my_portal") == {"currency": "EUR", "min_coverage": "0.5"}
    thresholds = tmp_path / "thresholds.yml"
    thresholds.write_text("my_portal: {min_coverage: 0.9}\nmy_feed: {max_removal_share: null}\n", encoding="utf-8")
    assert configured_settings("my_portal") == {"currency": "EUR", "min_coverage": "0.9"}
    assert configured_settings("my_feed") == {"max_removal_share": None}
    assert configured_settings("another") == {}
    thresholds.write_text(
        "defaults: {min_coverage: 0.7, freshness_hours: 48}\nmy_feed: {freshness_hours: 6}\n", encoding="utf-8"
    )
    assert configured_settings("another") == {"min_coverage": "0.7", "freshness_hours": "48"}
    assert configured_settings("my_feed") == {"min_coverage": "0.7", "freshness_hours": "6"}
    assert configured_settings("my_portal") == {"currency": "EUR", "min_coverage": "0.5", "freshness_hours": "48"}
    thresholds.write_text("my_portal: {min_coverages: 0.9}\n", encoding="utf-8")
    with pytest.raises(ConfigFileError, match=r"thresholds\.yml: my_portal\.min_coverages is not a setting"):
        configured_settings("my_portal")


def test_a_file_name_that_is_no_source_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError, match="is not a source name"):
        load_source_file(write(tmp_path, GOOD, "My-Portal.yml"))


def test_built_in_files_are_valid_and_small() -> None:
    files = sorted(BUILT_IN.glob("*.yml"))
    assert files
    for path in files:
        assert load_source_file(path).name == path.stem
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 80


def test_which_source_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, GOOD)
    monkeypatch.setenv("PROPERTY_CONFIG_DIR", str(tmp_path))

    name, source = choose_source("https://www.portal.example/flats", None)
    assert (name, source and source.name) == ("my_portal", "my_portal")
    assert choose_source("https://notportal.example/flats", None) == ("notportal_example", None)
    assert choose_source("https://portal.example/flats", "another") == ("another", None)
    name, source = choose_source("http://127.0.0.1:8000/listings", "demo_portal")
    assert source is not None
    with pytest.raises(UsageError, match="is not a source name"):
        choose_source("https://portal.example/flats", "My Portal")


def test_the_users_file_wins_over_the_built_in_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, GOOD, "demo_portal.yml")
    monkeypatch.setenv("PROPERTY_CONFIG_DIR", str(tmp_path))
    _, source = choose_source("http://127.0.0.1:8000/listings", "demo_portal")
    assert source is not None
    assert source.rules.list_page.ready == ".count"
