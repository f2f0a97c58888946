"""What is noted of a live process: who burns CPU, and the file that a thread waits on."""

from __future__ import annotations

import os

import pytest
import synth

from tray.capture import linux_facts


class Clock:
    """Answers for /proc with CPU times that a test sets.

    Attributes:
        ran: Thread id → nanoseconds that it ran, and that it stood in line.
    """

    def __init__(self, ran: dict[int, tuple[int, int]]) -> None:
        self.ran = ran

    def threads(self, pid: int) -> list[int]:
        """All threads, even those that have ended meanwhile."""
        if not self.ran:
            raise ProcessLookupError
        return [*self.ran, 99]

    def text(self, path: str) -> str:
        """One thread's ``schedstat``."""
        tid = int(path.split("/")[4])
        if tid not in self.ran:
            raise FileNotFoundError(path)
        return "{} {} 5\n".format(*self.ran[tid])


def test_who_is_busy():
    """Who ran, and who stood in line for a CPU, wanted one; a thread that is new or gone is left out."""
    clock = Clock({1: (0, 0), 2: (10**9, 0), 3: (0, 0)})
    before = linux_facts.sample(clock, 70)
    clock.ran = {1: (10**12, 0), 2: (10**9, 0), 4: (0, 0), 3: (0, 10**12)}
    assert linux_facts.busy(clock, before, 70) == {1: 1.0, 2: 0.0, 3: 1.0}


def test_nothing_to_measure():
    """Without a first look, or one at another process, nobody waits for a second."""
    clock = Clock({1: (0, 0)})
    assert linux_facts.busy(clock, None, 70) == {}
    assert linux_facts.busy(clock, linux_facts.sample(clock, 71), 70) == {}
    assert linux_facts.busy(clock, linux_facts.sample(Clock({}), 70), 70) == {}


def test_too_many_threads():
    """Reading their counters would take longer than the sample."""
    clock = Clock(dict.fromkeys(range(1, linux_facts.MOST_THREADS + 1), (0, 0)))
    assert linux_facts.sample(clock, 70).wanted == {}


@pytest.mark.linux
def test_the_file_that_a_thread_waits_on():
    """Only of a system call that waits on a descriptor; one that cannot be looked up is left out."""
    ours, theirs = os.pipe()
    threads = [
        synth.thread(1, ORIG_RAX=0, RAX=-512, RDI=ours),
        synth.thread(2, ORIG_RAX=0, RAX=1, RDI=ours),
        synth.thread(3, ORIG_RAX=34, RAX=-514, RDI=ours),
        synth.thread(4, ORIG_RAX=0, RAX=-512, RDI=1 << 30),
    ]
    told = linux_facts.told(threads, {3: 0.5}, os.getpid())
    os.close(ours)
    os.close(theirs)
    assert [one.waits_on[:5] for one in told] == ["pipe:", "", "", ""]
    assert [one.busy for one in told] == [None, None, 0.5, None]
