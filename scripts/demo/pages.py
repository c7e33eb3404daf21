"""The portal's pages: one function per kind of page, from a day's adverts to HTML. Everything is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote
from zlib import crc32

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from scripts.demo.catalogue import Layout, ShownAdvert
from scripts.demo.formats import NumberStyle, structured_data

ADVERTS_PER_PAGE = 20
_NEIGHBOURS = 2
_TEMPLATE_OF = {
    Layout.STRUCTURED: "advert_structured.html",
    Layout.PLAIN: "advert.html",
    Layout.SCRIPT: "advert_script.html",
}


class Pages:
    """Renders pages for a portal at `base_url` whose catalogue has `days` days."""

    def __init__(self, base_url: str, days: int, number_style: NumberStyle) -> None:
        self.base_url = base_url
        self.number_style = number_style
        self._templates = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(listing_path=listing_path, heading=_heading)
        self._templates.globals.update(days=days)
        self._templates.policies["json.dumps_kwargs"] = {"ensure_ascii": False}

    def home(self, day: int, count: int) -> str:
        """The front page."""
        return self._render("home.html", day=day, count=self.number_style.format(count))

    def results(self, day: int, page: int, count: int, adverts: Sequence[ShownAdvert]) -> str:
        """Result page number `page` with its share of the day's `count` adverts."""
        pages = page_count(count)
        return self._render(
            "results.html",
            day=day,
            page=page,
            pages=pages,
            count=self.number_style.format(count),
            adverts=adverts,
            numbers=_numbers(page, pages),
        )

    def advert(self, day: int, advert: ShownAdvert, is_sold: bool) -> str:
        """The page of one advert in its layout."""
        page_url = self.base_url + listing_path(advert.source_listing_id)
        structured = structured_data(
            advert.values,
            page_url=page_url,
            amenities=advert.amenities,
            image_urls=[self.base_url + image for image in advert.images],
            is_sold=is_sold,
        )
        return self._render(
            _TEMPLATE_OF[advert.layout],
            day=day,
            advert=advert,
            page_url=page_url,
            structured=structured,
            is_sold=is_sold,
            data_path=data_path(advert.source_listing_id),
        )

    def message(self, day: int, kind: str, heading: str, text: str) -> str:
        """A page that only says something; `kind` is the class of its section."""
        return self._render("message.html", day=day, kind=kind, heading=heading, text=text)

    def _render(self, template: str, **values: object) -> str:
        return self._templates.get_template(template).render(values)


def advert_data(advert: ShownAdvert, is_sold: bool) -> dict[str, object]:
    """What a script page fetches to build itself."""
    return {
        "source_listing_id": advert.source_listing_id,
        "heading": _heading(advert),
        "is_sold": is_sold,
        "texts": dict(advert.texts),
        "facts": [fact._asdict() for fact in advert.facts],
        "amenities": advert.amenities,
        "images": advert.images,
    }


def listing_path(source_listing_id: str) -> str:
    """The path of an advert's page."""
    return f"/listing/{quote(source_listing_id, safe='')}"


def data_path(source_listing_id: str) -> str:
    """The path of the data behind a script page."""
    return f"/api/listing/{quote(source_listing_id, safe='')}.json"


def page_count(count: int) -> int:
    """How many result pages `count` adverts fill; at least one."""
    return max(1, -(-count // ADVERTS_PER_PAGE))


def photo(name: str) -> str:
    """An SVG drawing of a house, its colours taken from `name`."""
    hue = crc32(name.encode()) % 360
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 200" preserveAspectRatio="xMidYMid slice">'
        f'<rect width="300" height="200" fill="hsl({hue} 38% 86%)"/>'
        f'<circle cx="{60 + hue // 2}" cy="48" r="20" fill="hsl({(hue + 40) % 360} 80% 94%)"/>'
        f'<path d="M0 160 Q80 {130 + hue % 25} 160 155 T300 145 V200 H0Z" fill="hsl({hue} 22% 70%)"/>'
        f'<path d="M95 170V102l55-44 55 44v68z" fill="hsl({(hue + 180) % 360} 22% 97%)"/>'
        f'<path d="M84 110l66-54 66 54-9 9-57-46-57 46z" fill="hsl({(hue + 15) % 360} 40% 42%)"/>'
        f'<path d="M138 170v-38h24v38zM110 116h20v20h-20zM170 116h20v20h-20z" fill="hsl({hue} 30% 52%)"/>'
        "</svg>"
    )


def _heading(advert: ShownAdvert) -> str:
    return advert.texts.get("title", f"Listing {advert.source_listing_id}")


def _numbers(page: int, pages: int) -> list[int | None]:
    """Page numbers to link: the ends and those around `page`; `None` stands for a gap."""
    near = {number for number in range(page - _NEIGHBOURS, page + _NEIGHBOURS + 1) if 1 <= number <= pages}
    shown: list[int | None] = []
    for number in sorted({1, pages, *near}):
        if shown and number - (shown[-1] or 0) > 1:
            shown.append(None)
        shown.append(number)
    return shown
