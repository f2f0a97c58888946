"""Who is at the other end: what the system tells of a process that has only just been let go."""

from __future__ import annotations

import errno
import os
import struct
from dataclasses import replace

import pytest
import synth

from tray.capture import linux_ends
from tray.ffi import linux as ffi
from tray.model import Thread

PID, HOLDER = 70, 90
HELD = f"1: FLOCK  ADVISORY  WRITE {HOLDER} 08:01:5 0 EOF\n2: POSIX  ADVISORY  WRITE 1234 08:01:6 0 EOF\n"
IN_LINE = HELD + f"1: -> FLOCK  ADVISORY  WRITE {PID} 08:01:5 0 EOF\n"


class Kernel:
    """Tells the next state and list of locks each time it is asked; the last ones for ever."""

    def __init__(self, *looks: tuple[str, str]) -> None:
        self.looks = [*looks]

    def text(self, path: str) -> str:
        state, locks = self.looks[0]
        if path.endswith("/stat"):
            return f"{PID} (ma) in) {state} 1 1"
        if path.endswith("/comm"):
            return "the child\n"
        assert path.endswith("/locks")
        if len(self.looks) > 1:
            del self.looks[0]
        return locks


def told(*looks: tuple[str, str]) -> str:
    """What is told of a thread that was stopped in ``flock``."""
    registers = [0] * 27
    registers[ffi.ORIG_RAX], registers[ffi.RAX] = 73, ffi.MASK + 1 - 512
    thread = Thread(PID, registers=struct.pack("<27Q", *registers))
    return linux_ends.told(Kernel(*looks), [thread], PID)[0].other_end


@pytest.mark.parametrize(
    "looks",
    [
        [("S", IN_LINE)],
        [("R", HELD), ("R", HELD), ("R", HELD), ("R", HELD), ("S", IN_LINE)],
        [("R", IN_LINE)],
        [("S", ""), ("S", IN_LINE)],
    ],
    ids=["stands in line", "has yet to have its turn", "has just had it", "the list changed meanwhile"],
)
def test_who_holds_a_file_lock(looks: list[tuple[str, str]]) -> None:
    """A stop takes a thread out of the line for a lock: it is looked for until it stands there again."""
    assert told(*looks) == f"the child ({HOLDER})"


class Asleep:
    """Tells where a thread is in the kernel.

    Attributes:
        asked: How many threads it was asked about.
    """

    def __init__(self, call: str) -> None:
        self.call, self.asked = call, 0

    def text(self, path: str) -> str:
        assert path == f"/proc/{PID}/task/71/syscall"
        self.asked += 1
        return self.call

    def record(self, path: str, folder: int | None = None) -> str:
        assert folder is None
        assert path == f"/proc/{PID}/task/71/wchan"
        return "mq_wait"


def one_of_a_crowd(number: int) -> Thread:
    """A thread that slept in that system call."""
    return replace(synth.thread(71, pc=0x5000, sp=0x7000, RAX=-512, ORIG_RAX=number), state="S")


THERE = "243 0x3 0x1 0x0 0x0 0x0 0x0 0x7000 0x5000\n"


@pytest.mark.parametrize(
    ("call", "number", "waits_on", "place"),
    [
        (THERE, 243, "", "mq_wait"),
        ("219 0x3 0x1 0x0 0x0 0x0 0x0 0x7000 0x5000\n", 243, "", "mq_wait"),
        (THERE, 0, "/dev/tty", "mq_wait"),
        ("243 0x3 0x1 0x0 0x0 0x0 0x0 0x7000 0x5008\n", 243, "", "mq_timedreceive"),
        ("running\n", 243, "", "mq_timedreceive"),
        ("running\n", 219, "", ""),
        (None, ffi.FUTEX, "", "futex"),
        (None, 0, "anon_inode:inotify", "read"),
    ],
)
def test_where_one_of_a_crowd_sleeps(call: str | None, number: int, waits_on: str, place: str) -> None:
    """Asked where its registers do not tell what it waits for, and believed if still in that call; else that counts."""
    kernel = Asleep(call or "")
    thread = replace(one_of_a_crowd(number), waits_on=waits_on)
    [told] = linux_ends.told(kernel, [thread], PID)
    assert told.waits_in == place
    assert kernel.asked == (call is not None)


def test_few_of_a_crowd_are_asked_where_they_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has many such threads shall not wait for all of them; what is known is not asked, nor who runs."""
    monkeypatch.setattr(linux_ends, "_MOST_PLACES", 2)
    thread, kernel = one_of_a_crowd(243), Asleep(THERE)
    known, runs = replace(thread, waits_in="known"), replace(thread, state="R")
    told = linux_ends.told(kernel, [known, thread, runs, thread, thread], PID)
    assert [one.waits_in for one in told] == ["known", "mq_wait", "", "mq_wait", "mq_timedreceive"]
    assert kernel.asked == 2


def test_nobody_knows_who_holds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a network share; a thread that gets no turn is not waited for long."""
    assert told(("S", HELD)) == ""
    monkeypatch.setattr(linux_ends, "PATIENCE", 0.01)
    assert told(("R", HELD)) == ""


def test_relatives_are_looked_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that was started last of all is found though there is no time for all processes."""
    looked = []
    monkeypatch.setattr(
        os, "listdir", lambda folder: ["1", "30", "sys", "68", str(PID), "71"] if folder == "/proc" else []
    )
    monkeypatch.setattr(linux_ends, "_descriptors", lambda pid: looked.append(pid) or iter(()))
    registers = [0] * 27
    registers[ffi.RAX] = ffi.MASK + 1 - 512
    thread = Thread(PID, registers=struct.pack("<27Q", *registers), waits_on="pipe:[7]")
    linux_ends.told(Kernel(("S", "")), [thread], PID)
    assert looked == [PID, 71, 68, 30, 1]


@pytest.mark.linux  # it looks through itself
def test_a_process_that_ends_while_it_is_looked_through(monkeypatch):
    """Its open folder is there still, and cannot be listed: it has no descriptors, and the dump goes on."""

    def gone(folder):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    assert list(linux_ends._descriptors(os.getpid()))
    monkeypatch.setattr(linux_ends.os, "listdir", gone)
    assert list(linux_ends._descriptors(os.getpid())) == []
