"""Stops and signals as the kernel reports them, and in which order threads are stopped, read and let go."""

from __future__ import annotations

import errno
import os

import pytest
import synth

from tray.capture import linux_freeze, linux_rewind
from tray.capture.linux_freeze import Freeze
from tray.capture.linux_vectors import Vectors
from tray.errors import AccessDenied
from tray.ffi import linux as ffi

SIGUSR1, SIGSTOP = 10, 19


@pytest.mark.parametrize(
    ("status", "signal"),
    [
        (ffi.PTRACE_EVENT_STOP << 16 | ffi.SIGTRAP << 8 | 0x7F, 0),
        (ffi.PTRACE_EVENT_STOP << 16 | SIGSTOP << 8 | 0x7F, 0),
        (SIGUSR1 << 8 | 0x7F, SIGUSR1),
        (SIGSTOP << 8 | 0x7F, SIGSTOP),
        (ffi.SIGTRAP << 8 | 0x7F, ffi.SIGTRAP),
        (3 << 16 | ffi.SIGTRAP << 8 | 0x7F, 0),
        (64 << 8 | 0x7F, 64),
    ],
)
def test_the_signal_to_pass_on(status: int, signal: int):
    """Our own stop and a job-control stop hold none back; every other stop does, a breakpoint's too."""
    assert ffi.stop_signal(status) == signal


class Threads:
    """The threads of a process, as the kernel tells of them; each stops when it is asked to.

    Attributes:
        told: Of each: state, and ticks in user and kernel mode.
        asked: What was asked for, with the thread, in order.
        newborn: Starts while the others are stopped; 0 for none.
        signals: Of threads that stop at one.
        immovable: Does not stop; 0 for none.
    """

    def __init__(self, **told: str) -> None:
        self.told = {int(name[1:]): words for name, words in told.items()}
        self.asked: list[tuple[str, int]] = []
        self.newborn = 0
        self.signals: dict[int, int] = {}
        self.immovable = 0
        self.registers = synth.registers(0x5000, 0x7000, RAX=-512, ORIG_RAX=0)
        self.area = bytes(range(256)) * 4

    def threads(self, pid: int) -> list[int]:
        self.asked.append(("threads", pid))
        return list(self.told)

    def thread_count(self, pid: int) -> int:
        assert pid == 70
        return len(self.told)

    def open(self, path: str) -> int:
        assert path == "/proc/70/task"
        return os.open(os.devnull, os.O_RDONLY)

    def record(self, path: str, folder: int | None = None) -> str:
        if folder is None:
            path = path.removeprefix("/proc/70/task/")
        else:
            os.fstat(folder)
        tid, name = int(path.partition("/")[0]), path.rpartition("/")[2]
        state, *ticks = self.told[tid].split()
        return f"{tid} (a) (b) {state} {'0 ' * 10}{' '.join(ticks)} 0" if name == "stat" else "futex_wait"

    def seize(self, tid: int) -> None:
        self.asked.append(("seize", tid))

    def interrupt(self, tid: int) -> None:
        self.asked.append(("interrupt", tid))
        if self.newborn:
            self.told[self.newborn], self.newborn = "S 0 0", 0

    def text(self, path: str) -> str:
        raise FileNotFoundError(path)

    def stop_of(self, tid: int) -> int | None:
        if tid == self.immovable:
            return None
        return self.signals.get(tid, ffi.PTRACE_EVENT_STOP << 8 | ffi.SIGTRAP) << 8 | 0x7F

    def regset(self, tid: int, kind: int) -> bytes:
        self.asked.append((f"regset {kind}", tid))
        return self.registers if kind == ffi.NT_PRSTATUS else self.area

    def siginfo(self, tid: int) -> bytes:
        return b"info"

    def set_regset(self, tid: int, kind: int, value: bytes) -> None:
        self.asked.append((f"set_regset {kind}", tid))

    def detach(self, tid: int, number: int) -> None:
        self.asked.append((f"detach {number}", tid))

    def order(self, request: str) -> list[int]:
        """The threads that a request was made for."""
        return [tid for name, tid in self.asked if name == request]


def frozen(kernel: Threads) -> Freeze:
    """That process, stopped and read."""
    freeze = Freeze(kernel, 70, Vectors(-1))
    freeze.stop()
    freeze.read()
    return freeze


def test_who_notices_stands_still_for_the_shortest_time():
    """Threads that run or have used the processor are stopped last and let go first, the others in turn."""
    kernel = Threads(t70="S 3 4", t71="S 0 0", t72="R 0 0", t73="S 0 0", t74="S 5 1")
    frozen(kernel).release()
    assert kernel.order("seize") == [70, 71, 72, 73, 74]
    assert kernel.order("interrupt") == [71, 73, 74, 70, 72]
    assert kernel.order("detach 0") == [72, 70, 74, 71, 73]


def test_a_thread_that_starts_meanwhile_is_stopped_too():
    """The threads are counted again, and listed again only if there are more."""
    kernel = Threads(t70="S 9 9", t71="S 0 0")
    frozen(kernel)
    assert kernel.order("threads") == [70]
    kernel = Threads(t70="S 9 9", t71="S 0 0")
    kernel.newborn = 72
    freeze = frozen(kernel)
    assert kernel.order("threads") == [70, 70]
    assert kernel.order("interrupt") == [71, 70, 72]
    assert {thread.tid: thread.name for thread in freeze.threads(None)} == dict.fromkeys(
        (70, 71, 72), "a) (b"
    )


def test_where_a_crowd_sleeps(monkeypatch):
    """Of few threads each is asked unless it runs; of many only one that its registers do not tell of."""
    for most, asked in (
        (3, {70: "futex_wait", 71: "", 72: "futex_wait"}),
        (2, {70: "", 71: "", 72: "futex_wait"}),
    ):
        monkeypatch.setattr(linux_freeze, "MOST_PLACES", most)
        freeze = frozen(Threads(t70="S 0 0", t71="R 0 0", t72="D 0 0"))
        assert {one.tid: one.waits_in for one in freeze.threads(None)} == asked


def test_a_thread_of_a_crowd_that_does_not_stop(monkeypatch):
    """Is asked then where it sits, though it could be interrupted before."""
    monkeypatch.setattr(linux_freeze, "MOST_PLACES", 1)
    monkeypatch.setattr(linux_freeze, "PATIENCE", 0)
    kernel = Threads(t70="S 0 0", t71="S 0 0")
    kernel.immovable = 71
    [stuck] = frozen(kernel).stuck()
    assert (stuck.tid, stuck.waits_in) == (71, "futex_wait")


@pytest.mark.parametrize("first", [True, False])
def test_vector_registers_are_read_last(*, first: bool):
    """When they are asked for, or just before each thread goes on; the same is told either way."""
    kernel = Threads(t70="S 9 9", t71="S 0 0")
    freeze = frozen(kernel)
    assert kernel.order("regset 514") == []
    if first:
        freeze.read_and_release()
        assert kernel.asked[-4:] == [
            ("regset 514", 70),
            ("detach 0", 70),
            ("regset 514", 71),
            ("detach 0", 71),
        ]
    told = [(thread.tid, *freeze.wide(thread)) for thread in freeze.threads(None)]
    assert told == [(tid, kernel.area[:512], kernel.area) for tid in (70, 71)]
    freeze.release()
    assert sorted(kernel.order("detach 0")) == [70, 71]
    assert len(kernel.order("regset 514")) == 2


def test_the_oldest_vector_registers_may_be_all():
    """Of a processor that has no more, those are stored alone."""
    kernel = Threads(t70="S 0 0")
    freeze = frozen(kernel)
    kernel.area = bytes(100)
    [thread] = freeze.threads(None)
    assert freeze.wide(thread) == (bytes(100), b"")
    assert kernel.asked[-2:] == [("regset 514", 70), ("regset 2", 70)]


@pytest.mark.parametrize(
    ("state", "signal", "entered"), [("S", 0, 1), ("S", SIGUSR1, 0), ("T", 0, 0), ("t", 0, 0)]
)
def test_when_a_call_is_entered_again(monkeypatch, state: str, signal: int, entered: int):
    """Not if a signal interrupted it, or the program stood still before."""
    monkeypatch.setattr(linux_rewind, "rewound", lambda kernel, pid, tid, registers: registers)
    kernel = Threads(t70=f"{state} 0 0")
    kernel.registers = synth.registers(0x5000, 0x7000, RAX=-4, ORIG_RAX=232)
    if signal:
        kernel.signals[70] = signal
    freeze = frozen(kernel)
    assert len(kernel.order("set_regset 1")) == entered
    freeze.release()
    assert kernel.order(f"detach {signal}") == [70]
    assert freeze.threads(None)[0].signal == (b"info" if signal else b"")


@pytest.mark.linux
def test_threads_are_counted_and_told_by_the_kernel():
    """The number of links of a folder is that of its threads, and one reading gives a record whole."""
    kernel, own = ffi.Kernel(), os.getpid()
    assert kernel.thread_count(own) == len(kernel.threads(own))
    assert kernel.record(f"/proc/{own}/comm") == kernel.text(f"/proc/{own}/comm")


class Traced(Threads):
    """A process that another program has begun to trace since it was looked at; with it, it may have ended again."""

    tracer = 4711

    def seize(self, tid: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    def text(self, path: str) -> str:
        return {
            "/proc/70/stat": "70 (app) S 1",
            "/proc/70/status": f"Name:\tapp\nTracerPid:\t{self.tracer}\n",
            "/proc/4711/comm": "gdb\n",
        }[path]


@pytest.mark.parametrize(
    ("tracer", "said"), [(4711, r"is being debugged by gdb \(4711\)"), (0, "not let this user stop")]
)
def test_one_that_is_traced_since_it_was_looked_at(tmp_path, monkeypatch, tracer: int, said: str):
    """Two dumps of one app at a time: the second is told who is in its way, not that it lacks a right."""
    monkeypatch.setattr(linux_freeze.linux_target, "_FAREWELL", 0.0)
    kernel = Traced(t70="S 0 0")
    kernel.tracer = tracer
    with (tmp_path / "vectors").open("w+b") as file, pytest.raises(AccessDenied, match=said):
        Freeze(kernel, 70, Vectors(file.fileno())).stop()
