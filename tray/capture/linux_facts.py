"""What only the live process tells about why it hangs: who burns CPU, and what a descriptor is.

Each fact is an extra. Whatever cannot be had is left out, and no fact may delay
a dump by more than a blink.

Source: proc(5); Linux ``Documentation/scheduler/sched-stats.rst``.
"""

from __future__ import annotations

import os
import time

from tray.ffi import linux as ffi
from tray.lean import TYPE_CHECKING, dataclass
from tray.model import Thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tray.capture.linux_freeze import Held
    from tray.ffi.linux import Kernel

SAMPLE = 0.02
"""Seconds that a sample of CPU time takes at least; the scheduler counts in ticks of up to 0.01."""
MOST_THREADS = 256
"""With more threads than this nothing is sampled: reading the counters itself would take too long."""
_READY, _TURN, _LOOK = 0.6, 0.1, 0.002
"""A thread that wants to run and had less of a CPU than this gets that many seconds to have its turn, and is looked
at so often meanwhile: most only just woke up."""
_MOST_FILES = 1024
_NANO, _MILLI = 1e9, 1e3
_NOTHING: dict[int, float] = {}
_NO_ENDS: dict[int, tuple[str, int]] = {}
_NO_END = ("", 0)

ON_A_DESCRIPTOR = frozenset(
    {0, 1, 16, 17, 18, 19, 20, 42, 43, 44, 45, 46, 47, 72, 73, 74, 75, 232, 281, 288, 295, 299, 307, 441}
)
"""System calls whose first argument is the descriptor they wait on: read, write, recvfrom, accept, flock …"""


@dataclass(frozen=True, slots=True)
class Sample:
    """CPU time of each thread at one moment.

    Attributes:
        pid: Process.
        at: Monotonic time, in seconds.
        wanted: Thread id → seconds that it ran or stood in line to run.
    """

    pid: int
    at: float
    wanted: dict[int, float]


def sample(kernel: Kernel, pid: int) -> Sample:
    """CPU times now; empty where there are too many threads or the kernel does not count them."""
    at = time.monotonic()
    return Sample(pid, at, _of_each(kernel, pid, _wanted))


def _of_each(kernel: Kernel, pid: int, told: Callable[[Kernel, str, int], float | None]) -> dict[int, float]:
    """What is told of each thread; nothing where there are too many, or the process is gone."""
    try:
        if kernel.thread_count(pid) > MOST_THREADS:
            return {}
        tids, folder = kernel.threads(pid), kernel.open(f"/proc/{pid}/task")
    except OSError:
        return {}
    try:
        return {tid: value for tid in tids if (value := told(kernel, str(tid), folder)) is not None}
    finally:
        os.close(folder)


def _wanted(kernel: Kernel, thread: str, folder: int | None = None) -> float | None:
    """Seconds that a thread has run or stood in line to run; None where that is not told."""
    try:
        ran, stood_in_line = kernel.record(f"{thread}/schedstat", folder).split()[:2]
        return (int(ran) + int(stood_in_line)) / _NANO
    except (OSError, ValueError):
        return None


def busy(kernel: Kernel, before: Sample | None, pid: int) -> dict[int, float]:
    """Share of one CPU that each thread has wanted since ``before``; waits until that is long enough."""
    if before is None or before.pid != pid or not before.wanted:
        return {}
    time.sleep(max(0.0, before.at + SAMPLE - time.monotonic()))
    now = sample(kernel, pid)
    found = _shares(before, now)
    in_line = [tid for tid, share in found.items() if share < _READY and _stands_in_line(kernel, pid, tid)]
    if in_line:
        _await_turn(kernel, pid, {tid: now.wanted[tid] for tid in in_line})
        found = _shares(before, sample(kernel, pid))
    return found


def _await_turn(kernel: Kernel, pid: int, wanted: dict[int, float]) -> None:
    """Wait until each of these threads has had its turn, or sleeps, but no longer than `_TURN`."""
    deadline = time.monotonic() + _TURN
    while wanted and time.monotonic() < deadline:
        time.sleep(_LOOK)
        wanted = {
            tid: seconds
            for tid, seconds in wanted.items()
            if _wanted(kernel, f"/proc/{pid}/task/{tid}") == seconds and _stands_in_line(kernel, pid, tid)
        }


def _shares(before: Sample, now: Sample) -> dict[int, float]:
    """Share of one CPU between two samples."""
    span = now.at - before.at
    return {
        tid: min(1.0, (seconds - before.wanted[tid]) / span)
        for tid, seconds in now.wanted.items()
        if tid in before.wanted
    }


def _stands_in_line(kernel: Kernel, pid: int, tid: int) -> bool:
    """Whether a thread wants to run; how long it has stood in line is counted only when its turn comes."""
    try:
        return kernel.record(f"/proc/{pid}/task/{tid}/stat").rpartition(")")[2].split()[0] == "R"
    except (OSError, IndexError):
        return False


def slept(kernel: Kernel, pid: int) -> dict[int, float]:
    """Seconds since each thread last ran; empty where there are too many, or the kernel does not tell.

    The scheduler notes when it last ran on a clock of its own, which our own note reads.
    """
    now = _last_ran(kernel, "/proc/self")
    if now is None:
        return {}
    return {tid: max(0.0, now - at) for tid, at in _of_each(kernel, pid, _last_ran).items()}


def _last_ran(kernel: Kernel, thread: str, folder: int | None = None) -> float | None:
    """When a thread last ran, in seconds of the scheduler's clock; this stands at the beginning of a longer file."""
    try:
        _, _, rest = kernel.record(f"{thread}/sched", folder).partition("se.exec_start")
        return float(rest.split(maxsplit=2)[1]) / _MILLI
    except (OSError, ValueError, IndexError):
        return None


def told(
    threads: Iterable[Held | Thread],
    busy: dict[int, float],
    pid: int,
    slept: dict[int, float] = _NOTHING,
    ends: dict[int, tuple[str, int]] = _NO_ENDS,
) -> tuple[Thread, ...]:
    """Stopped threads, with what they burned, how long they slept, and what each waits on."""
    names: dict[int, str] = {}
    found = []
    for thread in threads:
        tid, registers = thread.tid, thread.registers
        end, back = ends.get(tid, _NO_END)
        found.append(
            Thread(
                tid,
                thread.name,
                thread.state,
                thread.waits_in,
                registers,
                signal=thread.signal,
                waits_on=_waits_on(registers, names, pid),
                other_end=end,
                back=back,
                busy=busy.get(tid),
                slept=slept.get(tid),
            )
        )
    return tuple(found)


def _waits_on(registers: bytes, names: dict[int, str], pid: int) -> str:
    """The file behind the descriptor of the system call that a thread is in."""
    result, argument, call = ffi.CALL.unpack_from(registers)
    if call not in ON_A_DESCRIPTOR or result not in ffi.INTERRUPTED:
        return ""
    number = argument & 0xFFFFFFFF
    if number not in names:
        names[number] = _link(f"/proc/{pid}/fd/{number}") if len(names) < _MOST_FILES else ""
    return names[number]


def _link(path: str) -> str:
    """Where a link leads; never touches what it leads to, which may hang."""
    try:
        return os.readlink(path)
    except OSError:
        return ""
