"""Priority-inheriting mutexes that the kernel refused, since to wait for them would have closed a ring.

glibc then has the thread sleep for ever, on a word of its own stack that nobody
else knows. Which mutex it was stands in the registers that the system call kept.

Source: futex(2), EDEADLK; glibc ``nptl/pthread_mutex_lock.c``, "Delay the thread indefinitely".
"""

from __future__ import annotations

import struct

from tray.ffi import linux as ffi
from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

KEPT = (ffi.RBX, ffi.RBP, ffi.R12, ffi.R13, ffi.R14, ffi.R15)
"""Registers that a system call, and what calls it, leaves as they were."""
NEAR = 0x100
"""Bytes above the stack's top within which that word lies; 0x54 in glibc 2.36."""
_INTO = (0, 16)
"""Where in a mutex compilers have been seen to point: at its beginning, and at ``__kind``."""
_SIZE = 24
_TID, _KINDS, _PRIORITY = 0x3FFFFFFF, 0x3FF, 0x20
_LARGEST_TID = 1 << 22
_OPERATIONS = (0x189, 0x89, 0x80)
"""FUTEX_WAIT_BITSET and FUTEX_WAIT, of one process alone."""


def sleeps(registers: Sequence[int], memory: Callable[[int, int], bytes]) -> bool:
    """Whether a thread in a futex call sleeps as after a refusal: without end, on a zero in its own stack."""
    word, stack = registers[ffi.RDI], registers[ffi.RSP]
    return (
        0 <= word - stack < NEAR
        and registers[ffi.RSI] in _OPERATIONS
        and not registers[ffi.RDX]
        and not registers[ffi.R10]
        and memory(word, 4) == bytes(4)
    )


def mutexes(registers: Sequence[int], memory: Callable[[int, int], bytes]) -> Iterator[tuple[int, int]]:
    """Address and owner of each priority-inheriting mutex that a kept register points into."""
    for start in {registers[name] - into for name in KEPT for into in _INTO}:
        found = memory(start, _SIZE) if start > 0 else b""
        if len(found) < _SIZE:
            continue
        word, _, _, users, kind, _ = struct.unpack("<6I", found)
        fits = kind & _PRIORITY and not kind & ~_KINDS and 1 <= users <= _LARGEST_TID
        if fits and 0 < word & _TID <= _LARGEST_TID:
            yield start, word & _TID
