"""Rows of Next.js' app router: scripts push pieces of a stream, in which values name each other by their row."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_PUSHES = re.compile(r"__next_f\s{0,4}(?:=[^;]{0,80})?\.push\(\s{0,4}(?=\[)")
_FLIGHT = re.compile(r"\s{0,200}\(?\s{0,4}(?:self|window|globalThis)\.__next_f\b")
_ROW = re.compile(rb"([0-9a-f]{0,8}):([A-Za-z#]?)")
_LENGTH = re.compile(rb"([0-9a-f]{1,8}),")
_REFERENCE = re.compile(r'"\$([0-9a-f]{1,8})"')
_MEASURED = frozenset(b"TAOoUSsLlGgMmV")
"""Kinds of rows that say how many bytes they have; only the first is text."""

_MAX_ROWS = 20_000
_MAX_VALUES = 60_000
_MAX_DEPTH = 100
_MAX_PUSHES = 10_000
_CHARACTERS_OF_A_VALUE = 100
"""A text counts as one value more for each of these, since many places may name it."""

_TEXT, _BINARY = 1, 3
_DECODER = json.JSONDecoder()
_UNKNOWN = object()


def flight_pieces(text: str) -> list[bytes] | None:
    """The pieces of the stream that a script pushes; None of a script that does something else."""
    if not _FLIGHT.match(text):
        return None
    pieces: list[bytes] = []
    position = 0
    for _ in range(_MAX_PUSHES):
        found = _PUSHES.search(text, position)
        if found is None:
            break
        position = found.end()
        try:
            pushed, position = _DECODER.raw_decode(text, position)
        except (ValueError, RecursionError):
            continue
        match pushed:
            case [int(kind), str(piece)] if kind == _TEXT:
                pieces.append(piece.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode())
            case [int(kind), str(piece)] if kind == _BINARY:
                try:
                    pieces.append(base64.b64decode(piece, validate=True))
                except (binascii.Error, ValueError):
                    continue
    return pieces


def flight_documents(pieces: Sequence[bytes]) -> list[Any]:
    """Objects and lists of the rows that no other row names, with the rows that they name in their places."""
    if not pieces:
        return []
    texts, payloads = _rows(b"".join(pieces))
    named = {name for payload in payloads.values() for name in _REFERENCE.findall(payload)}
    rows: dict[str, Any] = dict(texts)
    for row_id, payload in payloads.items():
        try:
            rows[row_id] = json.loads(payload)
        except (ValueError, RecursionError):
            continue
    resolver = _Resolver(rows)
    documents = [resolver.resolved(rows[row_id]) for row_id in payloads if row_id in rows and row_id not in named]
    return [document for document in documents if isinstance(document, dict | list)]


def _rows(stream: bytes) -> tuple[dict[str, str], dict[str, str]]:
    """Rows of plain text and rows of JSON, by their ids."""
    texts: dict[str, str] = {}
    payloads: dict[str, str] = {}
    position = 0
    for _ in range(_MAX_ROWS):
        row = _ROW.match(stream, position)
        if row is None:
            following = stream.find(b"\n", position)
            if following < 0:
                break
            position = following + 1
            continue
        row_id, kind = row[1].decode(), row[2]
        length = _LENGTH.match(stream, row.end()) if kind and kind[0] in _MEASURED else None
        if length is not None:
            position = length.end() + int(length[1], 16)
            if kind == b"T":
                texts[row_id] = stream[length.end() : position].decode("utf-8", "replace")
            continue
        end = stream.find(b"\n", row.end())
        end = len(stream) if end < 0 else end
        if not kind and stream[row.end() : row.end() + 1] in {b"{", b"["}:
            payloads[row_id] = stream[row.end() : end].decode("utf-8", "replace")
        position = end + 1
    return texts, payloads


class _Resolver:
    """Puts rows in the places that name them, within one measure of values for the page."""

    def __init__(self, rows: Mapping[str, Any]) -> None:
        self._rows = rows
        self._left = _MAX_VALUES
        self._followed: set[str] = set()

    def resolved(self, value: Any, depth: int = 0) -> Any:
        self._left -= 1
        if self._left < 0 or depth > _MAX_DEPTH:
            return _UNKNOWN
        if isinstance(value, str):
            return self._meant(value, depth) if value.startswith("$") else value
        if isinstance(value, dict):
            entries = ((key, self.resolved(entry, depth + 1)) for key, entry in value.items())
            return {key: entry for key, entry in entries if entry is not _UNKNOWN}
        if isinstance(value, list):
            if len(value) >= 4 and value[0] == "$" and isinstance(value[3], dict):
                return self.resolved(value[3], depth + 1)
            return [None if (entry := self.resolved(part, depth + 1)) is _UNKNOWN else entry for part in value]
        return value

    def _meant(self, text: str, depth: int) -> Any:
        """`$$5` is the text $5, `$D…` a date, `$n…` a number, `$1a` a row; other marks say nothing of a listing."""
        if text[1:2] == "$":
            return text[1:]
        if text[1:2] in {"D", "n"}:
            return text[2:]
        row_id = text[1:]
        row = self._rows.get(row_id, _UNKNOWN)
        if isinstance(row, str):
            self._left -= len(row) // _CHARACTERS_OF_A_VALUE
        if not isinstance(row, dict | list) or row_id in self._followed:
            return row if isinstance(row, str) else _UNKNOWN
        self._followed.add(row_id)
        try:
            return self.resolved(row, depth + 1)
        finally:
            self._followed.discard(row_id)
