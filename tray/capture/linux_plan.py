"""What of a process goes into a dump of a given mode, and from where it is read."""

from __future__ import annotations

import array

from tray.capture.linux_maps import DEVICE, DONT_DUMP, RAW_PAGES
from tray.ffi.linux import PAGE
from tray.formats.pieces import Pieces
from tray.lean import TYPE_CHECKING, dataclass, field
from tray.model import Gap, Include, Memory

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tray.capture.linux_files import Files
    from tray.capture.linux_maps import Mapping, Pages

BRIDGE_HOLES = 1 << 20
"""Untouched stretches up to this long stay inside one `Memory`, as holes that read as zeros.

Longer ones are left out, so that the file does not look as long as the target's
reservations to programs that copy it without regard to holes.
"""
BRIDGE_FILE = 64 << 10
"""Unwritten stretches of a file mapping up to this long are filled in from the file."""
WHOLE_DATA = 16 << 20
"""A module's writable data is kept whole up to this size; of more, only what was written."""

_EXCLUDED = {
    DEVICE: "device memory (VM_IO)",
    RAW_PAGES: "device memory (VM_PFNMAP)",
    DONT_DUMP: "excluded by the app itself (MADV_DONTDUMP)",
}
_SECRET = "secret memory, which the system shows to nobody (memfd_secret)"  # noqa: S105 - a reason


@dataclass(slots=True)
class FilePart:
    """Bytes that are read from a mapping's file.

    Attributes:
        mapping: Whose.
        descriptor: Of the file.
        start: First address.
        end: First address after it.
        live: Whether it may change when the target runs, so that it is read while that stands still.
    """

    mapping: Mapping
    descriptor: int
    start: int
    end: int
    live: bool


@dataclass(slots=True)
class Plan:
    """What to store.

    Attributes:
        memory: Stretches of address space, sorted, for the headers.
        runs: Start and end, in turn, of what is read from the process while it stands still.
        parts: What is read from files.
        gaps: What is left out, and why.
    """

    memory: Pieces = field(default_factory=Pieces)
    runs: array.array[int] = field(default_factory=lambda: array.array("Q"))
    parts: list[FilePart] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes to copy, all together."""
        return span(self.runs) + sum(part.end - part.start for part in self.parts)


def span(runs: array.array[int]) -> int:
    """How many bytes runs have together."""
    return sum(runs[1::2]) - sum(runs[::2])


def joined(first: Plan, second: Plan) -> Plan:
    """One plan for the mappings of both."""
    return Plan(
        Pieces((*first.memory, *second.memory)).sorted(),
        united(first.runs, second.runs),
        sorted([*first.parts, *second.parts], key=lambda part: part.start),
        [*first.gaps, *second.gaps],
    )


def small(mappings: Iterable[Mapping], wanted: set[int]) -> Plan:
    """A plan for single pages."""
    plan = Plan()
    for page in sorted(wanted):
        if plan.runs and plan.runs[-1] == page:
            plan.runs[-1] = page + PAGE
        else:
            plan.runs.extend((page, page + PAGE))
    position = 0
    for mapping in mappings:
        while position < len(plan.runs) and plan.runs[position] < mapping.end:
            start, end = plan.runs[position], min(plan.runs[position + 1], mapping.end)
            plan.memory.append(Memory(start, end - start, end - start, mapping.access[:3]))
            if end == plan.runs[position + 1]:
                position += 2
            else:
                plan.runs[position : position + 1] = array.array("Q", (start, end, end))
                position += 2
    return plan


def large(mappings: Sequence[Mapping], include: Include, pages: Pages, files: Files) -> Plan:
    """A plan for whole mappings."""
    plan = Plan()
    modules = {mapping.path for mapping in mappings if "x" in mapping.access and mapping.inode}
    for mapping in mappings:
        if mapping.special:
            continue
        if why := next((text for flag, text in _EXCLUDED.items() if flag in mapping.flags), ""):
            plan.gaps.append(
                Gap(str(mapping), _SECRET if mapping.path == "/secretmem" else why, mapping.size)
            )
            _add(plan, mapping, [])
        elif not mapping.inode:
            _anonymous(plan, mapping, pages)
        elif mapping.fileless:
            _fileless(plan, mapping, pages, files)
        elif Include.MAPPED_FILES in include:
            _whole_file(plan, mapping, pages, files)
        elif mapping.shared:
            _add(plan, mapping, [])
        else:
            _written(plan, mapping, pages, files, module=mapping.path in modules)
    return plan


def _anonymous(plan: Plan, mapping: Mapping, pages: Pages) -> None:
    """Private memory without a file: what was touched; the rest is zero."""
    runs = array.array("Q", (mapping.start, mapping.end)) if mapping.path == "[vdso]" else pages.own(mapping)
    plan.runs.extend(runs)
    _add(plan, mapping, _bridged(runs, BRIDGE_HOLES))


def _fileless(plan: Plan, mapping: Mapping, pages: Pages, files: Files) -> None:
    """Shared memory: all its data, also what this process has not touched itself."""
    descriptor = files.descriptor(mapping)
    if descriptor is not None:
        runs = files.written(mapping, descriptor)
        own = array.array("Q") if mapping.shared else pages.own(mapping)  # these differ from the file's
        for index in range(0, len(runs), 2):
            part = FilePart(mapping, descriptor, runs[index], runs[index + 1], live=True)
            plan.parts += _without(part, own)
        plan.runs.extend(own)
        runs = united(runs, own)
    else:
        runs = pages.present(mapping)
        plan.runs.extend(runs)
        if (rest := mapping.size - span(runs)) and mapping.shared:
            plan.gaps.append(Gap(str(mapping), "shared memory that the app had not touched itself", rest))
    _add(plan, mapping, _bridged(runs, BRIDGE_HOLES))


def _whole_file(plan: Plan, mapping: Mapping, pages: Pages, files: Files) -> None:
    """A file mapping, whole: what was written from the process, the rest from the file."""
    if "r" not in mapping.access and "x" not in mapping.access:
        _written(plan, mapping, pages, files, module=False)
        return
    descriptor = files.descriptor(mapping)
    if descriptor is None:
        plan.runs.extend((mapping.start, mapping.end))
    else:
        live = mapping.shared and "w" in mapping.access
        part = FilePart(mapping, descriptor, mapping.start, mapping.end, live)
        own = array.array("Q") if mapping.shared else pages.own(mapping)
        plan.parts += _without(part, own)
        plan.runs.extend(own)
    _add(plan, mapping, [(mapping.start, mapping.end)])


def _written(plan: Plan, mapping: Mapping, pages: Pages, files: Files, *, module: bool) -> None:
    """A private file mapping: what was written, a module's data and its first page."""
    own = pages.own(mapping)
    descriptor = files.descriptor(mapping)
    keep = _bridged(own, BRIDGE_FILE if descriptor is not None else 0)
    if module and descriptor is not None:
        if ("w" in mapping.access and mapping.size <= WHOLE_DATA) or (
            mapping.deleted and mapping.size <= WHOLE_DATA
        ):
            keep = [(mapping.start, mapping.end)]
        elif mapping.offset == 0 and (not keep or keep[0][0] > mapping.start):
            keep.insert(0, (mapping.start, mapping.start + PAGE))
    elif module and (mapping.offset == 0 or mapping.deleted) and not own:
        end = mapping.end if mapping.deleted else mapping.start + PAGE
        own = array.array("Q", (mapping.start, end))
        keep = [(mapping.start, end)]
    plan.runs.extend(own)
    if descriptor is not None:
        for start, end in keep:
            part = FilePart(mapping, descriptor, start, end, live=False)
            plan.parts += _without(part, own)
    _add(plan, mapping, keep)


def _without(part: FilePart, own: array.array[int]) -> list[FilePart]:
    """A part less the runs that the process wrote itself."""
    found: list[FilePart] = []
    start = part.start
    for index in range(0, len(own), 2):
        first, last = max(own[index], part.start), min(own[index + 1], part.end)
        if first < last:
            if start < first:
                found.append(FilePart(part.mapping, part.descriptor, start, first, part.live))
            start = last
    if start < part.end:
        found.append(FilePart(part.mapping, part.descriptor, start, part.end, part.live))
    return found


def united(first: array.array[int], second: array.array[int]) -> array.array[int]:
    """The runs of both, sorted, those that touch made one."""
    found = array.array("Q")
    both = ((runs[index], runs[index + 1]) for runs in (first, second) for index in range(0, len(runs), 2))
    for start, end in sorted(both):
        if found and start <= found[-1]:
            found[-1] = max(end, found[-1])
        else:
            found.extend((start, end))
    return found


def _bridged(runs: array.array[int], gap: int) -> list[tuple[int, int]]:
    """Runs as pairs, those that are at most ``gap`` bytes apart made one."""
    found: list[tuple[int, int]] = []
    for index in range(0, len(runs), 2):
        start, end = runs[index], runs[index + 1]
        if found and start - found[-1][1] <= gap:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def _add(plan: Plan, mapping: Mapping, keep: Iterable[tuple[int, int]]) -> None:
    """Headers for a mapping: what is kept, and between it what is only said to be there."""
    access = mapping.access[:3]
    position = mapping.start
    for start, end in keep:
        if position < start:
            plan.memory.append(Memory(position, start - position, 0, access))
        plan.memory.append(Memory(start, end - start, end - start, access))
        position = end
    if position < mapping.end:
        plan.memory.append(Memory(position, mapping.end - position, 0, access))
