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

from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Iterator

PAGE = 4096

# <linux/ptrace.h>, <bits/waitflags.h>
PTRACE_CONT = 7
PTRACE_KILL = 8
PTRACE_DETACH = 17
PTRACE_SYSCALL = 24
PTRACE_SETOPTIONS = 0x4200
PTRACE_GETEVENTMSG = 0x4201
PTRACE_GETSIGINFO = 0x4202
PTRACE_GETREGSET = 0x4204
PTRACE_SETREGSET = 0x4205
PTRACE_SEIZE = 0x4206
PTRACE_INTERRUPT = 0x4207
PTRACE_GETSIGMASK = 0x420A
PTRACE_SETSIGMASK = 0x420B
PTRACE_GET_RSEQ_CONFIGURATION = 0x420F
PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG = 0x4211
PTRACE_EVENT_CLONE = 3
PTRACE_EVENT_STOP = 128
PTRACE_O_TRACESYSGOOD = 0x1
PTRACE_O_TRACEFORK, PTRACE_O_TRACEVFORK, PTRACE_O_TRACECLONE = 0x2, 0x4, 0x8
PTRACE_O_EXITKILL = 0x100000
SYSCALL_STOP = 0x85
"""The signal of a stop at a system call: SIGTRAP with the bit of PTRACE_O_TRACESYSGOOD."""
SIGTRAP, SIGSTOP = 5, 19
WNOHANG, WALL = 1, 0x40000000

# <linux/elf.h>: register sets, which are also note types
NT_PRSTATUS = 1
NT_PRFPREG = 2
NT_X86_XSTATE = 0x202

REGISTERS_SIZE = 27 * 8
"""``sizeof(struct user_regs_struct)``; a 32-bit task answers with 68 instead."""
FLOATING_SIZE = 512
"""``sizeof(struct user_fpregs_struct)``, with which an XSAVE area begins."""
SIGINFO_SIZE = 128

# Indexes into struct user_regs_struct, <sys/user.h>
RAX, RDI, RSI, RDX, R10, ORIG_RAX, RIP, RSP, FS_BASE = 10, 14, 13, 12, 7, 15, 16, 19, 21
R15, R14, R13, R12, RBP, RBX, R8, R9, CS, EFLAGS, SS = 0, 1, 2, 3, 4, 5, 9, 8, 17, 18, 20
CALL = struct.Struct("<80xQ24xQQ")
"""Of the registers of a thread in a system call: its result, its first argument and its number."""
PLACE = struct.Struct("<128xQ16xQ")
"""Where a thread is: its instruction and its stack pointer."""
USER_CS, USER_DS = 0x33, 0x2B
"""Segments of 64-bit programs. Source: Linux ``arch/x86/include/asm/segment.h``."""

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
        40,  # sendfile: to a socket with SO_SNDTIMEO
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
        275,  # splice: from or to such a socket
        281,  # epoll_pwait
        288,  # accept4
        299,  # recvmmsg
        307,  # sendmmsg
        327,  # preadv2
        328,  # pwritev2
        333,  # io_pgetevents
        426,  # io_uring_enter
        441,  # epoll_pwait2
    }
)
WAITING = {
    0: "read",
    1: "write",
    7: "poll",
    16: "ioctl",
    17: "pread64",
    18: "pwrite64",
    19: "readv",
    20: "writev",
    23: "select",
    34: "pause",
    35: "nanosleep",
    40: "sendfile",
    42: "connect",
    43: "accept",
    44: "sendto",
    45: "recvfrom",
    46: "sendmsg",
    47: "recvmsg",
    61: "wait4",
    65: "semop",
    69: "msgsnd",
    70: "msgrcv",
    72: "fcntl",
    73: "flock",
    128: "rt_sigtimedwait",
    130: "rt_sigsuspend",
    202: "futex",
    208: "io_getevents",
    220: "semtimedop",
    230: "clock_nanosleep",
    232: "epoll_wait",
    242: "mq_timedsend",
    243: "mq_timedreceive",
    247: "waitid",
    270: "pselect6",
    271: "ppoll",
    275: "splice",
    281: "epoll_pwait",
    288: "accept4",
    295: "preadv",
    296: "pwritev",
    299: "recvmmsg",
    307: "sendmmsg",
    327: "preadv2",
    328: "pwritev2",
    333: "io_pgetevents",
    426: "io_uring_enter",
    441: "epoll_pwait2",
    449: "futex_waitv",
    455: "futex_wait",
}
"""System calls in which threads sleep, by their numbers. Source: Linux ``arch/x86/entry/syscalls/syscall_64.tbl``."""
FUTEX, RESTART_SYSCALL = 202, 219
CLONE, WAIT4, PRCTL, EXIT_GROUP, CLOSE_RANGE = 56, 61, 157, 231, 436
CLONE_VM, CLONE_FILES, CLONE_PARENT_SETTID = 0x100, 0x400, 0x100000
CLOSE_RANGE_UNSHARE = 2
PR_GET_CHILD_SUBREAPER = 37
IOPRIO_SET, IOPRIO_WHO_PROCESS, IOPRIO_IDLE = 251, 1, 3 << 13
"""The system call; one thread; the class that is served when nobody else wants the disk. <linux/ioprio.h>"""
NICEST = 19
USER_CODE = 0x33
"""Code segment of 64-bit programs."""
SYSCALL_INSTRUCTION = b"\x0f\x05"
MASK = 0xFFFFFFFFFFFFFFFF
EINTR = -errno.EINTR & MASK
INTERRUPTED = frozenset(-number & MASK for number in (4, 512, 513, 514, 516))
"""What stands in RAX of a thread that was stopped while its system call waited: EINTR and ERESTART*.

Source: Linux ``include/linux/errno.h``.
"""


_BLOCK, _PLACE = 1 << 16, 1 << 11
"""Bytes that are asked for at once of a large file of /proc, and how many go to one place: see `Kernel.fill`."""
_MOST_PLACES = 1024
"""IOV_MAX."""
_MMAP_THRESHOLD, _ARENA_MAX = -3, -8
"""<malloc.h>"""
_LARGE = 128 << 10
_STOPPED = 0x7F
"""Low byte of a status for WIFSTOPPED."""
_STOPS = WNOHANG | 0x2 | 0x4 | 0x1000000 | WALL
"""WNOHANG, WSTOPPED, WEXITED, WNOWAIT and __WALL."""
_FAILED = -1
_LARGEST_SET = 1 << 14
"""Bytes that a register set has at most; with AMX they are 11,000."""
_KINDS = {kind: ctypes.c_void_p(kind) for kind in (NT_PRSTATUS, NT_PRFPREG, NT_X86_XSTATE)}


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
        # Made once: an app with many threads stands still while all their registers are read.
        regset = ctypes.create_string_buffer(_LARGEST_SET)
        self._regset = memoryview(regset)
        self._regset_vector = _Iovec(ctypes.addressof(regset), _LARGEST_SET)
        self._regset_at = ctypes.c_void_p(ctypes.addressof(self._regset_vector))
        answer = (ctypes.c_uint64 * (SIGINFO_SIZE // 8))()
        self._answer = memoryview(answer).cast("B")
        self._answers = self._answer.cast("Q")
        self._answer_at = ctypes.c_void_p(ctypes.addressof(answer))
        self._scan_vector = array.array("Q", bytes(8 * 3 * 8192))
        self._ptrace: Callable[..., int] = _absent
        if sys.platform == "linux":
            self._library = ctypes.CDLL(None, use_errno=True)
            self._library.ptrace.restype = ctypes.c_long
            self._ptrace = self._library.ptrace

    def give_memory_back(self) -> None:
        """Have large blocks of memory go back to the system when they are freed; before other threads start.

        Left alone, glibc keeps more and more of them, and a pool for each thread. Never
        raises: other C libraries have no such choice, and need none.

        Source: mallopt(3).
        """
        if sys.platform == "linux" and hasattr(self._library, "mallopt"):
            self._library.mallopt(_MMAP_THRESHOLD, _LARGE)
            self._library.mallopt(_ARENA_MAX, 1)

    def ptrace(
        self,
        request: int,
        tid: int,
        address: ctypes.c_void_p | None = None,
        value: ctypes.c_void_p | None = None,
    ) -> int:
        """One raw request. Its arguments have C's own types, so that none needs a conversion, which costs a third.

        Those that each thread of the target needs are made without this step between.

        Source: ptrace(2).
        """
        result = self._ptrace(request, tid, address, value)
        if result == _FAILED:  # no request of ours has that for an answer
            raise _failure()
        return result

    def seize(self, tid: int) -> None:
        """Trace a thread without stopping it."""
        if self._ptrace(PTRACE_SEIZE, tid, None, None) == _FAILED:
            raise _failure()

    def interrupt(self, tid: int) -> None:
        """Ask a traced thread to stop; `wait` tells when it has."""
        if self._ptrace(PTRACE_INTERRUPT, tid, None, None) == _FAILED:
            raise _failure()

    def detach(self, tid: int, number: int = 0) -> None:
        """Let a stopped thread go on, with the signal it was stopped at."""
        if self._ptrace(PTRACE_DETACH, tid, None, _signal(number) if number else None) == _FAILED:
            raise _failure()

    def wait(self, tid: int) -> int | None:
        """The status of a traced thread that has stopped or ended, None while it runs."""
        if sys.platform == "linux":
            pid, status = os.waitpid(tid, os.WNOHANG | WALL)
            return status if pid else None
        raise OSError(errno.ENOSYS, "no waitpid")

    def stop_of(self, tid: int) -> int | None:
        """As `wait`, but a stop stays uncollected, so that its signal outlives us.

        Of a stop that was collected the kernel keeps no signal: a thread that stood at one would go on
        without it if we were killed before `detach` gives it back.

        Source: Linux ``kernel/exit.c``, ``wait_task_stopped()``; ``kernel/signal.c``, ``ptrace_signal()``.
        """
        if sys.platform == "linux":
            found = os.waitid(os.P_PID, tid, _STOPS)
            if found is None:
                return None
            if found.si_code in (os.CLD_TRAPPED, os.CLD_STOPPED):
                return found.si_status << 8 | _STOPPED
        return self.wait(tid)

    def regset(self, tid: int, kind: int) -> bytes:
        """One register set of a stopped thread."""
        vector = self._regset_vector
        vector.length = _LARGEST_SET
        if self._ptrace(PTRACE_GETREGSET, tid, _KINDS[kind], self._regset_at) == _FAILED:
            raise _failure()
        return self._regset[: vector.length].tobytes()

    def set_regset(self, tid: int, kind: int, value: bytes) -> None:
        """Change one register set of a stopped thread."""
        buffer = ctypes.create_string_buffer(value, len(value))
        vector = _Iovec(ctypes.addressof(buffer), len(value))
        self.ptrace(PTRACE_SETREGSET, tid, _KINDS[kind], ctypes.c_void_p(ctypes.addressof(vector)))

    def siginfo(self, tid: int) -> bytes:
        """The ``siginfo_t`` of a thread's stop; EINVAL where the stop has none."""
        self.ptrace(PTRACE_GETSIGINFO, tid, None, self._answer_at)
        return self._answer.tobytes()

    def options(self, tid: int, flags: int) -> None:
        """Say what else a traced thread shall stop at (``PTRACE_O_*``)."""
        self.ptrace(PTRACE_SETOPTIONS, tid, None, ctypes.c_void_p(flags))

    def proceed(self, tid: int, number: int = 0) -> None:
        """Let a stopped thread run on, traced, with the signal it was stopped at."""
        self.ptrace(PTRACE_CONT, tid, None, _signal(number))

    def proceed_to_call(self, tid: int, number: int = 0) -> None:
        """As `proceed`, but stop it where it enters or leaves a system call."""
        self.ptrace(PTRACE_SYSCALL, tid, None, _signal(number))

    def event(self, tid: int) -> int:
        """The number that goes with a thread's stop at an event: the child's id."""
        self.ptrace(PTRACE_GETEVENTMSG, tid, None, self._answer_at)
        return self._answers[0]

    def end(self, tid: int) -> None:
        """Kill a traced process, by no right but that it is traced."""
        self.ptrace(PTRACE_KILL, tid)

    def signal_mask(self, tid: int) -> int:
        """The signals that a stopped thread blocks, a bit each from SIGHUP on."""
        self.ptrace(PTRACE_GETSIGMASK, tid, ctypes.c_void_p(8), self._answer_at)
        return self._answers[0]

    def set_signal_mask(self, tid: int, blocked: int) -> None:
        """Change the signals that a stopped thread blocks."""
        self._answers[0] = blocked
        self.ptrace(PTRACE_SETSIGMASK, tid, ctypes.c_void_p(8), self._answer_at)

    def rseq(self, tid: int) -> int:
        """Address of a stopped thread's ``struct rseq``, 0 where it has none.

        Source: Linux ``Documentation/userspace-api/rseq.rst``.
        """
        self.ptrace(PTRACE_GET_RSEQ_CONFIGURATION, tid, ctypes.c_void_p(24), self._answer_at)
        return self._answers[0]

    def dispatches(self, tid: int) -> bool:
        """Whether a stopped thread has its system calls turned into signals, as Wine does.

        Source: Linux ``Documentation/admin-guide/syscall-user-dispatch.rst``.
        """
        request = PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG
        self.ptrace(request, tid, ctypes.c_void_p(32), self._answer_at)
        return bool(self._answers[0])

    def threads(self, pid: int) -> list[int]:
        """Thread ids of a process, now."""
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]

    def thread_count(self, pid: int) -> int:
        """How many threads a process has, now: the links of the folder that lists them, which need no list.

        Source: Linux ``fs/proc/base.c``, ``proc_task_getattr()``.
        """
        return os.stat(f"/proc/{pid}/task").st_nlink - 2

    def record(self, path: str, folder: int | None = None) -> str:
        """A file of /proc that is one record, which the first read gives whole: ``stat``, ``wchan`` and their like.

        Args:
            path: The file.
            folder: Open folder that the path starts from, which is found sooner.

        Source: Linux ``fs/seq_file.c``, ``seq_read_iter()``.
        """
        descriptor = os.open(path, os.O_RDONLY, dir_fd=folder)
        try:
            return os.read(descriptor, PAGE).decode("utf-8", "surrogateescape")
        finally:
            os.close(descriptor)

    def text(self, path: str) -> str:
        """A small text file of /proc, whatever bytes are in it."""
        return _content(path).decode("utf-8", "surrogateescape")

    def give_turn(self) -> None:
        """Let whoever stands in line for our processor have it first, once."""
        if sys.platform == "linux":
            os.sched_yield()

    def set_text(self, path: str, text: str) -> None:
        """Write a setting into a file of /proc."""
        with open(path, "wb", buffering=0) as file:
            file.write(text.encode())

    def bytes(self, path: str) -> bytes:
        """A small binary file of /proc."""
        return _content(path)

    def blocks(self, path: str) -> Iterator[builtins.bytes]:
        """A large text file of /proc, block by block, so that it never sits in memory whole."""
        descriptor, block = self.open(path), memoryview(bytearray(_BLOCK))
        try:
            while count := self.fill(descriptor, block):
                yield block[:count].tobytes()
        finally:
            os.close(descriptor)

    def fill(self, descriptor: int, block: memoryview) -> int:
        """Read as much of a text file of /proc as there is room for; gives how many bytes, 0 at its end.

        One read gives a page at most, so a large file takes hundreds of them. One read into many
        places fills place after place, as long as each is full: the kernel writes no line before
        there is room for it, so a place must be smaller than a page by more than the longest entry.

        Source: Linux ``fs/read_write.c``, ``do_loop_readv_writev()``; ``fs/seq_file.c``, ``seq_read_iter()``.
        """
        if sys.platform == "win32":
            raise OSError(errno.ENOSYS, "no readv")
        places = [block[at : at + _PLACE] for at in range(0, len(block), _PLACE)]
        return os.readv(descriptor, places[:_MOST_PLACES])

    def open(self, path: str) -> int:
        """A file descriptor for reading, closed on exec; of a folder too."""
        return os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))

    def read_memory(self, descriptor: int, buffer: memoryview, address: int) -> int:
        """Fill ``buffer`` from ``address`` of an open ``/proc/PID/mem``; fewer bytes before a page that fails.

        Never process_vm_readv: its pin breaks the sharing of copy-on-write
        pages, so that dumping a forked worker would double its memory.
        """
        if sys.platform == "linux":
            return os.preadv(descriptor, [buffer], address)
        raise OSError(errno.ENOSYS, "no preadv")

    def peek(self, descriptor: int, size: int, address: int) -> builtins.bytes:
        """As `read_memory`, but gives what it reads: few bytes are sooner there without a buffer."""
        if sys.platform == "linux":
            return os.pread(descriptor, size, address)
        raise OSError(errno.ENOSYS, "no pread")

    def open_memory(self, pid: int) -> int:
        """A file descriptor for reading and writing a traced process's memory."""
        return os.open(f"/proc/{pid}/mem", os.O_RDWR | getattr(os, "O_CLOEXEC", 0))

    def write_memory(self, descriptor: int, content: builtins.bytes, address: int) -> int:
        """Write into an open ``/proc/PID/mem``; gives how many bytes."""
        if sys.platform != "win32":
            return os.pwrite(descriptor, content, address)
        raise OSError(errno.ENOSYS, "no pwrite")

    def write(self, descriptor: int, view: memoryview, place: int) -> int:
        """Write bytes at a place of a file; gives how many of them."""
        if sys.platform != "win32":
            return os.pwrite(descriptor, view, place)
        raise OSError(errno.ENOSYS, "no pwrite")

    def open_direct(self, descriptor: int) -> int:
        """A second descriptor of an open file, for writing past the page cache; closed on exec."""
        if sys.platform == "linux":
            return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_DIRECT | os.O_CLOEXEC)
        raise OSError(errno.ENOSYS, "no O_DIRECT")

    def give_way(self) -> None:
        """Let others have processor and disk first, on this thread and those it starts from now on.

        Never raises. A thread may always be given less, and never gets it back.

        Source: ioprio_set(2), nice(2).
        """
        if sys.platform == "linux":
            os.nice(NICEST)
            self._library.syscall(
                ctypes.c_long(IOPRIO_SET),
                ctypes.c_int(IOPRIO_WHO_PROCESS),
                ctypes.c_int(0),
                ctypes.c_int(IOPRIO_IDLE),
            )

    def read_file(self, descriptor: int, buffer: memoryview, offset: int) -> int:
        """Fill ``buffer`` from ``offset`` of a file; EIO at or behind its end, where a mapping has no page either."""
        count = self.read_memory(descriptor, buffer, offset)
        if not count:
            raise OSError(errno.EIO, "behind the end of the file")
        return count

    def scan_pages(
        self, descriptor: int, start: int, end: int, *, skip: int, want: int
    ) -> Iterator[array.array[int]]:
        """Runs of pages with one of the ``want`` and none of the ``skip`` categories (``PAGE_IS_*``).

        Gives start and end addresses in turn, so many at a time; the first of a time may
        touch the last of the one before. Raises ``OSError`` with ENOTTY before Linux 6.7:
        see `pagemap`.

        Source: Linux ``Documentation/admin-guide/mm/pagemap.rst``, "Pagemap Scan IOCTL".
        """
        if sys.platform != "linux":
            raise OSError(errno.ENOSYS, "no pagemap")
        import fcntl

        vector, length = self._scan_vector.buffer_info()
        while start < end:
            request = bytearray(
                struct.pack("12Q", 96, 0, start, end, 0, vector, length // 3, 0, skip, skip, want, 0)
            )
            count = fcntl.ioctl(descriptor, PAGEMAP_SCAN, request, True)
            walked: int = struct.unpack_from("Q", request, 32)[0]
            if count:
                runs = _pairs(self._scan_vector[: 3 * count])
                # Where it says that it stopped may lie before the last runs that it gave (Linux 6.18): 512 back.
                walked = max(walked, runs[-1])
                yield runs
            if walked <= start:
                break
            start = walked

    def pagemap(self, descriptor: int, start: int, count: int) -> array.array[int]:
        """Entries of ``count`` pages from ``start`` on; fewer at the end of the address space.

        Source: Linux ``Documentation/admin-guide/mm/pagemap.rst``.
        """
        if sys.platform == "linux":
            return array.array("Q", os.pread(descriptor, 8 * count, start // PAGE * 8))
        raise OSError(errno.ENOSYS, "no pread")


def _pairs(triples: array.array[int]) -> array.array[int]:
    """Starts and ends in turn."""
    pairs = array.array("Q", bytes(len(triples) // 3 * 16))
    pairs[::2], pairs[1::2] = triples[::3], triples[1::3]
    return pairs


def _content(path: str) -> bytes:
    """All of a small file, read without a file object, for each thread has several of them."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        content = piece = os.read(descriptor, 1 << 16)
        while piece:
            piece = os.read(descriptor, 1 << 16)
            content += piece
        return content
    finally:
        os.close(descriptor)


def _absent(request: int, tid: int, address: object, value: object) -> int:  # noqa: ARG001 - as ptrace
    """Where there is no ptrace."""
    raise OSError(errno.ENOSYS, "no ptrace")


def _failure() -> OSError:
    """What the C library tells of a call that has just failed."""
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))


def _signal(number: int) -> ctypes.c_void_p | None:
    """A signal as a request takes it."""
    return ctypes.c_void_p(number) if number else None


def stop_signal(status: int) -> int:
    """The signal a stopped thread must be given when it is let go; 0 for none.

    A stop asked for by PTRACE_INTERRUPT, and a job-control stop, carry the
    event PTRACE_EVENT_STOP and deliver nothing; any other stop holds back a signal.
    """
    if status >> 16 == PTRACE_EVENT_STOP:
        return 0
    number = status >> 8 & 0xFF
    return 0 if number == SIGTRAP and status >> 16 else number
