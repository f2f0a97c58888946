"""Threads that nothing can stop, for they sit in an uninterruptible system call: what is seen of them from outside.

The kernel tells their call, its arguments, and where code and stack were when it
began: enough for a debugger to find the calls that led there, and more than the
nothing that ptrace gives.

Source: proc_pid_syscall(5).
"""

from __future__ import annotations

import struct

from tray.errors import CaptureFailed
from tray.ffi import linux as ffi
from tray.lean import TYPE_CHECKING, replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray.ffi.linux import Kernel
    from tray.model import Thread

WHY = "did not stop: it sits in an uninterruptible system call"
_ARGUMENTS = (ffi.RDI, ffi.RSI, ffi.RDX, ffi.R10, ffi.R8, ffi.R9)
_OUTSIDE = -1
"""The number for a thread that waits in the kernel without having called it, as for a page of a file."""
_FLAGS = 0x202
_WORDS_IN_CALL, _WORDS_OUTSIDE = 9, 3


def seen(kernel: Kernel, pid: int, thread: Thread) -> Thread | None:
    """The thread with the registers that its system call began with; None where nobody tells."""
    try:
        words = kernel.text(f"/proc/{pid}/task/{thread.tid}/syscall").split()
        number, *values = int(words[0]), *(int(word, 16) for word in words[1:])
    except (OSError, ValueError, IndexError):
        return None
    if len(words) != (_WORDS_OUTSIDE if number == _OUTSIDE else _WORDS_IN_CALL):
        return None
    return replace(thread, registers=_registers(number, values))


def place(kernel: Kernel, path: str, folder: int | None = None) -> str:
    """The kernel function that a thread sleeps in, from its ``wchan``; empty where it runs or nobody tells."""
    try:
        found = kernel.record(path, folder)
    except OSError:
        return ""
    return "" if found == "0" else found


def _registers(number: int, values: Sequence[int]) -> bytes:
    """As they stood when the call began; those that a call keeps are not known, and 0."""
    *arguments, stack, code = values
    registers = [0] * (ffi.REGISTERS_SIZE // 8)
    for place, value in zip(_ARGUMENTS, arguments, strict=False):
        registers[place] = value
    registers[ffi.RSP], registers[ffi.RIP] = stack, code
    registers[ffi.CS], registers[ffi.SS], registers[ffi.EFLAGS] = ffi.USER_CS, ffi.USER_DS, _FLAGS
    registers[ffi.ORIG_RAX] = number & ffi.MASK
    registers[ffi.RAX] = min(ffi.INTERRUPTED) if number != _OUTSIDE else 0
    return struct.pack("<27Q", *registers)


def unread(who: str, seconds: float) -> CaptureFailed:
    """What to tell where the kernel does not answer when it is asked about a process."""
    return CaptureFailed(
        f"The system has not let Hangshot look into {who} for {seconds:.0f} seconds, so it was left alone.",
        hint="It waits for the kernel, as for a dead disk or network share, and locks its memory or itself "
        "meanwhile. Try the mode 'mini', which asks for least, or again when that answers.",
    )


def failure(pid: int, stuck: Sequence[Thread]) -> CaptureFailed:
    """What to tell where all threads are such, and nothing is seen of them."""
    places = ", ".join(dict.fromkeys(thread.waits_in for thread in stuck if thread.waits_in))
    where = f", in {places}" if places else ""
    return CaptureFailed(
        f"No thread of process {pid} stops: all sit in uninterruptible system calls{where}.",
        hint="It waits for the kernel, as for a dead disk or network share. Try again when that answers.",
    )
