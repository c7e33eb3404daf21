"""Invents adverts and the small things that happen to one advert. Everything follows from the generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import TypeVar

from scripts.demo.advert import Advert
from scripts.demo.places import ADJECTIVES, AGENTS, AMENITIES, CITIES, MISSPELLINGS, SELLING_POINTS, SENTENCES

Choice = TypeVar("Choice")

_TYPES = ("Apartment",) * 13 + ("House",) * 4 + ("Studio",) * 2 + ("Penthouse",)
_SHARE_WITHOUT_YEAR = 0.06
_SHARE_WITHOUT_DESCRIPTION = 0.04
_SHARE_WITHOUT_FLOOR = 0.05
_SHARE_WITH_TYPO = 0.12


def pick(rng: Random, choices: Sequence[Choice]) -> Choice:
    """One of `choices`, by `Random.random()` alone, whose sequence is the same in every Python version."""
    return choices[int(rng.random() * len(choices))]


def between(rng: Random, low: int, high: int) -> int:
    """A whole number from `low` to `high`, both included."""
    return low + int(rng.random() * (high - low + 1))


def listing_id(number: int) -> str:
    """The portal's id of its `number`-th advert."""
    return f"HF-{100_000 + number}"


def new_advert(rng: Random, number: int, today: date, max_age_days: int) -> Advert:
    """Invent the portal's `number`-th advert, listed at most `max_age_days` before `today`."""
    city = pick(rng, CITIES)
    property_type = pick(rng, _TYPES)
    rooms = _rooms(rng, property_type)
    area_m2 = 14 + rooms * (15 + rng.random() * 13) + (35 if property_type == "House" else 0)
    area_m2 = round(area_m2, 1) if rng.random() < 0.3 else float(round(area_m2))
    floor_count = between(rng, 1, 3) if property_type == "House" else between(rng, 2, 8)
    agent_name, agent_phone, agent_email = pick(rng, AGENTS[city.country])
    identifier = listing_id(number)
    advert = Advert(
        source_listing_id=identifier,
        title=_title(rng, property_type, rooms),
        description=None if rng.random() < _SHARE_WITHOUT_DESCRIPTION else new_description(rng),
        property_type=property_type,
        offer_type="Sale",
        price=_first_price(rng, city.price_per_m2, area_m2),
        currency="EUR",
        area_m2=area_m2,
        rooms=rooms,
        bedrooms=max(1, rooms - 1),
        bathrooms=1 + (rooms > 3) + (rooms > 5),
        floor=_floor(rng, property_type, floor_count),
        floor_count=floor_count,
        year_built=None if rng.random() < _SHARE_WITHOUT_YEAR else new_year_built(rng),
        street_address=city.street_format.format(street=pick(rng, city.streets), number=between(rng, 1, 148)),
        city=city.name,
        region=city.region,
        postal_code=pick(rng, city.postal_codes),
        country=city.country,
        latitude=round(city.latitude + (rng.random() - 0.5) * 0.06, 6),
        longitude=round(city.longitude + (rng.random() - 0.5) * 0.08, 6),
        amenities=tuple(amenity for amenity in AMENITIES if rng.random() < 0.3),
        images=tuple(f"/photos/{identifier}-{n}.svg" for n in range(1, between(rng, 2, 5) + 1)),
        agent_name=agent_name,
        agent_phone=agent_phone,
        agent_email=agent_email,
        listed_at=today - timedelta(days=between(rng, 0, max_age_days)),
    )
    return with_typo(advert) if rng.random() < _SHARE_WITH_TYPO else advert


def new_description(rng: Random) -> str:
    """Two or three sentences a seller might write; never the price."""
    start = between(rng, 0, len(SENTENCES) - 1)
    chosen = (SENTENCES[(start + 3 * step) % len(SENTENCES)] for step in range(between(rng, 2, 3)))
    return " ".join(chosen)


def new_year_built(rng: Random) -> int:
    """A year of construction, from 1885 to 2024."""
    return between(rng, 1885, 2024)


def moved_price(rng: Random, price: int, low: float, high: float) -> int:
    """`price` moved by a share from `low` to `high` (negative: a cut), in hundreds, never the same."""
    moved = round(price * (1 + low + rng.random() * (high - low)) / 100) * 100
    return moved if moved != price else price + (100 if high > 0 else -100)


def relisted(rng: Random, advert: Advert, number: int, today: date) -> Advert:
    """The same flat as a new advert: another id, title and photos, 2 to 8 % cheaper."""
    identifier = listing_id(number)
    return replace(
        advert,
        source_listing_id=identifier,
        title=_title(rng, advert.property_type, advert.rooms),
        price=moved_price(rng, advert.price, -0.08, -0.02),
        images=tuple(f"/photos/{identifier}-{n}.svg" for n in range(1, len(advert.images) + 1)),
        listed_at=today,
    )


def with_typo(advert: Advert) -> Advert:
    """Misspell the first word of title or description that people misspell; unchanged if there is none."""
    for field in ("title", "description"):
        text = getattr(advert, field) or ""
        for word, misspelling in MISSPELLINGS.items():
            if word in text:
                return replace(advert, **{field: text.replace(word, misspelling, 1)})
    return advert


def without_typo(advert: Advert) -> tuple[str, Advert] | None:
    """The field that was misspelt and the corrected advert, or `None` when there is nothing to correct."""
    for field in ("title", "description"):
        text = getattr(advert, field) or ""
        for word, misspelling in MISSPELLINGS.items():
            if misspelling in text:
                return field, replace(advert, **{field: text.replace(misspelling, word)})
    return None


def _title(rng: Random, property_type: str, rooms: int) -> str:
    size = "" if property_type == "Studio" else f"{rooms}-room "
    return f"{pick(rng, ADJECTIVES)} {size}{property_type.lower()} {pick(rng, SELLING_POINTS)}"


def _rooms(rng: Random, property_type: str) -> int:
    if property_type == "Studio":
        return 1
    return between(rng, 4, 7) if property_type == "House" else between(rng, 2, 5)


def _floor(rng: Random, property_type: str, floor_count: int) -> int | None:
    if property_type == "House" or rng.random() < _SHARE_WITHOUT_FLOOR:
        return None
    return floor_count - 1 if property_type == "Penthouse" else between(rng, 0, floor_count - 1)


def _first_price(rng: Random, price_per_m2: int, area_m2: float) -> int:
    return round(price_per_m2 * area_m2 * (0.7 + rng.random() * 0.7) / 500) * 500
