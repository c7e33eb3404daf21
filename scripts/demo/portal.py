"""The demo portal: a property site on loopback that changes with the day and can break off midway."""

from __future__ import annotations

import json
import time
from collections import deque
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from threading import Lock, Thread
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import parse_qs, urlsplit
from zlib import crc32

import click

from loaders.errors import PropertyManagerError
from scripts.demo.catalogue import Catalogue, Layout, MarketCatalogue
from scripts.demo.formats import NumberStyle
from scripts.demo.loopback_server import LoopbackServer
from scripts.demo.market import Market
from scripts.demo.pages import ADVERTS_PER_PAGE, page_count
from scripts.demo.portal_site import Response, Site, result_page
from scripts.demo.snapshots import Snapshots

_KEPT_REQUESTS = 200_000
_SWITCHES = "POST /_demo/day/N, POST /_demo/break/SHARE[?keep_adverts=1], POST /_demo/mend, GET /_demo/state"


class Request(NamedTuple):
    """One request and its answer. `path` includes the query; `status` is `None` for a dropped connection."""

    method: str
    path: str
    user_agent: str
    status: int | None


@dataclass
class _Outage:
    """The portal stops answering after `answered_pages` of the day's result pages."""

    answered_pages: int
    keeps_adverts: bool
    served: set[int] = field(default_factory=set)


class DemoPortal:
    """A portal on loopback. Use it as a context manager; `url` is known from construction on."""

    def __init__(
        self,
        market: Market | Catalogue,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        number_style: NumberStyle = NumberStyle.COMMA,
        crawl_delay: float | None = None,
    ) -> None:
        """`port` 0 takes a free one; `crawl_delay` in seconds goes into robots.txt."""
        self.catalogue = MarketCatalogue(market, number_style) if isinstance(market, Market) else market
        self._server = LoopbackServer(host, port, self._answer)
        self.url = f"http://{host}:{self._server.server_port}"
        self._site = Site(self.catalogue, self.url, number_style, crawl_delay)
        self._lock = Lock()
        self._day = 1
        self._outage: _Outage | None = None
        self._requests: deque[Request] = deque(maxlen=_KEPT_REQUESTS)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        """Start answering."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop answering and close every connection."""
        self._server.close()
        self._thread.join()

    @property
    def day(self) -> int:
        """The day the portal shows."""
        return self._day

    @property
    def requests(self) -> tuple[Request, ...]:
        """The latest 200,000 requests in the order of their answers, those to `/_demo/` left out."""
        with self._lock:
            return tuple(self._requests)

    def forget_requests(self) -> None:
        """Empty the request log."""
        with self._lock:
            self._requests.clear()

    def set_day(self, day: int) -> None:
        """Show another day; the portal is well again. Raises `ValueError` for a day that does not exist."""
        if not 1 <= day <= self.catalogue.days:
            raise ValueError(f"There is no day {day}; the portal has days 1 to {self.catalogue.days}.")
        with self._lock:
            self._day, self._outage = day, None

    def break_after(self, share: float | None, *, keep_adverts: bool = False) -> None:
        """Break off once `share` (0 to 1) of the day's result pages has been served; `None` mends the portal.

        From then on every request fails: half of the addresses with status 503, the others by a closed
        connection. With `keep_adverts` only the result pages after that share and the adverts on them fail,
        so that what a crawl gets does not depend on the order in which it asks.
        """
        if share is not None and not 0 <= share <= 1:
            raise ValueError(f"The share of result pages to answer lies between 0 and 1, not at {share}.")
        with self._lock:
            self._outage = None
            if share is not None:
                pages = page_count(len(self.catalogue.ids_on(self._day)))
                self._outage = _Outage(int(share * pages + 1e-9), keep_adverts)

    def _answer(self, method: str, target: str, user_agent: str) -> Response | None:
        if target.startswith("/_demo/"):
            return self._control(method, target)
        with self._lock:
            day = self._day
            is_refused = self._outage is not None and self._refuses(self._outage, day, target)
        if is_refused:
            response = _failure(target)
        elif method in ("GET", "HEAD"):
            response = self._site.answer(day, target)
        else:
            response = _json(HTTPStatus.METHOD_NOT_ALLOWED, {"error": "this portal only answers GET"})
        with self._lock:
            self._requests.append(Request(method, target, user_agent, response.status.value if response else None))
        return response

    def _refuses(self, outage: _Outage, day: int, target: str) -> bool:
        parts = urlsplit(target)
        page = result_page(parse_qs(parts.query).get("page", ["1"])[0]) if parts.path == "/listings" else None
        if outage.keeps_adverts:
            position = self._site.advert_position(day, parts.path)
            shown_on = page if position is None else position // ADVERTS_PER_PAGE + 1
            return shown_on is not None and shown_on > outage.answered_pages
        if len(outage.served) >= outage.answered_pages:
            return True
        if page is not None:
            outage.served.add(page)
        return False

    def _control(self, method: str, target: str) -> Response:
        parts = urlsplit(target)
        try:
            match method, parts.path.removeprefix("/_demo/").split("/"):
                case "POST", ["day", day]:
                    self.set_day(int(day))
                case "POST", ["break", share]:
                    self.break_after(float(share), keep_adverts=parse_qs(parts.query).get("keep_adverts") == ["1"])
                case "POST", ["mend"]:
                    self.break_after(None)
                case "GET", ["state"]:
                    pass
                case _:
                    return _json(HTTPStatus.NOT_FOUND, {"error": f"The switches are {_SWITCHES}."})
        except ValueError as error:
            return _json(HTTPStatus.BAD_REQUEST, {"error": str(error)})
        state = {"day": self._day, "days": self.catalogue.days, "breaks_off": self._outage is not None}
        return _json(HTTPStatus.OK, state | {"listings": len(self.catalogue.ids_on(self._day))})


def _failure(target: str) -> Response | None:
    if crc32(target.encode()) % 2:
        return None
    return Response(HTTPStatus.SERVICE_UNAVAILABLE, b"Service unavailable\n", "text/plain; charset=utf-8")


def _json(status: HTTPStatus, document: object) -> Response:
    return Response(status, json.dumps(document).encode(), "application/json")


@click.command()
@click.option("--size", type=click.IntRange(min=20), default=150, show_default=True, help="Adverts a day.")
@click.option("--days", type=click.IntRange(min=1), default=5, show_default=True, help="Days of the market.")
@click.option("--seed", type=int, default=7, show_default=True, help="Another seed is another market.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0 takes a free port.")
@click.option("--day", type=int, default=1, show_default=True, help="The day to start with.")
@click.option("--break-after", type=click.FloatRange(0, 1), help="Stop answering after this share of result pages.")
@click.option("--crawl-delay", type=click.FloatRange(min=0), help="Seconds, for robots.txt.")
@click.option("--number-style", type=click.Choice([style.value for style in NumberStyle]), default="comma")
@click.option(
    "--layout", type=click.Choice([layout.value for layout in Layout]), help="That of every advert; default mixed."
)
@click.option("--snapshots", type=click.Path(path_type=Path), help="Serve this folder of CSV files instead.")
@click.option("--mapping", type=click.Path(path_type=Path), help="YAML mapping of the snapshots' columns.")
@click.option("--pattern", default="*", help="Which files of the folder are snapshots.")
@click.option("--limit", type=click.IntRange(min=1), help="Rows of each snapshot to serve.")
def main(
    size: int,
    days: int,
    seed: int,
    port: int,
    day: int,
    break_after: float | None,
    crawl_delay: float | None,
    number_style: str,
    layout: str | None,
    snapshots: Path | None,
    mapping: Path | None,
    pattern: str,
    limit: int | None,
) -> None:
    """Serve the demo portal until Ctrl-C; its address is the first line of output.

    Example: python -m scripts.demo.portal --size 150 --seed 7 --port 8100
    """
    if (snapshots is None) != (mapping is None):
        raise click.UsageError("--snapshots and --mapping belong together.")
    try:
        catalogue = (
            Snapshots(snapshots, mapping, pattern=pattern, limit=limit)
            if snapshots and mapping
            else MarketCatalogue(
                Market(seed, size, days), NumberStyle(number_style), Layout(layout) if layout else None
            )
        )
        with DemoPortal(
            catalogue, port=port, number_style=NumberStyle(number_style), crawl_delay=crawl_delay
        ) as portal:
            portal.set_day(day)
            portal.break_after(break_after)
            click.echo(portal.url)
            while True:
                time.sleep(3600)
    except PropertyManagerError as error:
        raise click.ClickException("\n".join(filter(None, (error.message, error.hint)))) from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except KeyboardInterrupt:
        click.echo("The portal is closed.", err=True)


if __name__ == "__main__":
    main()
