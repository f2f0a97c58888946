"""The threads of a process: their names, and how often each has been suspended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray.ffi import win32
from tray.model import Thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tray.ffi.win32 import System

_MOST_RESUMES = 128
"""MAXIMUM_SUSPEND_COUNT is 127."""


def named(system: System, tids: Iterable[int], busy: Mapping[int, float]) -> tuple[Thread, ...]:
    """The threads with their names, where they have any and the system tells, and how busy each was."""
    return tuple(Thread(tid, _name(system, tid), busy=busy.get(tid)) for tid in tids)


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

    def undo(self) -> int:
        """Take back what has been added since; gives how many threads were let go.

        A thread that is new, or that could not be looked at before, is left alone.
        """
        return sum(self._let_go(tid) for tid in self._tids() if tid in self._before)

    def _let_go(self, tid: int) -> bool:
        """Resume a thread as often as it has been suspended since."""
        rights = win32.THREAD_SUSPEND_RESUME | win32.THREAD_QUERY_LIMITED_INFORMATION
        try:
            handle = self._system.open_thread(rights, tid)
        except OSError:
            return False
        try:
            return self._resume(handle, self._before[tid])
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
