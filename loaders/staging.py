"""Landing: observations go into `property_scrapes_staging` by COPY; one bad row costs one row, never the batch."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import psycopg

from loaders.database import statements
from loaders.dates import iso_date
from loaders.fields import LISTING_FIELDS
from loaders.sessions import Session

MAX_ID_LENGTH = 1000

_COLUMNS = (
    "property_id",
    "session_id",
    "landed_at",
    "row_no",
    "source",
    "source_listing_id",
    "observation_kind",
    "observed_at",
    "listing_status",
    *(f"{name}_text" for name in LISTING_FIELDS),
    "attributes",
    "payload",
    "observed_fields",
)
_COPY = f"copy property_scrapes_staging ({', '.join(_COLUMNS)}) from stdin"
_SQL = statements("staging.sql")
_FIELD_POSITION = {name: position for position, name in enumerate(LISTING_FIELDS)}


@dataclass(frozen=True, slots=True)
class Observation:
    """What one page or file row said of one listing.

    `fields` holds raw text by field name of `loaders.fields.LISTING_FIELDS` (None or absent where the page said
    nothing); lists are JSON arrays as text. `observed_fields` names what this observation could have carried: a
    field in it without text was seen empty, one outside it is unknown. `attributes` are further raw values by name.
    `payload` is the raw structured record, as an object or as JSON text.
    """

    source_listing_id: str | None
    kind: str
    fields: dict[str, str | None]
    observed_fields: Sequence[str]
    attributes: dict[str, str | None] = field(default_factory=dict)
    payload: Any = None
    observed_at: datetime | None = None
    listing_status: str | None = None


class WriteResult(NamedTuple):
    """Rows landed and rows kept aside in `landing_rejects`."""

    landed: int
    rejected: int


class StagingRow(NamedTuple):
    """A row in COPY order, with the session it belongs to."""

    session: Session
    row_no: int
    values: tuple[Any, ...]


class _Place(NamedTuple):
    country: str | None
    time_zone: ZoneInfo


class _Refusal(NamedTuple):
    code: str
    reason: str


def property_id(source: str, source_listing_id: str) -> str:
    """The key of a listing: md5 over source and the portal's own id, as 32 hexadecimal digits."""
    return hashlib.md5(f"{source}|{source_listing_id}".encode(), usedforsecurity=False).hexdigest()


class StagingWriter:
    """Lands rows over an open connection. Call inside a transaction; row numbers grow per writer and session."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._row_numbers: dict[uuid.UUID, Iterator[int]] = {}
        self._places: dict[str, _Place] = {}

    def write(self, session: Session, observations: Iterable[Observation]) -> WriteResult:
        """Land observations of one session."""
        numbers = self.row_numbers(session)
        rows, rejected = [], 0
        for observation, row_no in zip(observations, numbers, strict=False):
            values, refusal = _staging_values(
                session, row_no, self.dated(session.source, session.observed_at, observation)
            )
            row = StagingRow(session, row_no, values)
            if refusal is None:
                rows.append(row)
            else:
                self.reject(session, row_no, refusal.code, refusal.reason, _raw_text(observation))
                rejected += 1
        result = self.copy(rows)
        return WriteResult(result.landed, result.rejected + rejected)

    def row_numbers(self, session: Session) -> Iterator[int]:
        """Numbers for the rows of a session, which continue after those that an earlier writer landed."""
        if session.session_id not in self._row_numbers:
            self._row_numbers[session.session_id] = count(self._stored_row_no(session) + 1)
        return self._row_numbers[session.session_id]

    def continue_numbers(self, session: Session, last_row_no: int) -> None:
        """Number the next row of a session after `last_row_no`, where several writers share it."""
        self._row_numbers[session.session_id] = count(last_row_no + 1)

    def copy(self, rows: Iterable[StagingRow]) -> WriteResult:
        """COPY complete rows; rows that the database refuses are found by halving and kept with its message.

        Rows are sent as they come, so that the database stores some while others are made; making them must not
        use the connection.
        """
        coming = iter(rows)
        sent: list[StagingRow] = []
        try:
            with (
                self._connection.transaction(),
                self._connection.cursor() as cursor,
                cursor.copy(_COPY) as copy,
            ):
                for row in coming:
                    sent.append(row)
                    copy.write_row(row.values)
        except (
            psycopg.DataError,
            psycopg.IntegrityError,
            psycopg.errors.ProgramLimitExceeded,
            UnicodeError,
        ) as error:
            sent += coming
            if len(sent) == 1:
                self._reject_row(sent[0], error)
                return WriteResult(0, 1)
            middle = len(sent) // 2
            first, second = self.copy(sent[:middle]), self.copy(sent[middle:])
            return WriteResult(first.landed + second.landed, first.rejected + second.rejected)
        return WriteResult(len(sent), 0)

    def dated(self, source: str, observed_at: datetime, observation: Observation) -> Observation:
        """With the day that a text such as "3 days ago" means; later nobody could tell.

        It was seen at `observed_at`, unless the observation says otherwise.
        """
        text = observation.fields.get("listed_at")
        if not text:
            return observation
        place = self._place_of(source)
        seen_at = (observation.observed_at or observed_at).astimezone(place.time_zone).replace(tzinfo=None)
        listed_at = iso_date(text, seen_at, place.country)
        return replace(observation, fields={**observation.fields, "listed_at": listed_at})

    def reject(self, session: Session, row_no: int, code: str, reason: str, raw_text: str) -> None:
        """Keep a row that cannot be landed, with its reason."""
        self._connection.execute(
            _SQL["reject"],
            {
                "session_id": session.session_id,
                "row_no": row_no,
                "source": session.source,
                "reason_code": code,
                "reason": reason,
                "raw_text": _storable(raw_text),
            },
        )

    def _place_of(self, source: str) -> _Place:
        if source not in self._places:
            row = self._connection.execute(_SQL["place_of_source"], [source]).fetchone()
            country, time_zone = row or (None, "UTC")
            self._places[source] = _Place(country, ZoneInfo(time_zone))
        return self._places[source]

    def _reject_row(self, row: StagingRow, error: Exception) -> None:
        refusal = _refusal_of(row.values, error)
        raw = {
            name: str(value)
            for name, value in zip(_COLUMNS, row.values, strict=True)
            if value is not None and (name.endswith("_text") or name in ("source_listing_id", "attributes", "payload"))
        }
        self.reject(row.session, row.row_no, refusal.code, refusal.reason, json.dumps(raw))

    def _stored_row_no(self, session: Session) -> int:
        row = self._connection.execute(
            _SQL["last_row_no"], {"session_id": session.session_id, "landed_at": session.opened_at}
        ).fetchone()
        assert row is not None
        return row[0]


def staging_row(
    session: Session,
    row_no: int,
    *,
    source_listing_id: str,
    kind: str,
    observed_at: datetime | None,
    listing_status: str | None,
    field_texts: Sequence[str | None],
    attributes_json: str,
    payload_json: str | None,
    observed_fields_array: str,
) -> StagingRow:
    """A row in COPY order; `field_texts` follow LISTING_FIELDS, `observed_fields_array` is an array literal.

    Without `observed_at` the row was observed when the session was.
    """
    session_text, opened_text, observed_text = session.texts
    return StagingRow(
        session,
        row_no,
        (
            property_id(session.source, source_listing_id),
            session_text,
            opened_text,
            row_no,
            session.source,
            source_listing_id,
            kind,
            observed_at or observed_text,
            listing_status,
            *field_texts,
            attributes_json,
            payload_json,
            observed_fields_array,
        ),
    )


def refresh_statistics(connection: psycopg.Connection) -> None:
    """Let the planner know of rows just landed; a sync right after would otherwise plan for an empty table."""
    with connection.transaction():
        connection.execute("set local default_statistics_target = 10")
        connection.execute("analyze property_scrapes_staging (session_id, property_id)")


def array_literal(names: Iterable[str]) -> str:
    """A PostgreSQL array literal of texts."""
    return "{" + ",".join(map(_quoted, names)) + "}"


@lru_cache(maxsize=1024)
def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def check_listing_id(source_listing_id: str | None) -> _Refusal | None:
    """Why an id cannot identify a listing, or None when it can."""
    if source_listing_id is None or not source_listing_id.strip():
        return _Refusal("missing_id", "the row has no source_listing_id")
    if len(source_listing_id) > MAX_ID_LENGTH:
        return _Refusal("id_too_long", f"source_listing_id is longer than {MAX_ID_LENGTH} characters")
    try:
        source_listing_id.encode()
    except UnicodeEncodeError:
        return _Refusal("invalid_unicode", "source_listing_id holds bytes or code points that are not valid text")
    return None


def _staging_values(session: Session, row_no: int, observation: Observation) -> tuple[tuple[Any, ...], _Refusal | None]:
    unknown = (observation.fields.keys() | set(observation.observed_fields)) - _FIELD_POSITION.keys()
    unknown = {name for name in unknown if not name.startswith("attributes.")}
    if unknown:
        raise ValueError(f"not listing fields: {', '.join(sorted(unknown))}")
    refusal = check_listing_id(observation.source_listing_id)
    if refusal is not None:
        return (), refusal
    assert observation.source_listing_id is not None
    try:
        attributes_json = json.dumps(observation.attributes, allow_nan=False)
        payload_json = _payload_json(observation.payload)
    except ValueError as error:
        return (), _Refusal("not_finite_number", f"the raw record holds a number JSON cannot carry: {error}")
    row = staging_row(
        session,
        row_no,
        source_listing_id=observation.source_listing_id.strip(),
        kind=observation.kind,
        observed_at=observation.observed_at,
        listing_status=observation.listing_status,
        field_texts=[observation.fields.get(name) for name in LISTING_FIELDS],
        attributes_json=attributes_json,
        payload_json=payload_json,
        observed_fields_array=array_literal(observation.observed_fields),
    )
    return row.values, None


def _payload_json(payload: Any) -> str | None:
    if payload is None or isinstance(payload, str):
        return payload
    return json.dumps(payload, allow_nan=False, default=str)


def _raw_text(observation: Observation) -> str:
    return json.dumps(
        {
            "source_listing_id": observation.source_listing_id,
            "fields": observation.fields,
            "attributes": observation.attributes,
            "payload": observation.payload,
        },
        default=str,
    )


def _storable(text: str) -> str:
    """Text without what PostgreSQL cannot store; the refused characters stay readable as escapes."""
    return text.replace("\x00", "\\u0000").encode("utf-8", "backslashreplace").decode()


def _refusal_of(values: Sequence[Any], error: Exception) -> _Refusal:
    texts = [value for value in values if isinstance(value, str)]
    if any("\x00" in text for text in texts) or any(re.search(r"(?<!\\)(\\\\)*\\u0000", text) for text in texts):
        return _Refusal("nul_character", "the row holds a NUL character, which PostgreSQL text cannot store")
    if isinstance(error, UnicodeError):
        return _Refusal("invalid_unicode", "the row holds bytes or code points that are not valid text")
    return _Refusal("database_refused", str(error).strip().splitlines()[0])
