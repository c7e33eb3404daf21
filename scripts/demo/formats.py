"""How a portal writes values: as text for people, and as schema.org structured data for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import date
from enum import StrEnum

from loaders.fields import ALL_FIELDS
from scripts.demo.advert import Advert

LABELS: dict[str, str] = {
    "source_listing_id": "Reference",
    "url": "Web address",
    "area_m2": "Living area",
    "land_area_m2": "Plot",
    "floor_count": "Floors in building",
    "offer_type": "Offer",
    "street_address": "Address",
    "listed_at": "Online since",
    "agent_name": "Agent",
}
"""What people read instead of a field's name, where the name itself would not do."""

_LISTS = frozenset({"amenities", "images"})


class NumberStyle(StrEnum):
    """How the portal groups thousands and marks decimals; one style for the whole portal."""

    COMMA = "comma"
    """250,000 and 85.5"""
    DOT = "dot"
    """250.000 and 85,5"""

    def format(self, number: float) -> str:
        """`number` with grouped thousands and, if it has one, a decimal."""
        text = f"{number:,.0f}" if float(number).is_integer() else f"{number:,.1f}"
        return text.translate(str.maketrans(",.", ".,")) if self is NumberStyle.DOT else text


def label(field: str) -> str:
    """The words beside a value: `Living area`, `Year built`, for an attribute its own name."""
    return LABELS.get(field) or field.removeprefix("attributes.").replace("_", " ").capitalize()


def machine_values(advert: Advert) -> dict[str, object]:
    """The fields a seller filled in, as numbers and text, in the order of the project's field list."""
    names = {item.name for item in fields(advert)} - _LISTS
    values = {name: getattr(advert, name) for name in ALL_FIELDS if name in names}
    return {name: value for name, value in values.items() if value is not None}


def human_texts(values: Mapping[str, object], style: NumberStyle) -> dict[str, str]:
    """The same values as the portal prints them: `€ 250,000`, `85.5 m²`, `2025-03-01`."""
    return {name: _human_text(name, value, style) for name, value in values.items()}


def _human_text(field: str, value: object, style: NumberStyle) -> str:
    match field, value:
        case "price", int() | float():
            return f"€ {style.format(value)}"
        case "area_m2", int() | float():
            return f"{style.format(value)} m²"
        case _, date():
            return value.isoformat()
        case _:
            return str(value)


def structured_data(
    values: Mapping[str, object],
    *,
    page_url: str,
    amenities: Sequence[str],
    image_urls: Sequence[str],
    is_sold: bool,
) -> dict[str, object]:
    """A schema.org RealEstateListing (JSON-LD) of one advert; what the advert lacks is left out."""
    home = {
        "@type": "House" if values.get("property_type") == "House" else "Apartment",
        "floorSize": _quantity(values.get("area_m2")),
        "numberOfRooms": values.get("rooms"),
        "numberOfBedrooms": values.get("bedrooms"),
        "numberOfBathroomsTotal": values.get("bathrooms"),
        "floorLevel": _text(values.get("floor")),
        "yearBuilt": values.get("year_built"),
        "address": _typed(
            "PostalAddress",
            streetAddress=values.get("street_address"),
            postalCode=values.get("postal_code"),
            addressLocality=values.get("city"),
            addressRegion=values.get("region"),
            addressCountry=values.get("country"),
        ),
        "geo": _typed("GeoCoordinates", latitude=values.get("latitude"), longitude=values.get("longitude")),
        "amenityFeature": [
            {"@type": "LocationFeatureSpecification", "name": name, "value": True} for name in amenities
        ],
        "additionalProperty": _property("floor_count", values.get("floor_count")),
    }
    agent = _typed(
        "RealEstateAgent",
        name=values.get("agent_name"),
        telephone=values.get("agent_phone"),
        email=values.get("agent_email"),
    )
    offer = _typed(
        "Offer",
        price=values.get("price"),
        priceCurrency=values.get("currency"),
        availability=f"https://schema.org/{'SoldOut' if is_sold else 'InStock'}",
        businessFunction="http://purl.org/goodrelations/v1#Sell",
        offeredBy=agent,
    )
    listing = {
        "@context": "https://schema.org",
        "@type": "RealEstateListing",
        "@id": f"{page_url}#listing",
        "identifier": values.get("source_listing_id"),
        "url": page_url,
        "name": values.get("title"),
        "description": values.get("description"),
        "datePosted": _text(values.get("listed_at")),
        "image": list(image_urls),
        "offers": offer,
        "mainEntity": _filled(home),
    }
    return _filled(listing)


def _filled(properties: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in properties.items() if value not in (None, "", [])}


def _typed(kind: str, **properties: object) -> dict[str, object] | None:
    filled = _filled(properties)
    return {"@type": kind, **filled} if filled else None


def _quantity(area: object) -> dict[str, object] | None:
    return _typed("QuantitativeValue", value=area, unitCode="MTK") if area else None


def _property(name: str, value: object) -> dict[str, object] | None:
    return {"@type": "PropertyValue", "name": name, "value": value} if value not in (None, "") else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)
