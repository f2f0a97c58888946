"""What Linux (x86-64) is asked for: ptrace, waiting, memory, page maps.

Every foreign request of the capture is one method of `Kernel`, so a test can
make the nth of them fail. A request that fails raises ``OSError`` with ``errno``.
The C library is opened on first use: this module imports everywhere.
"""

from __future__ import annotations

import array
import ctypes
import errno
import os
import struct
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = 4096

# <linux/ptrace.h>, <bits/waitflags.h>
PTRACE_DETACH = 17
PTRACE_GETSIGINFO = 0x4202
PTRACE_GETREGSET = 0x4204
PTRACE_SETREGSET = 0x4205
PTRACE_SEIZE = 0x4206
PTRACE_INTERRUPT = 0x4207
PTRACE_EVENT_STOP = 128
SIGTRAP = 5
WALL = 0x40000000

# <linux/elf.h>: register sets, which are also note types
NT_PRSTATUS = 1
NT_PRFPREG = 2
NT_X86_XSTATE = 0x202

REGISTERS_SIZE = 27 * 8
"""``sizeof(struct user_regs_struct)``; a 32-bit task answers with 68 instead."""
SIGINFO_SIZE = 128

# Indexes into struct user_regs_struct, <sys/user.h>
RAX, RDI, RSI, RDX, R10, ORIG_RAX, RIP, RSP, FS_BASE = 10, 14, 13, 12, 7, 15, 16, 19, 21

# <linux/fs.h>
PAGEMAP_SCAN = 0xC0606610
PAGE_IS_FILE, PAGE_IS_PRESENT, PAGE_IS_SWAPPED, PAGE_IS_PFNZERO = 4, 8, 16, 32
SEEK_DATA, SEEK_HOLE = 3, 4

# Bits of an entry of /proc/PID/pagemap
PM_PRESENT, PM_SWAP, PM_FILE = 63, 62, 61

# System calls that end with EINTR after a stop instead of being restarted by the
# kernel (signal(7), "Interruption of system calls … by stop signals", and the source:
# those that return -EINTR rather than -ERESTART*). All of them did nothing when they
# return EINTR, so that entering them again with the same arguments is what a restart does.
# close() is not here and must never be.
NOT_RESTARTED = frozenset(
    {
        0,  # read: from inotify, or a socket with SO_RCVTIMEO
        1,  # write: to a socket with SO_SNDTIMEO
        19,  # readv
        20,  # writev
        42,  # connect with SO_SNDTIMEO
        43,  # accept with SO_RCVTIMEO
        44,  # sendto
        45,  # recvfrom
        46,  # sendmsg
        47,  # recvmsg
        65,  # semop
        128,  # rt_sigtimedwait
        208,  # io_getevents
        220,  # semtimedop
        232,  # epoll_wait
        281,  # epoll_pwait
        288,  # accept4
        299,  # recvmmsg
        307,  # sendmmsg
        333,  # io_pgetevents
        426,  # io_uring_enter
        441,  # epoll_pwait2
    }
)
FUTEX, RESTART_SYSCALL = 202, 219
SYSCALL_INSTRUCTION = b"\x0f\x05"
MASK = 0xFFFFFFFFFFFFFFFF
INTERRUPTED = frozenset(-number & MASK for number in (4, 512, 513, 514, 516))
"""What stands in RAX of a thread that was stopped while its system call waited: EINTR and ERESTART*.

Source: Linux ``include/linux/errno.h``.
"""


class _Iovec(ctypes.Structure):
    """``struct iovec``."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class Kernel:
    """The requests, unchecked for meaning.

    ptrace binds the traced thread to the thread that asked: all ``trace``
    requests of one capture must come from one thread, and its end lets go of
    every thread it still traces.
    """

    def __init__(self) -> None:
        self._regset_buffer = ctypes.create_string_buffer(16384)
        self._scan_vector = array.array("Q", bytes(8 * 3 * 8192))
        self._libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

    def ptrace(self, request: int, tid: int, address: int = 0, value: int = 0) -> int:
        """One raw request.

        Source: ptrace(2).
        """
        ctypes.set_errno(0)
        if not self._libc:
            raise OSError(errno.ENOSYS, "no ptrace")
        call = self._libc.ptrace
        call.restype = ctypes.c_long
        call.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        result = int(call(request, tid, address, value))
        if result == -1 and (number := ctypes.get_errno()):
            raise OSError(number, os.strerror(number))
        return result

    def seize(self, tid: int) -> None:
        """Trace a thread without stopping it."""
        self.ptrace(PTRACE_SEIZE, tid)

    def interrupt(self, tid: int) -> None:
        """Ask a traced thread to stop; `wait` tells when it has."""
        self.ptrace(PTRACE_INTERRUPT, tid)

    def detach(self, tid: int, number: int = 0) -> None:
        """Let a stopped thread go on, with the signal it was stopped at."""
        self.ptrace(PTRACE_DETACH, tid, 0, number)

    def wait(self, tid: int) -> int | None:
        """The status of a traced thread that has stopped or ended, None while it runs."""
        if sys.platform == "linux":
            pid, status = os.waitpid(tid, os.WNOHANG | WALL)
            return status if pid else None
        raise OSError(errno.ENOSYS, "no waitpid")

    def regset(self, tid: int, kind: int) -> bytes:
        """One register set of a stopped thread."""
        vector = _Iovec(ctypes.addressof(self._regset_buffer), len(self._regset_buffer))
        self.ptrace(PTRACE_GETREGSET, tid, kind, ctypes.addressof(vector))
        return self._regset_buffer.raw[: vector.length]

    def set_regset(self, tid: int, kind: int, value: bytes) -> None:
        """Change one register set of a stopped thread."""
        buffer = ctypes.create_string_buffer(value, len(value))
        vector = _Iovec(ctypes.addressof(buffer), len(value))
        self.ptrace(PTRACE_SETREGSET, tid, kind, ctypes.addressof(vector))

    def siginfo(self, tid: int) -> bytes:
        """The ``siginfo_t`` of a thread's stop; EINVAL where the stop has none."""
        buffer = ctypes.create_string_buffer(SIGINFO_SIZE)
        self.ptrace(PTRACE_GETSIGINFO, tid, 0, ctypes.addressof(buffer))
        return buffer.raw

    def threads(self, pid: int) -> list[int]:
        """Thread ids of a process, now."""
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]

    def text(self, path: str) -> str:
        """A small text file of /proc, whatever bytes are in it."""
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "surrogateescape")

    def bytes(self, path: str) -> bytes:
        """A small binary file of /proc."""
        with open(path, "rb") as file:
            return file.read()

    def lines(self, path: str) -> Iterator[str]:
        """A large text file of /proc, line by line, so that it never sits in memory whole."""
        with open(path, "rb", buffering=1 << 16) as file:
            for line in file:
                yield line.decode("utf-8", "surrogateescape")

    def open(self, path: str) -> int:
        """A file descriptor for reading, closed on exec."""
        return os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))

    def read_memory(self, descriptor: int, buffer: memoryview, address: int) -> int:
        """Fill ``buffer`` from ``address`` of an open ``/proc/PID/mem``; fewer bytes before a page that fails.

        Never process_vm_readv: its pin breaks the sharing of copy-on-write
        pages, so that dumping a forked worker would double its memory.
        """
        if sys.platform == "linux":
            return os.preadv(descriptor, [buffer], address)
        raise OSError(errno.ENOSYS, "no preadv")

    def write(self, descriptor: int, view: memoryview, place: int) -> int:
        """Write bytes at a place of a file; gives how many of them."""
        if sys.platform != "win32":
            return os.pwrite(descriptor, view, place)
        raise OSError(errno.ENOSYS, "no pwrite")

    def read_file(self, descriptor: int, buffer: memoryview, offset: int) -> int:
        """Fill ``buffer`` from ``offset`` of a file; EIO at or behind its end, where a mapping has no page either."""
        count = self.read_memory(descriptor, buffer, offset)
        if not count:
            raise OSError(errno.EIO, "behind the end of the file")
        return count

    def scan_pages(self, descriptor: int, start: int, end: int, *, skip: int, want: int) -> array.array[int]:
        """Runs of pages with one of the ``want`` and none of the ``skip`` categories (``PAGE_IS_*``).

        Gives start and end addresses in turn. Raises ``OSError`` with ENOTTY
        before Linux 6.7: see `pagemap`.

        Source: Linux ``Documentation/admin-guide/mm/pagemap.rst``, "Pagemap Scan IOCTL".
        """
        if sys.platform != "linux":
            raise OSError(errno.ENOSYS, "no pagemap")
        import fcntl

        found = array.array("Q")
        vector, length = self._scan_vector.buffer_info()
        while start < end:
            request = bytearray(
                struct.pack("12Q", 96, 0, start, end, 0, vector, length // 3, 0, skip, skip, want, 0)
            )
            count = fcntl.ioctl(descriptor, PAGEMAP_SCAN, request, True)
            for index in range(0, 3 * count, 3):
                if found and found[-1] == self._scan_vector[index]:
                    found[-1] = self._scan_vector[index + 1]
                else:
                    found.extend(self._scan_vector[index : index + 2])
            walked: int = struct.unpack_from("Q", request, 32)[0]
            if walked <= start:
                break
            start = walked
        return found

    def pagemap(self, descriptor: int, start: int, count: int) -> array.array[int]:
        """Entries of ``count`` pages from ``start`` on; fewer at the end of the address space.

        Source: Linux ``Documentation/admin-guide/mm/pagemap.rst``.
        """
        if sys.platform == "linux":
            return array.array("Q", os.pread(descriptor, 8 * count, start // PAGE * 8))
        raise OSError(errno.ENOSYS, "no pread")


def stop_signal(status: int) -> int:
    """The signal a stopped thread must be given when it is let go; 0 for none.

    A stop asked for by PTRACE_INTERRUPT, and a job-control stop, carry the
    event PTRACE_EVENT_STOP and deliver nothing; any other stop holds back a signal.
    """
    if status >> 16 == PTRACE_EVENT_STOP:
        return 0
    number = status >> 8 & 0xFF
    return 0 if number == SIGTRAP and status >> 16 else number
