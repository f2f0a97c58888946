"""Locks that processes share: who holds one that a thread of the target waits for, and whom that one waits for.

Asked while the target stands still, for only then a ring through another process
is proven: our thread cannot let go of what the other one wants. It costs nothing
but where such a lock is met.

Source: futex(2), proc_pid_syscall(5); glibc ``bits/struct_mutex.h``.
"""

from __future__ import annotations

import os
import struct

from tray.ffi import linux as ffi
from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from collections.abc import Set as AbstractSet

    from tray.capture.linux_freeze import Held
    from tray.ffi.linux import Kernel
    from tray.model import Thread

    Read = Callable[[int, int], bytes]

_TID, _LARGEST_TID = 0x3FFFFFFF, 1 << 22
_PRIVATE, _OPERATIONS = 0x80, 0x7F
_WAITS, _PRIORITY = (0, 9), (6, 13)
"""FUTEX_WAIT and its like; FUTEX_LOCK_PI and its like, whose word is the owner."""
_NUMBER_AT = slice(8 * ffi.ORIG_RAX, 8 * ffi.ORIG_RAX + 8)
_FUTEX = struct.pack("<Q", ffi.FUTEX)
_MOST = 64
_PARTS = 6


def ends(
    kernel: Kernel, threads: Iterable[Held | Thread], read: Read, pid: int
) -> dict[int, tuple[str, int]]:
    """Of each thread that waits for another process's lock: `Thread.other_end` and `Thread.back`.

    Args:
        kernel: Reads /proc.
        threads: All, stopped, with their registers.
        read: Gives up to that many bytes of the target's memory.
        pid: The target.
    """
    known = {thread.tid: thread for thread in threads}
    outside = {
        tid: owner
        for tid, thread in known.items()
        if thread.registers[_NUMBER_AT] == _FUTEX and (owner := _owner(thread, read)) and owner not in known
    }
    if not outside or len(outside) > _MOST or not _counts_as_we_do(pid):
        return {}
    found = {tid: _end(kernel, known[tid], owner, known.keys(), read) for tid, owner in outside.items()}
    return {tid: end for tid, end in found.items() if end[0]}


def _owner(thread: Held | Thread, read: Read) -> int:
    """Who may hold the mutex that a thread waits for; 0 if it waits for none that processes share."""
    registers = struct.unpack("<27Q", thread.registers)
    if registers[ffi.ORIG_RAX] != ffi.FUTEX or registers[ffi.RAX] not in ffi.INTERRUPTED:
        return 0
    return _holder(registers[ffi.RDI], registers[ffi.RSI], read)


def _holder(address: int, operation: int, read: Read) -> int:
    """The thread whose id stands in a mutex; 0 if none that processes share is there."""
    if operation & _PRIVATE:
        return 0
    found = read(address, 12)
    if len(found) < 12:  # noqa: PLR2004 - word, count, owner
        return 0
    word, _, owner = struct.unpack("<3I", found)
    if operation & _OPERATIONS in _PRIORITY:
        owner = word & _TID
    elif operation & _OPERATIONS not in _WAITS or not word:
        return 0
    return int(owner) if 0 < owner < _LARGEST_TID else 0


def _end(
    kernel: Kernel, thread: Held | Thread, owner: int, ours: AbstractSet[int], read: Read
) -> tuple[str, int]:
    """The owner's process, and the thread of ours that the owner waits for; empty if there is no such process."""
    process, name = _process(kernel, owner)
    if not process:
        return "", 0
    back = _waits_for(kernel, process, owner)
    # Held again after it was seen to wait for us, who stand still: it holds this one until we go on.
    proven = back in ours and _owner(thread, read) == owner
    return f"{name} ({process})", back if proven else 0


def _process(kernel: Kernel, tid: int) -> tuple[int, str]:
    """Process and its name; 0 for a thread that is gone."""
    try:
        status = kernel.text(f"/proc/{tid}/status")
        pid = int(status.partition("\nTgid:")[2].split(maxsplit=1)[0])
        return pid, kernel.text(f"/proc/{pid}/comm").strip()
    except (OSError, ValueError, IndexError):
        return 0, ""


def _waits_for(kernel: Kernel, pid: int, tid: int) -> int:
    """The owner of a shared mutex that a thread of another process waits for, without end; 0 if none."""
    try:
        words = kernel.text(f"/proc/{pid}/task/{tid}/syscall").split()
        number, arguments = int(words[0]), [int(word, 16) for word in words[1:]]
        if number != ffi.FUTEX or len(arguments) < _PARTS or arguments[3]:
            return 0
        descriptor = kernel.open(f"/proc/{pid}/mem")
    except (OSError, ValueError, IndexError):
        return 0
    try:
        return _holder(arguments[0], arguments[1], reading(kernel, descriptor))
    finally:
        os.close(descriptor)


def reading(kernel: Kernel, memory: int) -> Read:
    """Small reads of a process's memory; nothing where it cannot be read."""

    def read(address: int, size: int) -> bytes:
        try:
            return kernel.peek(memory, size, address)
        except (OSError, OverflowError):
            return b""

    return read


def _counts_as_we_do(pid: int) -> bool:
    """Whether the target counts processes as we do, which in a container it does not."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid") == os.readlink("/proc/self/ns/pid")
    except OSError:
        return False
