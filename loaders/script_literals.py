"""Literals of JavaScript that are no JSON: `{price: 1, 'city': 'York'}`, or a function that returns one.

A script is parsed, never run: what its syntax tree states as literals is taken, everything else is unknown.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import tree_sitter_javascript
from tree_sitter import Language, Node, Parser

_LANGUAGE = Language(tree_sitter_javascript.language())
_MAX_CHARACTERS = 1_000_000
_MAX_VALUES = 60_000
_MAX_DEPTH = 40
_CHARACTERS_OF_A_VALUE = 100
"""A text counts as one value more for each of these, since a name may repeat it."""

_MAX_SECONDS = 1.5
_CHUNK_BYTES = 65_536
_UNKNOWN = object()
"""What only running the script would tell."""

_FUNCTIONS = frozenset({"function_expression", "arrow_function"})
_WHOLES = _FUNCTIONS | {"object", "array", "parenthesized_expression", "call_expression", "member_expression"}
_PLAIN_KEYS = frozenset({"property_identifier", "shorthand_property_identifier", "number"})
_CONSTANTS = {"true": True, "false": False, "null": None, "undefined": None}
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(\r\n|.))", re.S)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0"}
_LINE_ENDS = frozenset({"\n", "\r", "\r\n", "\u2028", "\u2029"})
_PREFIXED_NUMBER = re.compile(r"0[xob][0-9a-f]{1,64}", re.I)


class _OutOfBoundsError(Exception):
    """The literals of a page are more than it may state."""


@dataclass
class _Binding:
    """What a name stands for: an expression in the scope it was written in, and what is set in it later."""

    node: Node
    scope: _Scope
    settings: list[tuple[str, Node, _Scope]] = field(default_factory=list)


_Scope = dict[str, _Binding | None]
"""Names that are set twice stand for None: which value they have where is not followed."""


class LiteralReader:
    """Reads the literals of one page, all its scripts together within one measure of text, values and time."""

    def __init__(self) -> None:
        self._characters = _MAX_CHARACTERS
        self._values = _MAX_VALUES
        self._seconds = _MAX_SECONDS

    def read(self, text: str, places: Collection[int]) -> Iterator[tuple[int, Any]]:
        """The literals that begin at these places of a script; what is broken or too large is passed over."""
        if not places or len(text) > self._characters:
            return
        self._characters -= len(text)
        until = time.thread_time() + self._seconds
        try:
            yield from _Script(text, until, self).literals(places)
        except _OutOfBoundsError:
            return
        finally:
            self._seconds = max(until - time.thread_time(), 0)

    def count(self, values: int = 1) -> None:
        """Take this many values from what the page may have."""
        self._values -= values
        if self._values < 0:
            raise _OutOfBoundsError


class _Script:
    """The syntax tree of one script."""

    def __init__(self, text: str, until: float, bounds: LiteralReader) -> None:
        self._text = text
        self._source = text.encode("utf-8", "replace")
        self._until = until
        self._bounds = bounds
        self._followed: set[int] = set()

    def literals(self, places: Collection[int]) -> Iterator[tuple[int, Any]]:
        root = self._parsed()
        read_to = 0
        for start in sorted(places):
            if start < read_to:
                continue
            self._check_time()
            node = self._whole_at(root, len(self._text[:start].encode("utf-8", "replace")))
            if node is None or node.has_error:
                continue
            value = self._value(node, {}, 0)
            if isinstance(value, dict | list):
                read_to = start + len(self._text_of(node))
                yield start, value

    def _parsed(self) -> Node:
        def chunk(offset: int, _point: object) -> bytes:
            return self._source[offset : offset + _CHUNK_BYTES]

        def is_too_late(_offset: int, _has_error: bool) -> bool:
            return time.thread_time() > self._until

        try:
            return Parser(_LANGUAGE).parse(chunk, encoding="utf8", progress_callback=is_too_late).root_node
        except ValueError:
            raise _OutOfBoundsError from None

    def _check_time(self) -> None:
        if time.thread_time() > self._until:
            raise _OutOfBoundsError

    @staticmethod
    def _whole_at(root: Node, start: int) -> Node | None:
        """The largest expression that begins at a byte and may be a literal."""
        node = root.descendant_for_byte_range(start, start + 1)
        whole = None
        while node is not None and node.start_byte == start:
            if node.type in _WHOLES:
                whole = node
            elif whole is not None:
                break
            node = node.parent
        return whole

    def _value(self, node: Node, scope: _Scope, depth: int) -> Any:
        self._bounds.count()
        self._check_time()
        if depth > _MAX_DEPTH:
            return _UNKNOWN
        kind = node.type
        if kind in _CONSTANTS:
            return _CONSTANTS[kind]
        if kind == "string":
            return self._string(node)
        if kind == "number":
            return _number(self._text_of(node))
        reading = {
            "object": self._object,
            "array": self._array,
            "template_string": self._template,
            "unary_expression": self._unary,
            "identifier": self._named,
            "shorthand_property_identifier": self._named,
            "call_expression": self._call,
            "new_expression": self._new,
        }.get(kind)
        if reading is not None:
            return reading(node, scope, depth)
        parts = self._parts(node) if kind in {"parenthesized_expression", "sequence_expression"} else []
        for part in parts[:-1]:
            self._set(part, scope)
        return self._value(parts[-1], scope, depth + 1) if parts else _UNKNOWN

    def _object(self, node: Node, scope: _Scope, depth: int) -> Any:
        found: dict[str, Any] = {}
        for part in self._parts(node):
            if part.type == "pair":
                key, entry = part.child_by_field_name("key"), part.child_by_field_name("value")
            elif part.type == "shorthand_property_identifier":
                key = entry = part
            else:
                continue
            name = self._key(key) if key is not None else None
            value = self._value(entry, scope, depth + 1) if entry is not None else _UNKNOWN
            if name is not None and value is not _UNKNOWN:
                found[name] = value
        return found

    def _array(self, node: Node, scope: _Scope, depth: int) -> Any:
        values = [self._value(part, scope, depth + 1) for part in self._parts(node)]
        return [None if value is _UNKNOWN else value for value in values]

    def _template(self, node: Node, _scope: _Scope, _depth: int) -> Any:
        if any(part.type == "template_substitution" for part in self._parts(node)):
            return _UNKNOWN
        return self._string(node)

    def _unary(self, node: Node, scope: _Scope, depth: int) -> Any:
        operator, argument = node.child_by_field_name("operator"), node.child_by_field_name("argument")
        if operator is None or argument is None:
            return _UNKNOWN
        if operator.type == "void":
            return None
        value = self._value(argument, scope, depth + 1)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if operator.type == "!" and (is_number or isinstance(value, bool)):
            return not value
        if operator.type in {"-", "+"} and is_number:
            return -value if operator.type == "-" else value
        return _UNKNOWN

    def _named(self, node: Node, scope: _Scope, depth: int) -> Any:
        binding = scope.get(self._text_of(node))
        if binding is None or id(binding) in self._followed:
            return _UNKNOWN
        self._followed.add(id(binding))
        try:
            value = self._value(binding.node, binding.scope, depth + 1)
            for key, entry, its_scope in binding.settings:
                part = self._value(entry, its_scope, depth + 1)
                if part is _UNKNOWN:
                    continue
                if isinstance(value, dict):
                    value[key] = part
                elif isinstance(value, list) and key == str(len(value)):
                    value.append(part)
            return value
        finally:
            self._followed.discard(id(binding))

    def _call(self, node: Node, scope: _Scope, depth: int) -> Any:
        called, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
        if called is None or arguments is None or arguments.type != "arguments":
            return _UNKNOWN
        given = self._parts(arguments)
        if called.type == "identifier":
            return [] if self._text_of(called) == "Array" else _UNKNOWN
        if called.type == "member_expression":
            is_parsed = self._length(called) == len("JSON.parse") and self._text_of(called) == "JSON.parse"
            return self._parsed_json(given[0], scope, depth) if is_parsed and given else _UNKNOWN
        while called.type == "parenthesized_expression" and (inside := self._parts(called)):
            called = inside[0]
        return self._returned(called, given, scope, depth) if called.type in _FUNCTIONS else _UNKNOWN

    def _parsed_json(self, node: Node, scope: _Scope, depth: int) -> Any:
        text = self._value(node, scope, depth + 1)
        if not isinstance(text, str):
            return _UNKNOWN
        self._bounds.count(len(text) // _CHARACTERS_OF_A_VALUE)
        return _json(text)

    def _returned(self, function: Node, given: Sequence[Node], scope: _Scope, depth: int) -> Any:
        """What a function that is called where it stands returns, if its body only sets names and returns."""
        body = function.child_by_field_name("body")
        parameters = function.child_by_field_name("parameters")
        single = function.child_by_field_name("parameter")
        names = self._parts(parameters) if parameters is not None else [single] if single is not None else []
        inner = dict(scope)
        for name, argument in zip(names, given, strict=False):
            if name.type == "identifier":
                inner[self._text_of(name)] = _Binding(argument, scope)
        if body is None or body.type != "statement_block":
            return self._value(body, inner, depth + 1) if body is not None else _UNKNOWN
        for statement in self._parts(body):
            if statement.type == "return_statement":
                returned = self._parts(statement)
                return self._value(returned[0], inner, depth + 1) if returned else _UNKNOWN
            for part in self._parts(statement):
                self._set(part, inner)
        return _UNKNOWN

    def _set(self, node: Node, scope: _Scope) -> None:
        """Note `a = 1`, `a.key = 1` and `a["key"] = 1` of names that are known; anything else says nothing."""
        if node.type == "sequence_expression":
            for part in self._parts(node):
                self._set(part, scope)
            return
        is_declared = node.type == "variable_declarator"
        left = node.child_by_field_name("name" if is_declared else "left")
        right = node.child_by_field_name("value" if is_declared else "right")
        if left is None or right is None or node.type not in {"variable_declarator", "assignment_expression"}:
            return
        if left.type == "identifier":
            name = self._text_of(left)
            scope[name] = None if name in scope else _Binding(right, scope)
            return
        whole = left.child_by_field_name("object")
        key = left.child_by_field_name("property") or left.child_by_field_name("index")
        binding = scope.get(self._text_of(whole)) if whole is not None and whole.type == "identifier" else None
        name = self._key(key) if key is not None else None
        if binding is not None and name is not None:
            binding.settings.append((name, right, scope))

    def _new(self, node: Node, scope: _Scope, depth: int) -> Any:
        """A date as ISO 8601; other objects are unknown."""
        called, arguments = node.child_by_field_name("constructor"), node.child_by_field_name("arguments")
        given = self._parts(arguments) if arguments is not None else []
        if called is None or called.type != "identifier" or self._text_of(called) != "Date" or len(given) != 1:
            return _UNKNOWN
        value = self._value(given[0], scope, depth + 1)
        if isinstance(value, str):
            return value
        try:
            return datetime.fromtimestamp(value / 1000, UTC).isoformat()
        except (TypeError, ValueError, OverflowError, OSError):
            return _UNKNOWN

    def _key(self, node: Node) -> str | None:
        if node.type == "string":
            return self._string(node)
        return self._text_of(node) if node.type in _PLAIN_KEYS else None

    def _parts(self, node: Node) -> list[Node]:
        self._bounds.count(node.named_child_count)
        self._check_time()
        return [part for part in node.named_children if part.type != "comment"]

    def _string(self, node: Node) -> str:
        self._bounds.count(self._length(node) // _CHARACTERS_OF_A_VALUE)
        return _unescaped(self._text_of(node)[1:-1])

    @staticmethod
    def _length(node: Node) -> int:
        return node.end_byte - node.start_byte

    def _text_of(self, node: Node) -> str:
        return self._source[node.start_byte : node.end_byte].decode("utf-8", "replace")


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    text = _ESCAPE.sub(_escape_means, text)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _escape_means(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    if code:
        number = int(code, 16)
        return chr(number) if number <= 0x10FFFF else "\ufffd"
    return "" if match[4] in _LINE_ENDS else _ESCAPED.get(match[4], match[4])


def _number(text: str) -> Any:
    text = text.replace("_", "")
    if _PREFIXED_NUMBER.fullmatch(text):
        try:
            return int(text, 0)
        except ValueError:
            return _UNKNOWN
    try:
        value = float(text.removesuffix("n"))
    except ValueError:
        return _UNKNOWN
    if not math.isfinite(value):
        return _UNKNOWN
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _UNKNOWN
