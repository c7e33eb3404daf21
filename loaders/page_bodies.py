"""Documents of crawled pages, kept compressed so that they can be read again without fetching."""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import psycopg

from loaders.database import statements
from loaders.pages import Page

# Level 3 costs a third of the default's time for a tenth more bytes.
_LEVEL = 3
_SQL = statements("page_bodies.sql")


class StoredPage(NamedTuple):
    """A crawl and the normalised address of a page whose document it keeps."""

    session_id: uuid.UUID
    url: str


def keep_documents(
    connection: psycopg.Connection, session_id: uuid.UUID, source: str, documents: Sequence[tuple[str, Page]]
) -> None:
    """Keep documents of a crawl, each with the normalised address of its page."""
    if documents:
        connection.execute(
            _SQL["keep"],
            {
                "session_id": session_id,
                "source": source,
                "urls": [url for url, _ in documents],
                "document_urls": [page.url for _, page in documents],
                "bodies": [zlib.compress(page.html.encode("utf-8", "surrogatepass"), _LEVEL) for _, page in documents],
            },
        )


def stored_documents(connection: psycopg.Connection, pages: Sequence[StoredPage]) -> dict[StoredPage, Page]:
    """The documents of pages that are still kept."""
    found = connection.execute(
        _SQL["bodies"], {"session_ids": [page.session_id for page in pages], "urls": [page.url for page in pages]}
    )
    return {
        StoredPage(session_id, url): Page(document_url, zlib.decompress(body).decode("utf-8", "surrogatepass"), url)
        for session_id, url, document_url, body in found
    }


def delete_expired(connection: psycopg.Connection, source: str) -> int:
    """Delete documents that are older than `page_retention_days` of their source; how many."""
    return sum(pages for (pages,) in connection.execute(_SQL["delete_expired"], {"source": source}))
