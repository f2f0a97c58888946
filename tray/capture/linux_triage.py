"""Calls and nothing else, for a dump that strangers may read.

Of a stack only the words are kept that unwinding needs: those that point into code
or into a stack. The rest is zero, and with it every variable, text, command line and
environment. Paths outside of the system's own folders lose their folder.
"""

from __future__ import annotations

import array
import struct
from heapq import merge

from tray.capture.linux_mini import PAGE, stack
from tray.ffi import linux as ffi
from tray.formats import elf, linkmap
from tray.formats.file_note import FileList
from tray.formats.numbers import Runs, touching
from tray.lean import TYPE_CHECKING, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tray.capture.linux_freeze import Held
    from tray.capture.linux_maps import Mappings
    from tray.model import Region, Snapshot, Thread

    Place = tuple[int, int, int]

SYSTEM = (
    "/usr/",
    "/lib/",
    "/lib32/",
    "/lib64/",
    "/bin/",
    "/sbin/",
    "/opt/",
    "/snap/",
    "/app/",
    "/nix/",
    "/gnu/",
)
"""Folders whose names tell nothing about a person."""
_SYSTEM = tuple(folder.encode() for folder in SYSTEM)
_LOCK = 12
"""Bytes of a mutex: its word, its count, its owner."""
_DYNAMIC = 4 << 10
"""Bytes that a library's dynamic section has at most; it stands in its file, but for addresses."""
_NO_CALL = (1 << 64) - 1

Span = tuple[int, int]


class Triage:
    """What a dump for strangers holds.

    Args:
        threads: Stopped, with their registers.
        mappings: Sorted by address.
        auxv: The auxiliary vector.
        read: Gives up to that many bytes of the target's memory.
    """

    def __init__(
        self,
        threads: Sequence[Held | Thread],
        mappings: Mappings,
        auxv: bytes,
        read: Callable[[int, int], bytes],
    ) -> None:
        registers = [struct.unpack("<27Q", thread.registers) for thread in threads]
        stacks = sorted(span for span in (stack(one, mappings) for one in registers) if span[1])
        code = ((start, end) for start, end, *_ in mappings.rows(lambda kind: "x" in kind.access))
        spool = mappings.spool
        self._stacks, self._pointers = (
            Runs(spool, touching(stacks)),
            Runs(spool, touching(merge(code, stacks))),
        )
        self._lowest = self._pointers[0] if self._pointers else 0
        others = [*_locks(registers), *_linked(auxv, read)]
        vdso = linkmap.auxiliary(auxv).get(linkmap.AT_SYSINFO_EHDR, 0)
        if (mapping := mappings.at(vdso)) and mapping.start == vdso:
            others.append((mapping.start, mapping.end))
        whole = merge(_heads(mappings, read), sorted(others))
        self._whole = Runs(spool, touching(span for span in whole if _lent(mappings, span[0])))

    @property
    def pages(self) -> Iterator[int]:
        """Addresses of the pages that hold it, sorted."""
        limit = 0
        for start, end in merge(self._stacks.pairs(), self._whole.pairs()):
            yield from range(max(start - start % PAGE, limit), end, PAGE)
            limit = max(limit, end + -end % PAGE)

    def strip(self, start: int, content: bytes) -> bytes:
        """A stretch of memory as strangers may see it."""
        found, lowest = bytearray(len(content)), self._lowest
        for first, last in _within(self._stacks, start, start + len(content)):
            words = array.array("Q", content[first - start : last - start])
            kept = array.array("Q", (word if word >= lowest and self._points(word) else 0 for word in words))
            found[first - start : last - start] = kept.tobytes()
        for first, last in _within(self._whole, start, start + len(content)):
            found[first - start : last - start] = content[first - start : last - start]
        return bytes(found)

    def told(self, snapshot: Snapshot) -> Snapshot:
        """All but the memory, as strangers may see it."""
        return replace(
            snapshot,
            arguments="",
            threads=tuple(self._thread(thread) for thread in snapshot.threads),
            mappings=_Placeless(snapshot.mappings),
        )

    def _thread(self, thread: Thread) -> Thread:
        """Without the vector registers, through which texts are copied; the rest as on the stack, outside of calls."""
        values = list(struct.unpack("<27Q", thread.registers))
        if values[ffi.ORIG_RAX] == _NO_CALL:
            for place in range(ffi.ORIG_RAX):
                values[place] = values[place] if self._points(values[place]) else 0
        return replace(thread, registers=struct.pack("<27Q", *values), floating=b"", extended=b"", signal=b"")

    def _points(self, word: int) -> bool:
        return self._pointers.rank(word) % 2 == 1


class _Placeless(FileList):
    """File mappings without their folders, where those may be a person's."""

    def made(self, index: int) -> Region:
        """See `Made`."""
        one = self._regions[index]
        path = _placeless(one.path.encode("utf-8", "surrogateescape"))
        return replace(one, path=path.decode("utf-8", "surrogateescape"))

    def spans(self) -> Iterator[Place]:
        """See `FileList`."""
        return self._regions.spans() if isinstance(self._regions, FileList) else super().spans()

    def names(self) -> Iterator[bytes]:
        """See `FileList`."""
        names = self._regions.names if isinstance(self._regions, FileList) else super().names
        return map(_placeless, names())


def _heads(mappings: Mappings, read: Callable[[int, int], bytes]) -> Iterator[Span]:
    """The modules' first pages, which hold their build ids; of one in a person's folder no more than these."""
    for start, _, offset, _, file in mappings.rows(lambda kind: kind.module):
        if offset == 0:
            if mappings.path(file).startswith(_SYSTEM):
                yield start, start + PAGE
            else:
                yield from sorted(_head(start, read(start, PAGE)))


def _head(start: int, image: bytes) -> Iterator[Span]:
    """Headers and notes of a module: among its other texts is where it looks for its libraries (DT_RUNPATH)."""
    if len(image) < PAGE or not image.startswith(elf.MAGIC[:4]):
        return
    yield start, start + elf.HEADER.size
    table = elf.HEADER.unpack_from(image)[5]
    for number, program in enumerate(elf.own_programs(image)):
        yield start + table + number * elf.PROGRAM.size, start + table + (number + 1) * elf.PROGRAM.size
        if program.type == elf.PT_NOTE and program.offset + program.filesz <= PAGE:
            yield start + program.offset, start + program.offset + program.filesz


def _lent(mappings: Mappings, address: int) -> bool:
    """Whether a mapping of the process's own is there."""
    place = mappings.place(address)
    return place is not None and not mappings.kind(place).special


def _locks(registers: Iterable[Sequence[int]]) -> Iterable[Span]:
    """The locks that threads wait for."""
    for one in registers:
        if one[ffi.ORIG_RAX] == ffi.FUTEX:
            yield one[ffi.RDI], one[ffi.RDI] + _LOCK


def _linked(auxv: bytes, read: Callable[[int, int], bytes]) -> Iterable[Span]:
    """What debuggers read of the linker's list; of the names only those in the system's folders."""
    met: list[Span] = []

    def noted(address: int, size: int) -> bytes:
        content = read(address, size)
        met.append((address, address + len(content)))
        return content

    libraries = list(linkmap.linked(auxv, noted))
    names = {one.name: one.name + len(one.path.encode("utf-8", "surrogateescape")) + 1 for one in libraries}
    for one in libraries:
        yield one.dynamic, one.dynamic + _dynamic(read(one.dynamic, _DYNAMIC))
        if one.path.startswith(SYSTEM):
            yield one.name, names[one.name]
    yield from (span for span in met if not any(name <= span[0] < end for name, end in names.items()))


def _dynamic(content: bytes) -> int:
    """How many bytes a dynamic section has: variables may follow it."""
    ends = (at + 16 for at in range(0, len(content), 16) if content[at : at + 16] == bytes(16))
    return next(ends, 0)


def _placeless(path: bytes) -> bytes:
    """A path without its folder, where that may be a person's."""
    return path if path.startswith(_SYSTEM) else path.rstrip(b"/").rpartition(b"/")[2]


def _within(edges: Runs, start: int, end: int) -> Iterator[Span]:
    """The spans as far as they are within a stretch."""
    index = edges.rank(start) & ~1
    while index < len(edges) and edges[index] < end:
        yield max(edges[index], start), min(edges[index + 1], end)
        index += 2
