"""Programs whose trouble is known: the verdict says it, in each mode, and never says worse than it is.

Wine does not tell who owns a mutex and has no Wait Chain API; what comes of those answers is in
``test_mutexes_listed.py`` and ``tests/unit/test_windows_why.py``.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from windows_why import MODES_TO_TRY, found

from tray.reports import verdict, windows_waits

if TYPE_CHECKING:
    from windows_programs import Inside

WIDTH = ctypes.sizeof(ctypes.c_void_p) * 8
ROOT = Path(__file__).parents[2]
UTF_8 = {**os.environ, "PYTHONIOENCODING": "utf-8"}
RUNS = 5
"""Dumps of a program that is all right, each of which must find it so."""
LEAST, TRIES = 0.05, 40
"""Share of a CPU that counts for a busy one in the test, and dumps until it gets that, where many others compute."""

SLIM = "a slim reader-writer lock"
TABLE = [
    # Program and arguments, kind, whether it is certain, sentence
    ("ring2", "deadlock", True, "Deadlock: a ↔ b"),
    ("ring3", "deadlock", True, "Deadlock: a → b → c → a"),
    ("cpp-ring", "deadlock", True, "Deadlock: a ↔ b"),
    ("join-ring", "deadlock", True, "Deadlock: a ↔ b"),
    ("loader", "deadlock", True, "Deadlock: main ↔ a"),
    ("held", "blocked", True, "Blocked: a and 1 more wait for a critical section held by main, which sleeps"),
    ("orphan", "blocked", False, r"Blocked: a waits for a critical section held by thread \d+, which is not in .*"),
    ("busy-holder", "blocked", True, "Blocked: b waits for a critical section held by a.*"),
    ("join-blocked", "blocked", True, "Blocked: b waits for a critical section held by a, which sleeps"),
    ("mixed-ring", "blocked", True, "Blocked: b waits for a critical section held by a, which waits for a mutex"),
    ("pipe", "outside", True, "Waiting outside: main reads from a file or pipe"),
    ("socket", "outside", True, "Waiting outside: main receives from a socket"),
    ("process OTHER", "outside", True, r"Waiting outside: main waits for waits.exe \(\d+\) to end"),
    ("held-mutex", "idle", False, "Nothing wrong seen: main sleeps"),
    ("mutex-ring", "idle", False, "Nothing wrong seen: main sleeps"),
    ("slim-ring", "idle", False, "Nothing wrong seen: main sleeps"),
    ("self-slim", "waiting", False, f"Waiting: main waits for {SLIM}"),
    ("slim-readers", "waiting", False, f"Waiting: main and 2 more wait for {SLIM} that readers hold"),
    ("slim-crowd", "waiting", False, f"Waiting: main and 2 more wait for {SLIM}"),
    ("event", "waiting", False, "Waiting: main waits for an event"),
    ("events", "waiting", False, "Waiting: main waits for 2 objects of the system"),
    ("semaphore", "waiting", False, "Waiting: main waits for a semaphore"),
    ("condition", "waiting", False, "Waiting: main waits for a condition variable"),
    ("address", "waiting", False, "Waiting: main waits for a value in its memory to change"),
    ("port", "idle", False, "Nothing wrong seen: main waits for work"),
    ("timer", "idle", False, "Nothing wrong seen: main waits for a timer"),
    ("sleep", "idle", False, "Nothing wrong seen: main sleeps"),
    ("join-idle", "idle", False, "Nothing wrong seen: a sleeps"),
    ("again", "idle", False, "Nothing wrong seen: main sleeps"),
    ("naps-after", "idle", False, "Nothing wrong seen: main sleeps"),
    ("window", "idle", False, "Nothing wrong seen: main waits for window messages"),
    ("pool", "idle", False, "Nothing wrong seen: main sleeps"),
]  # fmt: skip
BY_WIDTH = {
    # On x86-64 Wine does not keep the register that says to which window, or from which file.
    64: [
        ("stdin", "outside", True, "Waiting outside: main reads from a file or pipe"),
        ("send-hung", "waiting", False, "Waiting: main waits for an answer from a window"),
        ("send-ring", "blocked", True, "Blocked: a waits for a critical section held by main, which waits for an .*"),
        ("send OTHER", "waiting", False, "Waiting: main waits for an answer from a window"),
    ],
    32: [
        ("stdin", "outside", True, "Waiting outside: main reads from its standard input"),
        ("send-hung", "blocked", True, "Blocked: main waits for an answer from a window of a, which sleeps"),
        ("send-ring", "deadlock", True, "Deadlock: main ↔ a"),
        ("send OTHER", "outside", True, r"Waiting outside: main waits for an answer from a window of waits.exe .*"),
    ],
}[WIDTH]  # fmt: skip
HEALTHY = [
    "healthy", "mutexes", "slims", "tries", "queue", "sends", "window", "pool", "naps-after", "again",
    "convoy", "gives-up", "loads", "com",
]  # fmt: skip


def started(program, words: str) -> Inside:
    """The program, where its trouble has begun."""
    way, *more = words.split()
    if not more:
        return program("waits", way, bits=WIDTH)
    other = program("waits", "send-hung" if way == "send" else "sleep", bits=WIDTH)
    return program("waits", way, other.words[-1] if way == "send" else other.pid, bits=WIDTH)


@pytest.mark.parametrize("row", [*TABLE, *BY_WIDTH], ids=lambda row: row[0])
def test_known_answers(program, tmp_path: Path, row) -> None:
    """Each way to hang is told for what it is, in small dumps and in larger ones."""
    words, kind, certain, sentence = row
    target = started(program, words)
    for mode in MODES_TO_TRY:
        said = found(target.pid, tmp_path / "a.dmp", mode).verdict
        assert re.fullmatch(sentence, said.sentence), (mode, said)
        assert (said.kind, said.certain) == (kind, certain), (mode, said)
        assert all(wait.tid in target.tids for wait in said.chain)


def test_busy(program, tmp_path: Path, monkeypatch) -> None:
    """A thread that computes: what it burned is measured, and told from a share on that any machine gives it."""
    for module in (verdict, windows_waits):
        monkeypatch.setattr(module, "BUSY", LEAST)
    target = started(program, "spin")
    for _ in range(TRIES):
        said = found(target.pid, tmp_path / "a.dmp").verdict
        if said.kind == "busy":
            break
        assert said.sentence == "Nothing wrong seen: main was running"
    assert re.fullmatch("Busy: main used (a whole CPU|[1-9].*% of a CPU) just before the dump", said.sentence)


@pytest.mark.parametrize("way", HEALTHY)
def test_healthy_programs(program, tmp_path: Path, way: str) -> None:
    """Whatever their threads are at, none of them is called deadlocked, dump after dump."""
    target = started(program, way)
    for _ in range(RUNS):
        told = found(target.pid, tmp_path / "a.dmp")
        assert told.verdict.kind != "deadlock", told
        assert not any("not in this process" in wait.owner_name for wait in told.waits), told


def test_a_deadlock_once_round(program, tmp_path: Path) -> None:
    """The chain names each thread of the cycle, its section and who is in it."""
    target = started(program, "ring3")
    chain = found(target.pid, tmp_path / "a.dmp").verdict.chain
    assert [(one.name, one.owner_name) for one in chain] == [("a", "b"), ("b", "c"), ("c", "a")]
    assert [one.owner for one in chain] == [chain[1].tid, chain[2].tid, chain[0].tid]
    assert [one.tid for one in chain] == [int(word) for word in target.words[1:4]]
    assert len({one.address for one in chain}) == 3


def test_command_line(program, tmp_path: Path) -> None:
    """The last line of a dump has the verdict; the sidecar too, and ``inspect`` draws it without the program."""
    target = started(program, "loader")
    run = [sys.executable, "-m", "tray"]
    dumped = subprocess.run(
        [*run, "dump", str(target.pid), "--mode", "mini", "--output", str(tmp_path / "a.dmp"), "--json"],
        capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL, cwd=ROOT, check=True, env=UTF_8,
    )  # fmt: skip
    last = json.loads(dumped.stdout.splitlines()[-1])
    assert last["verdict"]["sentence"] == "Deadlock: main ↔ a"
    target.expect_dead = True
    target.process.kill()
    shown = subprocess.run(
        [*run, "inspect", str(tmp_path / "a.dmp")],
        capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL, cwd=ROOT, check=True, env=UTF_8,
    )  # fmt: skip
    assert "Deadlock: main ↔ a" in shown.stdout, shown.stdout
    assert "  main → a: waits for a thread to end" in shown.stdout, shown.stdout
    assert (
        "  a → main: waits for the loader lock, which guards the loading of libraries, at 0x" in shown.stdout
    )
