"""What a portal shows: adverts as texts on pages, from the generated market or from anything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol
from zlib import crc32

from scripts.demo.formats import NumberStyle, human_texts, label, machine_values
from scripts.demo.market import Availability, Market

_OWN_MARKUP = frozenset({"title", "description", "agent_name", "agent_phone", "agent_email"})


class Layout(StrEnum):
    """How an advert page carries its values."""

    STRUCTURED = "structured"
    """JSON-LD in an ordinary page."""
    PLAIN = "plain"
    """Labelled values in HTML, no structured data."""
    SCRIPT = "script"
    """An empty shell; a script builds the page of `plain`."""


class Fact(NamedTuple):
    """One labelled value of an advert page."""

    field: str
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class ShownAdvert:
    """One advert as the portal shows it. `texts` are for people, `values` for structured data, by field."""

    source_listing_id: str
    layout: Layout
    texts: Mapping[str, str]
    values: Mapping[str, object]
    facts: tuple[Fact, ...]
    amenities: tuple[str, ...] = ()
    images: tuple[str, ...] = ()


class Catalogue(Protocol):
    """Days of adverts that a portal can show; days count from 1."""

    @property
    def days(self) -> int:
        """The last day there is."""

    def ids_on(self, day: int) -> Sequence[str]:
        """The ids on offer that day, in the order of the result pages."""

    def advert(self, day: int, source_listing_id: str) -> ShownAdvert:
        """One advert that is online or sold that day."""

    def availability(self, day: int, source_listing_id: str) -> Availability:
        """What the portal knows of an id that day."""


def mixed_layout(source_listing_id: str) -> Layout:
    """The layout of an advert, for good: 40 % structured, 35 % plain, 25 % script."""
    place = crc32(source_listing_id.encode()) % 100
    if place < 40:
        return Layout.STRUCTURED
    return Layout.PLAIN if place < 75 else Layout.SCRIPT


class MarketCatalogue:
    """The generated market as a portal prints it."""

    def __init__(
        self, market: Market, number_style: NumberStyle = NumberStyle.COMMA, layout: Layout | None = None
    ) -> None:
        """`layout` is that of every advert; None mixes them."""
        self.market = market
        self.layout = layout
        self.number_style = number_style
        self._ids: dict[int, list[str]] = {}

    @property
    def days(self) -> int:
        """The last day of the market."""
        return self.market.days

    def ids_on(self, day: int) -> Sequence[str]:
        """The ids on offer, newest first."""
        if day not in self._ids:
            self._ids[day] = self.market.ids_on(day)
        return self._ids[day]

    def advert(self, day: int, source_listing_id: str) -> ShownAdvert:
        """One advert with the portal's number formats."""
        advert = self.market.listing_on(day, source_listing_id)
        values = machine_values(advert)
        texts = human_texts(values, self.number_style)
        return ShownAdvert(
            source_listing_id,
            self.layout or mixed_layout(source_listing_id),
            texts,
            values,
            tuple(Fact(name, label(name), text) for name, text in texts.items() if name not in _OWN_MARKUP),
            advert.amenities,
            advert.images,
        )

    def availability(self, day: int, source_listing_id: str) -> Availability:
        """What became of a listing."""
        return self.market.availability(day, source_listing_id)
