"""A market of three feeds over seven syncs, in which each listing has a fate, and what the tables tell of it.

The same story serves its own test and the mutation check: whatever changes what the tables tell is noticed.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from loaders.database import connect
from loaders.importer import ImportOptions, import_files
from loaders.mapping import Mapping
from loaders.sessions import ensure_source
from scripts.dbt_runner import DbtProject
from scripts.sync import _sync_once, run_lock

_RULE_DISABLED_BEFORE = 4
_REQUEST = {"source": None, "allows_mass_removal": False}
_FIELDS = {
    "source_listing_id": "id",
    "title": "title",
    "property_type": "type",
    "price": "price",
    "currency": "currency",
    "area_m2": "area",
    "rooms": "rooms",
    "city": "city",
    "latitude": "lat",
    "longitude": "lon",
    "amenities": "amenities",
    "images": "images",
    "agent_name": "agent",
}
_WITHOUT_PRICE = {name: column for name, column in _FIELDS.items() if name not in ("price", "currency", "images")}
_RULES = """
insert into validation_rules (rule_name, field_name, rule_type, rule_config, severity) values
    ('city is known', 'city', 'required', '{}', 'error'),
    ('price is usual', 'price', 'range', '{"min": 50000, "max": 900000}', 'warning'),
    ('title is short', 'title', 'pattern', '{"pattern": "^.{1,20}$"}', 'info'),
    ('rooms are few', 'rooms', 'enum', '{"values": ["1", "2", "3"]}', 'warning'),
    ('agent is known', 'agent_name', 'required', '{}', 'info')
"""
_SETTINGS = """
update sources set
    currency = case source when 'gamma' then 'PLN' else 'EUR' end,
    country = case source when 'gamma' then 'PL' end,
    removal_after_sessions = case source when 'beta' then 1 else 2 end,
    max_removal_share = case source when 'alpha' then null else 0.5 end,
    min_volume_ratio = case source when 'beta' then null else 0.5 end,
    min_coverage = 0.8,
    freshness_hours = null
"""
_EVENTS = (
    "select jsonb_strip_nulls(to_jsonb(x)) from property_changes as x where sync_id = %(sync_id)s",
    "select jsonb_strip_nulls(to_jsonb(x)) from sync_sessions as x where sync_id = %(sync_id)s",
    """
    select jsonb_build_object('session', x.session_id, 'status', x.status, 'verdict', jsonb_strip_nulls(x.verdict))
    from scrape_sessions as x where session_id in (select session_id from sync_sessions where sync_id = %(sync_id)s)
    """,
    "select jsonb_strip_nulls(to_jsonb(x)) from rule_violations as x where sync_id = %(sync_id)s",
    "select jsonb_strip_nulls(to_jsonb(x)) from rule_evaluations as x where sync_id = %(sync_id)s",
    "select jsonb_strip_nulls(to_jsonb(x)) from sync_metadata as x where sync_id = %(sync_id)s",
)
_TABLES = (
    "select jsonb_strip_nulls(to_jsonb(x)) from properties_live as x",
    "select jsonb_strip_nulls(to_jsonb(x)) from properties_history as x",
    "select jsonb_strip_nulls(to_jsonb(x)) from listing_sightings as x",
)
_CLOCK = re.compile(r"(?!2024-)\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_KEYS_OF_A_RUN = {"sync_id", "change_id", "sequence", "row_hash", "request_id", "invocation_id", "age_hours"}

Row = dict[str, Any]


@dataclass(frozen=True)
class _Day:
    """One import: a feed's listings as its scope shows them on one day of May 2024."""

    source: str
    day: int
    rows: Sequence[Row]
    scope: str = "all"
    is_complete: bool = True
    fields: dict[str, str] | None = None
    pages: tuple[int, int] | None = None
    site_count: int | None = None


def flat(number: int, **values: Any) -> Row:
    """A listing that differs from the others by its number, with other values where they are given."""
    return {
        "id": f"flat-{number}",
        "title": f"Flat {number}",
        "type": "apartment",
        "price": 100_000 + 1_000 * number,
        "currency": "EUR",
        "area": "50.5",
        "rooms": 2,
        "city": "Kraków",
        "lat": f"50.{number:02d}",
        "lon": f"19.{number:02d}",
        "amenities": "lift|garden",
        "images": "https://img.example/1.jpg|https://img.example/2.jpg",
        "agent": "Anna",
        "tax": 900 + number,
        "heating": "gas",
        **values,
    }


def flats(numbers: Sequence[int], edits: dict[int, Row] | None = None) -> list[Row]:
    """Listings by number, some of them edited."""
    return [flat(number, **(edits or {}).get(number, {})) for number in numbers]


def _alpha() -> Iterator[_Day]:
    """Every kind of change of a field; two absences make a removal."""
    first = {
        8: {"price": 10},
        9: {"city": ""},
        10: {"price": "on request"},
        11: {"rooms": 7, "agent": ""},
        12: {"title": "A title that is too long"},
        13: {"price": "NaN", "currency": ""},
        14: {"price": 900_000},
        15: {"price": 50_000, "agent": ""},
    }
    yield _Day("alpha", 1, flats(range(1, 17), first))
    second = {
        1: {"price": 95_000},
        2: {"price": 110_000},
        3: {"price": ""},
        4: {"title": "Flat four", "rooms": 3, "tax": ""},
        5: {"images": "https://img.example/2.jpg|https://img.example/1.jpg", "amenities": "garden|lift"},
        6: {"images": "https://img.example/3.jpg", "amenities": "garden", "currency": ""},
        7: {"tax": 1, "heating": ""},
        8: {"price": 120_000},
        10: {"price": 200_000},
        11: {"city": "", "rooms": 7},
        13: {"price": 150_000},
        14: {"price": 900_001},
        15: {"price": 49_999},
    }
    yield _Day("alpha", 3, [*flats([*range(1, 9), 9, *range(10, 16)], second), flat(2, price=110_000), flat(21)])
    yield _Day("alpha", 5, flats([1, 3, 16, 22], {1: {"title": ""}}), is_complete=False, fields=_WITHOUT_PRICE)
    late = {1: {"price": 1_000}, 9: {"price": 300_000}, 11: {"rooms": 1}}
    yield _Day("alpha", 4, flats([1, 9, 11, 40], late))
    yield _Day("alpha", 6, flats([1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 21, 22], second))
    third = {**second, 2: {"price": 20_000}, 4: {"price": 130_000}, 11: {"rooms": 3}}
    yield _Day("alpha", 8, flats([1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 21], third))
    last = {**third, 2: {"price": 111_000}}
    yield _Day("alpha", 9, flats([1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 21], last))


def _beta() -> Iterator[_Day]:
    """Two scopes, removals at once, the limit on them, a broken row, an empty session."""
    yield _Day("beta", 1, flats(range(1, 11)))
    yield _Day("beta", 2, flats([1, 2, 3, 11, 12]), scope="second")
    yield _Day("beta", 3, flats([1, *range(4, 10), 13], {4: {"price": 90_000}}))
    yield _Day("beta", 4, [])
    yield _Day("beta", 5, [*flats([1, 4, 5, 6, 10, 13], {10: {"price": 99_000}}), flat(7, id="")])
    yield _Day("beta", 6, flats([1, 2, 3, 4]))
    again = {13: {"id": "flat-13-again", "title": "Flat 13, again", "price": 105_000}}
    yield _Day("beta", 7, flats([1, 4, 5, 6, 10, 13], again))


def _gamma() -> Iterator[_Day]:
    """What a crawl reports of itself decides whether absences count."""
    everything = range(1, 11)
    fewer = range(1, 10)
    yield _Day("gamma", 1, flats(everything, {1: {"currency": ""}, 2: {"currency": "USD"}}), pages=(10, 10))
    yield _Day("gamma", 2, flats(fewer, {2: {"currency": ""}}), pages=(7, 10), site_count=9)
    yield _Day("gamma", 3, flats(fewer), pages=(8, 10), site_count=100)
    yield _Day("gamma", 4, flats(range(1, 9)), pages=(8, 10), site_count=10)
    yield _Day("gamma", 5, flats(range(1, 4)), pages=(10, 10))
    yield _Day("gamma", 6, flats(range(1, 6)), pages=(0, 0), site_count=0)
    yield _Day("gamma", 7, flats([*range(1, 6), 10]), pages=(10, 10))


def live_through(database_url: str, folder: Path, on_chapter: Callable[[list[str]], None]) -> None:
    """Live through the story; `on_chapter` is told after each sync, and at the end, what the tables hold.

    Lines are equal in every run. An exception of `on_chapter` ends the story.
    """
    with connect(database_url) as connection, run_lock(connection, wait=False):
        connection.execute(_RULES)
        for source in ("alpha", "beta", "gamma"):
            ensure_source(connection, source)
        connection.execute(_SETTINGS)
        project = DbtProject(database_url)
        for chapter, days in enumerate(zip(_alpha(), _beta(), _gamma(), strict=True)):
            for day in days:
                _land(connection, folder / f"{chapter}-{day.source}.csv", day)
            if chapter == _RULE_DISABLED_BEFORE:
                connection.execute("update validation_rules set is_enabled = false where rule_name = 'agent is known'")
            # As one long `sync-pending` would, which builds seeds and lasting views only once.
            report = _sync_once(connection, project, _REQUEST, is_first=chapter == 0)
            on_chapter(_told(connection, _EVENTS, {"sync_id": report.sync_id}))
        on_chapter(_told(connection, _TABLES, {}))


def write_story(file: Path, told: Sequence[Sequence[str]]) -> None:
    """Write the chapters, one line after the other."""
    text = "".join(f"# {number}\n" + "".join(f"{line}\n" for line in lines) for number, lines in enumerate(told, 1))
    file.write_text(text, encoding="utf-8")


def read_story(file: Path) -> list[list[str]]:
    """The chapters of a written story."""
    _, *texts = re.split(r"^# \d+\n", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [text.splitlines() for text in texts]


def _land(connection: psycopg.Connection, file: Path, day: _Day) -> None:
    columns = [*_FIELDS.values(), "tax", "heating"]
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, columns)
        writer.writeheader()
        writer.writerows(day.rows)
    mapping = Mapping(fields=day.fields or _FIELDS, attributes={"tax": "tax", "heating": "heating"})
    options = ImportOptions(
        day.source, day.scope, mapping, datetime(2024, 5, day.day, 6, tzinfo=UTC), is_complete=day.is_complete
    )
    (landed,) = import_files(connection, [file], options)
    if day.pages is not None:
        connection.execute(
            "update scrape_sessions set pages_done = %s, pages_planned = %s, site_listing_count = %s"
            " where session_id = %s",
            [*day.pages, day.site_count, landed.session_id],
        )


def _told(connection: psycopg.Connection, queries: Sequence[str], parameters: dict[str, Any]) -> list[str]:
    names = _names(connection)
    lines = []
    for query in queries:
        table = query.split(" from ")[1].split()[0]
        rows = [_readable(row, names) for (row,) in connection.execute(query.encode(), parameters)]
        lines += sorted(f"{table} {json.dumps(row, ensure_ascii=False, sort_keys=True)}" for row in rows)
    return lines


def _names(connection: psycopg.Connection) -> dict[str, str]:
    """Readable names of sessions and listings, whose ids are random or long."""
    sessions = connection.execute("select session_id::text, source || ' ' || observed_at::date from scrape_sessions")
    listings = connection.execute(
        "select distinct property_id::text, source || ' ' || source_listing_id from property_scrapes_staging"
    )
    return {**dict(sessions.fetchall()), **dict(listings.fetchall())}


def _readable(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        if value.get("check_name") == "freshness":
            value = {key: entry for key, entry in value.items() if key != "value"}
        return {
            names.get(key, key): _readable(entry, names) for key, entry in value.items() if key not in _KEYS_OF_A_RUN
        }
    if isinstance(value, list):
        entries = [_readable(entry, names) for entry in value]
        # Arrays of ids are sets, and the order of random ids means nothing.
        return sorted(entries) if entries != value and all(isinstance(entry, str) for entry in entries) else entries
    if isinstance(value, str):
        return "when it ran" if _CLOCK.match(value) else names.get(value, value)
    return value
