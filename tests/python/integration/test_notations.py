"""Prices and areas in the notations of the world's portals, read by the macros as dbt compiles them.

The tables stand in `notations/`; each is read by one query.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.python.conftest import Command

NOTATIONS = Path(__file__).parents[1] / "notations"

READINGS = {
    "prices": """
        select
            {{ parse_price('text', 'number_format', 'marked') }} as price,
            coalesce(
                {{ parse_currency('null::text', 'text', 'marked') }},
                {{ assume_currency('null', 'null::text', 'text') }}
            ) as currency,
            case
                when source_currency is not null
                    then coalesce(
                        {{ parse_currency('null::text', 'text', 'marked') }},
                        {{ assume_currency('source_currency', 'null::text', 'text') }}
                    )
            end as currency_with_it,
            {{ parse_price_period('null::text', 'words') }} as period,
            {{ parse_price_qualifier('null::text', 'words') }} as qualifier
        from (
            select *, {{ marked_price('words') }} as marked
            from (select *, {{ price_words('text') }} as words from prices offset 0) as plain
            offset 0
        ) as marked_prices
        order by row_no
    """,
    "areas": """
        select {{ parse_area('text', 'number_format', 'area_unit') }} as area_m2
        from areas
        order by row_no
    """,
}

Row = dict[str, str | None]


def notations(table: str) -> list[Row]:
    with (NOTATIONS / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return [{name: text or None for name, text in row.items()} for row in csv.DictReader(file)]


def masked(text: str | None) -> str:
    return re.sub(r"\d+", "0", text or "")


@pytest.mark.core
def test_every_notation_is_read(command: Command, connection: psycopg.Connection, parsed_project: Path) -> None:
    text = ";".join(READINGS.values())
    compiled = command.ok(
        *("dbt", "--", "--quiet", "compile", "--target-path", parsed_project, "--inline", text)
    ).stdout.split(";")
    wrong = {}
    for (table, reading), query in zip(READINGS.items(), compiled, strict=True):
        rows = notations(table)
        land(connection, table, rows)
        read = connection.execute(sql.Composed([sql.SQL(query)]))
        assert read.description is not None, reading
        names = [column.name for column in read.description]
        for row, values in zip(rows, read, strict=True):
            said = dict(zip(names, values, strict=True))
            if said != expected(row, names):
                wrong[row["portal"], row["text"]] = said
    assert wrong == {}


def land(connection: psycopg.Connection, table: str, rows: list[Row]) -> None:
    """Put a table of notations into the database, in its order."""
    name, names = sql.Identifier(table), [sql.Identifier(name) for name in rows[0]]
    columns = sql.SQL(", ").join(sql.SQL("{} text").format(column) for column in names)
    connection.execute(sql.SQL("create temporary table {} (row_no serial, {})").format(name, columns))
    with connection.cursor() as cursor:
        statement = sql.SQL("insert into {} ({}) values ({})").format(
            name, sql.SQL(", ").join(names), sql.SQL(", ").join(map(sql.Placeholder, rows[0]))
        )
        cursor.executemany(statement, rows)


def expected(row: Row, names: list[str]) -> dict[str, Any]:
    """What the table says of each value; numbers are compared as numbers."""
    texts = {name: row[name] for name in names}
    return {name: Decimal(text) if text and name in ("price", "area_m2") else text for name, text in texts.items()}


def test_the_tables_hold_many_notations_of_many_portals_each_once() -> None:
    rows = [row for table in READINGS for row in notations(table)]
    twice = [text for text, count in Counter(masked(row["text"]) for row in rows).items() if count > 1]
    assert twice == []
    assert len(rows) >= 400
    assert len({row["portal"] for row in rows}) >= 120
    assert len({row["country"] for row in rows}) >= 60
