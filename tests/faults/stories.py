"""What is broken off: for each story the state before, the command, and what is run after a fault."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import psycopg

from loaders.barriers import BARRIERS
from scripts.demo.market import Market
from scripts.demo.portal import DemoPortal
from tests.faults.model import Expected, found
from tests.faults.stage import Stage
from tests.python.integration.sites import PlainCatalogue
from tests.python.integration.snapshots import MAPPING, Row, edited, flats, tables, without, write_csv

DAY_ONE, DAY_TWO = "2024-05-01T06:00:00+00:00", "2024-05-02T06:00:00+00:00"
_ADVERTS = 20
Tables = dict[str, list[tuple[object, ...]]]
READ_FEED = ("--source", "feed", "--complete", *MAPPING)


def first_feed() -> dict[str, Row]:
    """Forty flats: three batches of the harness."""
    return flats(40)


def second_feed() -> dict[str, Row]:
    """One flat is gone, three are new, two cost less, one of them has a new title too."""
    listings = without(first_feed(), "flat-5")
    listings = edited(listings, "flat-9", price=105_000)
    listings = edited(listings, "flat-11", price=104_000, title="Flat 11, reduced")
    return {**listings, **flats(3, start=200)}


@dataclass
class Story:
    """A command with its past. `reached` are its barriers, in the order of a run without a fault.

    `prepare` brings the database, as `begins` says, to the state before the command, and returns the command.
    """

    name: str
    prepare: Callable[[Stage], tuple[str, ...]]
    reached: tuple[str, ...]
    begins: str = "built"
    repeated: tuple[str, ...] = ()
    """Barriers that are reached once for each page after the first, with their numbers."""
    steps: tuple[str, ...] = ()
    """Barriers as they follow when every command is killed at the first one it reaches; by default `reached`."""
    repeats_itself: bool = False
    removes_raw_rows: bool = False
    is_dated: bool = True
    """Whether its sessions have times that are the same in every run."""
    command: tuple[str, ...] = ()
    seconds: dict[bool, float] = field(default_factory=dict)
    """How long the command lasts without a fault: as the first of its process, and as one that follows a sync."""
    _expected: Tables | None = None

    @property
    def chain(self) -> tuple[str, ...]:
        """Each step once, in an order in which one command after the other can be killed there."""
        return self.steps or self.reached

    def begin(self, stage: Stage) -> Tables:
        """Put the database back to the state before the command; returns the tables that it must end with.

        The first time, the state is prepared and the command run without a fault, as the first of its process and as
        one that follows a sync: both must give the same tables. Where nothing is built yet, every sync is a first one.
        """
        if self._expected is None:
            stage.reset(self.begins)
            self.command = self.prepare(stage)
            stage.keep(self.name)
            self.seconds[True] = stage.ok(*self.command).seconds
            self._expected = self.tables(stage)
            self.seconds[False] = self.seconds[True]
            if self.begins == "built":
                stage.reset(self.name)
                self.seconds[False] = stage.ok(*self.command, is_first=False).seconds
                assert self.tables(stage) == self._expected, "without a fault, the tables differ"
        stage.reset(self.name)
        return self._expected

    def next_command(self, connection: psycopg.Connection) -> tuple[str, ...]:
        """What a person runs after a fault: the command again, or `sync-pending` once its session has landed."""
        if self.repeats_itself:
            return self.command
        landed = connection.execute(
            """
            select 1 from scrape_sessions
            where (observed_at = %s or session_kind = 'scrape') and status not in ('running', 'interrupted')
            """,
            [DAY_TWO],
        ).fetchone()
        return ("sync-pending",) if landed else self.command

    def tables(self, stage: Stage) -> Tables:
        """The tables after the story; those of an import must also be what the model says."""
        with stage.connect() as connection:
            if self.name == "import":
                assert found_differences(connection) == {}
            unfinished = connection.execute(
                "select count(*) from sync_metadata where status in ('running', 'published')"
            ).fetchone()
            assert unfinished == (0,), "a sync was left open"
            told = tables(connection)
            told["raw rows"] = connection.execute("select count(*) from property_scrapes_staging").fetchall()
            told["agents"] = connection.execute(
                "select source_listing_id, agent_name from properties_live order by source, source_listing_id"
            ).fetchall()
        if self.is_dated:
            return told
        return {name: [tuple(map(_without_time, row)) for row in rows] for name, rows in told.items()}


def _without_time(cell: object) -> object:
    return None if isinstance(cell, datetime) else cell


def found_differences(connection: psycopg.Connection) -> dict[str, object]:
    """Tables that differ from the model's, with the rows on one side only."""
    expected = Expected()
    expected.observe(datetime.fromisoformat(DAY_ONE), first_feed())
    expected.observe(datetime.fromisoformat(DAY_TWO), second_feed())
    wanted, actual = expected.as_tables(), found(connection)
    return {
        name: {"lost": set(wanted[name]) - set(actual[name]), "added": set(actual[name]) - set(wanted[name])}
        for name in wanted
        if wanted[name] != actual[name]
    }


@contextmanager
def told_stories(stage: Stage) -> Iterator[list[Story]]:
    """All stories, while the portal of the scrape answers."""
    write_csv(stage.folder / "one.csv", first_feed())
    write_csv(stage.folder / "two.csv", second_feed())
    with _portal(stage) as url:
        syncing = ("before_sync", "before_publish_commit", "after_publish_commit", "before_history", "after_sync")
        batches = tuple(f"import_batch_copied#{batch}" for batch in (1, 2, 3))
        page, pages = ("rows_copied", "page_flushed"), range(2, _ADVERTS + 2)
        crawling = ("session_opened", *page, "before_sync", "after_sync")
        replaying = ("before_replay_commit", "before_sync", "after_publish_commit")
        stories = [
            Story("import", _first_import, ("session_opened", *batches, *syncing)),
            # The result page and the adverts commit one by one, and a crawl goes on with the page it was killed at.
            Story(
                "scrape",
                partial(_scrape, url),
                crawling,
                repeated=tuple(f"{barrier}#{number}" for number in pages for barrier in page),
                steps=("session_opened", *page * (_ADVERTS + 1), "before_sync", "after_sync"),
                begins="empty",
                is_dated=False,
            ),
            Story("replay", _replay, replaying, repeats_itself=True),
            Story(
                "rollback",
                _both_imports,
                ("before_rollback_commit", "after_rollback_commit"),
                repeats_itself=True,
                is_dated=False,
            ),
            Story(
                "cleanup",
                _old_imports,
                ("before_cleanup_commit", "before_erasure_commit"),
                repeats_itself=True,
                removes_raw_rows=True,
            ),
        ]
        _require_every_barrier(stories)
        yield stories


def _import(stage: Stage, file: str, observed_at: str, *more: str) -> tuple[str, ...]:
    return ("import", str(stage.folder / file), *READ_FEED, "--observed-at", observed_at, *more)


def _first_import(stage: Stage) -> tuple[str, ...]:
    """The first feed is published; the second follows."""
    stage.ok(*_import(stage, "one.csv", DAY_ONE, "--set", "removal_after_sessions=1"), is_first=False)
    return _import(stage, "two.csv", DAY_TWO)


def _scrape(url: str, stage: Stage) -> tuple[str, ...]:
    """A crawl into an empty database; it goes on where it was broken off."""
    portal = ("--url", f"{url}/listings", "--source", "demo_portal", "--scope", "all", "--allow-private-network")
    return ("scrape", *portal, "--set", "requests_per_second=null")


def _replay(stage: Stage) -> tuple[str, ...]:
    """A rule that held a flat back was disabled; the flat is judged again."""
    _first_import(stage)
    write_csv(stage.folder / "bad.csv", edited(first_feed(), "flat-7", price=0))
    stage.ok(*_import(stage, "bad.csv", "2024-05-01T18:00:00+00:00"), is_first=False)
    stage.ok("rules", "disable", "price_is_positive")
    return ("replay-quarantine",)


def _both_imports(stage: Stage) -> tuple[str, ...]:
    """The second import is undone."""
    stage.ok(*_first_import(stage), is_first=False)
    with stage.connect() as connection:
        row = connection.execute("select session_id from scrape_sessions where observed_at = %s", [DAY_TWO]).fetchone()
    assert row is not None
    return ("rollback", "--session-id", str(row[0]))


def _old_imports(stage: Stage) -> tuple[str, ...]:
    """Both imports landed long ago: their raw rows go, and the agent of the listing that left is blanked."""
    agents = ("--map", "agent_name=tax", "--set", "removal_after_sessions=1")
    stage.ok(*_import(stage, "one.csv", DAY_ONE, *agents), is_first=False)
    stage.ok(*_import(stage, "two.csv", DAY_TWO, *agents), is_first=False)
    with stage.connect() as connection:
        connection.execute("select ensure_staging_partition('2023-01-10 12:00+00')")
        connection.execute("update scrape_sessions set opened_at = '2023-01-10 12:00+00'")
        connection.execute("update property_scrapes_staging set landed_at = '2023-01-10 12:00+00'")
        connection.execute("update sources set personal_data_retention_days = 30")
    return ("cleanup", "--days", "30")


def _require_every_barrier(stories: list[Story]) -> None:
    reached = {point.partition("#")[0] for story in stories for point in story.reached}
    unreached = set(BARRIERS) - reached
    if unreached:
        raise AssertionError(f"no story reaches the barriers {', '.join(sorted(unreached))}")


@contextmanager
def _portal(stage: Stage) -> Iterator[str]:
    """The demo portal in a process of its own, because a process with threads does not fork well."""
    address = stage.folder / "portal"

    def serve() -> None:
        with DemoPortal(PlainCatalogue(Market(7, _ADVERTS, 3))) as portal:
            address.with_suffix(".new").write_text(portal.url)
            address.with_suffix(".new").rename(address)
            while True:
                time.sleep(3600)

    running = stage.fork(serve)
    try:
        while not address.exists():
            time.sleep(0.01)
        yield address.read_text()
    finally:
        running.send(signal.SIGKILL)
        running.wait()
