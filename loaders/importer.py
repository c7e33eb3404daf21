"""File imports: CSV, CSV.gz and NDJSON land as sessions, streaming, one transaction a file."""

from __future__ import annotations

import csv
import gzip
import io
import json
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import psycopg

from loaders import barriers
from loaders.database import statements
from loaders.errors import PropertyManagerError, UsageError
from loaders.fields import LISTING_FIELDS
from loaders.mapping import Mapping, RawNumber, column_reader, constant_reader, default_mapping, json_value
from loaders.sessions import Session, ensure_source, finish_session, open_session, record_progress
from loaders.staging import (
    StagingRow,
    StagingWriter,
    array_literal,
    check_listing_id,
    refresh_statistics,
    staging_row,
)

BATCH_ROWS = 5_000
_SQL = statements("importer.sql")
MAX_FIELD_CHARACTERS = 16 * 1024 * 1024
_HEAD_LINES = 1_000
"""So many lines of a JSON feed are looked at for one that tells its columns."""

_DELIMITERS = ",;\t|"


class ImportFileError(PropertyManagerError):
    """A file that cannot be imported at all; nothing of it was landed."""

    code = "import_file"


@dataclass(frozen=True)
class ImportOptions:
    """How files are read. `observed_at` applies to every row, `observed_at_column` gives it row by row."""

    source: str
    scope: str = "default"
    mapping: Mapping | None = None
    observed_at: datetime | None = None
    observed_at_column: str | None = None
    split_by: str | None = None
    is_complete: bool = False


@dataclass(frozen=True)
class ImportResult:
    """What landed in one session. Rows are counted as read from the file, without its header."""

    session_id: uuid.UUID
    file: str
    split_value: str | None
    rows_read: int
    rows_rejected: int
    duplicates_collapsed: int


class _Record(NamedTuple):
    """One row of the file: its values by column, its raw text, and why it cannot be read (if so)."""

    values: Sequence[str | None]
    payload: str | None
    refusal: tuple[str, str] | None


class _Reader(NamedTuple):
    columns: tuple[str, ...]
    records: Iterator[_Record]


_Split = Callable[[Sequence[str | None]], str | None]
_RowBuilder = Callable[[Session, int, _Record], tuple[StagingRow | None, tuple[str, str] | None]]


@dataclass
class _Counter:
    """Rows of one session, counted while they stream by."""

    session: Session
    row_numbers: Iterator[int]
    read: int = 0
    rejected: int = 0


class _Refused(NamedTuple):
    counter: _Counter
    row_no: int
    record: _Record
    code: str
    reason: str


class _Landing:
    """A file on its way into staging: the session of each row, what was read of it and what was refused."""

    def __init__(
        self, writer: StagingWriter, counters: dict[str | None, _Counter], split: _Split | None, to_row: _RowBuilder
    ) -> None:
        self._writer = writer
        self._counters = counters
        self._split = split
        self._to_row = to_row
        self._refused: list[_Refused] = []
        self._current = next(iter(counters.values()))

    def rows(self, records: Iterator[_Record]) -> Iterator[StagingRow]:
        """Rows for COPY; records that cannot be landed wait for `keep_refused`, because COPY has the connection.

        A record that does not say which session it belongs to is refused in the session of the one before it.
        """
        for record in records:
            refusal = record.refusal
            if refusal is None and self._split is not None:
                value = _split_value(self._split, record)
                if value is None:
                    refusal = ("no_split_value", "the column to split by is empty in this row")
                else:
                    self._current = self._counters[value]
            counter = self._current
            counter.read += 1
            row_no = next(counter.row_numbers)
            row, refusal = (None, refusal) if refusal else self._to_row(counter.session, row_no, record)
            if row is not None:
                yield row
            else:
                assert refusal is not None
                self._refused.append(_Refused(counter, row_no, record, *refusal))

    def keep_refused(self) -> None:
        """Write the records that were refused so far, each with its reason."""
        for counter, row_no, record, code, reason in self._refused:
            raw_text = record.payload or _json_text(record.values)
            self._writer.reject(counter.session, row_no, code, reason, raw_text)
            counter.rejected += 1
        self._refused.clear()


def import_files(
    connection: psycopg.Connection,
    files: Sequence[Path],
    options: ImportOptions,
    on_progress: Callable[[str, int], None] | None = None,
) -> list[ImportResult]:
    """Land each file in a transaction of its own, as one session or one per value of `split_by`, ascending.

    `on_progress` receives the file name and the rows read so far. Raises ImportFileError or MappingError; files
    landed before the failing one stay landed.
    """
    require_files(files)
    ensure_source(connection, options.source)
    results: list[ImportResult] = []
    for file in files:
        with connection.transaction():
            results += _import_file(connection, file, options, on_progress)
    refresh_statistics(connection)
    return results


def require_files(files: Sequence[Path]) -> None:
    """Raise UsageError for the first path that is no file."""
    for file in files:
        if not file.is_file():
            raise UsageError(f"there is no file {file}", "Check the path; several files are separated by spaces.")


def _import_file(
    connection: psycopg.Connection,
    file: Path,
    options: ImportOptions,
    on_progress: Callable[[str, int], None] | None,
) -> list[ImportResult]:
    sessions = _sessions_of_file(connection, file, options)
    writer = StagingWriter(connection)
    counters = {value: _Counter(session, writer.row_numbers(session)) for value, session in sessions.items()}
    with _open_reader(file, _columns_needed(options)) as reader:
        to_row = _row_builder(file, reader.columns, options)
        split = column_reader(options.split_by, reader.columns, "--split-by") if options.split_by else None
        landing = _Landing(writer, counters, split, to_row)
        while (first := next(reader.records, None)) is not None:
            batch = chain([first], islice(reader.records, BATCH_ROWS - 1))
            result = writer.copy(landing.rows(batch))
            landing.keep_refused()
            if result.rejected:
                _recount_rejected(connection, counters)
            barriers.reach("import_batch_copied")
            if on_progress is not None:
                on_progress(file.name, sum(counter.read for counter in counters.values()))
    return [_close(connection, file, value, counter, options) for value, counter in counters.items()]


def _close(
    connection: psycopg.Connection, file: Path, value: str | None, counter: _Counter, options: ImportOptions
) -> ImportResult:
    session_id = counter.session.session_id
    record_progress(
        connection,
        session_id,
        rows_read=counter.read,
        rows_rejected=counter.rejected,
        rows_landed=counter.read - counter.rejected,
    )
    if options.observed_at_column:
        connection.execute(
            _SQL["observe_at_latest_row"], {"session_id": session_id, "landed_at": counter.session.opened_at}
        )
    finish_session(
        connection,
        session_id,
        is_complete=options.is_complete,
        incomplete_reason="imported without --complete: absence means nothing in it",
    )
    duplicates = connection.execute(_SQL["duplicates"], {"session_id": session_id}).fetchone()
    assert duplicates is not None
    return ImportResult(session_id, file.name, value, counter.read, counter.rejected, duplicates[0])


def _recount_rejected(connection: psycopg.Connection, counters: dict[str | None, _Counter]) -> None:
    by_session = {counter.session.session_id: counter for counter in counters.values()}
    for session_id, rejected in connection.execute(_SQL["rejected"], {"session_ids": list(by_session)}):
        by_session[session_id].rejected = rejected


def _sessions_of_file(connection: psycopg.Connection, file: Path, options: ImportOptions) -> dict[str | None, Session]:
    """Sessions by split value, opened in ascending order so that they sync in that order."""
    values: list[str | None] = [None] if options.split_by is None else _split_values(file, options)
    base = options.observed_at
    return {
        value: open_session(
            connection,
            source=options.source,
            scope=options.scope,
            kind="import",
            observed_at=None if base is None else base + timedelta(microseconds=position),
            session_name=file.name if value is None else f"{file.name} {options.split_by}={value}",
        )
        for position, value in enumerate(values)
    }


def _split_values(file: Path, options: ImportOptions) -> list[str | None]:
    assert options.split_by is not None
    with _open_reader(file, _columns_needed(options)) as reader:
        split = column_reader(options.split_by, reader.columns, "--split-by")
        values = {_split_value(split, record) for record in reader.records} - {None}
    if not values:
        raise ImportFileError(f"{file} has no rows to split by {options.split_by!r}")
    return sorted(values, key=_ascending)


def _split_value(split: _Split, record: _Record) -> str | None:
    return None if record.refusal else (split(record.values) or None)


def _ascending(value: str | None) -> tuple[int, float, str]:
    try:
        return (0, float(value or ""), value or "")
    except ValueError:
        return (1, 0.0, value or "")


def _row_builder(file: Path, columns: tuple[str, ...], options: ImportOptions) -> _RowBuilder:
    """A function from a record to a staging row, or to the reason why it cannot be landed."""
    mapping = options.mapping or default_mapping(columns)
    if "source_listing_id" not in mapping.fields:
        raise UsageError(
            f"{file}: nothing says which column identifies a listing",
            "Map it, for example --map source_listing_id=id or source_listing_id='{ADDRESS}|{CITY}'. "
            f"The columns are: {', '.join(columns)}.",
        )
    origin = "the mapping"
    read_id = column_reader(mapping.fields["source_listing_id"], columns, origin)
    readers = [
        column_reader(mapping.fields[name], columns, origin)
        if name in mapping.fields
        else constant_reader(mapping.constants.get(name))
        for name in LISTING_FIELDS
    ]
    attributes = [(name, column_reader(column, columns, origin)) for name, column in mapping.attributes.items()]
    for column in mapping.ignore:
        column_reader(column, columns, f"{origin} (ignore)")
    observed_fields = array_literal(mapping.observed_fields)
    read_time = (
        column_reader(options.observed_at_column, columns, "--observed-at-column")
        if options.observed_at_column
        else None
    )

    def build(session: Session, row_no: int, record: _Record) -> tuple[StagingRow | None, tuple[str, str] | None]:
        listing_id = read_id(record.values)
        refusal = check_listing_id(listing_id)
        if refusal is not None:
            return None, refusal
        assert listing_id is not None
        observed_at = None
        if read_time is not None:
            text = read_time(record.values)
            parsed = parse_time(text or "")
            if parsed is None:
                return None, (
                    "unreadable_time",
                    f"{options.observed_at_column} is not a date or time: {text!r}",
                )
            observed_at = parsed
        row = staging_row(
            session,
            row_no,
            source_listing_id=listing_id.strip(),
            kind="import",
            observed_at=observed_at,
            listing_status=None,
            field_texts=[read(record.values) for read in readers],
            attributes_json=_json_text({name: read(record.values) for name, read in attributes})
            if attributes
            else "{}",
            payload_json=record.payload,
            observed_fields_array=observed_fields,
        )
        return row, None

    return build


def parse_time(text: str) -> datetime | None:
    """An ISO 8601 date or time as an instant; without an offset it is taken as UTC. None when it is neither."""
    try:
        parsed = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _columns_needed(options: ImportOptions) -> tuple[str, ...] | None:
    """Dotted paths of a JSON feed, which has no header: those that the options name; None without a mapping."""
    mapping = options.mapping
    if mapping is None:
        return None
    expressions = [*mapping.fields.values(), *mapping.attributes.values(), *mapping.ignore]
    expressions += [name for name in (options.observed_at_column, options.split_by) if name]
    paths: dict[str, None] = {}
    for expression in expressions:
        templated = [part.split("}")[0] for part in expression.split("{")[1:]]
        paths.update(dict.fromkeys(templated or [expression]))
    return tuple(paths)


@contextmanager
def _open_reader(file: Path, json_paths: tuple[str, ...] | None) -> Iterator[_Reader]:
    """Read a file by its name: `.ndjson`/`.jsonl` line by line, anything else as CSV; `.gz` is unpacked."""
    names = [suffix.lower() for suffix in file.suffixes]
    is_packed = bool(names) and names[-1] == ".gz"
    is_json = any(suffix in (".ndjson", ".jsonl") for suffix in names)
    try:
        with gzip.open(file, "rb") if is_packed else file.open("rb") as raw:
            text = io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="")
            yield _json_reader(text, json_paths) if is_json else _csv_reader(file, text)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ImportFileError(
            f"{file} is not a complete gzip file: {error}", "Fetch it again; nothing of it was landed."
        ) from error
    except OSError as error:
        raise ImportFileError(f"cannot read {file}: {error.strerror or error}") from error


def _csv_reader(file: Path, text: io.TextIOWrapper) -> _Reader:
    csv.field_size_limit(MAX_FIELD_CHARACTERS)
    header_line = text.readline()
    if not header_line.strip():
        raise ImportFileError(f"{file} is empty", "A CSV file needs a header line with column names.")
    delimiter = max(_DELIMITERS, key=header_line.count)
    columns = tuple(name.strip() for name in next(csv.reader([header_line], delimiter=delimiter)))
    twice = {name for name in columns if columns.count(name) > 1 and name}
    if twice:
        raise ImportFileError(f"{file}: the column {sorted(twice)[0]!r} occurs more than once in the header")
    rows = csv.reader(text, delimiter=delimiter)

    def records() -> Iterator[_Record]:
        width = len(columns)
        while True:
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield _Record((), f"line {rows.line_num}", ("unreadable_csv", str(error)))
                continue
            if not any(row):
                continue
            if len(row) != width:
                reason = f"the row has {len(row)} values, the header {width}"
                yield _Record(row, _json_text(row), ("wrong_column_count", reason))
            else:
                yield _Record(row, _json_text(dict(zip(columns, row, strict=True))), None)

    return _Reader(columns, records())


def _json_text(value: Any) -> str:
    """JSON of raw texts. Bytes that are no text stay visible as escapes; the database then refuses that row alone."""
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        return json.dumps(value)


def _json_reader(text: io.TextIOWrapper, paths: tuple[str, ...] | None) -> _Reader:
    lines = (line for line in text if line.strip())
    head: list[str] = []
    while paths is None and len(head) < _HEAD_LINES and (line := next(lines, None)) is not None:
        head.append(line)
        record = _json_object(line)
        paths = (tuple(record) or None) if isinstance(record, dict) else None
    columns = paths or ()
    return _Reader(columns, (_json_record(line, columns) for line in chain(head, lines)))


def _json_record(line: str, paths: Sequence[str]) -> _Record:
    line = line.strip()
    record = _json_object(line)
    if isinstance(record, str):
        return _Record((), line, ("unreadable_json", record))
    return _Record([json_value(record, path) for path in paths], line, None)


def _json_object(line: str) -> dict[str, Any] | str:
    """The object of a line, or why it holds none."""
    try:
        record = json.loads(line, parse_float=RawNumber, parse_int=RawNumber)
    except (ValueError, RecursionError) as error:
        return str(error)
    return record if isinstance(record, dict) else "the line is not a JSON object"
