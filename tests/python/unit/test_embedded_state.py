"""State in scripts: which literals are read, what stays unknown, and what hostile scripts may cost."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from parsel import Selector

from loaders import script_literals
from loaders.embedded_state import EmbeddedState, embedded_state

URL = "https://portal.example/a"
PADDING = "// Scripts shorter than this hold no listing, so they are not read.\n"
FLAT = {"id": "7", "title": "Flat", "price": "€ 1", "rooms": 2}


def state_of(*scripts: str) -> EmbeddedState:
    return embedded_state(Selector("".join(f"<script>{script}</script>" for script in scripts)), URL)


def assigned(literal: str) -> Any:
    """What a script assigns beside a price, which makes it worth reading."""
    (root,) = state_of(f"{PADDING}window.state = {{price: 1, value: {literal}}};").roots
    assert root.pop("price") == 1
    return root.get("value", "unknown")


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("!0", True),
        ("!1", False),
        ("void 0", None),
        ("undefined", None),
        ("null", None),
        ("-1.5", -1.5),
        (".5", 0.5),
        ("1e3", 1000),
        ("1_250", 1250),
        ("0xFF", 255),
        ("0b11", 3),
        ("12n", 12),
        ("1e999", "unknown"),
        ("'it\\'s'", "it's"),
        (r'"\x41\u0042\u{43}"', "ABC"),
        (r'"\ud83c\udfe0"', "🏠"),
        ("`a\\tb`", "a\tb"),
        ("`a${b}`", "unknown"),
        ("[1, 'a', track(), ]", [1, "a", None]),
        ("{a: 1, 'b c': 2, 3: 3, [d]: 4, e() {}, f: track(), g, ...h,}", {"a": 1, "b c": 2, "3": 3}),
        ("JSON.parse('{\"a\": 1}')", {"a": 1}),
        ("JSON.parse('{')", "unknown"),
        ("new Date(1.7e12)", "2023-11-14T22:13:20+00:00"),
        ("new Date(1e99)", "unknown"),
        ("function () { return 1 }", "unknown"),
        ("track('a')", "unknown"),
        ("(function (a) { return a }(1))", 1),
        ("(function (a) { return {b: a, c: [a]} })('x')", {"b": "x", "c": ["x"]}),
        ("function (a, b) { a.x = b; a['y'] = a; return a }({}, 2)", {"x": 2}),
        ("function (a, b) { a.x = b; b = 3; a.y = 4; return a }({}, 2)", {"y": 4}),
        ("(function (a) { a[0] = 'x'; a[1] = 'y'; return a })(Array(2))", ["x", "y"]),
        ("(function (a) { var b = {c: a}; return a.d = 1, b })({})", {"c": {"d": 1}}),
        ("((a, b) => ({a, b}))(1, 2)", {"a": 1, "b": 2}),
        ("(function () { while (true) {} return 1 })()", 1),
        ("(function f() { return f() })()", "unknown"),
    ],
)
def test_literals(literal: str, value: Any) -> None:
    assert assigned(literal) == value


@pytest.mark.parametrize(
    ("script", "roots", "passed"),
    [
        ("a = {price: 1}", [{"price": 1}], []),
        ("let a = [{price: 1}], b = {'price': 2}", [[{"price": 1}], {"price": 2}], []),
        ("a = {price: 1, b: c = {price: 2}}", [{"price": 1}], []),
        ("a = {price: 1, text: 'b = {price: 2}'}", [{"price": 1, "text": "b = {price: 2}"}], []),
        ("a = {price: 1 rooms: 2}", [], []),
        ("a == {price: 1}", [], []),
        ("({price}) => price", [], []),
        ("show({price: 1})", [], [{"price": 1}]),
        ("show('a', b.c, {price: 1})", [], [{"price": 1}]),
        ('show("a", {"price": 1})', [], [{"price": 1}]),
        ("a = function () { return {price: 1} }", [], []),
    ],
)
def test_places_of_literals(script: str, roots: list[Any], passed: list[Any]) -> None:
    state = state_of(PADDING + script)
    assert (list(state.roots), list(state.passed)) == (roots, passed)


def test_what_is_passed_counts_where_nothing_is_assigned() -> None:
    passed = f"show({json.dumps(FLAT)});"
    both = state_of(passed, f"window.flat = {json.dumps(FLAT | {'id': '8'})};").listing()
    alone = state_of(passed).listing()
    assert both is not None
    assert alone is not None
    assert (both.listing_id, alone.listing_id) == ("8", "7")


def test_data_of_nuxt_lists_components() -> None:
    state = "(function(a){return {layout:'default',data:[{id:'7',title:'Flat',price:a,rooms:2},{}]}}('€ 1'))"
    listing = state_of(f"{PADDING}window.__NUXT__={state}").listing()
    assert listing is not None
    assert (listing.listing_id, listing.fields["price"]) == ("7", "€ 1")


def nested(key: str, levels: int) -> dict[str, Any]:
    return {"home": FLAT} if levels == 0 else {key: [nested(key, levels - 1)]}


@pytest.mark.parametrize(
    ("key", "levels", "is_found"), [("children", 40, True), ("parts", 7, True), ("parts", 8, False)]
)
def test_children_are_as_deep_as_what_they_stand_in(key: str, levels: int, is_found: bool) -> None:
    assert (state_of(f"window.state = {json.dumps(nested(key, levels))};").listing() is not None) == is_found


@pytest.mark.parametrize(
    ("bound", "limit", "read"),
    [
        ("_MAX_CHARACTERS", 176, 2),
        ("_MAX_CHARACTERS", 175, 1),
        ("_MAX_VALUES", 10, 2),
        ("_MAX_VALUES", 9, 1),
        ("_MAX_SECONDS", 60, 2),
        ("_MAX_SECONDS", 0, 0),
    ],
)
def test_literals_of_a_page_are_read_within_bounds(
    bound: str, limit: int, read: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two scripts of 88 characters, each with an object of two pairs and two numbers."""
    monkeypatch.setattr(script_literals, bound, limit)
    assert len(state_of(*[f"{PADDING}a = {{price: 1, b: 2}}"] * 2).roots) == read


def test_literals_are_read_to_a_depth() -> None:
    assert "x" in json.dumps(assigned("[" * 39 + "'x'" + "]" * 39))
    assert "x" not in json.dumps(assigned("[" * 40 + "'x'" + "]" * 40))


def ids_of_list(state: EmbeddedState) -> list[str | None] | None:
    listed = state.item_list()
    return listed and [item if isinstance(item, str) else item.listing_id for item in listed.items]


def test_lists_of_two_scripts_are_two_lists() -> None:
    one, other = ([FLAT | {"id": str(number)} for number in numbers] for numbers in ((1, 2, 3), (4, 5)))
    assert ids_of_list(state_of(f"a = {json.dumps(one)}", f"a = {json.dumps(other)}")) == ["1", "2", "3"]


def test_lists_whose_entries_hold_the_listings() -> None:
    flats = [FLAT | {"id": str(number)} for number in range(3)]
    edges = [{"cursor": "x", "node": flat, "media": {"a": 1}} for flat in flats]
    assert ids_of_list(state_of(f"a = {json.dumps({'edges': edges})}")) == ["0", "1", "2"]
    hits = [{"_source": flat} for flat in flats]
    assert ids_of_list(state_of(f"a = {json.dumps({'hits': hits})}")) == ["0", "1", "2"]
    cache = {"list": [{"node": {"__ref": f"Flat:{flat['id']}"}} for flat in flats]}
    cache |= {f"Flat:{flat['id']}": flat for flat in flats}
    assert ids_of_list(state_of(f"a = {json.dumps(cache)}")) == ["0", "1", "2"]
    assert ids_of_list(state_of(f"a = {json.dumps([{'first': flats[0]}, {'second': flats[1]}])}")) is None


def test_the_only_listing_among_parts_of_a_page_is_its_listing() -> None:
    parts = [{"kind": "title", "props": {"a": 1}}, {"kind": "flat", "props": FLAT | {"id": "7"}}]
    state = state_of(f"a = {json.dumps(parts)}")
    listing = state.listing()
    assert (listing and listing.listing_id, state.item_list()) == ("7", None)
    assert state_of(f"a = {json.dumps([*parts, parts[1]])}").listing() is None


def streamed(rows: str) -> str:
    return f"self.__next_f.push({json.dumps([1, rows])})"


@pytest.mark.parametrize(
    ("rows", "documents"),
    [
        ('0:{"a":"$1"}\n1:{"b":["$2"]}\n2:T3,été', [{"a": {"b": ["ét"]}}]),
        ('0:{"a":"$1"}\n1:{"b":["$2"]}\n2:T5,été', [{"a": {"b": ["été"]}}]),
        ('2:T4,\n0:[0:{"a":"$2"}\n', [{"a": "\n0:["}]),
        ('2:U4,\n0:[0:{"a":"$2","b":1}\n', [{"b": 1}]),
        ('0:{"a":"$1","b":"$L2","c":"$@3","d":"$undefined"}\n2:{"e":1}\n', [{}, {"e": 1}]),
        ('0:{"a":"$$1","b":"$D2026-01-02","c":"$n12"}\n', [{"a": "$1", "b": "2026-01-02", "c": "12"}]),
        ('0:["$","p",null,{"children":["$","$L1","k",{"a":1}]}]\n', [{"children": {"a": 1}}]),
        ('0:{"a":"$0"}\n1:{"b":1}\n', [{"b": 1}]),
        ('1:I["x"]\n:HL["y"]\nnonsense\n2:{broken\n3:null\n4:{"a":1}', [{"a": 1}]),
    ],
)
def test_rows_of_the_app_router(rows: str, documents: list[Any]) -> None:
    for cut in (0, 9, len(rows)):
        assert list(state_of(streamed(rows[:cut]), streamed(rows[cut:])).roots) == documents


def test_rows_end_where_binary_pieces_end() -> None:
    binary = 'self.__next_f.push([3,"MTpvNSxhYgpjZA=="])'
    assert list(state_of(binary, streamed('0:{"a":1}')).roots) == [{"a": 1}]


def filled(start: str, part: str, length: int = 990_000) -> str:
    return start + part * ((length - len(start)) // len(part))


HOSTILE = {
    "values": filled("price = [a,", "1,"),
    "objects": filled("price = [", "{a:1,b:'c'},") + "]",
    "open objects": filled("price;", "x={"),
    "open calls": filled("price;", "f({a=1,"),
    "brackets": filled("price = {a:", "}{])(;"),
    "regular expressions": filled("price = {a:", "a=/["),
    "comparisons": filled("price = {a:", "<"),
    "deep list": filled("price = {a:", "["),
    "deep list, closed": "price = {a:" + "[" * 490_000 + "]" * 490_000 + "}",
    "deep call": filled("price = (function(){return ", "("),
    "repeated text": "price = (function(a){return [" + "a," * 55_000 + "]})('" + "x" * 800_000 + "')",
    "repeated JSON": "price = (function(a){return [" + "JSON.parse(a)," * 50_000 + "]})('[" + "1," * 90_000 + "1]')",
    "doubling names": "price = (function(a){a.x=a;" + "a.x=a;a.y=a;" * 20_000 + "return [" + "a," * 20_000 + "]})({})",
    "four million characters": filled("price = {a:", "x={", 3_999_000),
    "four million values": filled("price = [a,", "1,", 3_999_000),
    "doubling rows": streamed("".join(f'{i:x}:["${i + 1:x}","${i + 1:x}"]\n' for i in range(100_000))),
    "repeated row": streamed("1:T{:x},{}0:[{}1]\n".format(2_000_000, "x" * 2_000_000, '"$1",' * 50_000)),
    "deep rows": streamed("1:" + '["$",1,1,{"children":' * 300 + "1" + "}]" * 300 + "\n2:" + "[" * 100_000 + "\n"),
    "open pushes": filled("self.__next_f.push([0]);", '__next_f.push(["', 3_999_000),
}


@pytest.mark.slow
@pytest.mark.parametrize("script", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_scripts_cost_little_and_state_nothing(script: str) -> None:
    started = time.process_time()
    state = state_of(script)
    assert (state.listing(), state.item_list()) == (None, None)
    assert time.process_time() - started < 4


@pytest.mark.slow
def test_the_scripts_of_a_page_share_one_measure_of_time() -> None:
    started = time.process_time()
    assert state_of(*[filled("price;", "f({a=1,", 240_000)] * 4).roots == ()
    assert time.process_time() - started < 4
