"""schema.org in pages: JSON-LD and microdata become raw text per field, as their publisher wrote them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from extruct.jsonld import JsonLdExtractor
from extruct.w3cmicrodata import MicrodataExtractor
from parsel import Selector

from loaders.fields import LISTING_FIELDS
from loaders.page_limits import MAX_STATED_VALUES, believable_count, check_values
from loaders.urls import absolute, page_key

Node = dict[str, Any]

_JSON_LD_TYPE = "application/ld+json"
_JSON_LD = f"script[type^='{_JSON_LD_TYPE}' i]"
"""The type may have parameters and letters of either case."""

RESIDENCES = frozenset(
    {
        "Accommodation",
        "Apartment",
        "ApartmentComplex",
        "CampingPitch",
        "GatedResidenceCommunity",
        "House",
        "Residence",
        "Room",
        "SingleFamilyResidence",
        "Suite",
    }
)
_UNSPECIFIC_RESIDENCES = frozenset({"Accommodation", "Residence"})
_LISTING_RANK = ("RealEstateListing", "Residence", "Product", "Offer")
_HOME_LINKS = ("mainEntity", "itemOffered", "about")
_AGENT_LINKS = ("offeredBy", "seller", "provider", "broker", "agent", "realEstateAgent")
_PURPOSES = {"sell": "Sale", "leaseout": "Rent"}
_GONE = {"soldout": "sold", "discontinued": "gone"}
_UNITS = {"MTK": "m²", "FTK": "sq ft", "ACR": "acre", "HAR": "ha", "YDK": "sq yd"}
_PERIODS = {"MON": "month", "WEE": "week", "ANN": "year", "DAY": "day"}
_MAX_DEPTH = 20


@dataclass(frozen=True)
class StructuredListing:
    """One listing as structured data states it. `fields` holds every field whose property is present."""

    node: Node
    listing_id: str | None
    url: str | None
    fields: Mapping[str, str | None]
    listing_status: str | None


@dataclass(frozen=True)
class ItemList:
    """The results of a list page. `count` is the number of items its publisher announces."""

    items: Sequence[StructuredListing | str]
    """Listings, or only their addresses."""
    count: int | None


@dataclass(frozen=True)
class StructuredData:
    """Everything of schema.org in one page. `broken` counts the JSON-LD blocks that are not JSON."""

    nodes: Sequence[Node]
    url: str
    broken: int = 0

    def listing(self) -> StructuredListing | None:
        """The listing the page is about, or None when it states none or several others.

        Listings with the address of another page are neighbours, unless the page states only one.
        """
        found = [node for node in self.nodes if _rank(node) is not None]
        own = [node for node in found if "url" not in node or is_same_page(self.url, node["url"])]
        if not own and len(found) != 1:
            return None
        return self._read(min(own or found, key=lambda node: _rank(node) or 0))

    def item_list(self) -> ItemList | None:
        """The results the page lists, by ItemList, or as several listings that stand side by side."""
        lists = [node for node in _walk(self.nodes) if "ItemList" in _types(node) and "itemListElement" in node]
        if lists:
            longest = max(lists, key=lambda node: len(_list(node["itemListElement"])))
            items = [item for item in map(self._item, _list(longest["itemListElement"])) if item is not None]
            return ItemList(items, believable_count(text_of_value(longest.get("numberOfItems"))))
        listings = [self._read(node) for node in self.nodes if _rank(node) is not None]
        linked = [listing for listing in listings if listing.url and not is_same_page(self.url, listing.url)]
        return ItemList(linked, None) if linked else None

    @cached_property
    def _only_home(self) -> Node:
        """The only residence, where it stands beside the only listing that is none."""
        listings = [node for node in self.nodes if _rank(node) is not None and not RESIDENCES & set(_types(node))]
        homes = [node for node in self.nodes if RESIDENCES & set(_types(node))]
        return homes[0] if len(homes) == 1 and len(listings) == 1 else {}

    def _item(self, element: Any) -> StructuredListing | str | None:
        if isinstance(element, str):
            return absolute(self.url, element)
        if not isinstance(element, dict):
            return None
        item = element.get("item", element)
        address = absolute(self.url, text_of_value(element.get("url")))
        if isinstance(item, dict) and _rank(item) is not None:
            listing = self._read(item)
            return listing if listing.url else StructuredListing(**{**vars(listing), "url": address})
        item_address = item if isinstance(item, str) else text_of_value(item.get("url") or item.get("@id"))
        return absolute(self.url, item_address) or address

    def _read(self, node: Node) -> StructuredListing:
        home = _home(node, self._only_home)
        offer = _offer(node)
        agent = next((found for part in (offer, node) if (found := _first_node(part, _AGENT_LINKS))), {})
        fields = _fields(node, home, offer, agent, self.url)
        status = _GONE.get(_term(offer.get("availability")).lower())
        identifiers = (_identifier(part) for part in (node, home, offer))
        address = absolute(self.url, text_of_value(node.get("url")) or text_of_value(home.get("url")))
        return StructuredListing(node, next((found for found in identifiers if found), None), address, fields, status)


def structured_data(selector: Selector, url: str) -> StructuredData:
    """Read the JSON-LD and microdata of a page; blocks that are not JSON are counted, the others are read.

    Raises PageTooCostlyError for more of it than a page's listings take.
    """
    items: list[Any] = []
    broken = 0
    for script in selector.css(_JSON_LD):
        block = deepcopy(script.root)
        block.set("type", _JSON_LD_TYPE)
        try:
            items += JsonLdExtractor().extract_items(block)
        except (ValueError, RecursionError):
            broken += 1
    microdata = MicrodataExtractor().extract_items(selector.root, url) if selector.css("[itemscope]") else []
    check_values([*items, *microdata], url)
    items += map(_from_microdata, microdata)
    nodes = [node for item in items if isinstance(item, dict) for node in _graph(item)]
    by_id = {node["@id"]: node for node in nodes if isinstance(node.get("@id"), str)}
    room = iter(range(MAX_STATED_VALUES))
    return StructuredData([_resolved(node, by_id, room, 0) for node in nodes], url, broken)


def _fields(node: Node, home: Node, offer: Node, agent: Node, url: str) -> dict[str, str | None]:
    """Raw text by field, for every field whose property is present, also when it is null or empty."""
    price = _first_node(offer, ("priceSpecification",)) or {}
    about = (home, node)
    address = _first_present(about, "address")
    address = address if isinstance(address, dict) else {"streetAddress": address} if address is not None else {}
    geo = next((found for part in about if (found := _first_node(part, ("geo",)))), {})
    candidates: list[tuple[str, Sequence[Node], Sequence[str]]] = [
        ("title", (node, home), ("name", "headline")),
        ("description", (node, home), ("description",)),
        ("price", (offer, price), ("price", "lowPrice")),
        ("currency", (offer, price), ("priceCurrency",)),
        ("rooms", about, ("numberOfRooms",)),
        ("bedrooms", about, ("numberOfBedrooms",)),
        ("bathrooms", about, ("numberOfBathroomsTotal", "numberOfBathrooms", "numberOfFullBathrooms")),
        ("floor", about, ("floorLevel",)),
        ("year_built", about, ("yearBuilt",)),
        ("street_address", (address,), ("streetAddress",)),
        ("city", (address,), ("addressLocality",)),
        ("region", (address,), ("addressRegion",)),
        ("postal_code", (address,), ("postalCode",)),
        ("country", (address,), ("addressCountry",)),
        ("latitude", (geo, *about), ("latitude",)),
        ("longitude", (geo, *about), ("longitude",)),
        ("listed_at", (node, offer), ("datePosted", "availabilityStarts", "validFrom")),
        ("agent_name", (agent,), ("name",)),
        ("agent_phone", (agent,), ("telephone",)),
        ("agent_email", (agent,), ("email",)),
    ]
    fields: dict[str, str | None] = {}
    for name, parts, properties in candidates:
        holders = [part[key] for part in parts for key in properties if key in part]
        if holders:
            fields[name] = next((text for text in map(text_of_value, holders) if text), None)
    for name, key in (("area_m2", "floorSize"), ("land_area_m2", "lotSize")):
        if any(key in part for part in about):
            fields[name] = _quantity(_first_present(about, key))
    _add_kinds(fields, node, home, offer, price)
    _add_lists(fields, node, home, url)
    for name, value in _additional_properties(about):
        if name in LISTING_FIELDS and fields.get(name) is None:
            fields[name] = value
    return fields


def _add_kinds(fields: dict[str, str | None], node: Node, home: Node, offer: Node, price: Node) -> None:
    kinds = [kind for part in (home, node) for kind in _types(part) if kind in RESIDENCES - _UNSPECIFIC_RESIDENCES]
    category = _first_present((home, node), "accommodationCategory") or node.get("category")
    if kinds or category is not None:
        fields["property_type"] = text_of_value(category) or next(iter(kinds), None)
    if "businessFunction" in offer:
        purpose = _term(offer["businessFunction"])
        fields["offer_type"] = _PURPOSES.get(purpose.lower(), purpose) or None
    reference = _first_node(price, ("referenceQuantity",)) or {}
    period = text_of_value(price.get("unitText") or price.get("unitCode") or reference.get("unitCode"))
    if period is not None:
        fields["price_period"] = _PERIODS.get(period, period)


def _add_lists(fields: dict[str, str | None], node: Node, home: Node, url: str) -> None:
    parts = (node, home)
    if any("amenityFeature" in part for part in parts):
        features = _list(_first_present(parts, "amenityFeature"))
        names = [text_of_value(_named(feature)) for feature in features if not _is_denied(feature)]
        fields["amenities"] = _json_list(names)
    if any(key in part for part in parts for key in ("image", "photo")):
        images = _list(_first_present(parts, "image") or _first_present(parts, "photo"))
        fields["images"] = _json_list(absolute(url, _address(image)) for image in images)


def _additional_properties(parts: Sequence[Node]) -> Iterator[tuple[str, str | None]]:
    for part in parts:
        for entry in _list(part.get("additionalProperty")):
            if isinstance(entry, dict) and isinstance(entry.get("name"), str):
                yield entry["name"].strip().lower().replace(" ", "_"), text_of_value(entry.get("value"))


def _graph(item: Node) -> Iterator[Node]:
    entries = item.get("@graph")
    if entries is None:
        yield item
    else:
        yield from (entry for entry in _list(entries) if isinstance(entry, dict))


def _resolved(node: Any, by_id: Mapping[str, Node], room: Iterator[int], depth: int) -> Any:
    """References such as {"@id": "#home"} replaced by what they name, as long as the page has room for more."""
    if depth > _MAX_DEPTH or next(room, None) is None:
        return node
    if isinstance(node, list):
        return [_resolved(entry, by_id, room, depth + 1) for entry in node]
    if not isinstance(node, dict):
        return node
    if node.keys() == {"@id"} and node["@id"] in by_id:
        node = by_id[node["@id"]]
    return {key: _resolved(value, by_id, room, depth + 1) for key, value in node.items()}


def _from_microdata(item: Any) -> Any:
    if isinstance(item, list):
        return [_from_microdata(entry) for entry in item]
    if not isinstance(item, dict) or "properties" not in item:
        return item
    node = {key: _from_microdata(value) for key, value in item["properties"].items()}
    return {"@type": item.get("type", []), **({"@id": item["id"]} if "id" in item else {}), **node}


def _walk(value: Any, depth: int = 0) -> Iterator[Node]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for entry in value:
            yield from _walk(entry, depth + 1)


def _types(node: Node) -> list[str]:
    return [_term(kind) for kind in _list(node.get("@type")) if isinstance(kind, str)]


def _rank(node: Node) -> int | None:
    """How telling a node is as a listing, 0 the most; None when it is none."""
    types = {"Residence" if kind in RESIDENCES else kind for kind in _types(node)}
    return next((rank for rank, kind in enumerate(_LISTING_RANK) if kind in types), None)


def _home(node: Node, only_home: Node) -> Node:
    """The residence a listing is about: itself, a linked one, or the only one that stands beside it."""
    if RESIDENCES & set(_types(node)):
        return node
    linked = _first_node(node, _HOME_LINKS)
    if linked is not None:
        return linked
    offered = _first_node(_offer(node), _HOME_LINKS)
    return only_home if offered is None else offered


def _offer(node: Node) -> Node:
    if {"Offer", "AggregateOffer"} & set(_types(node)):
        return node
    return _first_node(node, ("offers", "makesOffer")) or {}


def _first_node(node: Node, keys: Sequence[str]) -> Node | None:
    return next((entry for key in keys for entry in _list(node.get(key)) if isinstance(entry, dict)), None)


def _first_present(parts: Sequence[Node], key: str) -> Any:
    return next((part[key] for part in parts if part.get(key) is not None), None)


def _identifier(node: Node) -> str | None:
    for key in ("identifier", "productID", "sku", "mlsNumber"):
        for value in _list(node.get(key)):
            text = text_of_value(value)
            if text:
                return text
    return None


def is_same_page(page: str, address: Any) -> bool:
    """Whether an address that a page states is its own."""
    target = absolute(page, address) if isinstance(address, str) else None
    return target is not None and page_key(target) == page_key(page)


def _address(value: Any) -> str | None:
    if isinstance(value, dict):
        value = value.get("contentUrl") or value.get("url") or value.get("@id")
    return text_of_value(value)


def _named(feature: Any) -> Any:
    return feature.get("name") if isinstance(feature, dict) else feature


def _is_denied(feature: Any) -> bool:
    return isinstance(feature, dict) and str(feature.get("value", True)).strip().lower() in (
        "false",
        "no",
        "0",
    )


def _quantity(value: Any) -> str | None:
    """'85 m²' of {"value": 85, "unitCode": "MTK"}; text stays as it is."""
    if not isinstance(value, dict):
        return text_of_value(value)
    amount = text_of_value(value.get("value") if value.get("value") is not None else value.get("minValue"))
    unit = text_of_value(value.get("unitText")) or text_of_value(value.get("unitCode")) or ""
    return f"{amount} {_UNITS.get(unit, unit)}".strip() if amount else None


def _term(value: Any) -> str:
    """The last word of a vocabulary address: 'https://schema.org/SoldOut' -> 'SoldOut'."""
    text = text_of_value(value) or ""
    parts = urlsplit(text)
    return parts.fragment or parts.path.rstrip("/").rpartition("/")[2].rpartition(":")[2] or text


def text_of_value(value: Any) -> str | None:
    """The text of a property value; of several the first, of an object its value or name."""
    match value:
        case None:
            return None
        case str():
            return value.strip() or None
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
        case list():
            return next((text for text in map(text_of_value, value) if text), None)
        case dict():
            return next((text for key in ("value", "@value", "name") if (text := text_of_value(value.get(key)))), None)
        case _:
            return None


def _json_list(values: Any) -> str | None:
    texts = list(dict.fromkeys(value for value in values if value))
    return json.dumps(texts, ensure_ascii=False) if texts else None


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
