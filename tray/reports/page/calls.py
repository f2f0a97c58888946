"""The section of threads: those that matter first and open, those that do the same folded into one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray.model import Trust
from tray.reports import own, threads
from tray.reports.names import last
from tray.reports.page.markup import clean, foreign, make

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tray.model import Frame, Stack, Thread
    from tray.reports.page.markup import Child, Node
    from tray.reports.page.subject import Subject
    from tray.reports.threads import Kind

MOST_KINDS, MOST_CALLS, MOST_NAMES = 200, 64, 24
ENOUGH = 1_000_000
"""Signs of calls after which further threads are only counted: a page must open at once."""
_LONGEST = 300
"""Signs of a function's name; C++ has some of thousands."""
_OPEN, _ON_PAPER = 2, 12
"""Kinds of threads that are unfolded at first beside those that matter, and those that are on paper."""
_STATES = {
    "R": "running", "S": "sleeping", "D": "cannot be interrupted", "T": "stopped", "t": "traced",
    "Z": "ended", "I": "idle",
}  # fmt: skip


def section(subject: Subject) -> Node:
    """All threads."""
    report = subject.report
    kinds = threads.kinds(report, subject.matter)
    shown = list(_within(kinds))
    rest = sum(len(kind.threads) for kind in kinds[len(shown) :])
    count = len(report.snapshot.threads)
    return make(
        "section",
        make("h2", f"{count} thread{'s' if count != 1 else ''}"),
        make("p", _lead(count, len(kinds)), class_="lead"),
        make("ul", (make("li", foreign(lack)) for lack in report.lacks), class_="lacks")
        if report.lacks
        else None,
        make("div", (_kind(subject, kind, number) for number, kind in enumerate(shown))),
        make("p", f"… and {rest} more threads; 'hangshot inspect --json' has them all.", class_="rest")
        if rest
        else None,
        id="threads",
    )


def _lead(count: int, kinds: int) -> str:
    folded = f" Those with the same calls are folded: there are {kinds} kinds." if kinds < count else ""
    return f"Those that matter come first. The innermost call is at the top; the program's own are set in bold.{folded}"


def _within(kinds: Sequence[Kind]) -> Iterator[Kind]:
    """As many as fit a page."""
    signs = 0
    for kind in kinds[:MOST_KINDS]:
        if signs > ENOUGH:
            return
        signs += sum(
            len(one.function[:_LONGEST]) + len(one.file) + 200 for one in kind.stack.frames[:MOST_CALLS]
        )
        yield kind


def _kind(subject: Subject, kind: Kind, number: int) -> Node:
    matters = any(thread.tid in subject.matter for thread in kind.threads)
    classes = ["matters"] * matters + ["folded-on-paper"] * (number >= _ON_PAPER and not matters)
    unfolded = matters or number < _OPEN
    return make(
        "details",
        make("summary", _head(subject, kind)),
        make("div", _names(kind.threads), _stack(kind.stack), class_="inside"),
        class_=" ".join(classes) or None,
        open="" if unfolded else None,
    )


def _head(subject: Subject, kind: Kind) -> Iterator[Node]:
    """Who they are, what they were doing, and, while folded, where."""
    first, count = kind.threads[0], len(kind.threads)
    number = f" {first.tid}" if first.name else ""
    chip = make("span", f"{count} threads like this", class_="count") if count > 1 else None
    name = foreign(clean(first.name or f"thread {first.tid}", 80))
    yield make("span", name, make("span", number, class_="soft"), chip, class_="who")
    yield make("span", _doing(first), class_="doing")
    where = subject.where.get(first.tid) or _standing(kind.stack)
    if where:
        yield make("span", foreign(clean(where, 160)), class_="at")


def _standing(stack: Stack) -> str:
    """Where a thread stands that is in none of the program's own calls, as far as is known."""
    if not stack.frames:
        return ""
    innermost = stack.frames[0]
    return f"in {own.called(innermost.function)}" if innermost.function else _place(innermost)


def _doing(thread: Thread) -> Child:
    used = f"used {thread.busy:.0%} of a CPU" if thread.busy else ""
    doing = ", ".join(filter(None, (_STATES.get(thread.state, thread.state), used)))
    if not thread.waits_in:
        return doing
    return f"{doing} in " if doing else "in ", foreign(clean(thread.waits_in, 60))


def _names(alike: Sequence[Thread]) -> Node | None:
    """All of those that do the same."""
    if len(alike) == 1:
        return None
    told = [f"{clean(one.name, 40)} {one.tid}" if one.name else str(one.tid) for one in alike[:MOST_NAMES]]
    more = f" and {len(alike) - MOST_NAMES} more" if len(alike) > MOST_NAMES else ""
    return make("p", foreign(", ".join(told)), more, class_="names")


def _stack(stack: Stack) -> Iterator[Node]:
    rows = [_call(number, frame) for number, frame in enumerate(stack.frames[:MOST_CALLS])]
    yield make("ol", rows, class_="calls")
    if len(stack.frames) > MOST_CALLS:
        yield make("p", f"… {len(stack.frames) - MOST_CALLS} more calls", class_="cut")
    if stack.cut:
        yield make("p", "… ", foreign(stack.cut), class_="cut")
    if not stack.frames and not stack.cut:
        yield make("p", "The dump has no registers of it.", class_="cut")


def _call(number: int, frame: Frame) -> Node:
    guess = frame.trust is Trust.FRAME_POINTER
    classes = ["own"] * own.is_own(frame) + ["guess"] * guess
    notes = ["inlined"] * frame.inlined + ["a guess"] * guess
    place = _place(frame)
    name = clean(threads.named(frame), _LONGEST) if frame.function else place
    return make(
        "li",
        make("span", str(number), class_="number"),
        make(
            "span",
            make("span", foreign(name), class_="function"),
            [make("span", note, class_="note") for note in notes],
            make("span", foreign(_source(frame) or place), class_="place") if frame.function else None,
            class_="call",
        ),
        class_=" ".join(classes) or None,
    )


def _source(frame: Frame) -> str:
    """File and line, and the module they are in."""
    if not frame.line:
        return ""
    module = f" · {last(frame.module)}" if frame.module else ""
    return f"{frame.file}:{frame.line}{module}"


def _place(frame: Frame) -> str:
    """Module and offset, or at least the address."""
    return f"{last(frame.module)}+0x{frame.offset:x}" if frame.module else f"0x{frame.pc:x}"
