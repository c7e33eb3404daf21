"""Small sites on loopback whose pages carry structured data, and how crawls of them are set."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import psycopg

from loaders.politeness import RetryPolicy
from scripts.demo.catalogue import Layout, MarketCatalogue, ShownAdvert

QUICK = RetryPolicy(first_wait=0.02, longest_wait=0.2)

Page = tuple[int, Mapping[str, str], str]


def set_rate(connection: psycopg.Connection, source: str, rate: float | None = None) -> None:
    """Let crawls of a source ask so often a second; None: as fast as they can."""
    connection.execute("insert into sources (source, requests_per_second) values (%s, %s)", [source, rate])


class PlainCatalogue(MarketCatalogue):
    """The market on pages that need no browser."""

    def advert(self, day: int, source_listing_id: str) -> ShownAdvert:
        """One advert, with labelled values in HTML."""
        return replace(super().advert(day, source_listing_id), layout=Layout.PLAIN)


class Site:
    """A site on loopback that answers as told, page by page; with an ETag also that nothing changed.

    `requests` are the paths it was asked for, `moments` when that was, `cookies` what came with them, `not_modified`
    where 304 was the answer.
    """

    def __init__(self, pages: Mapping[str, Page | Callable[[int], Page]]) -> None:
        self.requests: list[str] = []
        self.moments: list[float] = []
        self.cookies: list[str | None] = []
        self.not_modified: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.requests.append(self.path)
                site.moments.append(time.monotonic())
                site.cookies.append(self.headers["Cookie"])
                page = pages.get(self.path, (404, {}, "no such page"))
                status, headers, body = page(site.requests.count(self.path)) if callable(page) else page
                tag = headers.get("ETag")
                if tag is not None and self.headers.get("If-None-Match") == tag:
                    site.not_modified.append(self.path)
                    status, body = 304, ""
                content = body.encode()
                self.send_response(status)
                for name, value in {"Content-Type": "text/html; charset=utf-8", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Site:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def json_ld(document: Any) -> str:
    """A page that states this."""
    return f'<html><head><script type="application/ld+json">{json.dumps(document)}</script></head></html>'


def results(*paths: str, following: str | None = None) -> Page:
    """A result page that leads to adverts, and to the next one."""
    items = [{"@type": "ListItem", "url": path} for path in paths]
    link = f'<link rel="next" href="{following}">' if following else ""
    return 200, {}, link + json_ld({"@type": "ItemList", "itemListElement": items})


def flat(identifier: str, price: int) -> Page:
    """An advert."""
    document = {"@type": "Apartment", "identifier": identifier, "offers": {"@type": "Offer", "price": price}}
    return 200, {}, json_ld(document)
