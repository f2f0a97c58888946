"""Waits → one verdict. A wrong one is worse than none, so each says only what the dump shows."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from types import MappingProxyType

from tray.lean import TYPE_CHECKING, replace
from tray.reports import waits as finding
from tray.verdicts import Verdict, VerdictKind, Wait, WaitChain, WaitKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from tray.model import Thread

BUSY = 0.6
"""Share of a CPU from which on a thread counts as busy; a tick of the scheduler's clock may be missing."""
_WORTH_TELLING = 3.0
"""Seconds from which on it is told for how long a program has been hanging."""
_LASTING = (VerdictKind.DEADLOCK, VerdictKind.BLOCKED, VerdictKind.OUTSIDE, VerdictKind.WAITING)
_STOPPED = "T"
"""State of a thread whose process was stopped by a signal, not by a tracer. Source: proc_pid_status(5)."""
_FROZEN = ("do_freezer_trap", "get_signal", "__refrigerator")
"""Where threads of a frozen control group sleep; the first is often part of the second.

Source: Linux ``kernel/signal.c``, ``kernel/freezer.c``.
"""
_OUTSIDE = (WaitKind.FILE, WaitKind.PROCESS, WaitKind.KERNEL)
_LOCKS = (WaitKind.MUTEX, WaitKind.RWLOCK, WaitKind.STREAM, WaitKind.MESSAGE)
_INSIDE = (*_LOCKS, WaitKind.CONDITION, WaitKind.SEMAPHORE, WaitKind.FUTEX)


def verdict(
    waits: Sequence[Wait],
    threads: Sequence[Thread],
    told: Mapping[int, Thread],
    stuck: Sequence[Thread] = (),
    places: Mapping[int, str] = MappingProxyType({}),
) -> Verdict:
    """Why a process hangs.

    Args:
        waits: Of its threads, as `waits.find` gives them.
        threads: Its own; the first is the one that people wait for.
        told: What was told of them when they were captured, by id.
        stuck: Threads that could not be stopped.
        places: Functions that threads are in, as `own.places` gives.
    """
    case = _Case(waits, threads, told, stuck, places)
    looks = (
        _deadlock,
        _stopped,
        _main_blocked,
        _main_busy,
        _stuck,
        _any_blocked,
        _any_busy,
        _main_outside,
        _main_waits,
    )
    found = next(filter(None, (look(case) for look in looks)), None) or _idle(case)
    chain = tuple(replace(wait, function=places.get(wait.tid, "")) for wait in found.chain)
    return replace(found, sentence=found.sentence + _since(found, told), chain=chain)


def _since(found: Verdict, told: Mapping[int, Thread]) -> str:
    """For how long it has been so: as long as nobody in a ring ran, or as the first in a chain waits."""
    if found.kind not in _LASTING or not found.chain:
        return ""
    waits = found.chain if found.kind is VerdictKind.DEADLOCK else found.chain[:1]
    return _lasted([wait.tid for wait in waits], told)


def _lasted(tids: Iterable[int], told: Mapping[int, Thread]) -> str:
    """For how long none of these threads has run, where it is long enough."""
    known = [told[tid].slept for tid in tids if tid in told]
    seconds = [slept for slept in known if slept is not None]
    if not seconds or min(seconds) < _WORTH_TELLING:
        return ""
    return f" (for {_duration(min(seconds))})"


def _duration(seconds: float) -> str:
    """As people say it."""
    for below, unit, name in ((99.5, 1, "s"), (5970, 60, "min")):
        if seconds < below:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 3600:.0f} h"


class _Case:
    """What a verdict is made from.

    Attributes:
        firsts: The first wait of each chain; of a cycle, that of one of its threads.
        cycles: The cycles.
    """

    def __init__(
        self,
        waits: Sequence[Wait],
        threads: Sequence[Thread],
        told: Mapping[int, Thread],
        stuck: Sequence[Thread],
        places: Mapping[int, str],
    ) -> None:
        self.threads, self.told, self.stuck, self.places = threads, told, stuck, places
        self._all = waits
        self._waits = {wait.tid: wait for wait in reversed(waits)}
        self._by_thread = {wait.tid: wait for wait in waits}
        self.firsts: list[Wait] = []
        self.cycles: list[tuple[Wait, ...]] = []
        for chain in finding.chains(waits):
            self.firsts.append(chain.waits[0])
            if chain.cycle:
                self.cycles.append(chain.waits)

    @cached_property
    def main(self) -> int:
        """The thread that people wait for: the window's, else the main one; or whom that joins."""
        tid = self.threads[0].tid if self.threads else 0
        seen = {tid}
        while (wait := self.wait(tid)) and wait.kind is WaitKind.JOIN and wait.owner not in (*seen, None):
            tid = wait.owner or 0
            seen.add(tid)
        return tid

    def wait(self, tid: int) -> Wait | None:
        """What a thread waits for; None if it runs."""
        return self._waits.get(tid)

    @cached_property
    def here(self) -> Collection[int]:
        """Ids of the process's own threads."""
        return frozenset(thread.tid for thread in self.threads)

    @cached_property
    def _waiters(self) -> Counter[tuple[WaitKind, int, int | None]]:
        return Counter((wait.kind, wait.address, wait.owner) for wait in self._all)

    def waiters(self, wait: Wait) -> int:
        """How many wait for the same."""
        return self._waiters[wait.kind, wait.address, wait.owner]

    def chain(self, wait: Wait) -> WaitChain:
        """Where a wait leads."""
        return finding.follow(wait, self._by_thread)

    def name(self, tid: int) -> str:
        """What to call a thread."""
        return finding.names(self.threads, self.told).get(tid, f"thread {tid}")

    def at(self, tid: int | None) -> str:
        """What follows a thread's name: in which function it is; empty where nobody can tell."""
        place = self.places.get(tid or 0, "")
        return f" in {place}" if place else ""

    def busy(self, tid: int) -> float | None:
        """What a thread that runs burned; None for one that waits, is hardly busy, or was not measured."""
        thread = self.told.get(tid)
        burned = thread.busy if thread else None
        return burned if burned is not None and burned >= BUSY and self.wait(tid) is None else None


def _deadlock(case: _Case) -> Verdict | None:
    """A cycle: each holds what the one before wants."""
    cycles = [cycle for cycle in case.cycles if all(wait.sure for wait in cycle)]
    for cycle in sorted(cycles, key=lambda one: any(wait.timed for wait in one)):
        timed = any(wait.timed for wait in cycle)
        kind = VerdictKind.BLOCKED if timed else VerdictKind.DEADLOCK
        around = _around(cycle) + _at_each(case, cycle)
        if timed:
            return Verdict(kind, f"Blocked: {around}, until one gives up", False, cycle)
        return Verdict(kind, f"Deadlock: {around}", all(wait.timed is False for wait in cycle), cycle)
    return None


def _around(cycle: Sequence[Wait]) -> str:
    """The threads of a cycle."""
    who = [wait.name for wait in cycle]
    if len(who) == 1:
        return f"{who[0]} waits for {cycle[0].does.removeprefix('waits for ')} that it holds itself"
    if len(who) == 2:  # noqa: PLR2004
        return " ↔ ".join(who)
    return " → ".join([*who, who[0]])


def _at_each(case: _Case, cycle: Sequence[Wait]) -> str:
    """In which functions the threads of a cycle are; empty unless all are known."""
    found = [case.places.get(wait.tid, "") for wait in cycle]
    if not all(found):
        return ""
    if len(found) > 1 and len(set(found)) == 1:
        return f", {'both' if len(found) == 2 else 'all'} in {found[0]}"  # noqa: PLR2004
    return f", in {', '.join(found[:-1])}{' and ' if len(found) > 1 else ''}{found[-1]}"


def _stopped(case: _Case) -> Verdict | None:
    """All of it was stopped from outside: what its threads waited for does not matter until it goes on."""
    tid = case.threads[0].tid if case.threads else 0
    main = next((thread for thread in case.stuck if thread.tid == tid), case.told.get(tid))
    if main and main.state == _STOPPED:
        does, advice = "was stopped by a signal, as Ctrl+Z sends one", f"; 'kill -CONT {tid}' lets it go on"
    elif main and main.waits_in in _FROZEN:
        does, advice = "was frozen with its control group, as 'docker pause' and 'systemctl freeze' do", ""
    else:
        return None
    wait = Wait(tid, case.name(tid), WaitKind.KERNEL, does)
    sentence = f"Stopped: {wait.name} {does}{_lasted([tid], case.told)}{advice}"
    return Verdict(VerdictKind.STOPPED, sentence, True, (wait,))


def _main_blocked(case: _Case) -> Verdict | None:
    return _blocked(case, [wait for wait in case.firsts if wait.tid == case.main])


def _any_blocked(case: _Case) -> Verdict | None:
    """By the lock for which most threads wait."""
    return _blocked(case, sorted(case.firsts, key=lambda wait: -case.waiters(wait)))


def _blocked(case: _Case, firsts: Iterable[Wait]) -> Verdict | None:
    """The first chain that starts with a lock, and what its last holder does."""
    for first in firsts:
        if first.kind not in _LOCKS or first.owner is None or first.tid not in case.here:
            continue
        chain = case.chain(first)
        sentence = f"{first.name}{case.at(first.tid)} {_held(case, first)}"
        there = first.owner in case.told or case.wait(first.owner) is not None or first.owner in case.here
        known = there or bool(first.tid in case.told and case.told[first.tid].other_end)
        if (others := case.waiters(first) - 1) > 0:
            who = f"{first.name}{case.at(first.tid)}"
            rest = sentence.removeprefix(who).replace(" waits for ", " wait for ", 1)
            sentence = f"{who} and {others} more{rest}"
        sentence = f"Blocked: {sentence}{_then(case, chain)}"
        return Verdict(VerdictKind.BLOCKED, sentence, known and first.sure, chain.waits)
    return None


def _held(case: _Case, wait: Wait) -> str:
    """What a thread does that waits, and for whom."""
    if wait.owner is None:
        return wait.does
    whose = wait.owner_name + case.at(wait.owner)
    if wait.kind is WaitKind.JOIN:
        return f"{wait.does} ({whose})"
    return f"{wait.does} {'of' if wait.kind is WaitKind.MESSAGE else 'held by'} {whose}"


def _then(case: _Case, chain: WaitChain) -> str:
    """What the holders after the first lock do, as far as the chain goes."""
    words = ""
    for wait in chain.waits[1:]:
        words += f", which {_held(case, wait)}"
    last = chain.waits[-1].owner
    if last is not None and case.busy(last):
        words += ", which computes"
    return words


def _main_busy(case: _Case) -> Verdict | None:
    return _busy(case, case.main)


def _any_busy(case: _Case) -> Verdict | None:
    """The thread that burned most."""
    burning = [(burned, tid) for tid in case.told if (burned := case.busy(tid))]
    return _busy(case, max(burning)[1]) if burning else None


def _busy(case: _Case, tid: int) -> Verdict | None:
    """A thread that runs, and has run all along: measured for a blink only, so never certain."""
    if (burned := case.busy(tid)) is None:
        return None
    share = "a whole CPU" if burned > 0.9 else f"{burned:.0%} of a CPU"  # noqa: PLR2004
    return Verdict(
        VerdictKind.BUSY, f"Busy: {case.name(tid)}{case.at(tid)} used {share} just before the dump", False
    )


def _stuck(case: _Case) -> Verdict | None:
    """A thread that the kernel would not even stop."""
    from tray.reports import calls

    for thread in case.stuck:
        kind, does = calls.place(thread.waits_in)
        wait = case.wait(thread.tid) or Wait(thread.tid, finding.names([thread], {})[thread.tid], kind, does)
        sentence = f"Waiting outside: {wait.name}{case.at(wait.tid)} {wait.does} and cannot be interrupted"
        return Verdict(VerdictKind.OUTSIDE, sentence, True, (wait,))
    return None


def _main_outside(case: _Case) -> Verdict | None:
    """The thread that people wait for waits for a file, a connection or another process."""
    wait = case.wait(case.main)
    if wait is None or wait.kind not in _OUTSIDE:
        return None
    known = wait.kind is not WaitKind.KERNEL
    return Verdict(
        VerdictKind.OUTSIDE, f"Waiting outside: {wait.name}{case.at(wait.tid)} {wait.does}", known, (wait,)
    )


def _main_waits(case: _Case) -> Verdict | None:
    """It waits for something of the process's own, and nobody can tell whose turn it is."""
    wait = case.wait(case.main)
    if wait is None or wait.kind not in _INSIDE:
        return None
    who, does = f"{wait.name}{case.at(wait.tid)}", wait.does
    if wait.kind in _LOCKS and wait.address and (others := case.waiters(wait) - 1) > 0:
        who, does = f"{who} and {others} more", does.replace("waits for ", "wait for ", 1)
    return Verdict(VerdictKind.WAITING, f"Waiting: {who} {does}", False, (wait,))


def _idle(case: _Case) -> Verdict:
    """Nothing wrong was seen."""
    wait = case.wait(case.main)
    doing = f"{wait.name}{case.at(wait.tid)} {wait.does}" if wait else f"{case.name(case.main)} was running"
    return Verdict(VerdictKind.IDLE, f"Nothing wrong seen: {doing}", False, (wait,) if wait else ())
