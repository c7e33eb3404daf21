"""Objects of unknown origin that look like listings: their keys are compared with the names that fields commonly have.

Keys are compared in small letters without separators: `living_area`, `livingArea` and `living-area` are one name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from loaders.structured_data import text_of_value
from loaders.urls import absolute

Node = dict[str, Any]

_NAMES: Mapping[str, str] = {
    "title": "title headline heading displaytitle advertname name",
    "description": "description remarks publicremarks fulldescription longdescription bodytext summary",
    "property_type": "propertytype propertysubtype hometype estatetype housetype objecttype categoryname category",
    "offer_type": "offertype transactiontype dealtype listingtype transaction purpose advtype saletype channel",
    "price": "price listprice askingprice totalprice saleprice priceamount pricevalue displayprice rent monthlyrent "
    "rentalprice grossprice formattedprice baserent precio preis prix prezzo prijs cena pris",
    "currency": "currency currencycode pricecurrency currencyiso",
    "price_period": "priceperiod rentperiod rentfrequency paymentperiod pricefrequency priceunit frequency",
    "price_qualifier": "pricequalifier displaypricequalifier priceprefix pricelabel",
    "area_m2": "livingarea livingspace floorarea floorsize usablearea usefularea netarea builtarea constructedarea "
    "surface surfacearea areainsquaremeters squaremeters sqm area size superficie wohnflaeche "
    "woonoppervlakte powierzchnia",
    "land_area_m2": "landarea landsize lotsize lotarea plotarea plotsize grundstuecksflaeche terrainarea",
    "rooms": "rooms numberofrooms roomcount roomsnumber nbrooms roomsnum zimmer",
    "bedrooms": "bedrooms beds numberofbedrooms bedroomcount bedroomsnumber bedsmin",
    "bathrooms": "bathrooms baths numberofbathrooms bathroomcount bathroomstotal",
    "floor": "floor floornumber floorlevel storey",
    "floor_count": "floorcount floors numberoffloors buildingfloors buildingfloorsnum stories",
    "year_built": "yearbuilt constructionyear buildyear builtyear yearofconstruction buildingyear",
    "street_address": "streetaddress street addressline1 line1 displayaddress fulladdress formattedaddress address",
    "city": "city town locality municipality addresslocality cityname",
    "region": "region state province county addressregion stateorprovince",
    "postal_code": "postalcode zipcode zip postcode",
    "country": "country countrycode addresscountry",
    "latitude": "latitude lat",
    "longitude": "longitude lng lon long",
    "images": "images photos pictures imageurls photourls gallery",
    "amenities": "amenities features facilities equipment extras",
    "agent_name": "agentname brokername agencyname advertisername sellername",
    "agent_phone": "agentphone brokerphone contactphone phonenumber",
    "agent_email": "agentemail brokeremail contactemail",
    "listed_at": "listedat dateposted datepublished publishedat publicationdate datecreated createdat createddate "
    "listingdate listdate onlinesince firstvisibledate",
}
_FIELD_OF = {name: field for field, names in _NAMES.items() for name in names.split()}
_RANK = {name: rank for names in _NAMES.values() for rank, name in enumerate(names.split())}
_IDS = ("listingid", "propertyid", "advertid", "adid", "externalid", "mlsid", "reference", "id", "uuid")
_URLS = ("url", "detailurl", "propertyurl", "listingurl", "canonicalurl", "permalink", "href", "link")
_IN_SQUARE_FEET = frozenset(
    {"sqft", "squarefeet", "livingareasqft", "areasqft", "buildingsizesqft", "sizesqft", "floorareasqft"}
)
_AGENTS = {
    "name": "agent_name",
    "displayname": "agent_name",
    "phone": "agent_phone",
    "telephone": "agent_phone",
    "email": "agent_email",
}
_AGENT_KEYS = frozenset(
    {"agent", "broker", "agency", "advertiser", "seller", "realtor", "customer", "contact", "owner"}
)
_AMOUNTS = ("displayvalue", "formatted", "display", "formattedvalue", "amount", "value", "raw", "min", "from", "price")
_PLACES = frozenset({"street_address", "city", "postal_code", "latitude"})
_SIZES = frozenset({"area_m2", "land_area_m2", "rooms", "bedrooms"})
_LISTS = frozenset({"images", "amenities"})
_MAX_PART_DEPTH = 3
_SEPARATORS = re.compile(r"[^a-z0-9]")


@dataclass(frozen=True)
class Shape:
    """An object that looks like a listing. `list_number` tells apart the lists of a page; None outside of them."""

    node: Node
    listing_id: str | None
    url: str | None
    fields: Mapping[str, str | None]
    list_number: int | None

    @property
    def is_listed(self) -> bool:
        """Whether it stands in a list, beside others of its kind."""
        return self.list_number is not None


def shape_of(node: Node, url: str, list_number: int | None = None) -> Shape | None:
    """The listing that an object holds, or None: it needs a price, a size or rooms, and a place or a title."""
    keys = {_plain(key) for key in node}
    if len(node) < 3 or not (keys & _FIELD_OF.keys()):
        return None
    fields: dict[str, str | None] = {}
    ranks: dict[str, int] = {}
    for key, value in _entries(node, 0):
        _add(fields, ranks, key, value, url)
    if fields.get("price") is None or not _SIZES & fields.keys() or not (_PLACES | {"title"}) & fields.keys():
        return None
    own = {_plain(key): value for key, value in node.items()}
    identifier = next((text for key in _IDS if (text := _scalar(own.get(key)))), None)
    address = next((text for key in _URLS if (text := _scalar(own.get(key))) and "/" in text), None)
    return Shape(node, identifier, address, fields, list_number)


def _entries(node: Node, depth: int) -> Iterator[tuple[str, Any]]:
    """Keys with their values, those of parts behind their whole's; labelled values count like keys."""
    parts: list[tuple[str, Node]] = []
    for name, value in node.items():
        key = _plain(name)
        yield key, value
        if isinstance(value, dict):
            parts.append((key, value))
        elif isinstance(value, list):
            yield from _labelled(value)
    for key, part in parts:
        if key in _AGENT_KEYS:
            yield from ((_AGENTS[_plain(name)], value) for name, value in part.items() if _plain(name) in _AGENTS)
        elif depth < _MAX_PART_DEPTH:
            yield from _entries(part, depth + 1)


def _labelled(values: list[Any]) -> Iterator[tuple[str, Any]]:
    """[{"key": "area", "value": "54"}] as entries."""
    for value in values:
        if isinstance(value, dict) and "value" in value:
            name = next(
                (value[key] for key in ("key", "name", "label", "code") if isinstance(value.get(key), str)), None
            )
            if name is not None:
                yield _plain(name), value["value"]


def _add(fields: dict[str, str | None], ranks: dict[str, int], key: str, value: Any, url: str) -> None:
    field = key if key in _AGENTS.values() else _FIELD_OF.get(key)
    unit = ""
    if key in _IN_SQUARE_FEET:
        field, unit = "area_m2", " sq ft"
    if field is None:
        return
    rank = _RANK.get(key, 0)
    if field in ranks and ranks[field] <= rank and fields[field] is not None:
        return
    text = _listed(field, value, url) if field in _LISTS else _valued(field, value)
    if text is not None or (field not in fields and not isinstance(value, dict)):
        fields[field] = text + unit if text and text[-1].isdigit() else text
        ranks[field] = rank


def _valued(field: str, value: Any) -> str | None:
    """The text of a value; of an object that measures, its amount with the unit beside it."""
    if not isinstance(value, dict):
        return _scalar(value)
    plain = {_plain(key): entry for key, entry in value.items()}
    if field == "price" or field in _SIZES:
        amount = next((text for key in _AMOUNTS if (text := _scalar(plain.get(key)))), None)
        unit = _scalar(plain.get("unit")) if field != "price" else None
        return f"{amount} {unit}" if amount and unit and amount[-1].isdigit() else amount
    return next((text for key in ("label", "name", "displayname", "value") if (text := _scalar(plain.get(key)))), None)


def _listed(field: str, value: Any, url: str) -> str | None:
    if not isinstance(value, list):
        return None
    keys = ("url", "src", "href", "large", "original", "medium") if field == "images" else ("name", "label", "value")
    texts = [
        next((text for key in keys if (text := _scalar(entry.get(key)))), None)
        if isinstance(entry, dict)
        else _scalar(entry)
        for entry in value
    ]
    if field == "images":
        texts = [absolute(url, text) for text in texts]
    kept = list(dict.fromkeys(text for text in texts if text))
    return json.dumps(kept, ensure_ascii=False) if kept else None


def _scalar(value: Any) -> str | None:
    return None if isinstance(value, dict | list) else text_of_value(value)


def _plain(key: str) -> str:
    return _SEPARATORS.sub("", key.lower())
