"""Open Graph and other meta elements: what a page says of itself to those who link to it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from parsel import Selector

from loaders.structured_data import StructuredListing
from loaders.urls import absolute

_NAMES: Mapping[str, tuple[str, ...]] = {
    "title": ("og:title", "twitter:title"),
    "description": ("og:description", "twitter:description", "description"),
    "price": ("product:price:amount", "og:price:amount"),
    "currency": ("product:price:currency", "og:price:currency"),
    "street_address": ("og:street-address", "business:contact_data:street_address"),
    "city": ("og:locality", "business:contact_data:locality"),
    "region": ("og:region", "business:contact_data:region"),
    "postal_code": ("og:postal-code", "business:contact_data:postal_code"),
    "country": ("og:country-name", "business:contact_data:country_name"),
    "latitude": ("place:location:latitude", "og:latitude"),
    "longitude": ("place:location:longitude", "og:longitude"),
    "listed_at": ("article:published_time",),
}


def listing_of_meta(selector: Selector, url: str) -> StructuredListing:
    """The fields that meta elements give; whether they speak of a listing at all, only a price among them tells."""
    contents: dict[str, list[str]] = {}
    for meta in selector.root.iter("meta"):
        name = meta.get("property") or meta.get("name") or ""
        if content := meta.get("content", "").strip():
            contents.setdefault(name.lower(), []).append(content)
    fields: dict[str, str | None] = {
        field: next(contents[name][0] for name in names if name in contents)
        for field, names in _NAMES.items()
        if any(name in contents for name in names)
    }
    images = [absolute(url, address) for address in contents.get("og:image", [])]
    if images:
        fields["images"] = json.dumps([address for address in dict.fromkeys(images) if address], ensure_ascii=False)
    node = {name: texts[0] if len(texts) == 1 else texts for name, texts in contents.items()}
    return StructuredListing(node, None, absolute(url, contents.get("og:url", [None])[0]), fields, None)
