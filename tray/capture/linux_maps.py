"""What a Linux process has mapped, and which of those pages hold something of its own.

Source: proc_pid_maps(5), proc_pid_smaps(5), proc_pid_pagemap(5).
"""

from __future__ import annotations

import array
import bisect
import re
from collections.abc import Sequence

from tray.ffi import linux as ffi
from tray.lean import TYPE_CHECKING, dataclass, overload, replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from tray.ffi.linux import Kernel

_HEAD = re.compile(
    r"([0-9a-f]+)-([0-9a-f]+) (....) ([0-9a-f]+) ([0-9a-f]+):([0-9a-f]+) (\d+) *(.*)\n?", re.DOTALL
)
_EDGES = re.compile(r"([0-9a-f]+)-([0-9a-f]+) ")
_DELETED = " (deleted)"
_PAGEMAP_STEP = 1 << 16
_LARGEST_ADDRESS = 1 << 47

DONT_DUMP, DEVICE, RAW_PAGES = "dd", "io", "pf"
NOT_INHERITED, WIPED, POOLED, MAY_SHARE = "dc", "wf", "ht", "ms"
NOTED = frozenset({DONT_DUMP, DEVICE, RAW_PAGES, NOT_INHERITED, WIPED, POOLED, "um", "uw", "ui"})
"""VmFlags that matter: what keeps a mapping out of a dump, or out of a clone, what comes from the system's pool of
huge pages (hugetlbfs), and userfaultfd's three."""


@dataclass(frozen=True, slots=True)
class Mapping:
    """One line of ``/proc/PID/maps``.

    Attributes:
        start: First address.
        end: First address after it.
        access: ``rwxp`` or ``rwxs``, ``-`` for what is missing.
        offset: In the file, bytes.
        device: ``st_dev`` of the file.
        inode: 0 for anonymous memory.
        path: As the kernel shows it, without " (deleted)".
        deleted: Whether the file has no name any more.
        flags: VmFlags, two letters each; empty without any of `NOTED`.
    """

    start: int
    end: int
    access: str
    offset: int
    device: tuple[int, int]
    inode: int
    path: str
    deleted: bool = False
    flags: frozenset[str] = frozenset()

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.end - self.start

    @property
    def shared(self) -> bool:
        """Whether writes are seen by others."""
        return self.access[3] == "s"

    @property
    def fileless(self) -> bool:
        """Shared memory that no file on a disk backs: its contents exist only in memory."""
        return self.inode != 0 and (
            self.path.startswith(("/memfd:", "/SYSV", "/dev/shm/", "/dev/hugepages/"))  # noqa: S108 - recognised
            or (self.path == "/anon_hugepage" and self.deleted and self.shared)
            or (self.path == "/dev/zero" and self.deleted)
            or (self.path.startswith("/drm mm object") and self.deleted)
        )

    @property
    def of_driver(self) -> bool:
        """Whether a driver may stand behind it, so that reading it could do something."""
        if self.path.startswith("/dev/"):
            return not self.path.startswith(("/dev/shm/", "/dev/zero", "/dev/hugepages/"))  # noqa: S108 - as above
        return self.path.startswith(("/sys/", "/proc/", "anon_inode:", "socket:"))

    @property
    def special(self) -> bool:
        """A page the kernel lends every process; it says nothing about this one."""
        return self.path.startswith(("[vvar", "[vsyscall"))

    @property
    def cloned(self) -> bool:
        """Whether a clone has its contents as they are now, for good."""
        return not self.shared and not self.flags & {NOT_INHERITED, WIPED}

    def __str__(self) -> str:
        """For a `Gap`."""
        return f"{self.start:x}-{self.end:x} {self.path}".rstrip()


def parse(line: str) -> Mapping | None:
    """One line of ``maps``, or None for a line that is not one (``smaps`` has others between)."""
    match = _HEAD.fullmatch(line.rstrip("\n"))
    if not match:
        return None
    start, end, access, offset, major, minor, inode, path = match.groups()
    deleted = path.endswith(_DELETED)
    return Mapping(
        int(start, 16),
        int(end, 16),
        access,
        int(offset, 16),
        (int(major, 16), int(minor, 16)),
        int(inode),
        path.removesuffix(_DELETED) if deleted else path,
        deleted,
    )


class Mappings(Sequence[Mapping]):
    """The mappings of a process, sorted: numbers in arrays, objects only while they are looked at.

    A process may have 65,000, of which most look alike.
    """

    def __init__(self, mappings: Iterable[Mapping] = ()) -> None:
        self.edges = array.array("Q")
        """Start and end of each, in turn."""
        self._files = array.array("Q")
        self._kinds = array.array("L")
        self._known: dict[tuple[Any, ...], int] = {}
        for one in mappings:
            kind = (one.access, one.device, one.path, one.deleted, one.flags)
            self._kinds.append(self._known.setdefault(kind, len(self._known)))
            self.edges.extend((one.start, one.end))
            self._files.extend((one.offset, one.inode))
        self._fields = list(self._known)

    def at(self, address: int) -> Mapping | None:
        """The one that holds an address."""
        index = bisect.bisect_right(self.edges, address) // 2
        if index < len(self) and self.edges[2 * index] <= address < self.edges[2 * index + 1]:
            return self[index]
        return None

    def __len__(self) -> int:
        return len(self._kinds)

    @overload
    def __getitem__(self, index: int) -> Mapping: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Mapping]: ...
    def __getitem__(self, index: int | slice) -> Mapping | Sequence[Mapping]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        access, device, path, deleted, flags = self._fields[self._kinds[index]]
        (start, end), (offset, inode) = (
            numbers[2 * index : 2 * index + 2] for numbers in (self.edges, self._files)
        )
        return Mapping(start, end, access, offset, device, inode, path, deleted, flags)


def mapped(lines: Iterable[str]) -> Iterator[Mapping]:
    """The mappings of ``/proc/PID/maps``, in the order of their addresses."""
    for line in lines:
        if (found := parse(line)) and found.start < _LARGEST_ADDRESS:
            yield found


@dataclass(frozen=True, slots=True)
class Flags:
    """VmFlags of the mappings at one moment.

    Attributes:
        edges: Start and end of every mapping, in turn: whether the map has changed since.
        noted: Flags by start, of the mappings that have one of `NOTED`.
    """

    edges: array.array[int]
    noted: dict[int, frozenset[str]]

    def belong_to(self, mappings: Mappings) -> bool:
        """Whether these are still the mappings that the flags were read of."""
        return self.edges == mappings.edges

    def set_on(self, mappings: Mappings) -> Mappings:
        """The mappings, those that matter with their flags."""
        if not self.noted:
            return mappings
        return Mappings(
            replace(m, flags=found) if (found := self.noted.get(m.start)) else m for m in mappings
        )


def flags(lines: Iterable[str]) -> Flags:
    """VmFlags, from ``/proc/PID/smaps``."""
    found = Flags(array.array("Q"), {})
    for line in lines:
        if line.startswith("VmFlags:"):
            words = frozenset(line.split()[1:])
            if words & NOTED and found.edges:
                found.noted[found.edges[-2]] = words
        elif (head := _EDGES.match(line)) and (start := int(head[1], 16)) < _LARGEST_ADDRESS:
            found.edges.extend((start, int(head[2], 16)))
    return found


OF_FLAGS = b"0123456789abcdefV"
"""What the lines of ``smaps`` begin with that `flags` looks at: two of some 25."""


class Pages:
    """Which pages of a stopped process are there; closes its descriptor at the end of a ``with``."""

    def __init__(self, kernel: Kernel, pid: int) -> None:
        self._kernel = kernel
        self._descriptor = kernel.open(f"/proc/{pid}/pagemap")
        self._scan = True

    def close(self) -> None:
        """Close the page map."""
        import os

        os.close(self._descriptor)

    def own(self, mapping: Mapping) -> array.array[int]:
        """Start and end, in turn, of the runs of pages that are the process's own: written, and not the zero page.

        Shared file pages and pages that were never touched are not among them.
        """
        skip = ffi.PAGE_IS_PFNZERO if not mapping.inode else ffi.PAGE_IS_PFNZERO | ffi.PAGE_IS_FILE
        return self._runs(mapping, skip, file_counts=not mapping.inode)

    def present(self, mapping: Mapping) -> array.array[int]:
        """As `own`, but pages of files count as well if this process has them in its page tables."""
        return self._runs(mapping, 0, file_counts=True)

    def touched(self, start: int, end: int) -> bool:
        """Whether every page between two addresses is in memory, so that writing there brings in nothing new."""
        entries = self._kernel.pagemap(self._descriptor, start, (end - start) // ffi.PAGE)
        return len(entries) == (end - start) // ffi.PAGE and all(entry >> ffi.PM_PRESENT for entry in entries)

    def _runs(self, mapping: Mapping, skip: int, *, file_counts: bool) -> array.array[int]:
        if self._scan:
            try:
                return self._kernel.scan_pages(
                    self._descriptor,
                    mapping.start,
                    mapping.end,
                    skip=skip,
                    want=ffi.PAGE_IS_PRESENT | ffi.PAGE_IS_SWAPPED,
                )
            except OSError:  # ENOTTY before Linux 6.7; whatever else it is, the older way may still do
                self._scan = False
        return _joined(self._entries(mapping, file_counts=file_counts))

    def _entries(self, mapping: Mapping, *, file_counts: bool) -> Iterator[int]:
        """Addresses of the pages that count, from the page map itself."""
        held = 1 << ffi.PM_PRESENT | 1 << ffi.PM_SWAP
        of_file = 0 if file_counts else 1 << ffi.PM_FILE
        for start in range(mapping.start, mapping.end, _PAGEMAP_STEP * ffi.PAGE):
            count = min(_PAGEMAP_STEP, (mapping.end - start) // ffi.PAGE)
            entries = self._kernel.pagemap(self._descriptor, start, count)
            if any(entries):
                for index, entry in enumerate(entries):
                    if entry & held and not entry & of_file:
                        yield start + index * ffi.PAGE


def _joined(pages: Iterable[int]) -> array.array[int]:
    """Runs of neighbouring pages: start and end in turn."""
    runs = array.array("Q")
    for address in pages:
        if runs and runs[-1] == address:
            runs[-1] = address + ffi.PAGE
        else:
            runs.extend((address, address + ffi.PAGE))
    return runs
