"""The address space by kind: what there was, and how much of it the dump holds."""

from __future__ import annotations

import bisect
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray.formats.pieces import rows
from tray.reports.registers import sp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray.formats.pieces import Row
    from tray.model import Report

HEAP, STACK, CODE, DATA = "heap and other private", "stack", "code", "module data"
CONSTANTS, SHARED, MAPPED, RESERVED = "module constants", "shared memory", "mapped file", "reserved"
_SHARED = ("/memfd:", "/SYSV", "/dev/shm/", "/dev/zero")  # noqa: S108 - recognised, not used


@dataclass(frozen=True, slots=True)
class Kind:
    """All memory of one kind.

    Attributes:
        name: As in `HEAP`.
        count: How many stretches.
        size: Bytes of address space.
        stored: Bytes of it that the dump holds.
    """

    name: str
    count: int
    size: int
    stored: int


def by_kind(report: Report) -> list[Kind]:
    """The kinds that there are, the biggest first; what is only reserved comes last."""
    size: Counter[str] = Counter()
    stored: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for (_, whole, held, _), kind in each(report):
        size[kind] += whole
        stored[kind] += held
        count[kind] += 1
    found = [Kind(kind, count[kind], total, stored[kind]) for kind, total in size.most_common()]
    return sorted(found, key=lambda kind: kind.name == RESERVED)


def each(report: Report) -> Iterator[tuple[Row, str]]:
    """Each stretch of memory with what kind it is; there may be a million, and so they are no objects."""
    starts = sorted((region.start, region.end) for region in report.snapshot.mappings)
    modules = {module.path for module in report.modules}
    paths = {region.start: region.path for region in report.snapshot.mappings}
    stacks = sorted(sp(thread) for thread in report.snapshot.threads)
    for row in rows(report.snapshot.memory):
        start, size, stored, access = row
        index = bisect.bisect_right(starts, (start, 1 << 64)) - 1
        if index >= 0 and start < starts[index][1]:
            path = paths[starts[index][0]]
            yield row, _of_module(access) if path in modules else _of_file(path)
            continue
        place = bisect.bisect_left(stacks, start)
        if place < len(stacks) and stacks[place] < start + size:
            yield row, STACK
        else:
            yield row, RESERVED if access == "---" and not stored else HEAP


def _of_module(access: str) -> str:
    if "x" in access:
        return CODE
    return DATA if "w" in access else CONSTANTS


def _of_file(path: str) -> str:
    return SHARED if path.startswith(_SHARED) else MAPPED
