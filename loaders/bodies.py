"""Bodies of answers: unpacked piece by piece, so that none takes more memory than its cap."""

from __future__ import annotations

import zlib
from typing import Protocol

from loaders.errors import FetchError, TransportError

MAX_RATIO = 200
"""How many times larger than what came over the wire a body may be; pages of text reach about 20."""

MAX_MEMBERS = 100
"""How many packed pieces a body may be put together of."""

_RATIO_FREE_BYTES = 1024 * 1024
_GZIP_MARK = b"\x1f"
_GZIP = 16 + zlib.MAX_WBITS


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

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
        self._members = 0
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

    def finish(self) -> None:
        """Say that all pieces came. Raises TransportError for a packed body that ends before its end."""
        if self._unpacker is not None and not self._unpacker.eof:
            raise TransportError("the answer is cut off")

    @property
    def content(self) -> bytes:
        """What came, no longer than the cap."""
        return bytes(self._content[: self._cap])

    def _unpacked(self, data: bytes, room: int) -> bytes:
        if self._encoding in ("", "identity"):
            return data[:room]
        unpacked = bytearray()
        try:
            while data and len(unpacked) < room:
                if self._unpacker is None or self._unpacker.eof:
                    if self._members and not self._begins_member(data):
                        break
                    self._unpacker = self._next_member(data)
                unpacked += self._unpacker.decompress(data, room - len(unpacked))
                data = self._unpacker.unused_data
        except zlib.error as error:
            raise TransportError(f"the answer cannot be unpacked: {error}") from error
        return bytes(unpacked)

    def _begins_member(self, data: bytes) -> bool:
        """Whether more follows a packed body that came to its end; anything else there is filling."""
        return self._encoding != "deflate" and data[:1] == _GZIP_MARK

    def _next_member(self, data: bytes) -> _Unpacker:
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise FetchError(f"{self._url} is packed in more than {MAX_MEMBERS} members")
        return zlib.decompressobj(_wbits(self._encoding, data))


def _wbits(encoding: str, data: bytes) -> int:
    """How to read a packed body. 'deflate' should carry zlib's header, and some servers leave that out."""
    if encoding != "deflate":
        return _GZIP
    has_header = len(data) > 1 and data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(data[:2]) % 31 == 0
    return zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS
