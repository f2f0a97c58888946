"""What only the running process tells about why it hangs: who burns CPU, and whom its waits lead to.

Each fact is an extra: what cannot be had is left out. The system is asked on a
thread of its own, because the Wait Chain API looks into other processes and may
take its time; what has not come in time is not waited for.

Source: learn.microsoft.com, "Wait Chain Traversal".
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import PureWindowsPath

from tray.ffi.windows_waits import WCT_THREAD
from tray.lean import TYPE_CHECKING, dataclass, logger
from tray.verdicts import Asked, Party

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tray.ffi.win32 import System
    from tray.ffi.windows_waits import Node, Times, Waits
    from tray.model import Target

log = logger(__name__)

SAMPLE = 0.06
"""Seconds that a sample of CPU time takes at least; Windows counts in ticks of 1/64 s."""
PATIENCE = 1.0
"""Seconds that the system may take to answer."""
MOST_THREADS, MOST_OBJECTS, MOST_WINDOWS = 256, 4096, 8192
"""Of more than these no more is asked."""
_REFUSALS = 3
"""Objects of one kind that the system does not let us look at, as a program's registrations for tracing, are many."""
_LOOKED_INTO = ("Thread", "Process", "Mutant")
_TICKS = 1e7
"""Units of CPU time in a second."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Times of all threads of the system at one moment, by monotonic time."""

    at: float
    times: Mapping[int, Times]


def sample(waits: Waits) -> Sample:
    """The times now; none where the system does not tell."""
    at = time.monotonic()
    try:
        return Sample(at, waits.times())
    except OSError:
        return Sample(at, {})


class Asking:
    """Questions to the system about one process; `done` gives what came of them."""

    def __init__(self, system: System, process: int, target: Target, before: Sample | None) -> None:
        """
        Args:
            system: Knows the processes.
            process: Handle of the target.
            target: Whom to ask about.
            before: An earlier sample, if there is one.
        """  # noqa: D205, D212 - the class says what it is
        self._waits = system.waits()
        self._before = before or sample(self._waits)
        self._target = target
        self._look = _Look(system, self._waits, process, target.pid)
        self._thread = threading.Thread(target=self._look.main, name="asks", daemon=True)
        self._until = time.monotonic() + PATIENCE
        self._thread.start()

    def done(self, tids: Sequence[int]) -> tuple[Asked, dict[int, float]]:
        """The answers, and the share of one CPU that each thread has used since the first sample.

        Args:
            tids: The target's threads.
        """
        self._thread.join(max(0.0, self._until - time.monotonic()))
        if self._before.times:
            time.sleep(max(0.0, self._before.at + SAMPLE - time.monotonic()))
        now = sample(self._waits)
        span = now.at - self._before.at
        both = now.times.keys() & self._before.times.keys()
        resting = frozenset(tid for tid in both if now.times[tid] == self._before.times[tid])
        burned = {tid: now.times[tid].cpu - self._before.times[tid].cpu for tid in both.intersection(tids)}
        self._look.stopped = self._thread.is_alive()
        look = None if self._look.stopped else self._look
        window = self._target.window
        asked = Asked(
            look.handles if look else {},
            look.windows if look else {},
            look.chains if look else {},
            resting & self._look.concerned(tids),
            (window.thread or 0) if window else 0,
        )
        return asked, {tid: min(1.0, used / _TICKS / span) for tid, used in burned.items()}


class _Look:
    """One look at a process; `main` does it, and leaves out what goes wrong.

    Attributes:
        handles: See `Asked`.
        windows: Likewise.
        chains: Likewise.
        stopped: Set from outside when nobody waits for the answers any more.
    """

    def __init__(self, system: System, waits: Waits, process: int, pid: int) -> None:
        self._system, self._waits, self._process, self._pid = system, waits, process, pid
        self._names: dict[int, str] = {}
        self.handles: dict[int, Party] = {}
        self.windows: dict[int, Party] = {}
        self.chains: dict[int, Party] = {}
        self.stopped = False

    def main(self) -> None:
        """Ask for everything."""
        for ask in (self._ask_names, self._ask_handles, self._ask_windows, self._ask_chains):
            try:
                ask()
            except OSError as error:
                log.debug("%s: %s", ask.__name__, error)

    def concerned(self, tids: Sequence[int]) -> frozenset[int]:
        """The threads that anything here is about."""
        return frozenset(tids) | self.chains.keys() | {party.tid for party in self.chains.values()}

    def _ask_names(self) -> None:
        self._names = {pid: PureWindowsPath(name).name for pid, name in self._system.processes().items()}

    def _ask_handles(self) -> None:
        """The kind of each handle, and for those that lead to somebody, to whom."""
        kinds: dict[int, str] = {}
        refused: Counter[int] = Counter()
        left = MOST_OBJECTS
        for handle, number in self._waits.handles(self._process, self._pid):
            if self.stopped:
                return
            kind = kinds.get(number)
            if kind is not None and (kind not in _LOOKED_INTO or left <= 0):
                self.handles[handle] = Party(kind)
            elif refused[number] < _REFUSALS:
                left -= 1
                refused[number] += not self._ask_handle(handle, number, kinds)

    def _ask_handle(self, handle: int, number: int, kinds: dict[int, str]) -> bool:
        """Ask for one object; gives whether the system let us."""
        try:
            ours = self._waits.duplicate(self._process, handle)
        except OSError:
            return False
        try:
            kind = kinds.setdefault(number, self._waits.kind(ours))
            self.handles[handle] = Party(kind)
            self.handles[handle] = self._object(ours, kind)
        except OSError:  # then only the kind is known, if that
            pass
        finally:
            self._waits.close(ours)
        return True

    def _object(self, ours: int, kind: str) -> Party:
        """Whom an object leads to."""
        if kind == "Thread":
            return self._party(kind, *self._waits.thread(ours))
        if kind == "Process":
            return self._party(kind, self._waits.process(ours))
        if kind != "Mutant":
            return Party(kind)
        name = self._waits.name(ours).rpartition("\\")[2]
        try:
            pid, tid = self._waits.mutex(ours)
        except OSError:
            pid = tid = 0
        return Party(kind, pid, tid, name if pid in (0, self._pid) else self._names.get(pid, ""))

    def _party(self, kind: str, pid: int, tid: int = 0) -> Party:
        return Party(kind, pid, tid, self._names.get(pid, ""))

    def _ask_windows(self) -> None:
        for window in self._waits.windows()[:MOST_WINDOWS]:
            pid, tid = self._waits.window(window)
            if tid:
                self.windows[window] = self._party("Window", pid, tid)

    def _ask_chains(self) -> None:
        tids = self._system.threads(self._pid)[:MOST_THREADS]
        session = self._waits.open_chains()
        try:
            for tid in tids:
                if not self.stopped:
                    self._ask_chain(session, tid)
        finally:
            self._waits.close_chains(session)

    def _ask_chain(self, session: int, tid: int) -> None:
        try:
            nodes = self._waits.chain(session, tid)
        except OSError:  # it has ended, or is none of our business
            return
        for waiter, kind, party in _links(nodes):
            self.chains.setdefault(waiter, self._party(kind, party.pid, party.tid))


def _links(nodes: Sequence[Node]) -> Iterator[tuple[int, str, Node]]:
    """Thread id, kind of wait and whom it is for, from each thread of a chain to the next."""
    for place, node in enumerate(nodes[:-1]):
        if node.kind != WCT_THREAD:
            continue
        reason = nodes[place + 1]
        after = nodes[place + 2] if place + 2 < len(nodes) else reason
        if reason.kind == WCT_THREAD:
            continue
        yield node.tid, reason.kind, after if after.kind == WCT_THREAD else reason
