"""The threads of a process: their names, and how often each has been suspended."""

from __future__ import annotations

from tray.ffi import win32
from tray.lean import TYPE_CHECKING, logger
from tray.model import Thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tray.ffi.win32 import System

log = logger(__name__)

_MOST_RESUMES = 128
"""MAXIMUM_SUSPEND_COUNT is 127."""


_LETTERS = {1: "R", 2: "R", 3: "R", 4: "Z", 5: "S", 7: "R"}
"""KTHREAD_STATE (ready, running, standby, terminated, waiting, deferred ready) → the letter of proc(5)."""
_WORDS = """
Executive FreePage PageIn PoolAllocation DelayExecution Suspended UserRequest WrExecutive WrFreePage WrPageIn
WrPoolAllocation WrDelayExecution WrSuspended WrUserRequest WrEventPair WrQueue WrLpcReceive WrLpcReply
WrVirtualMemory WrPageOut WrRendezvous WrKeyedEvent WrTerminated WrProcessInSwap WrCpuRateControl WrCalloutStack
WrKernel WrResource WrPushLock WrMutex WrQuantumEnd WrDispatchInt WrPreempted WrYieldExecution WrFastMutex
WrGuardedMutex WrRundown WrAlertByThreadId WrDeferredPreempt
"""
_REASONS = tuple(_WORDS.split())
"""KWAIT_REASON, in the kernel's own words. Source: Windows Driver Kit ``wdm.h``."""

States = dict[int, tuple[str, str]]
"""Thread id → letter of its state, and the kernel's word for what it waits for."""


def states(system: System, pid: int) -> States:
    """What each thread is at, now: ask before it is stopped. Empty where Windows does not tell."""
    try:
        found = system.thread_states(pid)
    except OSError as error:
        log.debug("no states of threads: %s", error)
        return {}
    return {
        tid: (letter, _REASONS[why] if letter == "S" and why < len(_REASONS) else "")
        for tid, (state, why) in found.items()
        if (letter := _LETTERS.get(state, ""))
    }


def named(
    system: System, tids: Iterable[int], busy: Mapping[int, float], before: States
) -> tuple[Thread, ...]:
    """The threads with their names, where they have any and the system tells, what they were at, and how busy."""
    return tuple(
        Thread(tid, _name(system, tid), *before.get(tid, ("", "")), busy=busy.get(tid)) for tid in tids
    )


def _name(system: System, tid: int) -> str:
    try:
        handle = system.open_thread(win32.THREAD_QUERY_LIMITED_INFORMATION, tid)
    except OSError:
        return ""
    try:
        return system.thread_name(handle)
    except OSError:  # before Windows 10 1607 threads have no names
        return ""
    finally:
        system.close(handle)


class Suspensions:
    """How often each thread of a process is suspended now, so that it can be brought back to that.

    MiniDumpWriteDump suspends every thread and resumes them when it returns. One
    that never returns, or whose process is killed, leaves them suspended, and
    Windows does not undo that. An app may have suspended threads of its own, so
    that "resume all" would wake what must sleep.
    """

    def __init__(self, system: System, pid: int) -> None:
        self._system = system
        self._pid = pid
        self._before = {tid: count for tid in self._tids() if (count := self._count(tid)) is not None}

    def undo(self, seen: Iterable[int] = ()) -> int:
        """Take back what has been added since; gives how many threads were let go.

        Args:
            seen: Threads that dbghelp came upon. One of these that is new is let go once, if others had to
                be; any other that is new, or could not be looked at before, is left alone.
        """
        tids = self._tids()
        done = sum(self._let_go(tid, self._before[tid]) for tid in tids if tid in self._before)
        new = set(seen).intersection(tids).difference(self._before) if done else ()
        return done + sum(self._let_go(tid, (self._count(tid) or 1) - 1) for tid in new)

    def _let_go(self, tid: int, wanted: int) -> bool:
        """Resume a thread until it is suspended so often."""
        rights = win32.THREAD_SUSPEND_RESUME | win32.THREAD_QUERY_LIMITED_INFORMATION
        try:
            handle = self._system.open_thread(rights, tid)
        except OSError:
            return False
        try:
            return self._resume(handle, wanted)
        except OSError:
            return False
        finally:
            self._system.close(handle)

    def _resume(self, handle: int, wanted: int) -> bool:
        resumed = False
        for _ in range(_MOST_RESUMES):
            if self._system.suspend_count(handle) <= wanted:
                break
            self._system.resume(handle)
            resumed = True
        return resumed

    def _tids(self) -> list[int]:
        try:
            return self._system.threads(self._pid)
        except OSError:
            return []

    def _count(self, tid: int) -> int | None:
        try:
            handle = self._system.open_thread(win32.THREAD_QUERY_LIMITED_INFORMATION, tid)
        except OSError:
            return None
        try:
            return self._system.suspend_count(handle)
        except OSError:
            return None
        finally:
            self._system.close(handle)
