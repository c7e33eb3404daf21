"""One advert of the generated market."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True, kw_only=True)
class Advert:
    """What a seller published on one day. `None` means that the seller left the field out."""

    source_listing_id: str
    title: str
    description: str | None
    property_type: str
    offer_type: str
    price: int
    """Asking price in `currency`, whole units."""
    currency: str
    area_m2: float
    rooms: int
    bedrooms: int
    bathrooms: int
    floor: int | None
    """0 is the ground floor; houses have none."""
    floor_count: int
    year_built: int | None
    street_address: str
    city: str
    region: str
    postal_code: str
    country: str
    """ISO 3166-1 alpha-2."""
    latitude: float
    longitude: float
    amenities: tuple[str, ...]
    """Their order carries no meaning and changes from day to day."""
    images: tuple[str, ...]
    """Paths below the portal's root; the `token` parameter is another one each day."""
    agent_name: str
    agent_phone: str
    agent_email: str
    listed_at: date
