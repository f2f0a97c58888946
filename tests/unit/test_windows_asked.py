"""What is asked of a running Windows program, and the locks that are added to small dumps."""

from __future__ import annotations

import itertools
import struct
import threading
from typing import TYPE_CHECKING

import pytest
import synth_minidump
from fake_system import APP, FakeSystem
from fake_waits import FakeWaits
from hypothesis import given
from hypothesis import strategies as st

from tray.capture import windows_asked
from tray.capture.windows_asked import Asking, Sample
from tray.capture.windows_pointed import Pointed
from tray.ffi import win32
from tray.ffi.win32 import Stretch, failure
from tray.ffi.windows_waits import Node, Times
from tray.model import Target, Window
from tray.verdicts import Asked, Party

if TYPE_CHECKING:
    from collections.abc import Callable

A, B, FOREIGN, OTHER = 71, 72, 4711, 700
TIDS = [71, 72, 73]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Asked, dict[int, float]]]:
    """What comes of asking a system that knows these things."""
    monkeypatch.setattr(windows_asked, "SAMPLE", 0.01)

    def ask(told: FakeWaits, before: Sample | None = None, window: Window | None = None):
        system = FakeSystem()
        system.told = told
        found = Asking(system, 1, Target(APP, 1, "app", None, window), before).done(TIDS)
        assert not told.open, "something was left open"
        return found

    return ask


def test_a_system_that_tells_nothing(ask) -> None:
    """Every fact is an extra."""
    assert ask(FakeWaits()) == (Asked(), {})


def test_handles(ask) -> None:
    """Those that lead to somebody are followed, of others the kind is enough."""
    told = FakeWaits(
        objects={
            0x10: ("Thread", APP, B),
            0x14: ("Thread", OTHER, FOREIGN),
            0x18: ("Process", OTHER),
            0x1C: ("Mutant", "\\Sessions\\1\\BaseNamedObjects\\Once", APP, A),
            0x20: ("Mutant", "", OTHER, FOREIGN),
            0x24: ("Mutant", ""),
            0x28: ("File",),
            0x2C: ("File",),
        }
    )
    assert ask(told)[0].handles == {
        0x10: Party("Thread", APP, B, "app.exe"),
        0x14: Party("Thread", OTHER, FOREIGN, "LSASS.EXE"),
        0x18: Party("Process", OTHER, 0, "LSASS.EXE"),
        0x1C: Party("Mutant", APP, A, "Once"),
        0x20: Party("Mutant", OTHER, FOREIGN, "LSASS.EXE"),
        0x24: Party("Mutant"),
        0x28: Party("File"),
        0x2C: Party("File"),
    }


def test_many_handles(ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many are looked into; the rest are told by their kind."""
    monkeypatch.setattr(windows_asked, "MOST_OBJECTS", 3)
    told = FakeWaits(objects={4 * n: ("Thread", APP, n) for n in range(1, 9)})
    parties = ask(told)[0].handles.values()
    assert [party.tid for party in parties] == [1, 2, 3, 0, 0, 0, 0, 0]


def test_handles_that_nobody_may_look_at(ask) -> None:
    """There may be thousands of one kind: after a few they are let be, and the others still have their turn."""
    told = FakeWaits(
        objects={4 * n: ("EtwRegistration",) for n in range(1, 900)} | {0x8000: ("Thread", APP, B)}
    )
    assert ask(told)[0].handles == {0x8000: Party("Thread", APP, B, "app.exe")}
    assert len(told.duplicated) < 10


def test_windows(ask) -> None:
    """Whose each one is; one that has gone is left out."""
    assert ask(FakeWaits(shown={0x30052: (APP, A)}))[0].windows == {
        0x30052: Party("Window", APP, A, "app.exe")
    }


def test_chains(ask) -> None:
    """Each link of them, also those of other programs' threads."""
    told = FakeWaits(
        nodes={
            A: [
                Node("Thread", APP, A),
                Node("Mutex", name="Once"),
                Node("Thread", OTHER, FOREIGN),
                Node("SendMessage"),
                Node("Thread", APP, A),
            ],
            B: [Node("Thread", APP, B), Node("SocketIo")],
            73: [Node("Thread", APP, 73)],
        }
    )
    assert ask(told)[0].chains == {
        A: Party("Mutex", OTHER, FOREIGN, "LSASS.EXE"),
        FOREIGN: Party("SendMessage", APP, A, "app.exe"),
        B: Party("SocketIo"),
    }


def test_who_rests(ask) -> None:
    """A thread that neither used time nor was switched to, here or at the end of a chain."""
    first = {A: Times(5, 7), B: Times(5, 7), 73: Times(5, 7), FOREIGN: Times(1, 1), 99: Times(1, 1)}
    then = {**first, B: Times(5, 8), 73: Times(10**12, 7)}
    nodes = {A: [Node("Thread", APP, A), Node("Mutex"), Node("Thread", OTHER, FOREIGN)]}
    asked, busy = ask(FakeWaits(used=[first, then], nodes=nodes))
    assert asked.resting == {A, FOREIGN}
    assert busy[73] == 1.0
    assert busy[A] == busy[B] == 0.0
    assert 99 not in busy


def test_an_earlier_sample(ask) -> None:
    """It makes the first look superfluous."""
    before = Sample(0.0, {A: Times(0, 0)})
    asked, busy = ask(FakeWaits(used=[{A: Times(0, 0), B: Times(1, 1)}]), before)
    assert asked.resting == {A}
    assert busy == {A: 0.0}


def test_the_window_in_front(ask) -> None:
    """Its thread is the one that people wait for."""
    assert ask(FakeWaits(), window=Window(APP, thread=B))[0].main == B


def test_a_system_that_takes_its_time(ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dump does not wait for it; what it might still say is not used."""
    monkeypatch.setattr(windows_asked, "PATIENCE", 0.05)
    hangs = threading.Event()
    told = FakeWaits(objects={0x10: ("Thread", APP, B)}, nodes={A: []}, hangs=hangs)
    assert ask(told)[0] == Asked()
    monkeypatch.setattr(told, "chain", lambda *_: pytest.fail("it asks on"))
    hangs.set()
    for thread in threading.enumerate():
        if thread.name == "asks":
            thread.join(10)


@pytest.mark.parametrize(
    "name", ["times", "handles", "duplicate", "kind", "thread", "windows", "window", "chain"]
)
def test_requests_that_fail(ask, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Each may; the rest is told all the same."""

    def fails(*_: object) -> None:
        raise failure(win32.ERROR_ACCESS_DENIED, name)

    told = FakeWaits(
        used=[{A: Times(0, 0)}],
        objects={0x10: ("Thread", APP, B)},
        shown={0x30052: (APP, A)},
        nodes={A: [Node("Thread", APP, A), Node("Mutex"), Node("Thread", APP, B)]},
    )
    monkeypatch.setattr(told, name, fails)
    asked, _ = ask(told)
    there = [
        asked.handles.get(0x10) == Party("Thread", APP, B, "app.exe"),
        asked.windows,
        asked.chains,
        asked.resting,
    ]
    assert sum(map(bool, there)) == 3


def test_samples_without_times() -> None:
    """A system that does not tell them costs no waiting."""
    told = FakeWaits()
    told.times = lambda: (_ for _ in ()).throw(failure(5, "times"))  # type: ignore[method-assign]
    assert windows_asked.sample(told).times == {}


# ---- locks among variables

START, END = 0x400000, 0x402000
IMAGE = Stretch(START, END - START, win32.MEM_COMMIT, win32.PAGE_WRITECOPY, win32.MEM_IMAGE)
NONE = [
    IMAGE._replace(type=win32.MEM_PRIVATE),
    IMAGE._replace(state=win32.MEM_RESERVE),
    IMAGE._replace(protect=win32.PAGE_EXECUTE_READ),
    IMAGE._replace(protect=win32.PAGE_READWRITE | win32.PAGE_GUARD),
]


def every(pointed: Pointed) -> list[tuple[int, int]]:
    """All that is added."""
    found = []
    while stretch := pointed.next():
        found.append(stretch)
    return found


def test_pointers_in_registers_and_on_the_stack() -> None:
    """Some hundred bytes around each, as one stretch where they touch."""
    stack = struct.pack("<4Q", START + 0x1000, 7, START + 0x1010, END)

    def read(address: int, size: int) -> bytes:
        assert address == 0x200000
        return stack.ljust(size, b"\0")

    pointed = Pointed([IMAGE], read)
    pointed.thread(synth_minidump.context(sp=0x200000, rbx=START + 0x500, rax=START - 1))
    assert every(pointed) == [(START + 0x4C0, 0x100), (START + 0xFC0, 0x110)]


def test_pointers_of_32_bits() -> None:
    """Likewise."""
    pointed = Pointed([IMAGE], lambda _address, size: struct.pack("<I", START + 0x800).ljust(size, b"\0"))
    pointed.thread(synth_minidump.context_32(pc=0x10000, ebp=START + 0x100))
    assert [start for start, _ in every(pointed)] == [START + 0xC0, START + 0x7C0]


def test_edges() -> None:
    """Nothing beyond the variables is added."""
    pointed = Pointed([IMAGE], _unreadable)
    pointed.thread(synth_minidump.context(rbx=START, rsi=END - 8))
    assert every(pointed) == [(START, 0xC0), (END - 0x50, 0x50)]


def _unreadable(_address: int, _size: int) -> bytes:
    raise failure(win32.ERROR_PARTIAL_COPY, "ReadProcessMemory")


def test_a_short_stack() -> None:
    """Less is read where there is less."""

    def read(_address: int, size: int) -> bytes:
        if size > 256:
            raise failure(win32.ERROR_PARTIAL_COPY, "ReadProcessMemory")
        return struct.pack("<Q", START + 64).ljust(size, b"\0")

    pointed = Pointed([IMAGE], read)
    pointed.thread(synth_minidump.context())
    assert every(pointed) == [(START, 0x100)]


@pytest.mark.parametrize("stretch", NONE)
def test_what_is_no_variable(stretch: Stretch) -> None:
    """The rest of the address space is dbghelp's business."""
    pointed = Pointed([stretch], _unreadable)
    pointed.thread(synth_minidump.context(rbx=START + 0x500))
    assert every(pointed) == []


def test_a_context_of_another_kind() -> None:
    """It says nothing."""
    pointed = Pointed([IMAGE], _unreadable)
    pointed.thread(b"\0" * 100)
    assert every(pointed) == []


def test_not_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many threads there are."""
    monkeypatch.setattr("tray.capture.windows_pointed._MOST", 0x300)
    pointed = Pointed([IMAGE], _unreadable)
    for place in range(4):
        pointed.thread(synth_minidump.context(rbx=START + 0x400 * place + 0x100))
    assert sum(size for _, size in every(pointed)) <= 0x300


@given(st.lists(st.integers(START - 0x100, END + 0x100), max_size=14))
def test_every_pointer_is_covered(words: list[int]) -> None:
    """By stretches that lie within the variables and do not overlap."""
    names = ["rax", "rcx", "rdx", "rbx", "rbp", "rsi", "rdi", *(f"r{number}" for number in range(8, 16))]
    pointed = Pointed([IMAGE], _unreadable)
    pointed.thread(synth_minidump.context(**dict(zip(names, words, strict=False))))
    found = every(pointed)
    assert all(start >= START and start + size <= END for start, size in found)
    assert all(first[0] + first[1] <= second[0] for first, second in itertools.pairwise(found))
    for word in words:
        if START <= word < END:
            assert any(start <= word < start + size for start, size in found)
