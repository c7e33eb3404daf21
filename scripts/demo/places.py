"""The words a generated advert is made of: real cities, invented streets, agents and phrases."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class City:
    """A city with the ranges its adverts are drawn from."""

    name: str
    region: str
    country: str
    latitude: float
    longitude: float
    price_per_m2: int
    """Typical asking price in euros."""
    postal_codes: tuple[str, ...]
    streets: tuple[str, ...]
    street_format: str
    """How the country writes street and house number."""


CITIES: tuple[City, ...] = (
    City(
        "Porto",
        "Norte",
        "PT",
        41.1579,
        -8.6291,
        3400,
        ("4000-211", "4050-118", "4100-320", "4150-407", "4200-135", "4300-262"),
        ("Rua das Andorinhas Altas", "Rua do Poço Claro", "Travessa da Figueira Nova", "Rua dos Três Faróis"),
        "{street} {number}",
    ),
    City(
        "Valencia",
        "Comunitat Valenciana",
        "ES",
        39.4699,
        -0.3763,
        2900,
        ("46001", "46003", "46006", "46010", "46021", "46023"),
        (
            "Calle del Azahar Viejo",
            "Calle de los Cuatro Molinos",
            "Avenida del Palmeral",
            "Calle Luna de Enero",
        ),
        "{street}, {number}",
    ),
    City(
        "Bologna",
        "Emilia-Romagna",
        "IT",
        44.4949,
        11.3426,
        3600,
        ("40121", "40122", "40124", "40127", "40133", "40138"),
        ("Via dei Tigli Alti", "Via della Vecchia Fornace", "Via del Gelso Bianco", "Via Quattro Fontane"),
        "{street} {number}",
    ),
    City(
        "Leipzig",
        "Sachsen",
        "DE",
        51.3397,
        12.3731,
        2700,
        ("04103", "04107", "04155", "04177", "04229", "04317"),
        ("Lindenfelder Straße", "Am Alten Kohlenhof", "Sperlingsgasse", "Mühlgrabenweg"),
        "{street} {number}",
    ),
    City(
        "Ghent",
        "Oost-Vlaanderen",
        "BE",
        51.0543,
        3.7174,
        3500,
        ("9000", "9030", "9040", "9050"),
        ("Zilverbergstraat", "Oude Weversdreef", "Kleine Eikenlaan", "Sint-Odralaan"),
        "{street} {number}",
    ),
    City(
        "Nantes",
        "Pays de la Loire",
        "FR",
        47.2184,
        -1.5536,
        3800,
        ("44000", "44100", "44200", "44300"),
        ("rue du Vieux Saule", "rue des Trois Écluses", "avenue des Genêts Blonds", "rue du Puits Salé"),
        "{number} {street}",
    ),
)

AGENTS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "PT": (
        ("Marta Quinhas", "+351 22 555 0101", "marta@quinhas-homes.example"),
        ("O'Hara & Sons", "+351 22 555 0107", "office@ohara-sons.example"),
    ),
    "ES": (
        ("Iker Solbes", "+34 96 555 0102", "iker.solbes@solbes.example"),
        ("Nadia Ferrando", "+34 96 555 0108", "nadia@ferrando.example"),
    ),
    "IT": (("Chiara Venturoli", "+39 051 555 0103", "chiara@casaventuroli.example"),),
    "DE": (("Jonas Ebersbach", "+49 341 555 0104", "ebersbach@hausundhof.example"),),
    "BE": (("Lotte Verhaegen", "+32 9 555 01 05", "lotte@verhaegen-vastgoed.example"),),
    "FR": (("Solène Kermarec", "+33 2 55 55 01 06", "solene@kermarec-immo.example"),),
}
"""Country → name, telephone and e-mail of the agents who work there."""

AMENITIES: tuple[str, ...] = (
    "Balcony",
    "Lift",
    "Cellar",
    "Garage",
    "Parking space",
    "Fitted kitchen",
    "Garden",
    "Air conditioning",
    "Underfloor heating",
    "Fireplace",
    "Terrace",
    "Bicycle room",
    "Alarm system",
    "Walk-in wardrobe",
)

ADJECTIVES: tuple[str, ...] = ("Bright", "Quiet", "Renovated", "Spacious", "Elegant", "Cosy", "Sunny")

SELLING_POINTS: tuple[str, ...] = (
    "near the station",
    "with a view over the roofs",
    "beside the park",
    "with high ceilings",
    "close to the market hall",
    "on a tree-lined street",
)

SENTENCES: tuple[str, ...] = (
    "The kitchen was renewed two years ago and opens onto the living room.",
    "Large windows face the courtyard, so the bedrooms stay quiet at night.",
    "Schools, bakery and tram are reached on foot in five minutes.",
    "The building has been carefully maintained & the roof is new.",
    "Original floorboards, tall doors and plenty of storage.",
    "The owners' association meets once a year; its reserves are sound.",
    "Available immediately, viewings by appointment.",
)

MISSPELLINGS: dict[str, str] = {
    "apartment": "appartment",
    "Bright": "Brigth",
    "Renovated": "Rennovated",
    "kitchen": "kichen",
    "bedrooms": "bedroms",
    "maintained": "maintaned",
    "immediately": "immediatly",
    "storage": "storrage",
    "station": "staton",
}
"""Correct word → the way a hasty agent types it. No misspelling is part of a correct word."""
