"""A listing feed as portals export them: the same for the same size and day, about 1 kB a row.

From one day to the next 0.5 % of the listings leave, as many are new, and 1 % cost less, of which one in four
has a new description too. A few rows break the project's own rules, every day the same ones.
"""

from __future__ import annotations

import csv
from hashlib import blake2b
from pathlib import Path

from loaders.mapping import Mapping

COLUMNS = (
    *("source_listing_id", "url", "title", "description", "property_type", "offer_type", "price", "currency"),
    *("area_m2", "land_area_m2", "rooms", "bedrooms", "bathrooms", "floor", "floor_count", "year_built"),
    *("street_address", "city", "region", "postal_code", "country", "latitude", "longitude", "ownership"),
    *("building_material", "condition", "has_parking", "has_balcony", "has_elevator", "has_storage_room"),
    *("amenities", "images", "agent_name", "agent_phone", "agent_email", "listed_at", "fee", "energy_class"),
)
MAPPING = Mapping(
    fields={name: name for name in COLUMNS[:-2]},
    attributes={"monthly_fee": "fee", "energy_class": "energy_class"},
)

_KINDS = ("apartment", "apartment", "house", "studio")
_CITIES = (
    ("Kraków", "małopolskie", "30", 50.06, 19.94),
    ("Warszawa", "mazowieckie", "02", 52.23, 21.01),
    ("Gdańsk", "pomorskie", "80", 54.35, 18.65),
    ("Wrocław", "dolnośląskie", "50", 51.11, 17.03),
)
_STREETS = ("Długa", "Ogrodowa", "Lipowa", "3 Maja", "Słoneczna", "Krótka", "Polna", "Szkolna")
_AMENITIES = ("air conditioning", "cellar", "fireplace", "garage", "garden", "sauna", "terrace")
_SENTENCES = (
    "A quiet, sunny home with windows to two sides and a view over the courtyard.",
    "The kitchen was renewed two years ago and stays, with all its appliances.",
    "Shops, a school and a tram stop are within five minutes on foot.",
    "The community has finished the new roof and the insulation of the facade.",
    "Parking in the street is free; a place in the garage can be bought as well.",
    "Viewings in the afternoon, also at weekends; please call before you come.",
    "Floors of oak, high ceilings and the original doors give it its character.",
)


def write_day(path: Path, rows: int, day: int) -> Path:
    """Write the feed of a day, counted from 0, as CSV with a header; every day has `rows` listings."""
    first = day * (rows // 200)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(_listing(number, day) for number in range(first, first + rows))
    return path


def _listing(number: int, day: int) -> tuple[str, ...]:
    dice = blake2b(number.to_bytes(8), digest_size=32).digest()
    kind = _KINDS[dice[0] % 4]
    city, region, postal_prefix, latitude, longitude = _CITIES[dice[1] % 4]
    street = f"ul. {_STREETS[dice[2] % 8]} {dice[3]}"
    rooms = 1 + dice[4] % 6
    area = rooms * 17 + dice[5] / 10
    price = int(area * (70 + dice[6] % 90)) * 100
    is_revised = 1 <= number % 100 <= day
    if is_revised:
        price = price * 97 // 100
    return (
        f"PL-{number:08d}",
        f"https://portal.example/offers/{kind}/PL-{number:08d}?utm_source=feed",
        f"{kind.capitalize()} with {rooms} rooms, {city}, {street}",
        _description(dice, is_reduced=is_revised and number % 400 < 100),
        kind,
        "sale",
        _price_text(number, price),
        "PLN",
        f"{area:.1f}",
        str(200 + 5 * dice[7]) if kind == "house" else "",
        str(rooms),
        str(max(rooms - 1, 1)),
        str(1 + rooms // 4),
        "" if kind == "house" else str(dice[8] % 10),
        str(1 + dice[9] % 3) if kind == "house" else "10",
        "20010" if number % 1000 == 7 else str(1890 + dice[10] % 130),
        street,
        city,
        region,
        f"{postal_prefix}-{dice[11]:03d}",
        "PL",
        f"{latitude + (dice[12] * 256 + dice[13]) / 655360:.6f}",
        f"{longitude + (dice[14] * 256 + dice[15]) / 655360:.6f}",
        ("full ownership", "cooperative", "")[dice[16] % 3],
        ("brick", "concrete", "timber", "")[dice[17] % 4],
        ("new", "renovated", "to renovate", "")[dice[18] % 4],
        *(("yes", "no", "")[die % 3] for die in dice[19:23]),
        "|".join(_AMENITIES[dice[23] % 5 :][:3]),
        "|".join(f"https://images.portal.example/{number % 97}/{number}-{i}.jpg" for i in range(1, 4)),
        f"Agent {number % 500}",
        f"+48 600 {number % 1000:03d} {number % 997:03d}",
        f"agent{number % 500}@agency.example",
        f"2024-{1 + dice[24] % 12:02d}-{1 + dice[25] % 28:02d}",
        str(200 + 4 * dice[26]),
        "ABCDEF"[dice[27] % 6],
    )


def _description(dice: bytes, *, is_reduced: bool) -> str:
    sentences = [_SENTENCES[(dice[28] + i) % 7] for i in range(5)]
    return " ".join(sentences + ["The price was reduced."] * is_reduced)


def _price_text(number: int, price: int) -> str:
    if number % 500 == 3:
        return ""
    return "0" if number % 2000 == 11 else str(price)
