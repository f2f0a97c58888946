"""What is noted of a live process: who burns CPU, and the file that a thread waits on."""

from __future__ import annotations

import os

import pytest
import synth

from tray.capture import linux_facts
from tray.ffi.linux import Kernel


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

    def thread_count(self, pid: int) -> int:
        """How many these are."""
        return len(self.threads(pid))

    def open(self, path: str) -> int:
        """A folder, which the test does not look into."""
        assert path.endswith("/task")
        return os.open(os.devnull, os.O_RDONLY)

    def record(self, path: str, folder: int | None = None) -> str:
        """One thread's ``schedstat``; none of them stands in line now."""
        if folder is None:
            return "1 (a) b) S 1 1"
        os.fstat(folder)
        tid = int(path.removesuffix("/schedstat"))
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


class Ran:
    """A kernel that knows when threads last ran, in milliseconds."""

    def __init__(self, ran: dict[str, str]) -> None:
        self.ran = ran

    def threads(self, pid: int) -> list[int]:
        return [70, 71, 72]

    def thread_count(self, pid: int) -> int:
        return 3

    def open(self, path: str) -> int:
        assert path == "/proc/70/task"
        return os.open(os.devnull, os.O_RDONLY)

    def record(self, path: str, folder: int | None = None) -> str:
        name = path.removesuffix("/sched")
        if folder is None:
            name = name.removeprefix("/proc/")
        if name not in self.ran:
            raise FileNotFoundError(2, "No such file or directory", path)
        return f"app (70, #threads: 3)\n----\nse.exec_start      :   {self.ran[name]}\nse.vruntime : 1.0\n"


def test_since_a_thread_ran():
    """By the scheduler's own clock, which our own note reads; a note from the future is from just now."""
    assert linux_facts.slept(Ran({"self": "9000", "70": "4000", "71": "9001"}), 70) == {
        70: 5.0,
        71: 0.0,
    }


@pytest.mark.parametrize("kernel", [Ran({}), Ran({"self": "x"}), Ran({"70": "1.0"})])
def test_a_kernel_that_does_not_tell(kernel):
    """Is no reason to know nothing else."""
    assert linux_facts.slept(kernel, 70) == {}


@pytest.mark.linux
def test_a_thread_that_sleeps():
    """On this kernel: the one that asks has just run."""
    found = linux_facts.slept(Kernel(), os.getpid())
    assert not found or found[os.getpid()] < 60


class Starved(Clock):
    """A machine on which a thread stands in line; the kernel counts that only when its turn has come."""

    def __init__(self, state: str, samples: list[int]) -> None:
        super().__init__({1: (0, 0)})
        self.state, self.samples = state, samples

    def record(self, path: str, folder: int | None = None) -> str:
        if path == "/proc/70/task/1/stat":
            return f"1 (a) b) {self.state} 1 1"
        if path.endswith("1/schedstat") and self.samples:
            self.ran[1] = (0, self.samples.pop(0))
        if path == "/proc/70/task/1/schedstat":
            return "{} {} 5\n".format(*self.ran[1])
        return super().record(path, folder)


@pytest.mark.parametrize(("state", "share"), [("R", 1.0), ("S", 0.0)])
def test_who_stands_in_line(state: str, share: float):
    """Wants a CPU, too, even where it had no turn between the two samples; one that sleeps does not."""
    starved = Starved(state, [0, 0, 10**12])
    assert linux_facts.busy(starved, linux_facts.sample(starved, 70), 70) == {1: share}


@pytest.mark.parametrize(
    ("samples", "share", "most"),
    [([0, 0, 0, 0, 10**12], 1.0, 0.008), ([0, 0, 1000], 0.0, 0.004), ([0], 0.0, 0.11)],
    ids=["its turn comes late", "it only just woke up", "it never has its turn"],
)
def test_a_turn_is_waited_for_no_longer_than_it_takes(
    monkeypatch, samples: list[int], share: float, most: float
):
    """A thread that wakes a thousand times a second is in line now and then, and costs the dump a blink, no more."""
    naps: list[float] = []
    now = [0.0]

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(linux_facts.time, "sleep", sleep)
    monkeypatch.setattr(linux_facts.time, "monotonic", lambda: now[0])
    starved = Starved("R", samples)
    found = linux_facts.busy(starved, linux_facts.sample(starved, 70), 70)
    assert round(found[1], 1) == share
    assert most / 3 < sum(naps[1:]) < most
