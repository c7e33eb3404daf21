"""Crawls of a portal on loopback, with kills, workers, trouble and scripts: `make bench-crawl`.

Every figure is printed beside what it has to be; one that is not ends the program with exit code 1. Processor time is
compared side by side in one run, so only the ratios mean anything elsewhere. The portal runs in a process of its own,
and the crawls land in databases of their own on a throw-away embedded server, or on the server DATABASE_URL names.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

from crawl_portal import HUGE_BYTES, Portal, RunningPortal
from crawl_sides import SOURCE
from process_tree import Cost, run
from rich.console import Console
from workplace import database, workplace

from loaders.database import connect, statements
from scripts.demo.pages import ADVERTS_PER_PAGE

ROUNDS = 5
KILLS = 10
DELAY_SECONDS = 1.0
POLL_SECONDS = 0.05

_COMMAND = str(Path(sys.executable).with_name("property-manager"))
_SIDES = str(Path(__file__).with_name("crawl_sides.py"))
_SQL = statements("crawl.sql", Path(__file__).parent / "sql")


@dataclass(frozen=True)
class Figure:
    """What was measured, what it has to be, and whether it is."""

    what: str
    measured: str
    wanted: str
    holds: bool


@dataclass(frozen=True)
class Side:
    """One side of a comparison: what its process tree cost, its own processor seconds, the adverts where it told."""

    cost: Cost
    own_seconds: float
    adverts: list[tuple[Any, ...]]


@dataclass(frozen=True)
class Crawled:
    """Where a portal's crawls land."""

    portal: RunningPortal
    database_url: str

    @classmethod
    def at_full_speed(cls, portal: RunningPortal, database_url: str, in_flight: int | None = 4) -> Self:
        """Let the crawls be as fast as the portal answers, with so many requests under way."""
        with connect(database_url) as connection:
            connection.execute(_SQL["full_speed"], {"source": SOURCE, "in_flight": in_flight})
        return cls(portal, database_url)

    def command(self, *options: str) -> list[str]:
        """The command that crawls the portal, or takes a crawl up again."""
        where = () if "--resume" in options else ("--url", self.portal.first_page, "--source", SOURCE, "--scope", "all")
        return [_COMMAND, "scrape", *where, "--no-sync", "--json", *options]

    @property
    def environment(self) -> dict[str, str]:
        """Tells the commands which database is meant, and that the portal on loopback is."""
        return {**os.environ, "DATABASE_URL": self.database_url, "PROPERTY_ALLOW_PRIVATE_NETWORK": "127.0.0.1"}

    def crawl(self, *options: str) -> Cost:
        """Crawl the portal to its end."""
        return run(self.command(*options), self.environment)

    def side(self, name: str) -> Side:
        """Let one side of a comparison crawl the portal."""
        cost = run([sys.executable, _SIDES, name, self.portal.first_page], self.environment)
        said = json.loads(cost.output)
        return Side(cost, said["cpu_seconds"], sorted(map(tuple, said["adverts"])))

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a statement of `sql/crawl.sql`."""
        with connect(self.database_url) as connection:
            return connection.execute(_SQL[statement]).fetchall()

    def latest(self) -> tuple[bool, int]:
        """Whether the last session is complete, and how many listings it saw."""
        ((is_complete, seen),) = self.ask("latest_session")
        return is_complete, seen

    def pages(self) -> list[str]:
        """The paths of the pages that were answered, in order."""
        return [
            request.path
            for request in self.portal.requests()
            if request.status == HTTPStatus.OK and request.path != "/robots.txt"
        ]


@contextmanager
def crawled(server_url: str, portal: Portal) -> Iterator[Crawled]:
    """A running portal and an empty database."""
    with database(server_url, "crawl") as url, RunningPortal(portal) as running:
        yield Crawled.at_full_speed(running, url)


def measure_kills(server_url: str) -> Iterator[Figure]:
    """Kill the crawl of a troubled portal at ten places, and take it up again by either command."""
    portal = Portal(is_troubled=True)
    in_flight: Counter[str] = Counter()
    with crawled(server_url, portal) as place:
        for kill in range(1, KILLS + 1):
            resume = place.ask("running_session") if kill % 2 else []
            _kill_after(place, kill * portal.adverts // (KILLS + 1), *(("--resume", resume[0][0]) if resume else ()))
            in_flight.update(path for (path,) in place.ask("leased_paths"))
        place.crawl()
        is_complete, seen = place.latest()
        fetched = Counter(place.pages())
    beyond = sum(max(0, count - 1 - in_flight[path]) for path, count in fetched.items())
    yield Figure(f"kill -9 {KILLS} times, then again: listings", f"{seen}", f"{portal.adverts}", seen == portal.adverts)
    yield Figure("  the session knows that it is complete", _yes(is_complete), "yes", is_complete)
    yield Figure("  pages fetched twice that were not in flight", f"{beyond}", "0", beyond == 0)
    again = fetched.total() - len(fetched)
    yield Figure("  pages fetched twice in all", f"{again}", f"≤ {in_flight.total()} in flight", True)


def measure_workers(server_url: str) -> Iterator[Figure]:
    """Let two and four processes share a crawl."""
    for workers in (2, 4):
        portal = Portal()
        with crawled(server_url, portal) as place:
            place.crawl("--workers", f"{workers}")
            is_complete, seen = place.latest()
            twice = _twice(place.pages())
        yield Figure(f"{workers} workers: pages fetched twice", f"{twice}", "0", twice == 0)
        holds = is_complete and seen == portal.adverts
        yield Figure("  listings", f"{seen}", f"{portal.adverts}", holds)


def measure_manners(server_url: str) -> Iterator[Figure]:
    """Let two processes keep a Crawl-delay, and meet a robots.txt that cannot be read."""
    with crawled(server_url, Portal(adverts=20, crawl_delay=DELAY_SECONDS)) as place:
        place.crawl("--workers", "2")
        moments = sorted(request.moment for request in place.portal.requests())
    gap = min(later - earlier for earlier, later in itertools.pairwise(moments))
    yield Figure(
        "Crawl-delay over 2 workers: smallest gap / delay",
        f"{gap / DELAY_SECONDS:.2f}",
        "≥ 0.9",
        gap >= 0.9 * DELAY_SECONDS,
    )
    with crawled(server_url, Portal(adverts=20, robots_status=HTTPStatus.SERVICE_UNAVAILABLE)) as place:
        place.crawl()
        asked = sum(request.path != "/robots.txt" for request in place.portal.requests())
    yield Figure("robots.txt answers 503: pages asked", f"{asked}", "0", asked == 0)


def measure_memory(server_url: str) -> Iterator[Figure]:
    """Compare the peak memory of a crawl with that of one that meets a huge page."""
    peaks = []
    for has_huge_page in (False, True):
        with crawled(server_url, Portal(adverts=40, has_huge_page=has_huge_page)) as place:
            peaks.append(place.crawl().peak_mb)
            _, seen = place.latest()
    growth = peaks[1] - peaks[0]
    yield Figure(
        f"a page of {HUGE_BYTES >> 20} MB: growth of the peak, MB",
        f"{growth:.0f}",
        "≤ 150",
        growth <= 150 and seen == 40,
    )


def measure_scripts(server_url: str) -> Iterator[Figure]:
    """Crawl a portal of which every second advert only appears once its script ran."""
    portal = Portal(adverts=120, scripted=0.5)
    with crawled(server_url, portal) as place:
        place.crawl()
        is_complete, seen = place.latest()
        documents = Counter(path for path in place.pages() if path.startswith("/listing"))
    holds = is_complete and seen == portal.adverts
    yield Figure("half of the adverts need scripts: listings", f"{seen}", f"{portal.adverts}", holds)
    most = max(documents.values())
    yield Figure("  most requests for one document", f"{most}", "1", most == 1)


def measure_fetching(server_url: str) -> Iterator[Figure]:
    """Compare pages per processor second with aiohttp and parsel, which keep nothing."""
    portal = Portal()
    ours, bare = _best_of(ROUNDS, server_url, portal, ("ours", "bare"), lambda side: side.own_seconds)
    pages = portal.adverts + portal.adverts // ADVERTS_PER_PAGE
    yield Figure(
        "pages per CPU second / aiohttp + parsel",
        f"{bare / ours:.2f} = {pages / ours:.0f} / {pages / bare:.0f}",
        "≥ 0.4",
        bare / ours >= 0.4,
    )


def measure_rendering(server_url: str) -> Iterator[Figure]:
    """Compare processor time per rendered advert, browser included, with a new page for each and its locators."""
    portal = Portal(adverts=120, scripted=1.0)
    ours, naive = _best_of(1, server_url, portal, ("ours", "naive"), lambda side: side.cost.cpu_seconds)
    yield Figure(
        "CPU per rendered page / a new page each",
        f"{ours / naive:.2f} = {ours / portal.adverts * 1000:.0f} / {naive / portal.adverts * 1000:.0f} ms",
        "≤ 0.2",
        ours / naive <= 0.2,
    )


def measure_revisit(server_url: str) -> Iterator[Figure]:
    """Crawl a portal twice in which nothing changes."""
    portal = Portal()
    with crawled(server_url, portal) as place:
        place.crawl()
        first = len(place.portal.requests())
        place.crawl()
        second = len(place.portal.requests()) - first
        _, seen = place.latest()
    share = second / first
    yield Figure("revisit, nothing changed: share of requests", f"{share:.1%}", "≤ 5 %", share <= 0.05)
    yield Figure("  listings seen", f"{seen}", f"{portal.adverts}", seen == portal.adverts)


MEASURES: dict[str, Callable[[str], Iterator[Figure]]] = {
    "kills": measure_kills,
    "workers": measure_workers,
    "manners": measure_manners,
    "memory": measure_memory,
    "scripts": measure_scripts,
    "fetching": measure_fetching,
    "rendering": measure_rendering,
    "revisit": measure_revisit,
}


def main() -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help=f"of {', '.join(MEASURES)}; all by default")
    only = parser.parse_args().only
    if unknown := set(only) - MEASURES.keys():
        parser.error(f"there is no measure {', '.join(sorted(unknown))}")
    output, messages = Console(highlight=False, soft_wrap=True), Console(stderr=True)
    output.print(_line("", "measured", "has to be"), style="bold")
    is_good = True
    with workplace() as (server_url, _):
        for name in only or MEASURES:
            with messages.status(f"Measuring {name}"):
                figures = list(MEASURES[name](server_url))
            for figure in figures:
                is_good &= figure.holds
                line = _line(figure.what, figure.measured, figure.wanted)
                output.print(line if figure.holds else f"{line} missed", style=None if figure.holds else "red")
    return 0 if is_good else 1


def _line(what: str, measured: str, wanted: str) -> str:
    return f"{what:<50}{measured:>24}{wanted:>16}"


def _kill_after(place: Crawled, pages: int, *options: str) -> None:
    """Start a crawl and kill it once the portal has answered so many pages over all crawls."""
    with subprocess.Popen(place.command(*options), env=place.environment, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and len(place.pages()) < pages:
            time.sleep(POLL_SECONDS)
        process.kill()


def _best_of(
    rounds: int, server_url: str, portal: Portal, names: tuple[str, str], measure: Callable[[Side], float]
) -> tuple[float, float]:
    """The least that each of two sides takes, in turns; both have to read the same."""
    best = {name: float("inf") for name in names}
    with RunningPortal(portal) as running:
        for _ in range(rounds):
            read = []
            for name in names:
                with database(server_url, "crawl") as url:
                    place = Crawled.at_full_speed(running, url, in_flight=None)
                    side = place.side(name)
                    best[name] = min(best[name], measure(side))
                    read.append(side.adverts or place.ask("adverts"))
            if read[0] != read[1]:
                raise SystemExit(f"{names[0]} and {names[1]} read different adverts, so their times say nothing")
    return best[names[0]], best[names[1]]


def _twice(pages: Iterable[str]) -> int:
    return sum(count - 1 for count in Counter(pages).values())


def _yes(value: bool) -> str:
    return "yes" if value else "no"


if __name__ == "__main__":
    sys.exit(main())
