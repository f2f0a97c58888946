"""Critical sections of Windows programs, as they lie in memory: whether one is there, and which thread is in it.

A section names its owner, and tells by its lock count that others wait; so one that
a waiting call leads to is either believed wholly or not at all.

Source: Windows SDK ``winnt.h``, ``RTL_CRITICAL_SECTION``; learn.microsoft.com,
"Displaying a Critical Section", for what the lock count means.
"""

from __future__ import annotations

import struct

from tray.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    Memory = Callable[[int, int], bytes]

_LAYOUT = {8: struct.Struct("<QiiQQQ"), 4: struct.Struct("<IiiIII")}
"""Bytes of an address → debug record, lock count, recursion count, owner, semaphore, spin count."""
_BACK = {8: 8, 4: 4}
"""Where the debug record points back at its section."""
_MOST_RECURSIONS, _MOST_SPINS = 1 << 16, 1 << 32


class Section(NamedTuple):
    """A critical section that is waited for.

    Attributes:
        address: Where it lies.
        owner: Thread id of who is in it; 0 for one that has just been left, and whose next owner yet sleeps.
        waiters: How many threads wait, as it counts them itself.
    """

    address: int
    owner: int
    waiters: int


def at(address: int, memory: Memory, pointer: int) -> Section | None:
    """The section at an address that others wait for; None if there is none.

    Args:
        address: Where it may be.
        memory: Gives up to that many bytes of the process.
        pointer: Bytes of an address.
    """
    layout = _LAYOUT[pointer]
    content = memory(address, layout.size)
    if address % pointer or len(content) < layout.size:
        return None
    debug, count, recursions, owner, _, spins = layout.unpack(content)
    owned = bool(owner)
    if owned != (0 < recursions < _MOST_RECURSIONS) or owner % 4 or owner >> 32 or spins >= _MOST_SPINS:
        return None
    waiters = _waiters(count, recursions)
    belongs = _is_its(debug, address, memory, pointer)
    if waiters < 1 or belongs is False or (belongs is None and not owned):
        return None
    return Section(address, owner, waiters)


def _waiters(count: int, recursions: int) -> int:
    """How many wait, by the lock count.

    Since Windows Vista it is negative: bit 0 is clear while the section is held,
    bit 1 while a waiter is being woken, the rest counts the waiters, inverted. Before,
    and in Wine, it is one less than the number of entries, those of waiters included.
    """
    if count >= 0:
        return count + 1 - recursions
    if count & 1 and recursions:
        return 0
    return (~count >> 2) + int(not count & 2)


def _is_its(debug: int, address: int, memory: Memory, pointer: int) -> bool | None:
    """Whether the debug record is this section's, which it points back at; None if the dump does not hold it.

    Most sections have none.
    """
    if debug == (1 << 8 * pointer) - 1:
        return True
    back = memory(debug + _BACK[pointer], pointer)
    if len(back) < pointer:
        return None if debug > 1 << 16 else False
    return int.from_bytes(back, "little") == address
