"""What a Linux process has mapped, and which of those pages hold something of its own.

Source: proc_pid_maps(5), proc_pid_smaps(5), proc_pid_pagemap(5).
"""

from __future__ import annotations

import array
import bisect

from tray.ffi import linux as ffi
from tray.formats.made import Made
from tray.lean import TYPE_CHECKING, dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from tray.ffi.linux import Kernel

_DELETED = " (deleted)"
_PAGEMAP_STEP = 1 << 16
_LARGEST_ADDRESS = 1 << 47
_FLAGS = b"\nVmFlags: "
_FIELDS = 5
_THERE = ffi.PAGE_IS_PRESENT | ffi.PAGE_IS_SWAPPED

DONT_DUMP, DEVICE, RAW_PAGES = "dd", "io", "pf"
NOT_INHERITED, WIPED, POOLED, MAY_SHARE = "dc", "wf", "ht", "ms"
NOTED = frozenset({DONT_DUMP, DEVICE, RAW_PAGES, NOT_INHERITED, WIPED, POOLED, "um", "uw", "ui"})
"""VmFlags that matter: what keeps a mapping out of a dump, or out of a clone, what comes from the system's pool of
huge pages (hugetlbfs), and userfaultfd's three."""

Words = frozenset[str]
_NONE: Words = frozenset()


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


class Mappings(Made[Mapping]):
    """The mappings of a process, sorted: numbers in arrays, objects only while they are looked at.

    A process may have 65,000, of which most look alike.

    Attributes:
        edges: Start and end of each, in turn.
        kinds: One mapping of each kind, to be asked for all but its addresses, offset and size.
        numbers: Which kind each mapping is of.
        fingerprint: A number that two readings of ``/proc/PID/maps`` share if it has not changed.
    """

    def __init__(self, mappings: Iterable[Mapping] = ()) -> None:
        self.edges = array.array("Q")
        self.kinds: list[Mapping] = []
        self.numbers = array.array("I")
        self.fingerprint = 0
        self._offsets = array.array("Q")
        known: dict[tuple[Any, ...], int] = {}
        for one in mappings:
            kind = (one.access, one.device, one.inode, one.path, one.deleted, one.flags)
            self._add(one.start, one.end, one.offset, known.setdefault(kind, len(known)))
            if len(known) > len(self.kinds):
                self.kinds.append(one)

    def read(self, heads: Iterable[tuple[bytes, Words]]) -> Mappings:
        """Add mappings by their lines of ``maps``, and their VmFlags; gives itself."""
        known: dict[tuple[Any, ...], int] = {}
        fingerprint = 0
        for line, flags in heads:
            fingerprint = hash((fingerprint, line))
            place, access, offset, *rest = line.split(None, _FIELDS)
            start, _, end = place.partition(b"-")
            first = int(start, 16)
            if first >= _LARGEST_ADDRESS:
                continue
            kind = (access, flags, *rest)
            number = known.setdefault(kind, len(known))
            if number == len(self.kinds):
                self.kinds.append(_mapping(line, flags))
            self._add(first, int(end, 16), int(offset, 16), number)
        self.fingerprint = fingerprint
        return self

    def _add(self, start: int, end: int, offset: int, number: int) -> None:
        self.edges.append(start)
        self.edges.append(end)
        self._offsets.append(offset)
        self.numbers.append(number)

    def at(self, address: int) -> Mapping | None:
        """The one that holds an address."""
        index = bisect.bisect_right(self.edges, address) // 2
        if index < len(self) and self.edges[2 * index] <= address < self.edges[2 * index + 1]:
            return self[index]
        return None

    def where(self, test: Callable[[Mapping], Any]) -> Iterator[Mapping]:
        """Those of the kinds that pass a test, which is asked once for each kind."""
        return (self[place] for place in self.places(test))

    def places(self, test: Callable[[Mapping], Any]) -> Iterator[int]:
        """As `where`, but their places in the list."""
        passes = [bool(test(kind)) for kind in self.kinds]
        return (place for place, number in enumerate(self.numbers) if passes[number])

    def flagged(self, like: Mappings) -> Mappings:
        """The same with the flags of others, which have the same addresses."""
        noted = {one.start: one.flags for one in like.where(lambda kind: kind.flags)}
        if not noted:
            return self
        found = Mappings(replace(one, flags=noted.get(one.start, _NONE)) for one in self)
        found.fingerprint = self.fingerprint
        return found

    def __len__(self) -> int:
        return len(self.numbers)

    def made(self, index: int) -> Mapping:
        """One of them; see `Made`."""
        kind, offset = self.kinds[self.numbers[index]], self._offsets[index]
        last = 2 * index + 1  # of a negative index too
        return Mapping(
            self.edges[last - 1],
            self.edges[last],
            kind.access,
            offset,
            kind.device,
            kind.inode,
            kind.path,
            kind.deleted,
            kind.flags,
        )


def listed(blocks: Iterable[bytes]) -> Mappings:
    """The mappings in ``/proc/PID/maps``, which may be cut anywhere into blocks; without flags."""
    return Mappings().read(_lines(blocks))


def flagged(blocks: Iterable[bytes]) -> Mappings:
    """The same from ``/proc/PID/smaps``, with their flags."""
    return Mappings().read(_entries(blocks))


def fingerprint(blocks: Iterable[bytes]) -> int:
    """`Mappings.fingerprint` of ``/proc/PID/maps``."""
    found = 0
    for line, _ in _lines(blocks):
        found = hash((found, line))
    return found


def parse(line: str) -> Mapping:
    """One line of ``maps``."""
    return _mapping(line.rstrip("\n").encode("utf-8", "surrogateescape"), _NONE)


def _mapping(line: bytes, flags: Words) -> Mapping:
    place, access, offset, device, inode, *name = line.split(None, _FIELDS)
    start, _, end = place.partition(b"-")
    major, _, minor = device.partition(b":")
    path = name[0].decode("utf-8", "surrogateescape") if name else ""
    return Mapping(
        int(start, 16),
        int(end, 16),
        access.decode(),
        int(offset, 16),
        (int(major, 16), int(minor, 16)),
        int(inode),
        path.removesuffix(_DELETED),
        path.endswith(_DELETED),
        flags,
    )


def _lines(blocks: Iterable[bytes]) -> Iterator[tuple[bytes, Words]]:
    """The lines of ``maps``."""
    rest = b""
    for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield line, _NONE


def _entries(blocks: Iterable[bytes]) -> Iterator[tuple[bytes, Words]]:
    """The same lines from ``smaps``, where 20 others and the flags follow each of them."""
    known: dict[bytes, Words] = {}
    head, rest = b"", b"\n"
    for block in blocks:
        *whole, rest = (rest + block).split(_FLAGS)
        for part in whole:  # the flags of the mapping before, and the lines of the next one
            cut = part.index(b"\n")
            if head:
                yield head, _noted(part[:cut], known)
            end = part.find(b"\n", cut + 1)
            head = part[cut + 1 : end if end >= 0 else len(part)]
    if head:
        yield head, _noted(rest.partition(b"\n")[0], known)


def _noted(text: bytes, known: dict[bytes, Words]) -> Words:
    """The flags of one mapping if any of them matters; most mappings have the same."""
    if text not in known:
        words = frozenset(text.decode().split())
        known[text] = words if words & NOTED else _NONE
    return known[text]


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

    def own_among(self, edges: array.array[int]) -> array.array[int]:
        """As `own`, of neighbouring mappings without a file, by their starts and ends in turn."""
        if self._scan:
            skip = ffi.PAGE_IS_PFNZERO
            try:
                return self._kernel.scan_pages(self._descriptor, edges[0], edges[-1], skip=skip, want=_THERE)
            except OSError:
                self._scan = False
        spans = zip(edges[::2], edges[1::2], strict=True)
        return _joined(page for start, end in spans for page in self._entries(start, end, file_counts=True))

    def present(self, mapping: Mapping) -> array.array[int]:
        """As `own`, but pages of files count as well if this process has them in its page tables."""
        return self._runs(mapping, 0, file_counts=True)

    def touched(self, start: int, end: int) -> bool:
        """Whether every page between two addresses is in memory, so that writing there brings in nothing new."""
        entries = self._kernel.pagemap(self._descriptor, start, (end - start) // ffi.PAGE)
        return len(entries) == (end - start) // ffi.PAGE and all(entry >> ffi.PM_PRESENT for entry in entries)

    def _runs(self, mapping: Mapping, skip: int, *, file_counts: bool) -> array.array[int]:
        if self._scan:
            start, end = mapping.start, mapping.end
            try:
                return self._kernel.scan_pages(self._descriptor, start, end, skip=skip, want=_THERE)
            except OSError:  # ENOTTY before Linux 6.7; whatever else it is, the older way may still do
                self._scan = False
        return _joined(self._entries(mapping.start, mapping.end, file_counts=file_counts))

    def _entries(self, first: int, last: int, *, file_counts: bool) -> Iterator[int]:
        """Addresses of the pages that count, from the page map itself."""
        held = 1 << ffi.PM_PRESENT | 1 << ffi.PM_SWAP
        of_file = 0 if file_counts else 1 << ffi.PM_FILE
        for start in range(first, last, _PAGEMAP_STEP * ffi.PAGE):
            count = min(_PAGEMAP_STEP, (last - start) // ffi.PAGE)
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
