"""Programs whose trouble is known: the verdict says it, in each mode, and never says worse than it is."""

from __future__ import annotations

import os
import re
import signal
from typing import TYPE_CHECKING

import dumping
import pytest
from programs import Program, state, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.linux, pytest.mark.ptrace]

MODES = ["mini", "heap"]
RUNS = 20
"""Dumps of a program that is all right, each of which must find it so."""

rust = pytest.mark.rust
VFORK = (
    r"Waiting outside: WHO waits for the child process that it has just started, \w+ \(\d+\), "
    "and cannot be interrupted"
)

TABLE = [
    # Program and arguments, kind, whether it is certain, sentence
    ("waits ring2", "deadlock", True, "Deadlock: a ↔ b"),
    ("waits ring2 recursive", "deadlock", True, "Deadlock: a ↔ b"),
    ("waits ring2 errorcheck", "deadlock", True, "Deadlock: a ↔ b"),
    ("waits ring2 adaptive", "deadlock", True, "Deadlock: a ↔ b"),
    ("waits ring2 robust", "deadlock", True, "Deadlock: a ↔ b"),
    ("waits ring2 shared", "deadlock", True, "Deadlock: a ↔ b"),
    ("waits ring3", "deadlock", True, "Deadlock: a → b → c → a"),
    ("waits ring3 robust", "deadlock", True, "Deadlock: a → b → c → a"),
    ("waits rw-ring", "deadlock", True, "Deadlock: a ↔ b"),
    ("waits self", "deadlock", True, "Deadlock: a waits for a mutex that it holds itself"),
    ("waits self robust", "deadlock", True, "Deadlock: a waits for a robust mutex that it holds itself"),
    ("waits self adaptive", "deadlock", True, "Deadlock: a waits for a mutex that it holds itself"),
    ("waits join-ring", "deadlock", True, "Deadlock: main ↔ a"),
    ("waits join-chain", "deadlock", True, "Deadlock: main → b → a → main"),
    ("waits_cpp mutex", "deadlock", True, "Deadlock: a ↔ b"),
    ("waits_cpp recursive", "deadlock", True, "Deadlock: a ↔ b"),
    ("waits_cpp timed", "deadlock", True, "Deadlock: a ↔ b"),
    ("waits_cpp shared", "deadlock", True, "Deadlock: a ↔ b"),
    ("deadlock", "deadlock", True, "Deadlock: left-right ↔ right-left"),
    # The kernel refuses the last lock, and glibc has that thread sleep for ever.
    ("waits ring2 pi", "deadlock", True, "Deadlock: a ↔ b"),
    ("waits ring3 pi", "deadlock", True, "Deadlock: a → b → c → a"),
    ("waits self pi", "deadlock", True, "Deadlock: a waits for a priority-inheriting mutex that it holds itself"),
    ("waits processes", "deadlock", True, r"Deadlock: main ↔ a thread of child \(\d+\)"),
    ("waits robust-processes", "deadlock", True, r"Deadlock: main ↔ a thread of child \(\d+\)"),
    ("waits held-outside", "blocked", True, r"Blocked: main waits for a mutex held by a thread of child \(\d+\)"),
    ("waits timed", "blocked", False, "Blocked: a ↔ b, until one gives up"),
    ("waits held", "blocked", True, "Blocked: a and 1 more wait for a mutex held by main, .*"),
    ("waits held pi", "blocked", True, "Blocked: a and 1 more wait for a priority-inheriting mutex held by main, .*"),
    ("waits held robust", "blocked", True, "Blocked: a and 1 more wait for a robust mutex held by main, .*"),
    ("waits orphan", "blocked", False, r"Blocked: a waits for a mutex held by thread \d+, which is not in .*"),
    ("waits rw-reader", "blocked", True, "Blocked: a waits for a reader-writer lock held by main, .*"),
    ("waits rw-writer", "blocked", True, "Blocked: a waits for a reader-writer lock held by main, .*"),
    ("waits stream", "blocked", True, "Blocked: main waits for the lock of a stdio stream held by a, .*"),
    ("waits join-blocked", "blocked", True, "Blocked: a waits for a mutex held by b, which waits for a signal"),
    ("waits busy-holder", "blocked", True, "Blocked: main waits for a mutex held by a, which computes"),
    ("waits spin", "busy", False, "Busy: main used .* CPU just before the dump"),
    ("busy", "busy", False, r"Busy: busy \(\d+\) used .* CPU just before the dump"),
    ("waits fifo FIFO", "outside", True, "Waiting outside: main reads from FIFO, which no other program has open"),
    ("waits stdin", "outside", True, r"Waiting outside: main reads from a pipe of .* \(OURS\)"),
    ("waits_ends write", "outside", True, r"Waiting outside: main writes to a pipe of the child \(\d+\)"),
    ("waits_ends unix", "outside", True, r"Waiting outside: main receives from a socket of the child \(\d+\)"),
    ("waits_ends tcp", "outside", True, r"Waiting outside: main receives from a socket of the child \(\d+\)"),
    ("waits_ends accept", "outside", True, r"Waiting outside: main waits for a connection on port \d+"),
    ("waits_ends flock FOLDER", "outside", True, r"Waiting outside: main waits for a lock on .* held by the child .*"),
    ("waits open FIFO", "outside", True, "Waiting outside: main opens FIFO"),
    ("waits socket", "outside", True, "Waiting outside: main receives from a socket of its own"),
    ("waits child", "outside", True, r"Waiting outside: main waits for its child process main \(\d+\) to end"),
    ("waits vfork", "outside", True, VFORK.replace("WHO", "main")),
    ("waits vfork-thread", "outside", True, VFORK.replace("WHO", "a")),
    ("waits rw-readers", "waiting", False, "Waiting: main waits for a reader-writer lock that a reader holds"),
    ("waits cond", "waiting", False, "Waiting: main waits for a condition variable"),
    ("waits sem", "waiting", False, "Waiting: main waits for a semaphore"),
    ("waits barrier", "waiting", False, "Waiting: main waits for a lock or event that names no owner"),
    ("waits_cpp lookalike", "waiting", False, "Waiting: main waits for a lock or event that names no owner"),
    ("waits_cpp hands-over", "waiting", False, "Waiting: main waits for a lock or event that names no owner"),
    ("waits_python", "waiting", False, "Waiting: .* waits for .*"),
    ("waits sleep", "idle", False, "Nothing wrong seen: main sleeps"),
    ("waits poll", "idle", False, "Nothing wrong seen: main waits for events"),
    ("waits nappers", "idle", False, "Nothing wrong seen: main waits for a signal"),
    ("waits join-idle", "idle", False, "Nothing wrong seen: a sleeps"),
    ("threads", "blocked", True, "Blocked: locker waits for a mutex held by threads, which waits for a signal"),
    pytest.param(("waits_rust", "waiting", False, "Waiting: a waits for .* that names no owner"), marks=rust),
]  # fmt: skip
RUNNING = {"waits busy-holder", "waits spin", "busy", "waits healthy", "waits vfork", "waits vfork-thread"}
"""Those with a thread that never sleeps, or that nothing can interrupt."""


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """A pipe with a name, into which nobody writes."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def started(target: Callable[..., Program], words: str, fifo: Path) -> Program:
    """The program, where its trouble has begun."""
    name, *arguments = words.replace("FIFO", str(fifo)).replace("FOLDER", str(fifo.parent)).split()
    program = target(name, *arguments, settle=words not in RUNNING)
    if "vfork" in words:
        wait_until(lambda: any(state(program.pid, tid) == "D" for tid in program.tids), "a thread in vfork")
    if words == "waits busy-holder":
        wait_until(lambda: state(program.pid) == "S", "main in its lock")
    return program


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0])
def test_known_answers(target, tmp_path: Path, fifo: Path, row, mode: str) -> None:
    """Each way to hang is told for what it is."""
    words, kind, certain, sentence = row
    program = started(target, words, fifo)
    verdict = dumping.dump(program.pid, mode, tmp_path).last["verdict"]
    expected = sentence.replace("FIFO", re.escape(str(fifo))).replace("OURS", str(os.getpid()))
    said = re.sub(r" \(for \d+ s\)$", "", verdict["sentence"])  # on a slow machine
    assert re.fullmatch(expected, said), verdict
    assert (verdict["kind"], verdict["certain"]) == (kind, certain), verdict
    assert all(wait["tid"] in program.tids for wait in verdict["chain"] if "child" not in wait["name"])


@pytest.mark.parametrize(
    ("words", "kind"), [("waits cond", "stopped"), ("waits spin", "stopped"), ("waits ring3", "deadlock")]
)
def test_a_stopped_program(target, tmp_path: Path, fifo: Path, words: str, kind: str) -> None:
    """It hangs because it was stopped, and how it goes on is said; a deadlock stays one. It is left stopped."""
    program = started(target, words, fifo)
    os.kill(program.pid, signal.SIGSTOP)
    try:
        wait_until(lambda: all(state(program.pid, tid) == "T" for tid in program.tids), "the stop")
        verdict = dumping.dump(program.pid, "mini", tmp_path).last["verdict"]
        assert verdict["kind"] == kind
        assert (f"'kill -CONT {program.pid}' lets it go on" in verdict["sentence"]) == (kind == "stopped")
        assert state(program.pid) == "T"
    finally:
        os.kill(program.pid, signal.SIGCONT)


@pytest.mark.parametrize("mode", MODES)
def test_a_healthy_program(target, tmp_path: Path, mode: str) -> None:
    """Whatever its threads are at, locks taken in one order are no deadlock, dump after dump."""
    program = target("waits", "healthy", settle=False)
    for _ in range(RUNS):
        verdict = dumping.dump(program.pid, mode, tmp_path).last["verdict"]
        assert verdict["kind"] != "deadlock", verdict
        assert all(wait["owner"] is None or wait["owner"] in program.tids for wait in verdict["chain"])


def test_a_deadlock_once_round(target, tmp_path: Path) -> None:
    """The chain names each thread of the cycle, its lock and who holds it; the sidecar has it too."""
    program = target("waits", "ring3")
    chain = dumping.dump(program.pid, "mini", tmp_path).last["verdict"]["chain"]
    assert [(one["name"], one["owner_name"]) for one in chain] == [("a", "b"), ("b", "c"), ("c", "a")]
    assert [one["owner"] for one in chain] == [chain[1]["tid"], chain[2]["tid"], chain[0]["tid"]]
    assert {one["kind"] for one in chain} == {"mutex"}
    assert len({one["address"] for one in chain}) == 3
    inspected = dumping.outcome(dumping.start(dumping.command("inspect", tmp_path / "mini.core"), tmp_path))
    assert inspected.code == 0, inspected.talk
