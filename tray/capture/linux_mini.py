"""The pages without which a debugger cannot name a frame, and no others.

Which those are was found by leaving each kind out: without the linker's list
gdb names 6 of 37 frames, without the modules' first pages eu-stack none.
"""

from __future__ import annotations

import array
import bisect
import struct
from itertools import starmap

from tray.capture.linux_names import C_LIBRARY
from tray.ffi import linux as ffi
from tray.formats import linkmap
from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tray.capture.linux_freeze import Held
    from tray.capture.linux_maps import Mapping, Mappings
    from tray.formats.numbers import Runs
    from tray.model import Thread

PAGE = ffi.PAGE
RED_ZONE = 128
"""Bytes below the stack pointer that a function may use. Source: System V ABI, AMD64, 3.2.2."""
LARGEST_STACK = 1 << 20
"""More of one stack than this is left out; the outermost frames are lost then."""
_NEAR = 64 << 20
_THREAD_BLOCK = 0x1000
_LOCK_BEFORE, _LOCK_AFTER = 44, 52
"""glibc's locks around the word that a thread waits on: the owner stands beside it."""
_LINKS_AT = (0x280, 0x340)
"""Where in glibc's ``struct pthread`` its list node has been, 2.17 to 2.40."""
_MOST_THREADS = 20_000
_DELETED_LIMIT = 4 << 20
_COUNT = 28
"""Bits for how many pages a span has, behind the number of its first page: so an array holds it, and sorts it."""


def _span(start: int, end: int) -> int:
    """The pages from one address up to another, as one number."""
    first = start // PAGE
    return first << _COUNT | -(-end // PAGE) - first


def _merged(some: list[int], others: Iterable[int]) -> Iterator[int]:
    """Both, sorted as each of them is, without a list of the others."""
    place = 0
    for other in others:
        end = bisect.bisect_right(some, other, place)
        yield from some[place:end]
        yield other
        place = end
    yield from some[place:]


class Wanted:
    """A growing list of spans of pages; some stand in it more than once."""

    def __init__(self) -> None:
        self._spans = array.array("Q")

    def add(self, start: int, end: int) -> None:
        """Want the pages that hold ``start`` up to ``end``."""
        if start < end:
            self._spans.append(_span(start, end))

    def pages(self, others: Iterable[int]) -> Iterator[int]:
        """The address of each page once, in order, with those of other spans, which are sorted."""
        limit = 0
        for span in _merged(sorted(self._spans), others):
            first = span >> _COUNT
            end = first + (span & (1 << _COUNT) - 1)
            yield from range(max(first, limit) * PAGE, end * PAGE, PAGE)
            limit = max(limit, end)

    def reading(self, read: Callable[[int, int], bytes]) -> Callable[[int, int], bytes]:
        """``read``, but each page it gives is wanted from now on."""

        def noted(address: int, size: int) -> bytes:
            found = read(address, size)
            self.add(address, address + len(found))
            return found

        return noted


def pages(
    threads: Iterable[Held | Thread],
    mappings: Mappings,
    auxv: bytes,
    read: Callable[[int, int], bytes],
    own: Callable[[Mapping], Runs],
) -> Iterator[int]:
    """Addresses of the pages of a mini dump, sorted; some are found out while they are looked at.

    Args:
        threads: Stopped, with their registers.
        mappings: Sorted by address.
        auxv: The auxiliary vector.
        read: Gives up to that many bytes of the target's memory.
        own: Runs of pages that the process has written itself, of one mapping.
    """
    wanted, blocks = Wanted(), array.array("Q")
    for thread in threads:
        registers = struct.unpack("<27Q", thread.registers)
        blocks.append(registers[ffi.FS_BASE])
        _add_thread(wanted, registers, mappings)
    met, known = set[int](), frozenset(blocks)
    for block in blocks:
        if block not in met:  # a list is walked once, not once a thread: the target stands still meanwhile
            met |= _add_neighbours(wanted, block, read, known)
    for library in linkmap.linked(auxv, wanted.reading(read)):
        wanted.add(library.dynamic, library.dynamic + 1)
    vdso = linkmap.auxiliary(auxv).get(linkmap.AT_SYSINFO_EHDR, 0)
    if (place := mappings.place(vdso)) is not None:
        wanted.add(*mappings.span(place))
    return _open(mappings, wanted.pages(_modules(mappings, own)))


def _open(mappings: Mappings, pages: Iterable[int]) -> Iterator[int]:
    """Those that can be read, and may. VmFlags would tell too, at 15 ms for each GiB that is mapped."""
    is_open = [not (kind.special or kind.of_driver) for kind in mappings.kinds]
    limit, fits = 0, False
    for page in pages:
        if page >= limit:
            found = mappings.edges.around(page)
            if found is None:
                continue
            limit, fits = found[1], is_open[mappings.numbers[found[2]]]
        if fits:
            yield page


def _add_thread(wanted: Wanted, registers: Sequence[int], mappings: Mappings) -> None:
    """The thread's stack, its thread block, and the lock it waits for."""
    block = registers[ffi.FS_BASE]
    start, end = stack(registers, mappings)
    wanted.add(start, end)
    if not start <= block <= end - _THREAD_BLOCK and (place := mappings.edges.around(block)):
        wanted.add(block, min(block + _THREAD_BLOCK, place[1]))  # a guard page may follow
    waits = registers[ffi.ORIG_RAX] in (ffi.FUTEX, ffi.RESTART_SYSCALL)
    if waits and mappings.place(registers[ffi.RDI]) is not None:
        wanted.add(registers[ffi.RDI] - _LOCK_BEFORE, registers[ffi.RDI] + _LOCK_AFTER)
        if 0 <= registers[ffi.RDI] - registers[ffi.RSP] < PAGE:  # glibc sleeps so if it was refused a mutex
            for kept in (ffi.RBX, ffi.RBP, ffi.R12, ffi.R13, ffi.R14, ffi.R15):
                if mappings.place(registers[kept]) is not None:
                    wanted.add(registers[kept] - _LOCK_BEFORE, registers[kept] + _LOCK_AFTER)


def stack(registers: Sequence[int], mappings: Mappings) -> tuple[int, int]:
    """Where a thread's stack begins and ends; the same twice if it has none."""
    stack_pointer, block = registers[ffi.RSP], registers[ffi.FS_BASE]
    if (place := mappings.edges.around(stack_pointer)) is None:
        return 0, 0
    first, last, _ = place
    start = max(first, stack_pointer - RED_ZONE)
    return start, min(_stack_end(stack_pointer, block, last), start + LARGEST_STACK)


def _stack_end(stack_pointer: int, block: int, last: int) -> int:
    """Where the stack ends: glibc puts the thread block at its top.

    Never simply the mapping's end: the kernel merges neighbouring mappings, and
    lldb's stack dumps have been seen to hold a whole heap for that.
    """
    if stack_pointer < block < min(last, stack_pointer + _NEAR):
        return min(last, block + _THREAD_BLOCK + -(block + _THREAD_BLOCK) % PAGE)
    return last


def _add_neighbours(
    wanted: Wanted, block: int, read: Callable[[int, int], bytes], known: frozenset[int]
) -> set[int]:
    """The thread blocks that glibc has linked to this one, which it gives; those that are ``known`` are wanted already.

    Also those of threads that have ended and were not joined: where one is
    missing, libthread_db gives up and gdb warns. The links stand at a place that
    differs between versions of glibc, so they are known by pointing at each other.
    """
    met: set[int] = set()
    fields = read(block + _LINKS_AT[0], _LINKS_AT[1] - _LINKS_AT[0] + 8)
    for offset in range(0, len(fields) - 15, 8):
        node = block + _LINKS_AT[0] + offset
        following, before = struct.unpack_from("<QQ", fields, offset)
        if following % 8 or read(before, 8) != struct.pack("<Q", node):
            continue
        for _ in range(_MOST_THREADS):
            if following == node or len(link := read(following, 16)) < 16:  # noqa: PLR2004 - two pointers
                break
            met.add(other := following - _LINKS_AT[0] - offset)
            if other not in known:
                wanted.add(following, following + len(link))
            following = struct.unpack_from("<Q", link)[0]
        break
    return met


def _modules(mappings: Mappings, own: Callable[[Mapping], Runs]) -> Iterator[int]:
    """Every module's first page, the C library's data, and the whole of a module that no debugger could find.

    As sorted spans: of modules there may be as many as mappings.
    """
    for start, end, offset, number, _ in mappings.rows(lambda kind: kind.module):
        kind = mappings.kinds[number]
        if offset == 0:
            yield _span(start, start + 1)
        if kind.deleted and end - start <= _DELETED_LIMIT and "r" in kind.access:
            yield _span(start, end)
        if kind.path == C_LIBRARY and (mapping := mappings.at(start)):
            yield from starmap(_span, own(mapping).pairs())
