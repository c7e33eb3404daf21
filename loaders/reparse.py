"""Pages of a crawl read again from what is kept of them, and landed as a corrected session, without fetching."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from loaders.crawl_target import Target
from loaders.database import statements
from loaders.errors import UsageError
from loaders.fields import LISTING_FIELDS
from loaders.page_bodies import StoredPage, stored_documents
from loaders.pages import Page, PageContent, PageKind, PageReadError, Reader
from loaders.sessions import Session, finish_session, open_session, record_progress
from loaders.staging import Observation, StagingWriter, property_id

PAGES_AT_ONCE = 100
EXAMPLES = 5
"""How many listings are named for each field that is read otherwise."""

_SQL = statements("reparse.sql")


class Example(NamedTuple):
    """A value that is read otherwise; None stands for no text."""

    source_listing_id: str
    before: str | None
    now: str | None


@dataclass
class FieldDifference:
    """How often a field is read otherwise: `filled` had no text before, `emptied` has none now."""

    filled: int = 0
    emptied: int = 0
    changed: int = 0
    examples: list[Example] = field(default_factory=list)

    def add(self, example: Example) -> None:
        """Count one value."""
        if example.before is None:
            self.filled += 1
        elif example.now is None:
            self.emptied += 1
        else:
            self.changed += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(example)


@dataclass
class Reparsed:
    """What came of one crawl's pages. `landed_as` is the corrected session, `landed_before` one of an earlier call.

    `pages_unkept` are those whose document is not kept, `unread` why others could not be read, by address. `new_rows`
    are cards and adverts that the crawl did not land.
    """

    session_id: uuid.UUID
    source: str
    scope: str
    observed_at: datetime
    pages_read: int = 0
    pages_unkept: int = 0
    new_rows: int = 0
    rows_landed: int = 0
    rows_rejected: int = 0
    unread: dict[str, str] = field(default_factory=dict)
    differences: dict[str, FieldDifference] = field(default_factory=dict)
    landed_as: uuid.UUID | None = None
    landed_before: uuid.UUID | None = None

    @property
    def has_news(self) -> bool:
        """Whether anything is read otherwise than the crawl read it."""
        return bool(self.differences or self.new_rows)


class _Crawl(NamedTuple):
    session_id: uuid.UUID
    source: str
    scope: str
    target_url: str
    observed_at: datetime


class _CrawledPage(NamedTuple):
    url: str
    kind: PageKind
    source_listing_id: str | None
    stored_in: uuid.UUID | None
    stored_as_of: datetime | None


class _Seen(NamedTuple):
    """An observation and the crawl that kept the document it was read from."""

    stored_in: uuid.UUID
    observation: Observation


def reparse(
    connection: psycopg.Connection, source: str, *, session_id: uuid.UUID | None = None, is_dry_run: bool = False
) -> list[Reparsed]:
    """Read the kept pages of one crawl again, or of the latest crawl of every scope of a source, by today's selectors.

    Where anything is read otherwise, all of it lands as a partial session of the crawl's time for the next sync; a dry
    run only compares. Nothing lands twice for the same crawl and selectors. Raises UsageError where there is no crawl,
    or nothing is kept of it.
    """
    with connection.cursor(row_factory=class_row(_Crawl)) as cursor:
        crawls = cursor.execute(_SQL["crawls"], {"source": source, "session_id": session_id}).fetchall()
    if not crawls:
        raise UsageError(
            f"there is no crawl of {source} that came to its end",
            "`property-manager list-sessions` shows the sessions.",
        )
    reparsed = [_reparse(connection, crawl, is_dry_run=is_dry_run) for crawl in crawls]
    if not any(each.pages_read or each.unread for each in reparsed):
        raise UsageError(
            f"no page of {source} is kept",
            "Pages are kept for `page_retention_days` of the source, 0 keeps none; crawl it again.",
        )
    return reparsed


def _reparse(connection: psycopg.Connection, crawl: _Crawl, *, is_dry_run: bool) -> Reparsed:
    target = Target.of(crawl.target_url, crawl.source)
    result = Reparsed(crawl.session_id, crawl.source, crawl.scope, crawl.observed_at)
    with connection.transaction() as transaction:
        connection.execute(_SQL["lock"], {"session_id": crawl.session_id})
        earlier = connection.execute(
            _SQL["earlier_reparse"], {"session_id": crawl.session_id, "reader": target.reader_name}
        ).fetchone()
        result.landed_before = earlier[0] if earlier else None
        lands = not is_dry_run and result.landed_before is None
        session = _open(connection, crawl, target) if lands else None
        writer = StagingWriter(connection)
        for seen in _read_again(connection, crawl, target.reader, writer, result):
            _compare(connection, crawl.source, seen, result)
            if session is not None:
                written = writer.write(session, [each.observation for each in seen])
                result.rows_landed += written.landed
                result.rows_rejected += written.rejected
        if session is None or not result.has_news:
            raise psycopg.Rollback(transaction)
        _close(connection, crawl, session, result)
    return result


def _open(connection: psycopg.Connection, crawl: _Crawl, target: Target) -> Session:
    session = open_session(
        connection,
        source=crawl.source,
        scope=crawl.scope,
        kind="replay",
        observed_at=crawl.observed_at,
        session_name=f"pages of {crawl.session_id} read again",
        target_url=crawl.target_url,
    )
    connection.execute(
        _SQL["describe"],
        {
            "session_id": session.session_id,
            "reparsed_session_id": crawl.session_id,
            "reader": target.reader_name,
        },
    )
    return session


def _close(connection: psycopg.Connection, crawl: _Crawl, session: Session, result: Reparsed) -> None:
    record_progress(
        connection,
        session.session_id,
        rows_read=result.rows_landed + result.rows_rejected,
        rows_landed=result.rows_landed,
        rows_rejected=result.rows_rejected,
    )
    finish_session(
        connection,
        session.session_id,
        is_complete=False,
        incomplete_reason=f"kept pages of session {crawl.session_id} read again",
    )
    result.landed_as = session.session_id
    details = {"session_id": str(session.session_id), "fields": sorted(result.differences), "rows": result.rows_landed}
    connection.execute(_SQL["audit"], {"target": str(crawl.session_id), "details": Jsonb(details)})


def _read_again(
    connection: psycopg.Connection, crawl: _Crawl, reader: Reader, writer: StagingWriter, result: Reparsed
) -> Iterator[list[_Seen]]:
    """What the pages say now, batch by batch, result pages first: their cards name the listings of adverts.

    Days are those that a text meant when its page was fetched.
    """
    with connection.cursor(row_factory=class_row(_CrawledPage)) as cursor:
        pages = iter(cursor.execute(_SQL["pages"], {"session_id": crawl.session_id}).fetchall())
    named: dict[str, str | None] = {}
    while batch := list(islice(pages, PAGES_AT_ONCE)):
        documents = stored_documents(
            connection, [StoredPage(page.stored_in, page.url) for page in batch if page.stored_in is not None]
        )
        seen = []
        for page in batch:
            document = documents.get(StoredPage(page.stored_in, page.url)) if page.stored_in else None
            if document is None or page.stored_in is None or page.stored_as_of is None:
                result.pages_unkept += 1
                continue
            known_id = named.get(page.url, page.source_listing_id) if page.kind == "detail" else None
            content = _content(reader, page, document, known_id, result)
            named.update({link.url: link.source_listing_id for link in content.links if link.source_listing_id})
            seen += [
                _Seen(page.stored_in, writer.dated(crawl.source, page.stored_as_of, each))
                for each in content.observations
                if each.source_listing_id
            ]
        yield seen


def _content(reader: Reader, page: _CrawledPage, document: Page, known_id: str | None, result: Reparsed) -> PageContent:
    try:
        if not reader.is_ready(page.kind, document):
            ready = reader.ready(page.kind)
            missing = f"{ready!r} matches nothing on" if ready else "nothing to read is stated on"
            result.unread[page.url] = f"{missing} the kept page"
            return PageContent()
        content = reader.read(page.kind, document, known_id)
    except PageReadError as error:
        result.unread[page.url] = error.message
        return PageContent()
    result.pages_read += 1
    return content


def _compare(connection: psycopg.Connection, source: str, seen: Sequence[_Seen], result: Reparsed) -> None:
    """Count what is read otherwise; a value that any of the crawl's rows of that listing and kind had is no news."""
    before = _landed(connection, source, seen)
    for stored_in, observation in seen:
        assert observation.source_listing_id is not None
        identifier = observation.source_listing_id.strip()
        rows = before.get((stored_in, identifier, observation.kind))
        if rows is None:
            result.new_rows += 1
            continue
        now = _texts(observation)
        for name in dict.fromkeys((*rows[0], *now)):
            earlier = [row.get(name) for row in rows]
            if now.get(name) not in earlier:
                difference = result.differences.setdefault(name, FieldDifference())
                difference.add(Example(identifier, earlier[0], now.get(name)))


def _landed(
    connection: psycopg.Connection, source: str, seen: Sequence[_Seen]
) -> dict[tuple[uuid.UUID, str, str], list[dict[str, str]]]:
    """Texts by field that crawls landed, by crawl, listing and kind of observation."""
    rows = defaultdict(list)
    identifiers = {(each.observation.source_listing_id or "").strip() for each in seen}
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            _SQL["landed"],
            {
                "session_ids": list({each.stored_in for each in seen}),
                "property_ids": [property_id(source, identifier) for identifier in identifiers],
            },
        )
        for row in cursor:
            texts: dict[str, Any] = {
                name: row["texts"][f"{name}_text"] for name in LISTING_FIELDS if f"{name}_text" in row["texts"]
            }
            texts |= {f"attributes.{name}": text for name, text in row["attributes"].items() if text is not None}
            rows[row["session_id"], row["source_listing_id"], row["observation_kind"]].append(texts)
    return rows


def _texts(observation: Observation) -> dict[str, str]:
    texts = {name: text for name, text in observation.fields.items() if text is not None}
    attributes = {f"attributes.{name}": text for name, text in observation.attributes.items() if text is not None}
    return {**texts, **attributes}
