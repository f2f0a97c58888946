"""What of a process goes into a dump of a given mode, and from where it is read."""

from __future__ import annotations

import array
from collections import deque
from itertools import chain, groupby, islice

from tray.capture.gaps import Gaps
from tray.capture.linux_maps import DEVICE, DONT_DUMP, RAW_PAGES
from tray.capture.linux_parts import Parts
from tray.ffi.linux import PAGE
from tray.formats.numbers import Runs, touching
from tray.formats.pieces import Pieces
from tray.lean import TYPE_CHECKING, dataclass, field
from tray.model import Gap, Include

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tray.capture.linux_files import Files
    from tray.capture.linux_maps import Mapping, Mappings
    from tray.capture.linux_pages import Pages
    from tray.formats.spool import Spool

BRIDGE_HOLES = 1 << 20
"""Untouched stretches up to this long stay inside one `Memory`, as holes that read as zeros.

Longer ones are left out, so that the file does not look as long as the target's
reservations to programs that copy it without regard to holes.
"""
BRIDGE_FILE = 64 << 10
"""Unwritten stretches of a file mapping up to this long are filled in from the file."""
WHOLE_DATA = 16 << 20
"""A module's writable data is kept whole up to this size; of more, only what was written."""

_AT_ONCE = 1024
"""Mappings whose pages are asked for together."""
_EXCLUDED = {
    DEVICE: "device memory (VM_IO)",
    RAW_PAGES: "device memory (VM_PFNMAP)",
    DONT_DUMP: "excluded by the app itself (MADV_DONTDUMP)",
}
_NONE = array.array("Q")
_SECRET = "secret memory, which the system shows to nobody (memfd_secret)"  # noqa: S105 - a reason


@dataclass(slots=True)
class Plan:
    """What to store.

    Attributes:
        memory: Stretches of address space, sorted, for the headers.
        runs: Start and end, in turn, of what is read from the process while it stands still.
        live: What is read from files that may change when the target runs, so while that stands still.
        parts: What is read from other files.
        gaps: What is left out, and why.
    """

    memory: Pieces = field(default_factory=Pieces)
    runs: Runs = field(default_factory=Runs)
    live: Parts = field(default_factory=Parts)
    parts: Parts = field(default_factory=Parts)
    gaps: Gaps = field(default_factory=Gaps)

    @property
    def size(self) -> int:
        """Bytes to copy, all together."""
        return self.runs.size + self.live.size + self.parts.size


def empty(spool: Spool) -> Plan:
    """A plan for nothing yet, which may grow beyond what is held."""
    return Plan(Pieces(spool=spool), Runs(spool), Parts(spool), Parts(spool))


def joined(first: Plan, second: Plan, spool: Spool) -> Plan:
    """One plan for the mappings of both."""
    return Plan(
        first.memory.joined(second.memory),
        united(first.runs, second.runs, spool),
        first.live.joined(second.live),
        first.parts.joined(second.parts),
        Gaps([*first.gaps, *second.gaps]),
    )


def small(mappings: Mappings, wanted: Iterable[int]) -> Plan:
    """A plan for single pages, which are sorted."""
    plan, limit, begin, access = empty(mappings.spool), 0, 0, ""
    edges = plan.runs.held
    for page in wanted:
        if page < limit and edges[-1] == page:
            edges[-1] = page + PAGE
        elif found := mappings.edges.around(page):
            if edges:
                plan.memory.add(begin, edges[-1] - begin, edges[-1] - begin, access)
            limit, begin, access = found[1], page, mappings.kind(found[2]).access[:3]
            plan.runs.add(page, page + PAGE)
    if edges:
        plan.memory.add(begin, edges[-1] - begin, edges[-1] - begin, access)
    return plan


def large(
    mappings: Mappings,
    include: Include,
    pages: Pages,
    files: Files,
    of: Callable[[Mapping], bool] = lambda kind: True,  # noqa: ARG005 - all
) -> Plan:
    """A plan for whole mappings, of those kinds that ``of`` says."""
    plan = empty(mappings.spool)
    ways = [_way(kind, include) if of(kind) else None for kind in mappings.kinds]
    if not any(ways):
        return plan
    first, rows = 0, mappings.rows(lambda kind: True)  # noqa: ARG005 - all
    for way, alike in groupby(map(ways.__getitem__, mappings.numbers)):
        last = first + sum(1 for _ in alike)
        some = islice(rows, last - first)
        if way is _anonymous:
            for place in range(first, last, _AT_ONCE):
                _anonymous(plan, mappings, place, min(place + _AT_ONCE, last), pages)
        elif way is _said:
            for start, end, _, number, _ in some:
                _said(plan, start, end, mappings.kinds[number].access)
        elif way:
            for row in some:
                way(plan, mappings.of(row), pages, files)
        deque(some, 0)  # those that were passed over
        first = last
    return plan


def _way(kind: Mapping, include: Include) -> Callable[..., None] | None:
    """How mappings of a kind are planned; None for not at all."""
    if kind.special or kind.flags.intersection(_EXCLUDED):
        return None if kind.special else _left_out
    if not kind.inode:
        return _kernels if kind.path == "[vdso]" else _anonymous
    if kind.fileless:
        return _fileless
    if Include.MAPPED_FILES in include:
        return _whole_file
    return _said if kind.shared else _written_module if kind.module else _written


def _left_out(plan: Plan, mapping: Mapping, pages: Pages, files: Files) -> None:  # noqa: ARG001 - as the other ways
    """Memory that must not be read."""
    why = next(text for flag, text in _EXCLUDED.items() if flag in mapping.flags)
    why = _SECRET if mapping.path == "/secretmem" else why
    plan.gaps.append(Gap(str(mapping), why, mapping.size))
    _said(plan, mapping.start, mapping.end, mapping.access)


def _said(plan: Plan, start: int, end: int, access: str) -> None:
    """Memory of which is only said that it is there; there may be a million such mappings, so no object is made."""
    plan.memory.add(start, end - start, 0, access[:3])


def _kernels(plan: Plan, mapping: Mapping, pages: Pages, files: Files) -> None:  # noqa: ARG001 - as above
    """Code that the kernel brings along: whole."""
    plan.runs.add(mapping.start, mapping.end)
    plan.memory.add(mapping.start, mapping.size, mapping.size, mapping.access[:3])


def _anonymous(plan: Plan, mappings: Mappings, first: int, last: int, pages: Pages) -> None:
    """Private memory without a file, neighbouring mappings at a time: what was touched; the rest is zero."""
    edges = mappings.edges[2 * first : 2 * last]
    kinds = [kind.access[:3] for kind in mappings.kinds]
    found = pages.own_among(edges)
    add, at, runs = plan.memory.add, 0, _NONE
    for number, start, end in zip(mappings.numbers[first:last], edges[::2], edges[1::2], strict=True):
        position = start
        while position < end:
            while at < len(runs) and runs[at + 1] <= position:
                at += 2
            if at == len(runs):
                at, runs = 0, next(found, _NONE)
                plan.runs.extend(runs)
                if runs:
                    continue
            if not runs or runs[at] >= end:
                add(position, end - position, 0, kinds[number])
                break
            if position < runs[at]:
                add(position, runs[at] - position, 0, kinds[number])
                position = runs[at]
            kept, at = _bridge(runs, at, end)
            add(position, kept - position, kept - position, kinds[number])
            position = kept


def _bridge(runs: array.array[int], at: int, end: int) -> tuple[int, int]:
    """End of the runs from this one on that are nearly together, within a mapping, and which run goes on there."""
    last = runs[at + 1]
    while last < end:
        at += 2
        if at == len(runs) or runs[at] >= end or runs[at] - last > BRIDGE_HOLES:
            return last, at
        last = runs[at + 1]
    return end, at


def _fileless(plan: Plan, mapping: Mapping, pages: Pages, files: Files) -> None:
    """Shared memory: all its data, also what this process has not touched itself."""
    descriptor = files.descriptor(mapping)
    if descriptor is not None:
        runs = Runs(plan.runs.spool, files.written(mapping, descriptor))
        own = Runs() if mapping.shared else pages.own(mapping)  # these differ from the file's
        plan.live.add(mapping, descriptor, runs.pairs(), own.pairs())
        plan.runs.extend(own)
        runs = united(runs, own, plan.runs.spool)
    else:
        runs = pages.present(mapping)
        plan.runs.extend(runs)
        if (rest := mapping.size - runs.size) and mapping.shared:
            plan.gaps.append(Gap(str(mapping), "shared memory that the app had not touched itself", rest))
    _add(plan, mapping.start, mapping.end, mapping.access[:3], touching(runs.pairs(), BRIDGE_HOLES))


def _whole_file(plan: Plan, mapping: Mapping, pages: Pages, files: Files) -> None:
    """A file mapping, whole: what was written from the process, the rest from the file."""
    if "r" not in mapping.access and "x" not in mapping.access:
        _written(plan, mapping, pages, files)
        return
    descriptor = files.descriptor(mapping)
    if descriptor is None:
        plan.runs.add(mapping.start, mapping.end)
    else:
        parts = plan.live if mapping.shared and "w" in mapping.access else plan.parts
        own = Runs() if mapping.shared else pages.own(mapping)
        parts.add(mapping, descriptor, [(mapping.start, mapping.end)], own.pairs())
        plan.runs.extend(own)
    plan.memory.add(mapping.start, mapping.size, mapping.size, mapping.access[:3])


def _written_module(plan: Plan, mapping: Mapping, pages: Pages, files: Files) -> None:
    """A module's mapping: what was written, its data, and its first page."""
    _written(plan, mapping, pages, files, module=True)


def _written(plan: Plan, mapping: Mapping, pages: Pages, files: Files, *, module: bool = False) -> None:
    """A private file mapping: what was written, and more of a module."""
    own = pages.own(mapping)
    descriptor = files.descriptor(mapping)
    keep = Runs(plan.runs.spool, touching(own.pairs(), BRIDGE_FILE if descriptor is not None else 0))
    if module and descriptor is not None:
        if ("w" in mapping.access and mapping.size <= WHOLE_DATA) or (
            mapping.deleted and mapping.size <= WHOLE_DATA
        ):
            keep = Runs(spans=[(mapping.start, mapping.end)])
        elif mapping.offset == 0 and (not keep or keep[0] > mapping.start):
            keep = Runs(plan.runs.spool, chain([(mapping.start, mapping.start + PAGE)], keep.pairs()))
    elif module and (mapping.offset == 0 or mapping.deleted) and not own:
        end = mapping.end if mapping.deleted else mapping.start + PAGE
        own = keep = Runs(spans=[(mapping.start, end)])
    plan.runs.extend(own)
    if descriptor is not None:
        plan.parts.add(mapping, descriptor, keep.pairs(), own.pairs())
    _add(plan, mapping.start, mapping.end, mapping.access[:3], keep.pairs())


def united(first: Runs, second: Runs, spool: Spool | None = None) -> Runs:
    """The runs of both, sorted, those that touch made one."""
    if not first or not second:
        return first or second
    from heapq import merge

    return Runs(spool, touching(merge(first.pairs(), second.pairs())))


def _add(plan: Plan, start: int, end: int, access: str, keep: Iterable[tuple[int, int]]) -> None:
    """Headers for a mapping: what is kept, and between it what is only said to be there."""
    position = start
    for first, last in keep:
        if position < first:
            plan.memory.add(position, first - position, 0, access)
        plan.memory.add(first, last - first, last - first, access)
        position = last
    if position < end:
        plan.memory.add(position, end - position, 0, access)
