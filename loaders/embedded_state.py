"""State that scripts carry in pages: a bounded search finds the objects in it that look like listings.

`__NEXT_DATA__`, Nuxt payloads, Apollo caches, the rows of Next.js' app router and any other JSON or literal in a script
are read alike: no portal's own shape is known here, only the names that fields commonly have.
"""

from __future__ import annotations

import json
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count, islice
from typing import Any

from parsel import Selector

from loaders.flight_rows import flight_documents, flight_pieces
from loaders.listing_shapes import Shape, shape_of
from loaders.script_literals import LiteralReader
from loaders.structured_data import ItemList, StructuredListing, is_same_page
from loaders.urls import absolute

_SELECTOR = (
    'script[type="application/json"], script#__NEXT_DATA__, script#__NUXT_DATA__, '
    "script:not([src]):not([type]), script:not([src])[type='text/javascript']"
)

_MAX_SCRIPTS = 200
_MAX_CHARACTERS = 4_000_000
_MAX_ASSIGNMENTS = 100
_MAX_NODES = 60_000
_MAX_DEPTH = 16
_MIN_LENGTH = 60
_ASSIGNED = re.compile(r"(?<![=!<>])=\s{0,4}(?=[{\[]|JSON\.parse\()")
_COMPUTED = re.compile(
    r"(?<![=!<>])=\s{0,4}(?=\(?\s{0,4}(?:function\b|\([\w$,\s]{0,2000}\)\s{0,4}=>))",
)
_PASSED = re.compile(
    r"[\w$\])]\(\s{0,4}(?:(?:\"[^\"\n]{0,100}\"|'[^'\n]{0,100}'|[\w$.]{1,100})\s{0,4},\s{0,4}){0,3}(?=[{\[])"
)
_PARSED = re.compile(r"JSON\.parse\(\s*(?=\")")
_NEIGHBOURS = re.compile(r"similar|related|recommend|nearby|recent|promo|advert(?:isement|ising)|previous|next", re.I)
_HINT = re.compile(
    r"price|precio|preis|prix|prezzo|prijs|cena|pris|(?<![a-z])rent(?![a-z])|(?:base|monthly)_?rent|rental", re.I
)
"""A price has one of these names, and a listing has a price; scripts without one are not parsed."""
_DECODER = json.JSONDecoder()

Node = dict[str, Any]


@dataclass(frozen=True)
class EmbeddedState:
    """The listings that the scripts of one page carry."""

    roots: tuple[Any, ...]
    passed: tuple[Any, ...]
    """What scripts pass to functions; it counts where nothing else looks like a listing."""
    url: str

    def listing(self) -> StructuredListing | None:
        """The listing the page is about, or None: the one with its address or id, else the only one in no list."""
        alone = [shape for shape in self._shapes if not shape.is_listed]
        own = (
            [shape for shape in self._shapes if is_same_page(self.url, shape.url)]
            or [shape for shape in alone if shape.listing_id and shape.listing_id in re.split(r"[^\w]+|_", self.url)]
            or (alone if len({shape.listing_id for shape in alone}) == 1 else [])
        )
        return self._stated(max(own, key=lambda shape: len(shape.fields))) if own else None

    def item_list(self) -> ItemList | None:
        """The longest list of listings; None where no list holds two."""
        lists: dict[int, list[Shape]] = {}
        for shape in self._shapes:
            if shape.list_number is not None and (shape.listing_id or shape.url):
                lists.setdefault(shape.list_number, []).append(shape)
        longest = max(lists.values(), key=len, default=[])
        return ItemList([self._stated(shape) for shape in longest], None) if len(longest) > 1 else None

    def _stated(self, shape: Shape) -> StructuredListing:
        return StructuredListing(shape.node, shape.listing_id, absolute(self.url, shape.url), shape.fields, None)

    @cached_property
    def _shapes(self) -> list[Shape]:
        return self._shapes_in(self.roots) or self._shapes_in(self.passed)

    def _shapes_in(self, roots: Iterable[Any]) -> list[Shape]:
        numbers = count(1)
        found = [entry for root in roots for entry in _listings_in(root, self.url, numbers)]
        lengths = Counter(shape.list_number for shape, _ in found)
        return [
            replace(shape, list_number=None) if is_wrapped and lengths[shape.list_number] == 1 else shape
            for shape, is_wrapped in found
        ]


def embedded_state(selector: Selector, url: str) -> EmbeddedState:
    """Read the JSON and the literals of a page's scripts; what is broken, or too large, is passed over."""
    roots: list[Any] = []
    passed: list[Any] = []
    pieces: list[bytes] = []
    literals = LiteralReader()
    left = _MAX_CHARACTERS
    for script in selector.css(_SELECTOR)[:_MAX_SCRIPTS]:
        text = script.xpath("string()").get() or ""
        left -= len(text)
        if left < 0:
            break
        streamed = flight_pieces(text)
        if streamed is not None:
            pieces += streamed
        elif len(text) >= _MIN_LENGTH:
            for document, is_passed in _documents(text, script.attrib.get("id"), literals):
                (passed if is_passed else roots).append(document)
    return EmbeddedState((*roots, *flight_documents(pieces)), tuple(passed), url)


def _documents(text: str, script_id: str | None, literals: LiteralReader) -> Iterator[tuple[Any, bool]]:
    """The documents of one script, and whether they are passed: all of it as JSON, or what it assigns and passes."""
    document = _json(text)
    if document is not None:
        yield _revived(document) if script_id == "__NUXT_DATA__" else document, False
        return
    read: list[tuple[int, int]] = []
    unread: list[int] = []
    for place, document, end in _json_after(_ASSIGNED, text):
        if document is None:
            unread.append(place)
        else:
            read.append((place, end))
            yield document, False
    if _HINT.search(text) is None:
        return
    unread += [found.end() for found in islice(_COMPUTED.finditer(text), _MAX_ASSIGNMENTS)]
    passed: set[int] = set()
    for place, document, _ in _json_after(_PASSED, text):
        if document is None:
            passed.add(place)
        elif not _is_within(place, read):
            yield document, True
    places = {place for place in passed.union(unread) if not _is_within(place, read)}
    for place, value in literals.read(text, places):
        yield _without_layout(value), place in passed


def _json_after(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, Any, int]]:
    """Where values begin, with the JSON that stands there and where it ends; None where it is no JSON."""
    position = 0
    for _ in range(_MAX_ASSIGNMENTS):
        found = pattern.search(text, position)
        if found is None:
            return
        place = position = found.end()
        document = None
        try:
            parsed = _PARSED.match(text, position)
            document, position = _DECODER.raw_decode(text, parsed.end() if parsed else position)
        except (ValueError, RecursionError):
            pass
        yield place, _json(document) if isinstance(document, str) else document, position


def _is_within(place: int, ranges: list[tuple[int, int]]) -> bool:
    return any(start <= place < end for start, end in ranges)


def _without_layout(state: Any) -> Any:
    """Nuxt 2's state, in which `data` lists the page's components, not listings."""
    if isinstance(state, dict) and "layout" in state and isinstance(state.get("data"), list):
        return state | {"data": {str(number): part for number, part in enumerate(state["data"])}}
    return state


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _revived(payload: Any) -> Any:
    """A Nuxt payload as an object: it is one list, in which values name each other by their place."""
    if not isinstance(payload, list) or not payload:
        return payload
    left = [_MAX_NODES]

    def value_at(place: Any, depth: int) -> Any:
        left[0] -= 1
        if not isinstance(place, int) or not 0 <= place < len(payload) or depth > _MAX_DEPTH or left[0] < 0:
            return None
        value = payload[place]
        if isinstance(value, str):
            left[0] -= len(value) // 100
        if isinstance(value, dict):
            return {key: value_at(entry, depth + 1) for key, entry in value.items()}
        if isinstance(value, list):
            is_wrapped = len(value) == 2 and isinstance(value[0], str)
            entries = value[1:] if is_wrapped else value
            revived = [value_at(entry, depth + 1) for entry in entries]
            return revived[0] if is_wrapped else revived
        return value

    return value_at(0, 0)


@dataclass(frozen=True)
class _Place:
    """Where a value stands: how deep, in which list, and under which keys each entry of that list holds an object."""

    depth: int
    list_number: int | None = None
    shared: frozenset[str] = frozenset()
    is_wrapped: bool = False
    """Whether it is what an entry of the list holds, not the entry itself."""


def _listings_in(root: Any, url: str, numbers: Iterator[int]) -> Iterator[tuple[Shape, bool]]:
    """Objects that look like listings, outermost first, and whether entries of their list wrap them.

    A list of listings has a number of its own, as has [{"node": {…}}, {"node": {…}}]. `children` are as deep as what
    they stand in: they nest as the elements of the page do.
    """
    cache: Mapping[str, Any] = root if isinstance(root, dict) else {}
    waiting: deque[tuple[Any, _Place]] = deque([(root, _Place(0))])
    for _ in range(_MAX_NODES):
        if not waiting:
            return
        value, place = waiting.popleft()
        value = _referenced(value, cache)
        if isinstance(value, dict):
            value = {key: _referenced(entry, cache) for key, entry in value.items()}
            shape = shape_of(value, url, place.list_number)
            if shape is not None:
                yield shape, place.is_wrapped
                continue
            inside = [
                (entry, _place_within(place, key, entry))
                for key, entry in value.items()
                if not _NEIGHBOURS.search(key) or key.startswith("__")
            ]
        elif isinstance(value, list):
            entry_place = _Place(place.depth + 1, next(numbers), _shared_keys(value))
            inside = [(entry, entry_place) for entry in value]
        else:
            continue
        if place.depth < _MAX_DEPTH:
            waiting.extend((entry, inner) for entry, inner in inside if isinstance(entry, dict | list))


def _place_within(place: _Place, key: str, entry: Any) -> _Place:
    depth = place.depth - isinstance(entry, list) if key == "children" else place.depth + 1
    if key in place.shared:
        return _Place(depth, place.list_number, is_wrapped=True)
    return _Place(depth)


def _shared_keys(entries: list[Any]) -> frozenset[str]:
    """The keys under which each of several entries holds an object."""
    held = [
        {key for key, value in entry.items() if isinstance(value, dict)} if isinstance(entry, dict) else set()
        for entry in entries
    ]
    return frozenset(set.intersection(*held)) if len(held) > 1 else frozenset()


def _referenced(value: Any, cache: Mapping[str, Any]) -> Any:
    """What an Apollo reference such as {"__ref": "Listing:1"} names."""
    reference = value.get("__ref") if isinstance(value, dict) else None
    return cache.get(reference, value) if isinstance(reference, str) else value
