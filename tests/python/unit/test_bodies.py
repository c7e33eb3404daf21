"""Bodies of answers as they are unpacked, within their caps."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from contextlib import suppress

import pytest

from loaders.bodies import MAX_MEMBERS, MAX_RATIO, Body
from loaders.errors import FetchError, TransportError

CAP = 4 * 1024 * 1024
TEXT = b"".join(b"<p>Flat %d for rent</p>" % number for number in range(2_000))
URL = "https://portal.example/a"


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def received(encoding: str, data: bytes, cap: int = CAP, piece: int = 1_000) -> tuple[bytes, bool]:
    """What is kept of a body that comes in pieces, and whether it all fitted."""
    body = Body(URL, encoding, cap)
    fits = all(body.add(data[start : start + piece]) for start in range(0, len(data), piece))
    if fits:
        body.finish()
    return body.content, fits


@pytest.mark.parametrize("piece", [2, 7, 100_000])
@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        pytest.param("", TEXT, id="plain"),
        pytest.param("identity", TEXT, id="identity"),
        pytest.param("gzip", gzip.compress(TEXT), id="gzip"),
        pytest.param(" GZIP ", gzip.compress(TEXT), id="in capitals"),
        pytest.param("x-gzip", gzip.compress(TEXT), id="x-gzip"),
        pytest.param("gzip", b"".join(map(gzip.compress, (TEXT[:900], b"", TEXT[900:]))), id="three members"),
        pytest.param("gzip", gzip.compress(TEXT) + bytes(10), id="with filling"),
        pytest.param("deflate", zlib.compress(TEXT), id="deflate"),
        pytest.param("deflate", raw_deflate(TEXT), id="deflate without its header"),
    ],
)
def test_bodies_are_unpacked_piece_by_piece(encoding: str, data: bytes, piece: int) -> None:
    assert received(encoding, data, piece=piece) == (TEXT, True)


@pytest.mark.parametrize(("encoding", "data"), [("", TEXT), ("gzip", gzip.compress(TEXT))], ids=["plain", "gzip"])
def test_bodies_are_cut_at_the_cap(encoding: str, data: bytes) -> None:
    assert received(encoding, data, cap=len(TEXT)) == (TEXT, True)
    assert received(encoding, data, cap=len(TEXT) - 1) == (TEXT[:-1], False)


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        pytest.param("gzip", gzip.compress(TEXT), id="gzip"),
        pytest.param("gzip", gzip.compress(TEXT) + gzip.compress(TEXT), id="two members"),
        pytest.param("deflate", zlib.compress(TEXT), id="deflate"),
        pytest.param("deflate", raw_deflate(TEXT), id="deflate without its header"),
    ],
)
def test_a_packed_body_that_is_cut_off_is_worth_another_try(encoding: str, packed: bytes) -> None:
    with pytest.raises(TransportError, match="cut off"):
        received(encoding, packed[:-1])


def test_a_body_is_not_put_together_of_many_members() -> None:
    member = gzip.compress(b"a")
    assert received("gzip", MAX_MEMBERS * member) == (MAX_MEMBERS * b"a", True)
    with pytest.raises(FetchError, match="more than 100 members"):
        received("gzip", (MAX_MEMBERS + 1) * member)


def test_members_share_the_cap() -> None:
    assert received("gzip", 3 * gzip.compress(b"abc"), cap=7, piece=1_000) == (b"abcabca", False)


def test_a_packed_body_that_never_unpacks_to_anything_is_cut_as_well() -> None:
    empty_blocks = gzip.compress(b"")[:10] + b"\x00\x00\x00\xff\xff" * 1_000

    assert received("gzip", empty_blocks, cap=2_000) == (b"", False)


def test_a_bomb_is_refused_before_it_unfolds() -> None:
    bomb = gzip.compress(bytes(4 * CAP))

    with pytest.raises(FetchError, match=f"more than {MAX_RATIO} times its size"):
        received("gzip", bomb, cap=2 * CAP, piece=len(bomb))


def test_a_bomb_takes_no_more_memory_than_the_cap() -> None:
    bomb = gzip.compress(bytes(32 * CAP))
    tracemalloc.start()
    try:
        with suppress(FetchError):
            received("gzip", bomb, piece=len(bomb))
        assert tracemalloc.get_traced_memory()[1] < 4 * CAP
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd", "gzip,deflate", "compress"])
def test_encodings_that_were_not_asked_for_are_refused(encoding: str) -> None:
    with pytest.raises(FetchError, match="not asked for"):
        Body(URL, encoding, CAP)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_broken_body_is_worth_another_try(encoding: str) -> None:
    with pytest.raises(TransportError, match="cannot be unpacked"):
        received(encoding, b"<html>not packed at all</html>")
