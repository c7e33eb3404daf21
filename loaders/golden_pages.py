"""Golden pages: saved pages with what was read of them, read again to see that nothing changed.

A page is `<kind>_<case>.html`, or `.html.gz`, and what was read of it stands beside it in `<kind>_<case>.json`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from loaders.errors import UsageError
from loaders.pages import Page, PageContent, PageKind, PageReadError, Reader

_EXAMPLE_ORIGIN = "https://portal.example"


@dataclass(frozen=True)
class Difference:
    """A value that is read otherwise than when the page was saved; `place` is such as observations[0].fields.price."""

    place: str
    expected: str
    read: str


@dataclass(frozen=True)
class GoldenPage:
    """A saved page."""

    path: Path

    @property
    def case(self) -> str:
        """Its kind and name, such as list_results."""
        return self.path.name.partition(".")[0]

    @property
    def kind(self) -> PageKind:
        """The kind of page. Raises UsageError where the name tells none."""
        kind = self.case.partition("_")[0]
        if kind not in ("list", "detail"):
            raise UsageError(f"{self.path} is no saved page", "Name it list_<case>.html or detail_<case>.html.")
        return cast(PageKind, kind)

    @property
    def expected_path(self) -> Path:
        """The file that holds what was read."""
        return self.path.with_name(f"{self.case}.json")

    def expected(self) -> dict[str, Any]:
        """What was read when it was saved. Raises UsageError where that cannot be told."""
        try:
            return json.loads(self.expected_path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(
                f"{self.expected_path} cannot be read: {error}", "Test the page again, or remove the saved page."
            ) from error

    def document(self) -> Page:
        """The page as it was fetched."""
        content = self.path.read_bytes()
        html = (gzip.decompress(content) if self.path.suffix == ".gz" else content).decode("utf-8", "surrogatepass")
        return Page(self._kept().get("url", f"{_EXAMPLE_ORIGIN}/{self.case}"), html)

    def read(self, reader: Reader) -> dict[str, Any]:
        """What a reader reads of it now. Raises PageReadError."""
        kept = self._kept()
        content = reader.read(self.kind, self.document(), kept.get("known_id"))
        return {**{name: kept[name] for name in ("url", "known_id") if name in kept}, **_as_json(content)}

    def differences(self, reader: Reader) -> list[Difference]:
        """What is read otherwise than when it was saved. Raises UsageError."""
        expected = self.expected()
        try:
            read = self.read(reader)
        except PageReadError as error:
            return [Difference("the page", "can be read", error.message)]
        return list(_differences("", expected, read))

    def _kept(self) -> dict[str, Any]:
        return self.expected() if self.expected_path.exists() else {}


def golden_pages(folder: Path) -> list[GoldenPage]:
    """The pages saved in a folder, by name."""
    return [GoldenPage(path) for path in sorted([*folder.glob("*.html"), *folder.glob("*.html.gz")])]


def save_golden_page(folder: Path, kind: PageKind, page: Page, content: PageContent, known_id: str | None) -> Path:
    """Save a page with what was read of it, in place of an earlier one of the same address."""
    digest = hashlib.md5(page.url.encode(), usedforsecurity=False).hexdigest()[:8]
    golden = GoldenPage(folder / f"{kind}_{digest}.html.gz")
    folder.mkdir(parents=True, exist_ok=True)
    golden.path.write_bytes(gzip.compress(page.html.encode("utf-8", "surrogatepass"), mtime=0))
    kept = {"url": page.url, "known_id": known_id, **_as_json(content)}
    golden.expected_path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return golden.path


def _as_json(content: PageContent) -> dict[str, Any]:
    return json.loads(json.dumps(asdict(content), default=str))


def _differences(place: str, expected: Any, read: Any) -> Iterator[Difference]:
    if isinstance(expected, dict) and isinstance(read, dict):
        for name in dict.fromkeys((*expected, *read)):
            yield from _differences(f"{place}.{name}" if place else name, expected.get(name), read.get(name))
    elif isinstance(expected, list) and isinstance(read, list) and len(expected) == len(read):
        for number, (before, now) in enumerate(zip(expected, read, strict=True)):
            yield from _differences(f"{place}[{number}]", before, now)
    elif expected != read:
        yield Difference(place, json.dumps(expected, ensure_ascii=False), json.dumps(read, ensure_ascii=False))
