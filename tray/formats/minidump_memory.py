"""The address space of a minidump: stretches that it holds, and stretches that it only knows of."""

from __future__ import annotations

import bisect

from tray.lean import TYPE_CHECKING, NamedTuple
from tray.model import Memory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Piece(NamedTuple):
    """Memory that the dump holds."""

    start: int
    size: int
    offset: int


class Row(NamedTuple):
    """A stretch of the map of the address space."""

    start: int
    size: int
    access: str
    mapped: bool


def cut(rows: list[Row], pieces: list[Piece]) -> list[Memory]:
    """The address space in stretches that the dump either holds or does not, without overlap."""
    spans = list(_apart((row.start, row.start + row.size, row.access) for row in rows))
    held = list(_apart((piece.start, piece.start + piece.size, "") for piece in pieces))
    starts = [start for start, _, _ in spans]
    found = []
    for start, end, _ in held:
        place = bisect.bisect_right(starts, start) - 1
        inside = place >= 0 and start < spans[place][1]
        found.append(Memory(start, end - start, end - start, spans[place][2] if inside else "rw-"))
    found += _between(spans, held)
    return sorted(found, key=lambda memory: memory.start)


def _apart(spans: Iterable[tuple[int, int, str]]) -> Iterator[tuple[int, int, str]]:
    """Sorted spans (start, end, access) without what overlaps an earlier one."""
    position = 0
    for start, end, access in spans:
        if max(start, position) < end:
            yield max(start, position), end, access
            position = end


def _between(spans: list[tuple[int, int, str]], held: list[tuple[int, int, str]]) -> Iterator[Memory]:
    """What of the spans the dump does not hold."""
    ends = [end for _, end, _ in held]
    for start, end, access in spans:
        position = start
        index = bisect.bisect_right(ends, start)
        while index < len(held) and held[index][0] < end:
            if position < held[index][0]:
                yield Memory(position, held[index][0] - position, 0, access)
            position = ends[index]
            index += 1
        if position < end:
            yield Memory(position, end - position, 0, access)
