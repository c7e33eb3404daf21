"""Mapping old ids of listings to the new ones of a portal that changed its id scheme."""

from __future__ import annotations

import csv
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.types.json import Jsonb

from loaders.database import statements
from loaders.errors import UsageError
from loaders.staging import check_listing_id

_SQL = statements("sources.sql", Path(__file__).parent / "sql")
_COLUMNS = ("old", "new")


class RekeyFileError(UsageError):
    """A mapping of ids that cannot be used; nothing of it was kept."""

    code = "rekey_file"


@dataclass(frozen=True)
class RekeyResult:
    """How many new ids lead to published listings from now on, and which sessions of the source are quarantined."""

    source: str
    mapped: int
    already_mapped: int
    quarantined_sessions: tuple[uuid.UUID, ...]


def rekey_source(connection: psycopg.Connection, source: str, file: Path, *, is_dry_run: bool = False) -> RekeyResult:
    """Map new ids to the listings that were published under old ones, by a CSV file with the columns old and new.

    All or nothing, audited. Sessions are read with the mapping from their next sync on. Raises RekeyFileError, with
    line and id, for a file that cannot be read, ids that repeat, old ids nobody knows and new ids that are taken.
    """
    if connection.execute(_SQL["published"]).fetchone() == (False,):
        raise UsageError(f"nothing of {source} was published yet, so no id needs a new one")
    with connection.transaction():
        connection.execute(_SQL["create_rekeyed"])
        with connection.cursor() as cursor, cursor.copy(_SQL["copy_rekeyed"]) as copy:
            for row in _read(file):
                copy.write_row(row)
        connection.execute(_SQL["create_resolved"], {"source": source})
        _refuse_problems(connection, source, file)
        rows = connection.execute("select count(*) from rekeyed").fetchone()
        assert rows is not None
        mapped = connection.execute(_SQL["rekey"]).rowcount
        details = Jsonb({"file": file.name, "mapped": mapped})
        if is_dry_run:
            raise psycopg.Rollback
        connection.execute(_SQL["audit"], {"action": "rekey source", "target": source, "details": details})
    quarantined = connection.execute(_SQL["quarantined_sessions"], {"source": source}).fetchall()
    return RekeyResult(source, mapped, rows[0] - mapped, tuple(session_id for (session_id,) in quarantined))


def _read(file: Path) -> Iterator[tuple[int, str, str]]:
    """Line number, old and new id of each row."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as opened:
            reader = csv.DictReader(opened, strict=True)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise RekeyFileError(
                    f"{file} has no column {' and no column '.join(missing)}",
                    "The first line must name the columns: old,new",
                )
            for row in reader:
                old, new = (_listing_id(file, reader.line_num, name, row[name]) for name in _COLUMNS)
                yield reader.line_num, old, new
    except OSError as error:
        raise RekeyFileError(f"cannot read {file}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise RekeyFileError(f"{file} is not a CSV file in UTF-8: {error}") from error


def _listing_id(file: Path, line_no: int, column: str, value: str | None) -> str:
    refusal = check_listing_id(value)
    if refusal is not None or value is None:
        raise RekeyFileError(f"{file}, line {line_no}: the column {column} holds no usable id")
    if "\x00" in value:
        raise RekeyFileError(f"{file}, line {line_no}: the column {column} holds a NUL character")
    return value.strip()


def _refuse_problems(connection: psycopg.Connection, source: str, file: Path) -> None:
    problems = connection.execute(_SQL["rekey_problems"], {"source": source}).fetchall()
    if problems:
        told = "; ".join(
            f"{problem} ({example!r} in line {line_no}{f' and {lines - 1} more lines' if lines > 1 else ''})"
            for problem, lines, line_no, example in problems
        )
        raise RekeyFileError(f"{file} cannot be used: {told}", "Nothing was mapped. Mend the file and run it again.")
