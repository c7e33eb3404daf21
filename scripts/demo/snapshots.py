"""A folder of CSV snapshots as a portal's days: one file, sorted by name, is one day, shown cell by cell."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any

from loaders.errors import UsageError
from loaders.fields import ALL_FIELDS
from loaders.mapping import Mapping as FieldMapping
from loaders.mapping import MappingError, checked, column_reader, load_mapping
from loaders.staging import check_listing_id
from scripts.demo.catalogue import Fact, Layout, ShownAdvert
from scripts.demo.formats import label
from scripts.demo.market import Availability


class Snapshots:
    """The days of a folder of comma-separated files.

    Every mapped field is a fact with the raw text of its cell; an empty cell is an empty fact.

    As in an import, rows without a usable id are left out, and of rows with the same id the first counts.
    """

    def __init__(
        self,
        folder: Path | str,
        mapping: FieldMapping | Mapping[str, Any] | Path | str,
        *,
        pattern: str = "*",
        limit: int | None = None,
        layout: Layout = Layout.PLAIN,
    ) -> None:
        """`mapping` is that of an import, a dict of its sections, or a YAML file; `limit` is in rows a day.

        `pattern` such as `apartments_*` tells the snapshots from other CSV files of the folder.

        Raises `UsageError` for a folder without snapshots and `MappingError` for a mapping that does not fit.
        """
        self.mapping = _mapping(mapping)
        if "source_listing_id" not in self.mapping.fields:
            raise MappingError(
                "the mapping of the snapshots names no source_listing_id",
                "Say which column identifies a listing, for example `source_listing_id: id`.",
            )
        self.files = sorted(path for path in Path(folder).glob(pattern) if _is_snapshot(path))
        if not self.files:
            raise UsageError(
                f"there are no snapshots {pattern!r} in {folder}",
                "It needs one .csv or .csv.gz file for each day.",
            )
        self.limit, self.layout = limit, layout
        self._lock = Lock()
        self._loaded: tuple[int, dict[str, dict[str, str]]] = (0, {})
        self._seen: dict[int, frozenset[str]] = {}

    @property
    def days(self) -> int:
        """One day for each file."""
        return len(self.files)

    def ids_on(self, day: int) -> Sequence[str]:
        """The ids of that day's file, in its order."""
        return list(self._day(day))

    def advert(self, day: int, source_listing_id: str) -> ShownAdvert:
        """One row as a page; raises `KeyError` when that day's file does not have it."""
        texts = self._day(day)[source_listing_id]
        facts = tuple(Fact(name, label(name), text) for name, text in texts.items())
        return ShownAdvert(source_listing_id, self.layout, texts, texts, facts)

    def availability(self, day: int, source_listing_id: str) -> Availability:
        """Online when in that day's file, gone when in an earlier one."""
        if source_listing_id in self._day(day):
            return Availability.ONLINE
        was_online = any(source_listing_id in self._ids(earlier) for earlier in range(day - 1, 0, -1))
        return Availability.GONE if was_online else Availability.UNKNOWN

    def _day(self, day: int) -> dict[str, dict[str, str]]:
        with self._lock:
            loaded, rows = self._loaded
            if loaded != day:
                rows = {}
                for identifier, texts in self._rows(day):
                    rows.setdefault(identifier, texts)
                self._loaded = (day, rows)
                self._seen[day] = frozenset(rows)
            return rows

    def _ids(self, day: int) -> frozenset[str]:
        with self._lock:
            if day not in self._seen:
                self._seen[day] = frozenset(identifier for identifier, _ in self._rows(day))
            return self._seen[day]

    def _rows(self, day: int) -> Iterator[tuple[str, dict[str, str]]]:
        if not 1 <= day <= self.days:
            raise ValueError(f"Day {day} is outside these snapshots; there are days 1 to {self.days}.")
        file = self.files[day - 1]
        with _open(file) as text:
            rows = csv.reader(text)
            columns = tuple(next(rows, ()))
            readers = _readers(self.mapping, columns, file.name)
            for row in islice(rows, self.limit):
                cells = [*row, *[""] * (len(columns) - len(row))]
                texts = {name: read(cells) or "" for name, read in readers.items()}
                if row and check_listing_id(texts["source_listing_id"]) is None:
                    yield texts["source_listing_id"].strip(), texts


def _mapping(given: FieldMapping | Mapping[str, Any] | Path | str) -> FieldMapping:
    match given:
        case FieldMapping():
            return given
        case Path() | str():
            return load_mapping(Path(given))
        case _:
            known = {"fields", "constants", "attributes", "ignore"}
            if unknown := sorted(given.keys() - known):
                raise MappingError(
                    f"the mapping has an unknown section {unknown[0]!r}",
                    f"Known: {', '.join(sorted(known))}.",
                )
            return checked(FieldMapping(**given), "the mapping")


def _readers(mapping: FieldMapping, columns: tuple[str, ...], origin: str) -> dict[str, Any]:
    readers = {
        name: column_reader(mapping.fields[name], columns, origin)
        if name in mapping.fields
        else (lambda _, text=mapping.constants[name]: text)
        for name in ALL_FIELDS
        if name in mapping.fields or name in mapping.constants
    }
    for name, expression in mapping.attributes.items():
        readers[f"attributes.{name}"] = column_reader(expression, columns, origin)
    return readers


def _is_snapshot(path: Path) -> bool:
    return path.is_file() and path.name.lower().endswith((".csv", ".csv.gz"))


@contextmanager
def _open(path: Path) -> Iterator[io.TextIOWrapper]:
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    with opened(path, "rb") as raw:
        yield io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
