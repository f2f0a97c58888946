"""The safety net under a thread that makes system calls for us: what it does if we die in the middle.

While a thread's registers are not its own, the end of our process would let it run
on with them. So before they are touched a chain of signal frames is written below
its stack pointer, where a signal would put them too, and each call that it makes
for us has its stack pointer at a link of that chain. Left alone it returns into the
chain and, by ``rt_sigreturn``, waits for the child that it started, takes back its
own registers and signal mask, and goes on with what it did. A child that is left
alone ends at once. As long as we live none of this ever runs.

Source: Linux ``arch/x86/kernel/signal_64.c``, ``arch/x86/kernel/fpu/signal.c``.
"""

from __future__ import annotations

import struct

from tray.ffi import linux as ffi
from tray.lean import TYPE_CHECKING, dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

RED_ZONE = 128
CALL_AND_RETURN = b"\x0f\x05\xc3"
"""``syscall; ret``"""
RETURN_FROM_SIGNAL = b"\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05"
"""``mov $15, %rax; syscall``, which every C library brings: the kernel returns from signals through it."""
NOBODY = 0x7FFFFFFF
"""A process id that nobody can have. Source: Linux ``PID_MAX_LIMIT``."""
ALL_SIGNALS = 0xFFFFFFFFFFFFFFFF

_CONTEXT = 304
_LINK = 8 + _CONTEXT
_NOT_AN_ALTERNATE_STACK = 0xFF
_SAVED = (9, 8, 7, 6, 3, 2, 1, 0, 14, 13, 4, 5, 12, 10, 11, 19, 16, 18)
"""Order of ``struct sigcontext`` (r8 … r15, di, si, bp, bx, dx, ax, cx, sp, ip, flags) in user_regs_struct."""
_RDI_AT = 40 + 8 * _SAVED.index(ffi.RDI)
_LEGACY_SIZE, _SOFTWARE_AT, _IN_USE_AT = 512, 464, 512
_MAGIC, _LAST_MAGIC = 0x46505853, 0x46505845
_COMMON_PARTS, _TILES = 0x2FF, 0x60000
"""Bits of the XSAVE parts that every thread may use, up to AVX-512 and PKRU; and of AMX, which is asked for."""
_ENDS = ((9, 2696), (7, 2688), (6, 1664), (2, 832))
"""Bit and end of parts, the last first, on the processors that have AMX."""


@dataclass(frozen=True, slots=True)
class Code:
    """Where the two pieces of code are that the net stands on.

    Attributes:
        call: `CALL_AND_RETURN`.
        restore: `RETURN_FROM_SIGNAL`.
    """

    call: int
    restore: int


@dataclass(frozen=True, slots=True)
class Net:
    """A net for one thread, and the addresses in it.

    Attributes:
        start: Where it is to be written.
        content: Its bytes.
        wait: Stack pointer from which the thread waits for its child, then goes home.
        home: Stack pointer from which it goes home.
        end: Stack pointer from which a process ends.
        child: Where the kernel shall note the child's id.
        answer: Eight bytes for the answer of a call.
    """

    start: int
    content: bytes
    wait: int
    home: int
    end: int
    child: int
    answer: int


def net(registers: Sequence[int], mask: int, area: bytes, code: Code) -> Net | None:
    """The net that brings a thread back to these registers; None for one that uses parts we cannot give back.

    Args:
        registers: As ``struct user_regs_struct``, to go on with.
        mask: The signals that it blocks.
        area: Its XSAVE area, as the kernel gave it.
        code: Where the code is.
    """
    floating = _floating(area)
    if floating is None:
        return None
    top = (registers[ffi.RSP] - RED_ZONE - len(floating)) & -64
    start = (top - 3 * _LINK - 8) & -64
    wait, home, end, answer = (start + index * _LINK for index in range(4))
    waits = [0] * 27
    waits[ffi.RAX], waits[ffi.RDI], waits[ffi.RDX] = ffi.WAIT4, NOBODY, ffi.WALL
    waits[ffi.RIP], waits[ffi.RSP] = code.call, home
    ends = [0] * 27
    ends[ffi.RAX], ends[ffi.RIP], ends[ffi.RSP] = ffi.EXIT_GROUP, code.call, end
    for values in (waits, ends):
        values[ffi.CS], values[20], values[18] = registers[ffi.CS], registers[20], 0x202
    links = (
        _context(waits, ALL_SIGNALS, 0),
        _context(registers, mask, top),
        _context(ends, ALL_SIGNALS, 0),
    )
    content = b"".join(struct.pack("<Q", code.restore) + link for link in links) + bytes(8)
    content += bytes(top - start - len(content)) + floating
    return Net(start, content, wait, home, end, wait + 8 + _RDI_AT, answer)


def again(registers: Sequence[int]) -> list[int]:
    """Registers with which a thread enters an interrupted call again, and goes on as it was otherwise.

    The kernel does that itself for a thread that it stopped; for one that comes back
    through the net we must. A call that would go on with what is left of its time
    begins anew.
    """
    found = list(registers)
    if found[ffi.ORIG_RAX] >> 63 == 0 and found[ffi.RAX] in ffi.INTERRUPTED - {ffi.EINTR}:
        found[ffi.RAX] = found[ffi.ORIG_RAX]
        found[ffi.RIP] -= len(ffi.SYSCALL_INSTRUCTION)
    return found


def _context(registers: Sequence[int], mask: int, floating: int) -> bytes:
    """A ``struct ucontext``. Its alternate stack is none, so that the kernel leaves the thread's as it is."""
    head = struct.pack("<QQQiiQ", 6 | bool(floating), 0, 0, _NOT_AN_ALTERNATE_STACK, 0, 0)
    saved = struct.pack("<18Q", *(registers[index] for index in _SAVED))
    segments = struct.pack("<4H", registers[ffi.CS], 0, 0, registers[20])
    return (
        head
        + saved
        + segments
        + bytes(32)
        + struct.pack("<Q", floating)
        + bytes(64)
        + struct.pack("<Q", mask)
    )


def _floating(area: bytes) -> bytes | None:
    """An XSAVE area as it stands in a signal frame."""
    if len(area) < _IN_USE_AT + 64:
        return None
    (mask,) = struct.unpack_from("<Q", area, _SOFTWARE_AT)
    (in_use,) = struct.unpack_from("<Q", area, _IN_USE_AT)
    if in_use & ~_COMMON_PARTS or mask & ~(_COMMON_PARTS | _TILES):
        return None
    if mask & _TILES:  # a thread that has not asked for them has no room for them in its frames
        area = area[: next((end for bit, end in _ENDS if mask >> bit & 1), _IN_USE_AT + 64)]
        mask &= _COMMON_PARTS
    size = len(area)
    software = struct.pack("<IIQI28x", _MAGIC, size + 4, mask, size)
    return area[:_SOFTWARE_AT] + software + area[_LEGACY_SIZE:] + struct.pack("<I", _LAST_MAGIC)
