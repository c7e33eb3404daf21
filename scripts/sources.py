"""Source files for people who write them: made from a template, checked, and tried out on live pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg

from loaders.config_files import config_folder
from loaders.configuration import configured_settings
from loaders.crawl_sessions import tried_settings
from loaders.errors import UsageError
from loaders.golden_pages import Difference, golden_pages, save_golden_page
from loaders.pages import PageKind, reader_of
from loaders.source_files import (
    BUILT_IN,
    check_source_name,
    find_source,
    load_source_file,
    require_source_file,
    source_paths,
)
from loaders.urls import start_url

if TYPE_CHECKING:
    from loaders.crawl_target import Target
    from loaders.field_trace import PageTrace

TEMPLATE = BUILT_IN.parent / "source_template.yml"


@dataclass(frozen=True)
class CheckedSource:
    """A source file, the mistake in it (None: there is none), and its saved pages that are read otherwise now."""

    name: str
    path: Path
    problem: str | None
    hint: str
    pages: int
    differences: dict[str, list[Difference]]

    @property
    def ok(self) -> bool:
        """Whether the file can be used and reads its saved pages as it did."""
        return self.problem is None and not self.differences

    def as_json(self) -> dict[str, Any]:
        """The check in the stable shape that commands print with --json."""
        return {**asdict(self), "path": str(self.path), "ok": self.ok}


@dataclass(frozen=True)
class TriedPage:
    """One live page: how it was fetched, what each field gave, and where it was saved."""

    url: str
    kind: PageKind
    error: str | None
    http_status: int | None
    via: str | None
    listing_count: int | None
    result_pages: int
    adverts: int
    trace: PageTrace | None
    saved_as: Path | None

    @property
    def ok(self) -> bool:
        """Whether the page was read and nothing that must be there is missing."""
        return self.error is None

    def as_json(self) -> dict[str, Any]:
        """The page in the stable shape that commands print with --json."""
        return {**asdict(self), "saved_as": str(self.saved_as) if self.saved_as else None, "ok": self.ok}


def new_source(name: str, url: str) -> Path:
    """Write a source file for the portal of `url` from the template, in the user's folder. Raises UsageError."""
    check_source_name(name)
    address = start_url(url)
    path = _user_folder() / "sources" / f"{name}.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        name=name, url=address, host=urlsplit(address).hostname
    )
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise UsageError(f"{path} exists already", "Edit it, or choose another name.") from error
    return path


def check_sources(connection: psycopg.Connection, names: Sequence[str] = ()) -> list[CheckedSource]:
    """Check the named source files, by default all: keys, selectors, settings, and pages saved of them.

    Raises UsageError for a name without a file.
    """
    paths = source_paths()
    for name in names:
        if name not in paths:
            require_source_file(name)
    return [_checked(connection, name, paths[name]) for name in names or sorted(paths)]


def try_source(
    connection: psycopg.Connection, name: str, *, url: str | None, kind: PageKind, is_saved: bool
) -> Iterator[TriedPage]:
    """Read a live page of a source; without `url` its first result page, and the first advert that leads to.

    Raises UsageError, ConfigFileError, and BrowserMissingError for a page that needs a browser.
    """
    from loaders.crawl_target import Target

    folder = _user_folder() / "pages" / name if is_saved else None
    if url is not None:
        yield from _tried(connection, Target.of(url, name), start_url(url), kind, None, folder)
        return
    source = require_source_file(name)
    if not source.starts:
        raise UsageError(f"{source.path} names no start", f"Add one, or give the page: source test {name} --url …")
    target = Target.of(source.starts[0].url, name)
    advert = yield from _tried(connection, target, target.first.url, "list", None, folder)
    if advert is not None:
        yield from _tried(connection, target, advert.url, "detail", advert.source_listing_id, folder)


def _checked(connection: psycopg.Connection, name: str, path: Path) -> CheckedSource:
    differences = {}
    folder = config_folder()
    pages = golden_pages(folder / "pages" / name) if folder else []
    try:
        rules = load_source_file(path).rules
        tried_settings(connection, name, configured_settings(name))
        for page in pages:
            if found := page.differences(reader_of(rules)):
                differences[str(page.path)] = found
    except UsageError as error:
        return CheckedSource(name, path, error.message, error.hint, len(pages), differences)
    return CheckedSource(name, path, None, "", len(pages), differences)


def _tried(
    connection: psycopg.Connection, target: Target, url: str, kind: PageKind, known_id: str | None, folder: Path | None
) -> Any:
    """Yield the page that was tried; the first advert it leads to is returned."""
    from loaders.field_trace import trace_page
    from loaders.single_visit import visit_once

    settled = visit_once(connection, target, target.reader.key(url, kind), kind, known_id=known_id)
    document = settled.document
    is_read = settled.state == "done" and document is not None
    content = target.reader.read(kind, document, known_id) if is_read and document else None
    saved_as = None
    if folder is not None and document is not None and content is not None:
        saved_as = save_golden_page(folder, kind, document, content, known_id)
    source = find_source(target.source)
    yield TriedPage(
        url=document.url if document else settled.page.url,
        kind=kind,
        error=settled.error if settled.state != "done" else None if is_read else f"the page is {settled.page_class}",
        http_status=settled.http_status,
        via=settled.via,
        listing_count=settled.listing_count,
        result_pages=sum(link.kind == "list" for link in settled.links),
        adverts=sum(link.kind == "detail" for link in settled.links),
        trace=trace_page(source.rules if source else None, kind, document, content) if document else None,
        saved_as=saved_as,
    )
    return next((link for link in settled.links if link.kind == "detail"), None)


def _user_folder() -> Path:
    folder = config_folder()
    if folder is None:
        raise UsageError(
            "PROPERTY_CONFIG_DIR is not set, so there is no folder for your own sources",
            'Choose one outside the clone: echo "PROPERTY_CONFIG_DIR=$HOME/portals" >> .env',
        )
    return folder
