"""Calls and nothing else, for a dump that strangers may read.

Of a stack only the words are kept that unwinding needs: those that point into code
or into a stack. The rest is zero, and with it every variable, text, command line and
environment. Paths outside of the system's own folders lose their folder.
"""

from __future__ import annotations

import array
import bisect
import struct

from tray.capture.linux_mini import PAGE, stack
from tray.ffi import linux as ffi
from tray.formats import linkmap
from tray.lean import TYPE_CHECKING, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tray.capture.linux_maps import Mappings
    from tray.model import Region, Snapshot, Thread

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
        threads: Sequence[Thread],
        mappings: Mappings,
        auxv: bytes,
        read: Callable[[int, int], bytes],
    ) -> None:
        registers = [struct.unpack("<27Q", thread.registers) for thread in threads]
        self._stacks = [span for span in _joined(stack(one, mappings) for one in registers) if span[1]]
        code = _joined((m.start, m.end) for m in mappings.where(lambda kind: "x" in kind.access))
        self._pointers = _joined([*code, *self._stacks])
        self._starts = [start for start, _ in self._pointers]
        whole = [*_heads(mappings), *_locks(registers), *_linked(auxv, read)]
        vdso = linkmap.auxiliary(auxv).get(linkmap.AT_SYSINFO_EHDR, 0)
        if (mapping := mappings.at(vdso)) and mapping.start == vdso:
            whole.append((mapping.start, mapping.end))
        self._whole = _joined(span for span in whole if (m := mappings.at(span[0])) and not m.special)

    @property
    def pages(self) -> set[int]:
        """Addresses of the pages that hold it."""
        spans = [*self._stacks, *self._whole]
        return {page for start, end in spans for page in range(start - start % PAGE, end, PAGE)}

    def strip(self, start: int, content: bytes) -> bytes:
        """A stretch of memory as strangers may see it."""
        found = bytearray(len(content))
        for span in self._stacks:
            first, last = _both(span, (start, start + len(content)))
            if first < last:
                words = array.array("Q", content[first - start : last - start])
                kept = array.array("Q", (word if self._points(word) else 0 for word in words))
                found[first - start : last - start] = kept.tobytes()
        for span in self._whole:
            first, last = _both(span, (start, start + len(content)))
            if first < last:
                found[first - start : last - start] = content[first - start : last - start]
        return bytes(found)

    def told(self, snapshot: Snapshot) -> Snapshot:
        """All but the memory, as strangers may see it."""
        return replace(
            snapshot,
            arguments="",
            threads=tuple(self._thread(thread) for thread in snapshot.threads),
            mappings=tuple(_placeless(mapping) for mapping in snapshot.mappings),
        )

    def _thread(self, thread: Thread) -> Thread:
        """Without the vector registers, through which texts are copied; the rest as on the stack, outside of calls."""
        values = list(struct.unpack("<27Q", thread.registers))
        if values[ffi.ORIG_RAX] == _NO_CALL:
            for place in range(ffi.ORIG_RAX):
                values[place] = values[place] if self._points(values[place]) else 0
        return replace(thread, registers=struct.pack("<27Q", *values), floating=b"", extended=b"", signal=b"")

    def _points(self, word: int) -> bool:
        index = bisect.bisect_right(self._starts, word) - 1
        return index >= 0 and word < self._pointers[index][1]


def _heads(mappings: Mappings) -> Iterable[Span]:
    """The modules' first pages, which hold their build ids: what is in the files, for all to see."""
    code = {kind.path for kind in mappings.kinds if "x" in kind.access and kind.inode}
    of_code = mappings.where(lambda kind: kind.inode and kind.path in code)
    return [(m.start, m.start + PAGE) for m in of_code if m.offset == 0]


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


def _placeless(mapping: Region) -> Region:
    """A file mapping without its folder, where that may be a person's."""
    if mapping.path.startswith(SYSTEM):
        return mapping
    return replace(mapping, path=mapping.path.rstrip("/").rpartition("/")[2])


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Spans, sorted, those that touch made one."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _both(one: Span, other: Span) -> Span:
    return max(one[0], other[0]), min(one[1], other[1])
