"""Ten thousand hostile rows in one file: no crash, good rows beside them are stored, bad ones kept with a reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import psycopg
import pytest

from tests.python.conftest import Command

pytestmark = pytest.mark.slow

ROWS = 10_000
FIELDS = ("title", "price", "area_m2", "rooms", "city", "url", "description", "latitude", "amenities", "listed_at")
NUMBERS = ("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e-400", "9" * 400, "-0", "0x10", "1_000", "١٢٣")
TEXTS = (
    "\\u0000",
    "a\\u0000b",
    "\\ud800",
    "\\udfff\\ud800",
    "\\u202eabc\\u202c",
    "שלום",
    "🏠👩‍👩‍👧",
    "\\u0007\\u001b[31m",
    "'; drop table x; --",
    "{{ ref('x') }}",
    "NULL",
    "",
    " ",
)


def _quoted(text: str) -> str:
    return f'"{text}"'


def _field(random: Random, value: str) -> str:
    return f'"{random.choice(FIELDS)}": {value}'


# Each makes the members of one JSON object, or a line that is no JSON object at all.
HOSTILE: tuple[Callable[[Random], str], ...] = (
    lambda random: _field(random, _quoted(random.choice(TEXTS))),
    lambda random: _field(random, random.choice(NUMBERS)),
    lambda random: _field(random, _quoted(random.choice(NUMBERS))),
    lambda random: _field(random, random.choice(("null", "true", "[]", "{}", "[null]", "[1, [2]]"))),
    lambda random: _field(random, _quoted("https://portal.example/" + "x" * 12_000)),
    lambda random: ", ".join(_field(random, _quoted(str(number))) for number in range(3)),
    lambda random: ", ".join(_quoted("".join(random.choices("abc\\t{}[]:", k=3))) + ": 1" for _ in range(3)),
)
HEAVY: tuple[Callable[[Random], str], ...] = (
    lambda random: _field(random, _quoted("ż" * 1_000_000)),
    lambda random: _field(random, _quoted("".join(random.choices("abcdefghij klmnop", k=200_000)))),
    lambda _: ", ".join(f'"key {number}": {number}' for number in range(10_000)),
    lambda _: '"deep": ' + "[" * 5_000 + "]" * 5_000,
    lambda _: '"deep": ' + '{"a":' * 900 + "1" + "}" * 900,
)
IDS = ("null", '""', '" "', '"\\u0000"', '"\\ud800"', "[]", "1e400", "NaN", _quoted("i" * 5_000), '"\\u202eid"')


def _line(random: Random, number: int) -> str:
    if number % 4 == 0:
        return f'{{"id": "good-{number}", "title": "Flat {number}", "price": {100_000 + number}, "city": "Kraków"}}'
    hostile = random.choice(HEAVY if number % 500 == 1 else HOSTILE)(random)
    if number % 4 == 1:
        return f'{{"id": "odd-{number}", "price": {100_000 + number}, {hostile}}}'
    if number % 4 == 2:
        return f'{{"id": {random.choice(IDS)}, {hostile}}}'
    return random.choice(
        (f'{{"id": "odd-{number}", "id": "twice-{number}", {hostile}}}', f"{{{hostile}", hostile, "", "[]")
    )


def test_ten_thousand_hostile_rows(command: Command, connection: psycopg.Connection, tmp_path: Path) -> None:
    random = Random(5)
    file = tmp_path / "hostile.ndjson"
    lines = [_line(random, number) for number in range(ROWS)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="surrogatepass")
    fields = [f"{name}={name}" for name in FIELDS]
    landed = command.run(
        *("import", file, "--source", "hostile", "--map", "source_listing_id=id", *fields),
        *("--set", "error_rate=null", "completeness_rate=null", "duplicate_rate=null", "--json"),
    )
    assert landed.code == 0, landed.stdout[-3000:] + landed.stderr[-3000:]

    rows_read = sum(bool(line.strip()) for line in lines)
    stored, rejected = (
        connection.execute(f"select count(*) from {table}").fetchone()[0]
        for table in ("property_scrapes_staging", "landing_rejects")
    )
    assert stored + rejected == rows_read
    unexplained = connection.execute("select count(*) from landing_rejects where coalesce(reason, '') = ''").fetchone()
    assert unexplained == (0,)
    good = connection.execute(
        """
        select count(*) from properties_live
        where source_listing_id like 'good-%' and title = 'Flat ' || substr(source_listing_id, 6) and city = 'Kraków'
        """
    ).fetchone()
    assert good == (ROWS // 4,)
    seen = connection.execute("select count(*) from listing_sightings").fetchone()
    assert seen == connection.execute("select count(distinct property_id) from property_scrapes_staging").fetchone()
