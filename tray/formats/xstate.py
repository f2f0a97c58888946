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
    rooms = _rooms(area[_MASK_AT : _MASK_AT + 8], len(area))
    for position, room in rooms:
        area = area[:position] + room + area[position:]
    return area


@functools.cache
def _rooms(mask: bytes, size: int) -> tuple[tuple[int, bytes], ...]:
    """What is to be put where into an area, in this order; nothing if it is not packed, or lacks no room."""
    known = int.from_bytes(mask, "little")
    parts = [part for part in _PARTS if known >> part[0] & 1]
    if known & ~_LEGACY != sum(1 << bit for bit, _, _ in parts):
        return ()
    if size != _EXTENDED_AT + sum(length for _, length, _ in parts):
        return ()
    found, position = [], _EXTENDED_AT
    for _, length, offset in parts:
        if position < offset:
            found.append((position, bytes(offset - position)))
        position = offset + length
    return tuple(found)
