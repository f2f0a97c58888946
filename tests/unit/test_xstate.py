"""XSAVE areas, as different processors lay them out."""

from __future__ import annotations

import struct

import pytest

from tray.formats import xstate

AVX, OPMASK, HIGH, MORE, KEYS = b"a" * 256, b"k" * 64, b"h" * 512, b"m" * 1024, b"p" * 8


def area(mask: int, *parts: bytes) -> bytes:
    """An area with this XCR0 and these parts right behind its header."""
    head = bytearray(b"\x11" * 576)
    struct.pack_into("<Q", head, 464, mask)
    return bytes(head) + b"".join(parts)


def test_a_packed_area_is_spread():
    """AMD's layout becomes Intel's, which gdb knows."""
    packed = area(0b10_1110_0111, AVX, OPMASK, HIGH, MORE, KEYS)
    found = xstate.usual(packed)
    assert found[:832] == packed[:832]
    assert len(found) == 2696
    for offset, part in ((1088, OPMASK), (1152, HIGH), (1664, MORE), (2688, KEYS)):
        assert found[offset : offset + len(part)] == part
    assert found[832:1088] == bytes(256)


def test_avx_alone_stands_where_it_is():
    """Both makers put it first."""
    assert xstate.usual(area(0b111, AVX)) == area(0b111, AVX)


@pytest.mark.parametrize(
    "other",
    [
        b"",
        b"short",
        area(0b11),
        area(0b111, AVX, b"more"),
        area(0b1_1111, AVX),
        area(1 << 17 | 0b111, AVX, bytes(64)),
        xstate.usual(area(0b10_0000_0111, AVX, KEYS)),
    ],
)
def test_others_are_left_as_they_are(other: bytes):
    """Intel's own, those without more than SSE, and those with parts that we do not know."""
    assert xstate.usual(other) == other
