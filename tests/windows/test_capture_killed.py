"""A worker that is killed at any moment leaves no thread suspended, once its caller has noticed."""

from __future__ import annotations

import ctypes
import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from windows_worker import ROOT, Asked, python32, with_32

from tray import capture
from tray.worker import LAST

if TYPE_CHECKING:
    from pathlib import Path

WIDTH = ctypes.sizeof(ctypes.c_void_p) * 8
MOST, ENOUGH = 40, 12
"""Moments that are tried, and that a crowded machine must be able to try in `LIMIT` seconds."""
LIMIT = 50.0
DUMPER = """
import sys
from tray.capture.windows import WindowsCapture
from tray.modes import MODES
here = WindowsCapture()
print("ready", flush=True)
sys.stdin.readline()
target = here.target(int(sys.argv[1]))
with open(sys.argv[2], "w+b", buffering=0) as file:
    here.write(target, MODES[sys.argv[3]], file, lambda done, total: False)
"""


def dumper(pid: int, path: Path, mode: str) -> subprocess.Popen[bytes]:
    """A process that will dump another when it gets a line."""
    words = [sys.executable, "-c", DUMPER, str(pid), str(path), mode]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, stdout=pipe, stdin=pipe, cwd=ROOT, bufsize=0)


def killed(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Let it begin, and kill it after so long."""
    with process:
        assert process.stdout
        assert process.stdin
        assert process.stdout.readline().strip() == b"ready"
        process.stdin.write(b"\n")
        time.sleep(seconds)  # the moment is what the test is about
        process.kill()
        process.wait()


def test_killed_at_random(program, tmp_path: Path):
    """At forty moments of dumps that take half a second; at some the threads were suspended."""
    target = program("big_heap", 64, bits=WIDTH)
    chance, modes = random.Random(70), ("full", "heap", "full", "mini")
    until, let_go, tries = time.monotonic() + LIMIT, 0, 0
    coming = dumper(target.pid, tmp_path / "dmp", modes[0])
    while tries < MOST and (time.monotonic() < until or tries < ENOUGH):
        tries += 1
        now, coming = coming, dumper(target.pid, tmp_path / f"dmp{tries}", modes[tries % len(modes)])
        undo = capture.remembered(target.pid)
        killed(now, chance.uniform(0, 0.5))
        let_go += undo()
        target.assert_unharmed()
    coming.kill()
    coming.communicate()
    assert let_go, "no kill came while the target stood still: the test tests nothing"


def inner() -> psutil.Process | None:
    """The 32-bit worker that another has started, if it has."""
    return next((one for one in psutil.process_iter() if program_of(one) == python32().casefold()), None)


def program_of(process: psutil.Process) -> str:
    """Its program; empty if it has ended."""
    try:
        return process.exe().casefold()
    except (psutil.Error, OSError):  # as it ends, Wine has an invalid handle for it
        return ""


@pytest.mark.wide  # is about the 64-bit program
@pytest.mark.parametrize("whom", ["ours", "the 32-bit one"])
def test_a_hand_over_is_killed_at_random(program, tmp_path: Path, whom: str, expected_warnings):
    """Whichever of the two ends: its caller lets the target go, and no unfinished file stays for long."""
    target = program("big_heap", 256, bits=32)
    chance, dumped = random.Random(32), 0
    for number in range(8):
        asked = Asked(tmp_path / f"dumps{number}", with_32())
        asked.ask(target.pid, "full")
        if number % 2:  # half of them in the midst of the dump
            asked.until("progress")
        time.sleep(chance.uniform(0, 0.6))
        other = inner() if whom == "the 32-bit one" else psutil.Process(asked.worker.pid)
        if other:
            other.kill()
        event = asked.until(*LAST)
        dumped += event["event"] == "dumped"
        assert event["event"] == "dumped" or event["error"] == "CaptureFailed", event
        target.assert_unharmed()
    assert dumped < 8, "no kill came in time: the test tests nothing"


@pytest.mark.wide  # is about the 64-bit program
def test_a_hand_over_on_the_command_line_is_killed(program, tmp_path: Path):
    """There is no tray to let the target go; whatever exit code the 32-bit one was ended with."""
    target = program("big_heap", 256, bits=32)
    words = [*with_32()[:3], "dump", str(target.pid), "--mode", "full", "--output", f"{tmp_path}\\"]
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(words, stdin=nowhere, stdout=nowhere, stderr=nowhere, cwd=ROOT) as ours:
        until = time.monotonic() + LIMIT
        while not target.harm():
            assert ours.poll() is None, "the dump was over before a thread was seen suspended"
            assert time.monotonic() < until
        other = inner()
        assert other
        other.kill()
        assert ours.wait(LIMIT)
    target.assert_unharmed()
