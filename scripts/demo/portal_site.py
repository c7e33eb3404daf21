"""What the portal answers to a request on a given day, without a server: robots, result pages, adverts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qs, unquote, urlsplit

from scripts.demo.catalogue import Catalogue, Layout
from scripts.demo.formats import NumberStyle
from scripts.demo.market import Availability
from scripts.demo.pages import ADVERTS_PER_PAGE, Pages, advert_data, listing_path, page_count, photo

_HTML = "text/html; charset=utf-8"
_MAX_SITEMAP_URLS = 50_000


@dataclass(frozen=True, slots=True)
class Response:
    """Status, body and media type of one answer."""

    status: HTTPStatus
    body: bytes
    content_type: str = _HTML


class Site:
    """Answers GET requests from a catalogue."""

    def __init__(
        self,
        catalogue: Catalogue,
        base_url: str,
        number_style: NumberStyle = NumberStyle.COMMA,
        crawl_delay: float | None = None,
    ) -> None:
        self.catalogue = catalogue
        self.base_url = base_url
        self.crawl_delay = crawl_delay
        self.pages = Pages(base_url, catalogue.days, number_style)

    def answer(self, day: int, target: str) -> Response:
        """The answer to `GET target` on a day."""
        parts = urlsplit(target)
        kind, _, name = parts.path.removeprefix("/").partition("/")
        match kind, name:
            case "", "":
                return _html(self.pages.home(day, len(self.catalogue.ids_on(day))))
            case "robots.txt", "":
                return Response(HTTPStatus.OK, self._robots().encode(), "text/plain; charset=utf-8")
            case "sitemap.xml", "":
                return Response(HTTPStatus.OK, self._sitemap(day).encode(), "application/xml")
            case "listings", "":
                return self._results(day, parse_qs(parts.query).get("page", ["1"])[0])
            case "listing", identifier if identifier:
                return self._advert(day, unquote(identifier))
            case "api", path if path.startswith("listing/") and path.endswith(".json"):
                return self._data(day, unquote(path.removeprefix("listing/").removesuffix(".json")))
            case "photos", photo_name if photo_name:
                return Response(HTTPStatus.OK, photo(photo_name).encode(), "image/svg+xml")
            case "private", _:
                return _html(
                    self.pages.message(day, "private", "For agents", "Robots are asked to stay away from here.")
                )
            case _:
                return self._not_found(day)

    def advert_position(self, day: int, path: str) -> int | None:
        """The place among the day's results, from 0, of the advert that `path` shows; else `None`."""
        for prefix, suffix in (("/listing/", ""), ("/api/listing/", ".json")):
            if path.startswith(prefix) and path.endswith(suffix):
                identifier = unquote(path.removeprefix(prefix).removesuffix(suffix))
                ids = self.catalogue.ids_on(day)
                return ids.index(identifier) if identifier in ids else None
        return None

    def _results(self, day: int, page_text: str) -> Response:
        ids = self.catalogue.ids_on(day)
        page = result_page(page_text)
        if page is None or page > page_count(len(ids)):
            return self._not_found(day)
        shown = ids[(page - 1) * ADVERTS_PER_PAGE : page * ADVERTS_PER_PAGE]
        adverts = [self.catalogue.advert(day, identifier) for identifier in shown]
        return _html(self.pages.results(day, page, len(ids), adverts))

    def _advert(self, day: int, identifier: str) -> Response:
        availability = self.catalogue.availability(day, identifier)
        if availability in (Availability.GONE, Availability.UNKNOWN):
            return self._not_on_offer(day, availability)
        is_sold = availability is Availability.SOLD
        return _html(self.pages.advert(day, self.catalogue.advert(day, identifier), is_sold))

    def _data(self, day: int, identifier: str) -> Response:
        availability = self.catalogue.availability(day, identifier)
        if availability in (Availability.GONE, Availability.UNKNOWN):
            return self._not_on_offer(day, availability)
        advert = self.catalogue.advert(day, identifier)
        if advert.layout is not Layout.SCRIPT:
            return self._not_found(day)
        data = advert_data(advert, availability is Availability.SOLD)
        return Response(HTTPStatus.OK, json.dumps(data, ensure_ascii=False).encode(), "application/json")

    def _not_on_offer(self, day: int, availability: Availability) -> Response:
        if availability is Availability.UNKNOWN:
            return self._not_found(day)
        text = "The seller has taken it off the market."
        page = self.pages.message(day, "gone", "This home is no longer available", text)
        return _html(page, HTTPStatus.GONE)

    def _not_found(self, day: int) -> Response:
        page = self.pages.message(day, "not-found", "There is no such page", "Perhaps the address was cut short.")
        return _html(page, HTTPStatus.NOT_FOUND)

    def _robots(self) -> str:
        lines = ["User-agent: *", "Disallow: /private/", "Disallow: /_demo/"]
        if self.crawl_delay is not None:
            lines.append(f"Crawl-delay: {self.crawl_delay:g}")
        return "\n".join([*lines, "", f"Sitemap: {self.base_url}/sitemap.xml", ""])

    def _sitemap(self, day: int) -> str:
        paths = [listing_path(identifier) for identifier in self.catalogue.ids_on(day)[:_MAX_SITEMAP_URLS]]
        urls = "".join(f"<url><loc>{self.base_url}{path}</loc></url>" for path in paths)
        return (
            '<?xml version="1.0" encoding="UTF-8"?>'
            f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'
        )


def result_page(text: str) -> int | None:
    """A page number from a query, or `None` when it is not one."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0 else None


def _html(page: str, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(status, page.encode())
