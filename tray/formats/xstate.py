"""The XSAVE area of a thread, laid out as debuggers expect it.

A processor places the parts of the area as it likes. Intel's leave room for
parts of old models, AMD's do not, and neither the area nor the kernel's ptrace
says which it is. gdb up to 13 knows the Intel layout only and drops the AVX
registers of any other (seen on a Zen 4: "Section `.reg-xstate' in core file too
small"), so that is what a dump gets, as from gdb's own gcore.

Source: Intel SDM, volume 1, 13.4.3; AMD APM, volume 2, 11.5.
"""

from __future__ import annotations

import functools
import struct

from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MASK_AT = 464
"""Where the kernel puts XCR0 into the software-reserved bytes."""
_EXTENDED_AT = 576
_LEGACY = 0b11
_PARTS = (
    (2, 256, 576),  # AVX: upper halves of ymm0-15
    (5, 64, 1088),  # AVX-512: k0-7
    (6, 512, 1152),  # AVX-512: upper halves of zmm0-15
    (7, 1024, 1664),  # AVX-512: zmm16-31
    (9, 8, 2688),  # PKRU
)
"""Bit in XCR0, size, and offset on Intel processors, of each part that both makers have."""


def usual(area: bytes) -> bytes:
    """The area in Intel's layout, if it is one that is packed without room; else as it is."""
    parts, form = spread(mask(area), len(area))
    return struct.pack(f"<{form}", *parts.unpack(area))


def mask(area: bytes) -> bytes:
    """What tells, with its size, how an area is laid out."""
    return area[_MASK_AT : _MASK_AT + 8]


@functools.cache
def spread(mask: bytes, size: int) -> tuple[struct.Struct, str]:
    """How areas like this one are taken apart, and how ``struct`` puts the parts into the usual layout."""
    begin, parts, form = 0, "<", ""
    for end, room in _rooms(mask, size):
        parts, form = f"{parts}{end - begin}s", f"{form}{end - begin}s{room}x"
        begin = end
    rest = f"{size - begin}s"
    return struct.Struct(parts + rest), form + rest


def _rooms(mask: bytes, size: int) -> Iterator[tuple[int, int]]:
    """Where room is lacking in an area, and how much; nowhere if it is not packed."""
    known = int.from_bytes(mask, "little")
    parts = [part for part in _PARTS if known >> part[0] & 1]
    if known & ~_LEGACY != sum(1 << bit for bit, _, _ in parts):
        return
    if size != _EXTENDED_AT + sum(length for _, length, _ in parts):
        return
    place, added = _EXTENDED_AT, 0
    for _, length, offset in parts:
        if room := offset - place - added:
            yield place, room
        added += room
        place += length
