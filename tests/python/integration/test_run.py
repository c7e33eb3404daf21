"""A round over all configured sources: each fares as it deserves, none stops another."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import psycopg
import pytest

from loaders.errors import BusyError
from scripts.run_sources import Deadline, parse_duration, run_sources
from tests.python.conftest import Command
from tests.python.integration.sites import Page, Site, flat, results

ROUND_LOCK = "select pg_advisory_lock(20561, hashtext('public'))"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROPERTY_CONFIG_DIR", str(tmp_path))
    (tmp_path / "sources").mkdir()
    return tmp_path


class Once(Deadline):
    """A deadline that comes when something has happened."""

    def __init__(self, happened: Event) -> None:
        super().__init__(None)
        self.happened = happened

    @property
    def is_over(self) -> bool:
        return self.happened.is_set()


@pytest.fixture
def hanging() -> Iterator[Event]:
    """Set at the end of a test: lets pages answer that hang until then."""
    over = Event()
    yield over
    over.set()


def configure(config: Path, name: str, url: str, more: str = "settings: {requests_per_second: null}") -> None:
    (config / "sources" / f"{name}.yml").write_text(f"start: {url}\n{more}\n", encoding="utf-8")


def kill_crawl_of(source: str) -> None:
    """Kill the process that crawls a source with -9, once it was seen; gives up after a minute."""
    ends = Deadline(60)
    while not ends.is_over:
        for process in multiprocessing.active_children():
            if process.name == f"crawl-of-{source}":
                process.kill()
                return
        time.sleep(0.02)


@pytest.mark.slow
def test_no_source_stops_another(command: Command, connection: psycopg.Connection, config: Path) -> None:
    pages = {"/": results("/1", "/2"), "/1": flat("a1", 100_000), "/2": flat("a2", 200_000), "/no": (403, {}, "no")}
    with Site(pages) as site:
        configure(config, "good", f"{site.url}/")
        configure(config, "refused", f"{site.url}/no")
        configure(config, "doomed", f"{site.url}/", more="")
        configure(config, "broken", f"{site.url}/", more="lists: {}")
        (config / "sources" / "silent.yml").write_text("settings: {requests_per_second: null}\n", encoding="utf-8")
        killer = Thread(target=kill_crawl_of, args=("doomed",), daemon=True)
        killer.start()
        names = [part for name in ("good", "refused", "doomed", "broken", "silent") for part in ("--source", name)]
        ended = command.run("run", *names, "--jobs", "4", "--deadline", "5m", "--json")
        killer.join()
    told = {run["source"]: run for run in ended.json["runs"]}
    codes = {source: (run["error"] and run["error"]["code"], run["exit_code"]) for source, run in told.items()}
    assert codes == {
        "good": (None, 0),
        "refused": ("crawl_failed", 1),
        "doomed": ("crashed", 1),
        "broken": ("config_file", 2),
        "silent": ("usage", 2),
    }
    assert ended.code == ended.json["exit_code"] == 1
    (synced,) = told["good"]["syncs"]
    assert [session["created"] for session in synced["sessions"]] == [2]
    assert connection.execute("select count(*) from properties_live").fetchone() == (2,)


@pytest.mark.slow
def test_the_start_that_waits_longest_comes_first(
    connection: psycopg.Connection, config: Path, database_url: str, command_home: Path
) -> None:
    order: list[str] = []
    with Site({"/no": (403, {}, "no")}) as site:
        for name in ("first", "second", "third"):
            configure(config, name, f"{site.url}/no")
        for names in (["first"], ["second"], []):
            run_sources(database_url, names=names, jobs=1, on_run=lambda run: order.append(run.source))
    assert order == ["first", "second", "third", "first", "second"]


def test_an_overlapping_round_is_busy(
    command: Command, connection: psycopg.Connection, config: Path, database_url: str
) -> None:
    configure(config, "portal", "https://portal.example/")
    connection.execute(ROUND_LOCK)
    assert command.run("run").code == 75
    with pytest.raises(BusyError, match="is under way"):
        run_sources(database_url)


@pytest.mark.slow
def test_the_deadline_stops_a_crawl_that_the_next_round_takes_up(
    connection: psycopg.Connection, config: Path, database_url: str, command_home: Path, hanging: Event
) -> None:
    reached = Event()

    def slow(_: int) -> Page:
        reached.set()
        hanging.wait(60)
        return flat("a1", 100_000)

    with Site({"/": results("/1"), "/1": slow}) as site:
        configure(config, "portal", f"{site.url}/")
        (stopped,) = run_sources(database_url, ends=Once(reached))
        assert stopped.error is not None
        assert (stopped.error.code, stopped.exit_code) == ("deadline", 1)
        assert connection.execute("select status from scrape_sessions").fetchall() == [("interrupted",)]

        (late,) = run_sources(database_url, names=["portal"], ends=Deadline(0))
        assert late.error is not None
        assert "not begun" in late.error.message

        hanging.set()
        (taken_up,) = run_sources(database_url, names=["portal"])
        assert (taken_up.error, taken_up.exit_code) == (None, 0)
    assert connection.execute("select status, rows_landed from scrape_sessions").fetchall() == [("complete", 1)]


def test_what_cannot_be_run(command: Command, config: Path) -> None:
    nothing = command.run("run")
    assert nothing.code == 2
    assert "no source file names a start" in nothing.stderr
    unknown = command.run("run", "--source", "elsewhere")
    assert unknown.code == 2
    assert "there is no source file elsewhere.yml" in unknown.stderr
    assert "is not a duration" in command.run("run", "--deadline", "soon").stderr


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("45m", 2700), ("1h30m", 5400), ("6H", 21600)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds
