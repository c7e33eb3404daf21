"""The legacy table `pulled_properties`: migrated, accounted for, served by a view, and put back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors

from loaders.fields import LISTING_FIELDS
from loaders.mapping import Mapping
from scripts import legacy as legacy_table
from tests.python.conftest import Command
from tests.python.integration.snapshots import MAPPING, flats, write_csv

pytestmark = pytest.mark.slow

LEGACY = """
create table pulled_properties (
    id integer primary key,
    url text,
    title varchar(200),
    price integer,
    size numeric(8, 2),
    bedrooms smallint,
    address text,
    city text,
    features text [],
    photos jsonb,
    balcony boolean,
    phone text,
    date_listed date,
    agency text,
    status text,
    created_at timestamptz not null default '2023-04-01 10:00+00'
);
insert into pulled_properties (
    id, url, title, price, size, bedrooms, address, city, features, photos, balcony, phone, date_listed, agency, status
)
select
    number, 'https://old.example/' || number, 'Home ' || number, 100000 + number, 50.5, 2, number || ' Hill Road',
    'York', array['garden', 'bath'], jsonb_build_array('https://old.example/' || number || '.jpg'), true, '01904 1',
    '2023-03-01', 'Hill & Sons', 'available'
from generate_series(1, 12) as numbers (number);
grant select on pulled_properties to public;
update pulled_properties set price = -1 where id = 3;
update pulled_properties set status = 'Sold' where id = 4;
"""

MIGRATE = "select migrate_pulled_properties_to_live()"


@pytest.fixture
def legacy(connection: psycopg.Connection) -> psycopg.Connection:
    connection.execute(LEGACY)
    return connection


def test_every_row_is_accounted_for_and_a_second_time_changes_nothing(
    command: Command, legacy: psycopg.Connection
) -> None:
    assert one(legacy, MIGRATE) == 12
    assert one(legacy, MIGRATE) == 0
    first = command.ok("migrate-legacy", "--json").json
    assert first["landed"] == 0
    assert [session["created"] for sync in first["syncs"] for session in sync["sessions"]] == [10]
    expected = {"rows": 12, "active": 10, "held_back": 1, "left_before": 1}
    assert {name: count for name, count in first["reconciliation"].items() if count} == expected

    before = published(legacy)
    again = command.ok("migrate-legacy", "--json").json
    assert (again["landed"], again["syncs"], again["reconciliation"]) == (0, [], first["reconciliation"])
    assert published(legacy) == before
    kept = "select price, area_m2, bedrooms, street_address, amenities, images, has_balcony, agent_phone, "
    kept += "listed_at::date::text from properties_live where source_listing_id = '1'"
    assert legacy.execute(kept).fetchone() == (
        *(100_001, 50.5, 2, "1 Hill Road", ["bath", "garden"], ["https://old.example/1.jpg"], True, "01904 1"),
        "2023-03-01",
    )

    legacy.execute("update pulled_properties set price = 90000 where id = 5")
    legacy.execute("update pulled_properties set price = 100003 where id = 3")
    changed = command.ok("migrate-legacy").stdout
    assert "12 rows landed." in changed
    assert "Every row is accounted for" in changed
    assert one(legacy, "select count(*) from properties_live where listing_status = 'active'") == 11
    assert one(legacy, "select price from properties_live where source_listing_id = '5'") == 90_000


def test_the_view_serves_old_frontends_until_it_is_rolled_back(
    command: Command, legacy: psycopg.Connection, tmp_path: Path
) -> None:
    early = command.run("migrate-legacy", "--switch")
    assert (early.code, "was not migrated yet" in early.stderr) == (2, True)
    command.ok("migrate-legacy")
    rows_before = legacy.execute("select * from pulled_properties order by id").fetchall()

    assert command.ok("migrate-legacy", "--switch", "--json").json == {
        **{"is_view": True, "changed": True, "frozen_views": []}
    }
    assert "already" in command.ok("migrate-legacy", "--switch").stdout
    served = legacy.execute("select * from pulled_properties order by id")
    columns = [column.name for column in served.description or ()]
    by_id = {row[0]: dict(zip(columns, row, strict=True)) for row in served}
    old_row = dict(zip(columns, rows_before[0], strict=True))
    assert by_id.keys() == {1, 2, *range(5, 13)}
    assert by_id[1] == {**old_row, "features": ["bath", "garden"]}

    assert one(legacy, "select has_table_privilege('public', 'pulled_properties', 'select')")
    assert not one(legacy, "select has_table_privilege('public', 'properties_live', 'select')")

    feed = write_csv(tmp_path / "new.csv", flats(1))
    command.ok("import", feed, "--source", "portal", *MAPPING)
    new_key, title, agency = legacy.execute(
        "select id, title, agency from pulled_properties where title = 'Flat 1'"
    ).fetchall()[0]
    assert (2**52 <= new_key < 2**53, title, agency) == (True, "Flat 1", None)
    with pytest.raises(errors.ObjectNotInPrerequisiteState):
        legacy.execute("update pulled_properties set price = 1 where id = 1")
    assert command.ok("migrate-legacy", "--json").json["landed"] == 0

    assert command.ok("migrate-legacy", "--rollback", "--json").json["changed"]
    assert legacy.execute("select * from pulled_properties order by id").fetchall() == rows_before
    assert one(legacy, "select count(*) from properties_live") == 11
    again = command.ok("migrate-legacy", "--rollback", "--json").json
    assert (again["is_view"], again["changed"]) == (False, False)
    actions = legacy.execute("select action from admin_audit_log where action like '%legacy'").fetchall()
    assert sorted(actions) == [("migrate legacy",), ("restore legacy",), ("switch legacy",)]


def test_a_killed_migration_is_ended_by_the_next_one(
    command: Command, legacy: psycopg.Connection, tmp_path: Path
) -> None:
    reached = tmp_path / "reached"
    barriers = {"PROPERTY_BARRIER": "before_publish_commit", "PROPERTY_BARRIER_FILE": str(reached)}
    killed = command.run_in_process_of_its_own("migrate-legacy", **barriers)
    assert (killed.code, reached.exists()) == (-9, True)
    assert one(legacy, "select count(*) from properties_live") == 0

    ended = command.ok("migrate-legacy", "--json").json
    assert (ended["landed"], ended["reconciliation"]["active"]) == (0, 10)
    assert one(legacy, "select count(*) from property_scrapes_staging") == 12


def test_a_migration_that_was_quarantined_says_so_every_time(command: Command, legacy: psycopg.Connection) -> None:
    legacy.execute(
        "insert into pulled_properties (id, price) select number, -1 from generate_series(13, 60) as more (number)"
    )
    first = command.run("migrate-legacy", "--json")
    session = first.json["syncs"][0]["sessions"][0]
    assert (first.code, session["session_status"]) == (3, "quarantined")
    again = command.run("migrate-legacy", "--json")
    held = again.json["quarantine"]
    assert (again.code, again.json["landed"], again.json["syncs"]) == (3, 0, [])
    assert (held["session_id"], again.json["reconciliation"]) == (session["session_id"], None)
    told = command.run("migrate-legacy")
    prefix = session["session_id"][:8]
    assert (told.code, f"{prefix} is quarantined" in told.stdout, held["reason"] in told.stdout) == (3, True, True)
    assert f"property-manager sync --session-id {prefix}" in told.stdout

    command.ok("sync", "--session-id", prefix, "--force")
    assert command.ok("migrate-legacy", "--json").json["quarantine"] is None


def test_unusual_names_are_mapped_and_mistakes_are_explained(command: Command, connection: psycopg.Connection) -> None:
    missing = command.run("migrate-legacy")
    assert (missing.code, "there is no table pulled_properties" in missing.stderr) == (2, True)
    connection.execute("create table pulled_properties (ref text, cost text, heating text)")
    unmapped = command.run("migrate-legacy")
    assert (unmapped.code, "nothing says which column" in unmapped.stderr) == (2, True)
    unknown = command.run("migrate-legacy", "--map", "source_listing_id=reff")
    assert (unknown.code, "has no column reff" in unknown.stderr, "ref, cost, heating" in unknown.stderr) == (
        *(2, True, True),
    )
    connection.execute("insert into pulled_properties values (' a ', '€ 1,200', 'gas'), ('a', '1', ''), ('', '2', '')")
    mapping = '{"source_listing_id": "ref", "price": "cost", "attributes.heating": "heating"}'
    assert one(connection, "select migrate_pulled_properties_to_live(%s)", [mapping]) == 2
    rows = connection.execute(
        "select source_listing_id, price_text, attributes, observed_fields from property_scrapes_staging "
        "where attributes ->> 'heating' = 'gas'"
    ).fetchall()
    assert rows == [("a", "€ 1,200", {"heating": "gas"}, ["attributes.heating", "price"])]
    assert connection.execute(
        "select rows_read, rows_landed, rows_rejected, duplicates_collapsed from scrape_sessions"
    ).fetchone() == (3, 2, 1, 1)
    assert connection.execute("select reason_code, raw_text::jsonb ->> 'cost' from landing_rejects").fetchall() == [
        ("missing_id", "2")
    ]
    connection.execute("update scrape_sessions set status = 'rolled_back'")
    assert one(connection, "select migrate_pulled_properties_to_live(%s)", [mapping]) == 2
    with pytest.raises(errors.UndefinedColumn, match="there is no field cost"):
        connection.execute('select migrate_pulled_properties_to_live(\'{"cost": "cost"}\')')


def test_json_that_cannot_be_stored_as_jsonb_lands_with_its_escapes_readable(connection: psycopg.Connection) -> None:
    texts = {
        "a": r'["bath\u0000room", "\u0000\u0000"]',
        "b": r'["\\u0000", "\\\u0000", "C:\\"]',
        "c": r'["\ud83d\ude00", "\ud83dx\ude00", "\uD800\uD83D\uDE00\uDC00"]',
        "d": '["1e5", 1e200000]',
        "e": "[1.50]",
    }
    connection.execute("create table pulled_properties (id text, title text, features json)")
    for listing, text in texts.items():
        connection.execute(
            "insert into pulled_properties values (%s, %s, %s)", [listing, r"\u0000 \ud800" + "\x01", text]
        )
    assert one(connection, MIGRATE) == len(texts)
    landed = connection.execute("select source_listing_id, title_text, amenities_text from property_scrapes_staging")
    found = {listing: (title, amenities) for listing, title, amenities in landed}
    assert {title for title, _ in found.values()} == {r"\u0000 \ud800" + "\x01"}
    assert {listing: amenities for listing, (_, amenities) in found.items()} == {
        "a": r'["bath\\u0000room", "\\u0000\\u0000"]',
        "b": r'["\\u0000", "\\\\u0000", "C:\\"]',
        "c": r'["😀", "\\ud83dx\\ude00", "\\uD800😀\\uDC00"]',
        "d": '["1e5", 1e200000]',
        "e": "[1.50]",
    }


@pytest.mark.parametrize("is_mapped", [True, False], ids=["mapped", "named alike"])
def test_every_field_is_landed_from_its_column(connection: psycopg.Connection, is_mapped: bool) -> None:
    columns = {field: f"old_{field}" if is_mapped else field for field in LISTING_FIELDS}
    listed = ", ".join(f"{column} text default '{field} of a'" for field, column in columns.items())
    connection.execute(f"create table pulled_properties (id text, {listed})")
    connection.execute("insert into pulled_properties values ('a')")
    assert legacy_table.land(connection, Mapping(fields=columns) if is_mapped else None) == 1
    landed = one(connection, "select to_jsonb(landed) from property_scrapes_staging as landed")
    assert {name: text for name, text in landed.items() if name.endswith("_text")} == {
        f"{field}_text": f"{field} of a" for field in LISTING_FIELDS
    }
    assert landed["observed_fields"] == sorted(LISTING_FIELDS)


def test_readers_of_some_columns_read_the_same_columns_of_the_view(
    command: Command, legacy: psycopg.Connection, reader: str
) -> None:
    legacy.execute(
        f"revoke select on pulled_properties from public; grant select (id, title) on pulled_properties to {reader}"
    )
    legacy.execute(f"grant select (city) on pulled_properties to {reader} with grant option")
    legacy.execute(f"grant usage on schema public to {reader}")
    legacy.execute("create view cheap as select id, price from pulled_properties")
    command.ok("migrate-legacy")
    switched = command.ok("migrate-legacy", "--switch", "--json").json
    assert switched["frozen_views"] == ["cheap"]
    assert "still read the legacy table: cheap" in command.ok("migrate-legacy", "--switch").stdout
    may_read = "select has_column_privilege(%s, 'pulled_properties', %s, 'select')"
    readable = [one(legacy, may_read, [reader, column]) for column in ("id", "title", "city", "price", "phone")]
    assert readable == [True, True, True, False, False]
    assert one(legacy, may_read.replace("'select'", "'select with grant option'"), [reader, "city"])
    with legacy.transaction():
        legacy.execute(f"set local role {reader}")
        assert len(legacy.execute("select id, title from pulled_properties").fetchall()) == 10

    legacy.execute("create view dear as select id from pulled_properties")
    refused = command.run("migrate-legacy", "--rollback")
    assert (refused.code, "view dear depends on view pulled_properties" in refused.stderr.replace("\n", " ")) == (
        2,
        True,
    )
    assert "create them anew" in refused.stderr.replace("\n", " ")
    legacy.execute("drop view dear")
    command.ok("migrate-legacy", "--rollback")


def test_a_table_with_row_level_security_is_not_switched(command: Command, legacy: psycopg.Connection) -> None:
    command.ok("migrate-legacy")
    legacy.execute("alter table pulled_properties enable row level security")
    refused = command.run("migrate-legacy", "--switch")
    assert (refused.code, "has row level security" in refused.stderr) == (2, True)
    assert one(legacy, "select relkind::text from pg_class where oid = 'pulled_properties'::regclass") == "r"


@pytest.fixture
def reader(connection: psycopg.Connection) -> Iterator[str]:
    """A role that exists for one test."""
    name = "legacy_test_reader"
    connection.execute(f"drop role if exists {name}; create role {name}")
    yield name
    connection.execute(f"drop owned by {name}; drop role {name}")


def test_the_view_shows_the_legacy_row_that_was_landed_first(command: Command, connection: psycopg.Connection) -> None:
    connection.execute("create table pulled_properties (id text, title text, note text, raw json)")
    connection.execute(
        "insert into pulled_properties (id, title, note) values ('a', 'Y', 'why'), ('a', 'X', 'ex'), "
        "(e'\\tb\\r\\n', 'Z', 'zed');"
        r"""update pulled_properties set raw = '"\u0000"'"""
    )
    command.ok("migrate-legacy")
    command.ok("migrate-legacy", "--switch")
    served = connection.execute("select id, title, note from pulled_properties order by id").fetchall()
    assert served == [("a", "X", "ex"), ("b", "Z", "zed")]


def one(connection: psycopg.Connection, query: str, parameters: list[Any] | None = None) -> Any:
    row = connection.execute(query, parameters).fetchone()
    assert row is not None
    return row[0]


def published(connection: psycopg.Connection) -> list[Any]:
    return [
        connection.execute(f"select * from {table} order by 1, 2").fetchall()
        for table in ("properties_live", "property_changes", "properties_history")
    ]
