"""Who is at the other end: what the system tells of a process that has only just been let go."""

from __future__ import annotations

import os
import struct

import pytest

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
