"""Slim reader-writer locks of Windows programs (SRWLOCK), on which C++'s mutexes stand: which one is waited for.

A slim lock names no owner. Its state tells that it is waited for, and that is how it
is known among the words that the waiting call holds. A ``std::mutex`` of Microsoft's
library keeps the thread that has it beside its slim lock.

Source: Windows SDK ``synchapi.h``; for the state, Wine's ``dlls/ntdll/sync.c`` and, of Windows
itself, that a lock which is waited for points at a record on a waiter's stack, with flags in
the low bits; github.com/microsoft/STL, ``stl/src/mutex.cpp``, for what is beside it.
"""

from __future__ import annotations

import struct

from tray.lean import TYPE_CHECKING, NamedTuple
from tray.reports.windows_calls import KEPT, RCX, word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tray.reports.windows_calls import Call

    Memory = Callable[[int, int], bytes]

ENTERED = ("RtlAcquireSRWLockExclusive", "RtlAcquireSRWLockShared")
_WIDE = 8
_HELD, _WAITED, _SHARED, _FLAGS = 1, 2, 8, 15
_MOST_STACK = 1 << 20
_MUTEX = {8: (-16, struct.Struct("<i68xII")), 4: (-8, struct.Struct("<i36xII"))}
"""Bytes of an address → where a C++ mutex begins, from its slim lock on: its type; thread id, count."""
_TYPES = frozenset(base | more for base in (1, 2, 4, 6) for more in (0, 0x100))
"""``_Mtx_plain``, ``_Mtx_try``, ``_Mtx_timed``; recursive or not."""
_MOST_RECURSIONS = 1 << 16


class Slim(NamedTuple):
    """A slim lock that is waited for.

    Attributes:
        address: Where it lies.
        readers: Whether several readers hold it; else one does, or a writer.
        owner: Thread id of who holds it, if it is a C++ mutex's; 0 for others.
    """

    address: int
    readers: bool
    owner: int


def waited(calls: Sequence[Call], memory: Memory, pointer: int, stacks: Sequence[int]) -> Slim | None:
    """The lock that a thread waits for; None where more than one could be meant, or none is.

    Args:
        calls: From the system call to the one of `ENTERED`, and its caller.
        memory: Gives up to that many bytes of the process.
        pointer: Bytes of an address.
        stacks: The stack pointers of all threads.
    """
    argument = word(memory, calls[-2].above, pointer) if pointer != _WIDE else None
    places = {argument or 0} if pointer != _WIDE else set(_held(calls, memory))
    found = [slim for place in places if (slim := at(place, memory, pointer, stacks))]
    return found[0] if len(found) == 1 else None


def _held(calls: Sequence[Call], memory: Memory) -> Iterator[int]:
    """What the calls inside hold, and the registers that the locking call itself has set; x86-64."""
    *inside, entered, caller = calls
    yield calls[0].registers[RCX]
    for address in range(calls[0].above, inside[-1].above, _WIDE):
        yield word(memory, address, _WIDE) or 0
    for number in KEPT:
        if entered.registers[number] != caller.registers[number]:
            yield entered.registers[number]


def at(address: int, memory: Memory, pointer: int, stacks: Sequence[int]) -> Slim | None:
    """The lock at an address that somebody waits for; None if there is none."""
    state = word(memory, address, pointer) if address > _MOST_RECURSIONS and not address % pointer else None
    if state is None:
        return None
    record = state & ~_FLAGS
    if state & _WAITED and any(sp <= record < sp + _MOST_STACK for sp in stacks):
        return Slim(address, bool(state & _SHARED), _owner(address, memory, pointer) if state & _HELD else 0)
    if state >> 32 or not _is_wines(state):
        return None
    is_written = state & _HELD
    return Slim(address, not is_written, _owner(address, memory, pointer) if is_written else 0)


def _is_wines(state: int) -> bool:
    """Whether it is held and waited for as Wine counts: held by a writer, writers that wait; then who holds it."""
    holders, writers = state >> 16, state >> 1 & 0x7FFF
    return holders == 1 if state & _HELD else holders > 0 and writers > 0


def _owner(address: int, memory: Memory, pointer: int) -> int:
    """Who holds the C++ mutex that a slim lock is a part of; 0 where there is none."""
    before, layout = _MUTEX[pointer]
    content = memory(address + before, layout.size)
    if len(content) < layout.size:
        return 0
    kind, tid, count = layout.unpack(content)
    return int(tid) if kind in _TYPES and not tid % 4 and 0 < count < _MOST_RECURSIONS else 0
