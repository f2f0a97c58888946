"""Calls that end with EINTR after any stop, so that being dumped would show: how their threads enter them again.

epoll_wait has been seen to return early under gdb's gcore. The call has done
nothing, so it is entered again. Not if a signal is about to be handled, or was:
then the program must see its EINTR.

Source: signal(7), "Interruption of system calls by stop signals".
"""

from __future__ import annotations

import os
import struct

from tray.ffi import linux as ffi
from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from tray.ffi.linux import Kernel

_RAX_AT = slice(8 * ffi.RAX, 8 * ffi.RAX + 8)
_EINTR = struct.pack("<Q", ffi.EINTR)


def interrupted(registers: bytes) -> bool:
    """Whether a stopped thread would see EINTR, which the stop may have caused."""
    return registers[_RAX_AT] == _EINTR


def rewound(kernel: Kernel, pid: int, tid: int, registers: bytes) -> bytes:
    """Registers that enter the interrupted call again; empty where the program must see its EINTR."""
    values = list(struct.unpack("<27Q", registers))
    if values[ffi.RAX] != ffi.EINTR or values[ffi.ORIG_RAX] not in ffi.NOT_RESTARTED:
        return b""
    if _signal_pending(kernel, pid, tid):
        return b""
    if _code_before(kernel, pid, values[ffi.RIP]) != ffi.SYSCALL_INSTRUCTION:
        return b""
    values[ffi.RAX] = values[ffi.ORIG_RAX]
    values[ffi.RIP] -= len(ffi.SYSCALL_INSTRUCTION)
    return struct.pack("<27Q", *values)


def _signal_pending(kernel: Kernel, pid: int, tid: int) -> bool:
    """Whether an unblocked signal waits for the thread; True where that cannot be told."""
    try:
        fields = dict(
            line.split(":", 1)
            for line in kernel.text(f"/proc/{pid}/task/{tid}/status").splitlines()
            if line.startswith(("Sig", "Shd"))
        )
        pending, shared, blocked = (int(fields[key], 16) for key in ("SigPnd", "ShdPnd", "SigBlk"))
    except (OSError, KeyError, ValueError):
        return True
    return bool((pending | shared) & ~blocked)


def _code_before(kernel: Kernel, pid: int, address: int) -> bytes:
    """The two bytes of code before ``address``; empty where they cannot be read."""
    buffer = bytearray(len(ffi.SYSCALL_INSTRUCTION))
    try:
        descriptor = kernel.open(f"/proc/{pid}/mem")
    except OSError:
        return b""
    try:
        count = kernel.read_memory(descriptor, memoryview(buffer), address - len(buffer))
        return bytes(buffer[:count])
    except OSError:
        return b""
    finally:
        os.close(descriptor)
