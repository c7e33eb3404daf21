"""What a crawl is of: where it begins, and how the pages of that portal are read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import version

from loaders.pages import Link, Reader, reader_of
from loaders.source_files import choose_source
from loaders.urls import start_url


@dataclass(frozen=True)
class Target:
    """Where a crawl begins and how its pages are read. `reader_name` changes with the selectors."""

    source: str
    first: Link
    reader: Reader
    reader_name: str

    @classmethod
    def of(cls, url: str, source: str | None) -> Target:
        """The target of an address; the source is found by the host where none is named. Raises UsageError."""
        address = start_url(url)
        name, source_file = choose_source(address, source)
        rules = source_file.rules if source_file else None
        if rules is None or rules.is_generic:
            reader_name = f"structured data, release {version('property-manager')}"
        else:
            digest = hashlib.md5(repr(rules).encode(), usedforsecurity=False).hexdigest()
            reader_name = f"source file, {digest}"
        reader = reader_of(rules)
        return cls(name, Link(reader.key(address, "list"), "list"), reader, reader_name)
