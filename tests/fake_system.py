"""A Windows in memory, for the logic of the capture: `FakeSystem` answers what `tray.ffi.win32.System` asks.

What Wine cannot do is done here: snapshots of processes, protected processes, a
dbghelp that refuses, hangs or loses the right to something.
"""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from dataclasses import dataclass, field

import synth_minidump
from fake_waits import FakeWaits

from tray.ffi import dbghelp as d
from tray.ffi import win32
from tray.ffi.win32 import Stretch, System, failure

APP, LSASS, PROTECTED = 70, 700, 800
STARTED = 133_000_000_000_000_000
ALL_RIGHTS = 0x1FFFFF


@dataclass
class FakeProcess:
    """One process of the fake Windows."""

    name: str
    started: int = STARTED
    threads: dict[int, int] = field(default_factory=dict)
    """Thread ids, and how often each is suspended."""
    rights: int = ALL_RIGHTS
    protection: int = win32.PROTECTION_LEVEL_NONE
    modules: tuple[str, ...] = ("app.exe", "ntdll.dll")
    machine: int = 0
    ended: bool = False


class FakeSystem(System):
    """The requests, answered from memory.

    Attributes:
        refuses: Bits that dbghelp does not know.
        fails: Flags → Windows error code, for dumps that fail.
        unreadable: Stretches that cannot be read, as (start, size).
        hangs: Waited for inside dbghelp, if set.
        hanging: Set once that is so.
        crashes: Whether dbghelp crashes, and so resumes nobody; at the first try only.
        asked: Names of the requests, in order.
        dumped: Flags of each try to dump.
        handles: Those that are open, with their process and rights.
        files: Files that are mapped, by address.
    """

    def __init__(self) -> None:
        super().__init__()
        self.listed = {
            4: FakeProcess("System"),
            APP: FakeProcess("app.exe", threads={71: 0, 72: 0, 73: 1}),
            LSASS: FakeProcess("LSASS.EXE"),
            PROTECTED: FakeProcess("antivirus.exe", protection=1),
            os.getpid(): FakeProcess("hangshot.exe"),
        }
        self.refuses = 0
        self.fails: dict[int, int] = {}
        self.unreadable: list[tuple[int, int]] = []
        self.hangs = None
        self.hanging = threading.Event()
        self.crashes = False
        self.commit = 1 << 40
        self.pss = False
        self.width = 64
        self.dumped: list[int] = []
        self.sources: list[int] = []
        self.snapshots: dict[int, int] = {}
        self.freed: list[int] = []
        self.ended_ourselves = False
        self.handles: dict[int, tuple[str, int, int]] = {}
        self.answered: list[int] = []
        self.comments: list[str] = []
        self._next = 1000
        self.told = FakeWaits()
        self.files: dict[int, str] = {}

    def _new(self, kind: str, number: int, rights: int = 0) -> int:
        self._next += 4
        self.handles[self._next] = (kind, number, rights)
        return self._next

    def _of(self, handle: int) -> FakeProcess:
        kind, number, _ = self.handles[handle]
        assert kind == "process"
        return self.listed[number]

    # ---- processes

    def processes(self):
        return {pid: process.name for pid, process in self.listed.items()}

    def threads(self, pid):
        return list(self.listed[pid].threads) if pid in self.listed else []

    def open_process(self, rights, pid):
        if pid not in self.listed:
            raise failure(win32.ERROR_INVALID_PARAMETER, "OpenProcess")
        if rights & ~self.listed[pid].rights:
            raise failure(win32.ERROR_ACCESS_DENIED, "OpenProcess")
        return self._new("process", pid, rights)

    def close(self, handle):
        del self.handles[handle]

    def ourselves(self):
        return -1

    def created(self, process):
        return self._of(process).started

    def ended(self, process):
        return self._of(process).ended

    def image(self, process):
        return "C:\\Program Files\\App\\" + self._of(process).name

    def machines(self, process):
        return self._of(process).machine, win32.IMAGE_FILE_MACHINE_AMD64

    def protection(self, process):
        return self._of(process).protection

    def private_bytes(self, process):
        return 1 << 20

    def stretches(self, process):
        yield Stretch(0x10000, 0x1000, win32.MEM_COMMIT, win32.PAGE_READWRITE, win32.MEM_PRIVATE)
        yield Stretch(0x20000, 0x2000, win32.MEM_COMMIT, win32.PAGE_READWRITE, win32.MEM_MAPPED)
        yield Stretch(0x30000, 0x4000, win32.MEM_COMMIT, win32.PAGE_WRITECOPY, win32.MEM_IMAGE)
        yield Stretch(0x40000, 0x8000, win32.MEM_COMMIT, win32.PAGE_EXECUTE_READ, win32.MEM_IMAGE)
        yield Stretch(
            0x50000, 0x1000, win32.MEM_COMMIT, win32.PAGE_READWRITE | win32.PAGE_GUARD, win32.MEM_PRIVATE
        )
        yield Stretch(0x60000, 0x1000, win32.MEM_RESERVE, 0, win32.MEM_PRIVATE)

    def mapped_file(self, process, address):
        if address in self.files:
            return self.files[address]
        raise failure(1006, "K32GetMappedFileNameW")

    def read(self, process, address, size):
        raise failure(win32.ERROR_PARTIAL_COPY, "ReadProcessMemory")

    def waits(self):
        return self.told

    def modules(self, process):
        return list(self._of(process).modules)

    def elevated(self):
        return False

    def end_ourselves(self, exit_code):
        self.ended_ourselves = True

    def is_64_bit(self):
        return self.width == 64

    # ---- threads

    def open_thread(self, rights, tid):
        pid = next((pid for pid, one in self.listed.items() if tid in one.threads), None)
        if pid is None:
            raise failure(win32.ERROR_INVALID_PARAMETER, "OpenThread")
        return self._new("thread", tid, rights)

    def suspend_count(self, thread):
        return self._counts(thread)[self.handles[thread][1]]

    def thread_states(self, pid):
        return dict.fromkeys(self.listed[pid].threads, (5, 6)) if pid in self.listed else {}

    def resume(self, thread):
        counts, tid = self._counts(thread), self.handles[thread][1]
        counts[tid] -= 1
        return counts[tid] + 1

    def _counts(self, thread):
        tid = self.handles[thread][1]
        return next(one.threads for one in self.listed.values() if tid in one.threads)

    def thread_name(self, thread):
        return f"thread-{self.handles[thread][1]}"

    # ---- dumping

    def file_handle(self, descriptor):
        return descriptor

    def writer(self, file):
        return lambda address, size, offset: self.write_at(file, address, size, offset)

    def write_at(self, file, address, size, offset):
        """What the writer does."""
        _put(file, ctypes.string_at(address, size), offset)

    def write_dump(self, process, pid, file, flags, streams, callback):  # noqa: PLR0913, PLR0917
        """As dbghelp does it: asks, suspends, writes, resumes whatever happens."""
        self.dumped.append(flags)
        self.sources.append(process)
        self.comments.append(_comment(streams))
        if flags & self.refuses:
            raise failure(0x80070057, "MiniDumpWriteDump")
        threads = self.listed[pid].threads
        live = process not in self.snapshots
        for tid in threads if live else ():
            threads[tid] += 1
        if self.hangs:
            self.hanging.set()
            self.hangs.wait(10)
        try:
            self._dump(pid, file, flags, _Asker(callback.CallbackRoutine, self.answered))
        finally:
            crashed, self.crashes = self.crashes, False
            for tid in threads if live and not crashed else ():
                threads[tid] -= 1

    def _dump(self, pid, file, flags, ask):
        ask(d.IsProcessSnapshotCallback)
        own = ask(d.IoStartCallback).Status == d.S_FALSE
        for tid in self.listed[pid].threads:
            ask(d.IncludeThreadCallback, ThreadId=tid)
        ask.cancelled()
        for start, size in self.unreadable:
            failed = d.MINIDUMP_READ_MEMORY_FAILURE_CALLBACK(start, size, -1)
            ask(d.ReadMemoryFailureCallback, ReadMemoryFailure=failed)
        if self.crashes:
            raise OSError(errno.EIO, "Windows' dbghelp crashed")
        if flags in self.fails:
            raise failure(self.fails[flags], "MiniDumpWriteDump")
        for tid in self.listed[pid].threads:
            ask(d.ThreadCallback, ThreadId=tid)
        content = synth_minidump.build(
            synth_minidump.Process.usual(
                pid=pid,
                threads=dict.fromkeys(self.listed[pid].threads, synth_minidump.context()),
                pdb=r"C:\Users\zaphod\src\app.pdb",
            )
        )
        if own:
            for offset in range(0, len(content), 1000):
                ask.write(content[offset : offset + 1000], offset)
            ask(d.IoFinishCallback)
        else:
            _put(file, content, 0)
        ask.cancelled()

    # ---- snapshots

    def has_snapshots(self):
        return self.pss

    def free_commit(self):
        return self.commit

    def snapshot(self, process, flags, context):
        handle = self._new("snapshot", self.handles[process][1])
        self.snapshots[handle] = self._new("clone", handle)
        return handle

    def clone(self, snapshot):
        return self.snapshots[snapshot]

    def terminate(self, process):
        assert self.handles[process][0] == "clone", "only a clone may be ended"
        self.close(process)

    def free_snapshot(self, snapshot):
        self.freed.append(snapshot)
        self.close(snapshot)


class _Asker:
    """Asks the callback as dbghelp does."""

    def __init__(self, routine, answered: list[int]) -> None:
        self._routine, self._answered = routine, answered

    def __call__(self, kind: int, **fields: object):
        question = d.MINIDUMP_CALLBACK_INPUT(CallbackType=kind)
        for name, value in fields.items():
            setattr(question, name, value)
        answer = d.MINIDUMP_CALLBACK_OUTPUT()
        self._answered.append(self._routine(None, ctypes.byref(question), ctypes.byref(answer)))
        return answer

    def cancelled(self) -> None:
        if self(d.CancelCallback).Cancel:
            raise failure(0x800704C7, "MiniDumpWriteDump")

    def write(self, content: bytes, offset: int) -> None:
        buffer = ctypes.create_string_buffer(content, len(content))
        piece = {"Offset": offset, "Buffer": ctypes.addressof(buffer), "BufferBytes": len(content)}
        status = self(d.IoWriteAllCallback, **piece).Status
        if status:
            raise failure(status, "MiniDumpWriteDump")


def _comment(streams) -> str:
    stream = d.MINIDUMP_USER_STREAM.from_address(streams.UserStreamArray)
    return ctypes.string_at(stream.Buffer, stream.BufferSize).decode("utf-16-le").rstrip("\0")


def _put(descriptor: int, content: bytes, offset: int) -> None:
    """Write at a place; Windows has no pwrite."""
    os.lseek(descriptor, offset, os.SEEK_SET)
    os.write(descriptor, content)
