"""Registers of a stopped thread, by what they are for. x86-64, ``struct user_regs_struct``."""

from __future__ import annotations

import struct

from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from tray.model import Thread

_RIP, _RSP = 16, 19


def pc(thread: Thread) -> int:
    """Address of the next instruction; 0 where the dump has no registers of this thread."""
    return _at(thread, _RIP)


def sp(thread: Thread) -> int:
    """Top of its stack; 0 where the dump has no registers of this thread."""
    return _at(thread, _RSP)


def _at(thread: Thread, number: int) -> int:
    return int(struct.unpack_from("<Q", thread.registers, 8 * number)[0]) if thread.registers else 0
