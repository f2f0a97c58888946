"""Threads for people: those that matter first, each with its calls, those that do the same folded."""

from __future__ import annotations

from tray.lean import TYPE_CHECKING, dataclass
from tray.model import Thread
from tray.reports import stacks, waits
from tray.reports.names import last
from tray.reports.own import own
from tray.reports.registers import pc, sp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray.model import Frame, Report, Stack
    from tray.verdicts import Verdict

_MOST_KINDS, _MOST_CALLS, _MOST_NAMES = 40, 60, 6
_STRING = "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char>>"
_AWAKE = ("R", "D")
"""States of proc(5) of a thread that burns time, or that nothing can wake."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Threads that do the same.

    Attributes:
        threads: As the sidecar knows them, in the order of the dump.
        stack: The first one's; the others' have the same calls.
    """

    threads: tuple[Thread, ...]
    stack: Stack


def kinds(report: Report, matter: Sequence[int] = ()) -> list[Kind]:
    """All threads, folded; those in ``matter`` first, then the window's, the awake, the main one, the odd ones."""
    known = _known(report)
    own = report.stacks or [stacks.standing(thread, report.modules) for thread in report.snapshot.threads]
    found = [
        Kind(tuple(alike), fold[0])
        for fold in stacks.fold(own)
        for alike in _by_state([known.get(stack.tid, Thread(stack.tid)) for stack in fold])
    ]
    return sorted(found, key=lambda kind: _order(report, matter, kind))


def matter(report: Report, verdict: Verdict | None = None) -> tuple[int, ...]:
    """Threads that the verdict is about, in its order, with who holds it all up; or the one that crashed.

    Without a ``verdict`` it is the sidecar's.
    """
    verdict = verdict or (report.dump.verdict if report.dump else None)
    if not verdict:
        return (report.crash.tid,) if report.crash else ()
    found = [wait.tid for wait in verdict.chain]
    if found and (last_one := verdict.chain[-1].owner) is not None and last_one not in found:
        found.append(last_one)
    return tuple(found) or _busy(report, verdict)


def _busy(report: Report, verdict: Verdict) -> tuple[int, ...]:
    """The thread that a verdict without waits names."""
    called = waits.names(report.snapshot.threads, _known(report))
    return tuple(tid for tid, name in called.items() if f": {name} " in verdict.sentence)


def where(report: Report) -> list[str]:
    """In which of the program's own calls each thread is that the verdict is about."""
    stacks_of = {stack.tid: stack for stack in report.stacks}
    chain = report.dump.verdict.chain if report.dump and report.dump.verdict else ()
    found = [(wait.name, own(stacks_of[wait.tid])) for wait in chain if wait.tid in stacks_of]
    return [f"  {name} is in {call(frame)}" for name, frame in found if frame]


def lines(
    report: Report, matter: Sequence[int] = (), *, most: int = _MOST_KINDS, calls: int = _MOST_CALLS
) -> list[str]:
    """The section of the report."""
    count = len(report.snapshot.threads)
    found = kinds(report, matter)
    told = [f"{count} thread{'s' if count != 1 else ''}"]
    for kind in found[:most]:
        told += ["", f"  {_head(kind)}", *_calls(kind.stack, calls)]
    if len(found) > most:
        rest = sum(len(kind.threads) for kind in found[most:])
        told += ["", f"  … and {rest} more threads of {len(found) - most} kinds"]
    if report.lacks:
        told += ["", *(f"  {lack}" for lack in report.lacks)]
    return told


def as_json(report: Report) -> list[dict[str, object]]:
    """One object a thread, in the order of the dump."""
    known = _known(report)
    own = {stack.tid: stack for stack in report.stacks}
    return [
        _thread(thread, known.get(thread.tid, Thread(0)), own.get(thread.tid))
        for thread in report.snapshot.threads
    ]


def _thread(thread: Thread, known: Thread, stack: Stack | None) -> dict[str, object]:
    told: dict[str, object] = {
        "tid": thread.tid,
        "name": known.name,
        "state": known.state,
        "waits_in": known.waits_in,
        "pc": pc(thread),
        "sp": sp(thread),
    }
    if stack:
        told |= {"frames": [_frame(frame) for frame in stack.frames], "cut": stack.cut}
    return told


def _frame(frame: Frame) -> dict[str, object]:
    return {
        "pc": frame.pc,
        "function": frame.function,
        "module": frame.module,
        "offset": frame.offset,
        "file": frame.file,
        "line": frame.line,
        "inlined": frame.inlined,
        "trust": frame.trust.value,
    }


def _known(report: Report) -> dict[int, Thread]:
    """Each thread as the sidecar knows it, or else the dump."""
    told = report.dump.threads if report.dump else ()
    return {thread.tid: thread for thread in (*report.snapshot.threads, *told)}


def _by_state(threads: Sequence[Thread]) -> list[list[Thread]]:
    """Threads with the same calls, apart by what they were doing there: one runs, another sleeps."""
    alike: dict[tuple[str, str], list[Thread]] = {}
    for thread in threads:
        alike.setdefault((thread.state, thread.waits_in), []).append(thread)
    return list(alike.values())


def _order(report: Report, matter: Sequence[int], kind: Kind) -> tuple[int, int]:
    """Sorts kinds of threads; equal ones stay in the order of the dump."""
    tids = [thread.tid for thread in kind.threads]
    places = [matter.index(tid) for tid in tids if tid in matter]
    if places:
        return 0, min(places)
    window = report.dump.target.window if report.dump else None
    if window and window.thread in tids:
        return 1, 0
    if kind.threads[0].state in _AWAKE:
        return 2, 0
    return (3, 0) if report.snapshot.pid in tids else (4, len(tids))


def _head(kind: Kind) -> str:
    """Who they are and what they were doing."""
    first = kind.threads[0]
    doing = " in ".join(filter(None, (first.state, first.waits_in)))
    names = [f"{thread.name} ({thread.tid})" if thread.name else str(thread.tid) for thread in kind.threads]
    who = ", ".join(names[:_MOST_NAMES]) + (", …" if len(names) > _MOST_NAMES else "")
    count = f"{len(names)} threads like this: " if len(names) > 1 else ""
    return f"{count}{who}" + (f"  {doing}" if doing else "")


def _calls(stack: Stack, most: int) -> list[str]:
    """One line a call."""
    told = [f"    #{number:<2} {call(frame)}" for number, frame in enumerate(stack.frames[:most])]
    if len(stack.frames) > most:
        told.append(f"    …   {len(stack.frames) - most} more calls")
    if stack.cut:
        told.append(f"    …   {stack.cut}")
    return told


def call(frame: Frame) -> str:
    """A call in one line: its name and place, or where it lies in its module."""
    module = last(frame.module)
    place = f"{module}+0x{frame.offset:x}" if module else f"0x{frame.pc:x}"
    where = module if frame.line else place
    notes = [where] if frame.function else []
    notes += ["inlined"] * frame.inlined + ["a guess"] * (frame.trust == "frame pointer")
    line = f" at {frame.file}:{frame.line}" if frame.line else ""
    return f"{named(frame) or place}{line}" + (f" ({', '.join(filter(None, notes))})" if any(notes) else "")


def named(frame: Frame) -> str:
    """A call's function as people write it; empty where nothing names it."""
    return frame.function.replace(_STRING, "std::string")
