"""However the same observations are cut into partial sessions, and in whatever order they arrive, one live table comes
of them: that of the last observation of each listing.

Every way of cutting is a source of its own, so that one sync takes a session of each.
"""

from __future__ import annotations

import csv
import itertools
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row

from tests.python.conftest import Command

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("PROPERTY_ORDER_EXAMPLES", "1"))
"""How many groups of pasts are tried; each takes as many syncs as its past is cut into sessions at most."""
SESSIONS = 10
_PASTS = 2 if EXAMPLES > 1 else 1
_TITLES = ("Sunny", "Quiet", "New", "Old")
_CITIES = ("York", "Leeds", "")
_AMENITIES = ("garden;bath", "bath;garden", "garage", "")
_BALCONIES = ("yes", "no", "")
_START = datetime(2024, 5, 1, tzinfo=UTC)
_COLUMNS = ("id", "seen", "price", "title", "city", "area", "amenities", "balcony", "heating")
_MAPPING = (
    *("--map", "source_listing_id=id", "price=price", "title=title", "city=city", "area_m2=area"),
    *("amenities=amenities", "has_balcony=balcony", "attributes.heating=heating", "--observed-at-column", "seen"),
)
_SETTINGS = ("--set", "suspicious_price_change=null", "max_id_turnover=null", "max_fill_rate_drop=null")


_OF_THE_WAY = ("property_id", "source", "last_session_id")
"""Name the source or the session, and every way has its own."""

_OF_THE_PATH = (
    *("version", "first_seen_at", "spell_started_at", "significant_baseline"),
    *("first_price", "original_price", "previous_price", "lowest_price", "cumulative_price_cut", "price_changed_at"),
)
"""Tell how a listing came to its last state. Of the rows that one session has of a listing only the last is known, and
what comes late changes nothing: so the first sighting, the number and times of changes, the prices on the way and the
significant changes among them depend on the cut and the order. The time of the last change does not, as every
observation here changes something."""


@dataclass(frozen=True)
class Observation:
    """One row of a file; `minute` tells when it was seen, and no two of a past are of the same minute."""

    listing: int
    minute: int
    price: int
    title: str
    others: tuple[str, ...]

    def cells(self) -> tuple[str | int, ...]:
        """The row as it stands in the file."""
        seen = (_START + timedelta(minutes=self.minute)).isoformat()
        return f"flat-{self.listing}", seen, self.price, self.title, *self.others


Past = list[Observation]
Sessions = list[Past]


@st.composite
def ways_to_land(draw: st.DrawFn) -> list[tuple[Past, Sessions]]:
    """Some pasts, each cut into 1, 2 and 10 sessions as it went, and into 10 after a shuffle.

    The generator is a true one, since the first example of hypothesis' own would be the simplest of all pasts.
    """
    random = draw(st.randoms(use_true_random=True))
    ways: list[tuple[Past, Sessions]] = []
    for _ in range(_PASTS):
        past = [
            Observation(
                random.randint(1, 4),
                minute,
                random.randint(1_000, 9_000),
                random.choice(_TITLES),
                (
                    *(random.choice(_CITIES), str(random.randint(40, 90)), random.choice(_AMENITIES)),
                    *(random.choice(_BALCONIES), random.choice(_CITIES)),
                ),
            )
            for minute in range(random.randint(SESSIONS, 2 * SESSIONS))
        ]
        ways += [(past, cut(past, parts)) for parts in (1, 2, SESSIONS)]
        ways.append((past, cut(random.sample(past, len(past)), SESSIONS)))
    return ways


def cut(past: Past, parts: int) -> Sessions:
    """The observations in so many sessions, none of which is empty."""
    bounds = [len(past) * part // parts for part in range(parts + 1)]
    return [past[start:end] for start, end in itertools.pairwise(bounds)]


@settings(
    max_examples=EXAMPLES,
    phases=[Phase.generate],
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(ways=ways_to_land())
def test_the_last_observation_counts_however_they_are_cut_and_shuffled(
    ways: list[tuple[Past, Sessions]], command: Command, connection: psycopg.Connection, tmp_path: Path
) -> None:
    group = connection.execute("select 'group_' || count(*) from sources").fetchone()
    assert group is not None
    for number in range(SESSIONS):
        for way, (_, sessions) in enumerate(ways):
            if number < len(sessions):
                file = write(tmp_path / f"{group[0]}-{way}-{number}.csv", sessions[number])
                command.ok("import", file, "--source", f"{group[0]}_{way}", *_MAPPING, *_SETTINGS, "--no-sync")
        command.ok("sync-pending")
    for way, (past, sessions) in enumerate(ways):
        rows = live(connection, f"{group[0]}_{way}")
        assert {listing: (int(row["price"]), row["title"]) for listing, row in rows.items()} == last(past), sessions
        if len(sessions) == 1:
            at_once = rows
        assert rows == at_once, sessions
    disordered = connection.execute("select * from properties_history where valid_to <= valid_from").fetchall()
    assert disordered == []


def write(path: Path, session: Past) -> Path:
    """Write a session as a CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        writer.writerows(observation.cells() for observation in session)
    return path


def last(past: Past) -> dict[str, tuple[int, str]]:
    """What each listing said when it was seen last."""
    return {f"flat-{seen.listing}": (seen.price, seen.title) for seen in past}


def live(connection: psycopg.Connection, source: str) -> dict[str, dict[str, Any]]:
    """What the live table says of a source's listings, in every column that the order leaves alone."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute("select * from properties_live where source = %s", [source]).fetchall()
    for row in rows:
        for column in (*_OF_THE_WAY, *_OF_THE_PATH):
            del row[column]
    return {row["source_listing_id"]: row for row in rows}
