"""Bodies of answers: unpacked piece by piece, so that none takes more memory than its cap."""

from __future__ import annotations

import zlib
from typing import Protocol

from loaders.errors import FetchError, TransportError

MAX_RATIO = 200
"""How many times larger than what came over the wire a body may be; pages of text reach about 20."""

_RATIO_FREE_BYTES = 1024 * 1024
_GZIP = 16 + zlib.MAX_WBITS


class _Unpacker(Protocol):
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class Body:
    """A body that grows by what arrives, up to `cap` bytes before and after unpacking."""

    def __init__(self, url: str, encoding: str, cap: int) -> None:
        """`encoding` is the header Content-Encoding. Raises FetchError for one that was not asked for."""
        self._url = url
        self._cap = cap
        self._received = 0
        self._content = bytearray()
        self._encoding = encoding.strip().lower()
        self._unpacker: _Unpacker | None = None
        if self._encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise FetchError(f"{url} is encoded as {encoding!r}, which was not asked for")

    def add(self, data: bytes) -> bool:
        """Take a piece; False when the cap is reached and the rest is cut off.

        Raises FetchError for a body that unpacks to far more than came, TransportError for a broken one.
        """
        self._received += len(data)
        room = self._cap + 1 - len(self._content)
        self._content += self._unpacked(data, room)
        size = len(self._content)
        if size > _RATIO_FREE_BYTES and size > MAX_RATIO * self._received:
            raise FetchError(f"{self._url} unpacks to more than {MAX_RATIO} times its size")
        return max(size, self._received) <= self._cap

    @property
    def content(self) -> bytes:
        """What came, no longer than the cap."""
        return bytes(self._content[: self._cap])

    def _unpacked(self, data: bytes, room: int) -> bytes:
        if self._encoding in ("", "identity"):
            return data[:room]
        try:
            if self._unpacker is None:
                self._unpacker = zlib.decompressobj(_wbits(self._encoding, data))
            return self._unpacker.decompress(data, room)
        except zlib.error as error:
            raise TransportError(f"the answer cannot be unpacked: {error}") from error


def _wbits(encoding: str, data: bytes) -> int:
    """How to read a packed body. 'deflate' should carry zlib's header, and some servers leave that out."""
    if encoding != "deflate":
        return _GZIP
    has_header = len(data) > 1 and data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(data[:2]) % 31 == 0
    return zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS
