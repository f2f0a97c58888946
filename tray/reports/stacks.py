"""Call stacks of a dump: what a reader found, seen against the dump itself, and alike ones folded."""

from __future__ import annotations

import bisect
import itertools

from tray.formats.pieces import rows
from tray.lean import TYPE_CHECKING, dataclass, replace
from tray.model import Frame, Stack, Trust
from tray.reports.alike import calls, once
from tray.reports.names import last
from tray.reports.registers import pc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tray.model import Memory, Module, Snapshot, Thread

_MOST_NAMES = 5
"""Modules named in one sentence about what is lacking."""


@dataclass(frozen=True, slots=True)
class Symbols:
    """What a reader found for one module on this machine.

    Attributes:
        module: Its path, as the target saw it.
        start: Its lowest address.
        end: First address after it.
        file: The very file was found, so its unwind tables and symbol table were read.
        debug: Debug info was found, so there are source lines.
    """

    module: str
    start: int
    end: int
    file: bool
    debug: bool


@dataclass(frozen=True, slots=True)
class Advice:
    """What a reader's system has for those whose stacks lack something.

    Attributes:
        file: How to bring a missing module, as the end of a sentence.
        debug: What is lost without debug info and how to get it, from the beginning of a sentence.
    """

    file: str
    debug: str


LINUX = Advice(
    "put the same build where it was, or set DEBUGINFOD_URLS",
    "Names come from its symbol table and there are no lines; install its debug symbols, or set DEBUGINFOD_URLS.",
)


@dataclass(frozen=True, slots=True)
class Told:
    """What a reader said before it ended.

    Attributes:
        stacks: Those of the threads it got to; their frames need not name a module.
        symbols: One for each module.
        ended: Why it ended before its work was done, as the beginning of a sentence; empty if it did not.
        lacks: More that it needs, a sentence each.
        advice: What to say of what was not found.
    """

    stacks: tuple[Stack, ...] = ()
    symbols: tuple[Symbols, ...] = ()
    ended: str = ""
    lacks: tuple[str, ...] = ()
    advice: Advice = LINUX


if TYPE_CHECKING:
    Unwind = Callable[[Path], AbstractContextManager[Callable[[], Told]]]
    """A reader of call stacks: one kind of dump, any machine. It is at work in the ``with`` block, whose value
    waits for what it tells, and ended after it. Never raises."""


def read(
    told: Told, snapshot: Snapshot, modules: Sequence[Module]
) -> tuple[tuple[Stack, ...], tuple[str, ...]]:
    """A stack for each thread, and what would make them better.

    A thread that the reader did not get to has the one frame that it stood in.
    """
    symbols = _renamed(told.symbols, modules)
    places = _Places(modules, symbols, snapshot.memory)
    seen = once(places.seen)
    found = {stack.tid: Stack(stack.tid, *seen(stack)) for stack in told.stacks if stack.frames}
    stacks = tuple(found.get(thread.tid) or standing(thread, modules) for thread in snapshot.threads)
    return stacks, (
        *_ended(told, len(stacks) - len(found)),
        *told.lacks,
        *_lacking(symbols, stacks, told.advice),
    )


def standing(thread: Thread, modules: Sequence[Module]) -> Stack:
    """The one frame that a thread's registers tell."""
    if not thread.registers:
        return Stack(thread.tid)
    return Stack(thread.tid, (_Places(modules).named(Frame(pc(thread))),))


def fold(stacks: Iterable[Stack]) -> list[list[Stack]]:
    """Stacks with the same calls, together; in the order in which each kind comes first."""
    kinds: dict[tuple[object, ...], list[Stack]] = {}
    kind_of = once(lambda stack: kinds.setdefault((_calls(stack), stack.cut), []))
    for stack in stacks:
        kind_of(stack).append(stack)
    return list(kinds.values())


def _calls(stack: Stack) -> tuple[object, ...]:
    """What makes two stacks the same to a person."""
    return tuple((frame.pc, frame.function, frame.line, frame.inlined) for frame in stack.frames)


class _Places:
    """Which module an address lies in, and whether code can be there at all."""

    def __init__(
        self, modules: Sequence[Module], symbols: Sequence[Symbols] = (), memory: Sequence[Memory] = ()
    ) -> None:
        known = {(module.start, module.end, module.path) for module in modules}
        paths = {path for _, _, path in known}
        known |= {(one.start, one.end, one.module) for one in symbols if one.module not in paths}
        self._modules = sorted(known)
        self._starts = [start for start, _, _ in self._modules]
        self._fileless = {one.module for one in symbols if not one.file}
        code = [(start, start + size) for start, size, _, access in rows(memory) if "x" in access]
        # Of a module whose code the dump does not list, all that is known is where it lies.
        code += [
            (start, end)
            for start, end, _ in self._modules
            if not any(start <= place < end for place, _ in code)
        ]
        self._code = sorted(code)

    def named(self, frame: Frame) -> Frame:
        """The frame with its module and the offset in it."""
        place = bisect.bisect_right(self._starts, frame.pc) - 1
        if place >= 0 and frame.pc < self._modules[place][1]:
            start, _, path = self._modules[place]
            return replace(frame, module=path, offset=frame.pc - start)
        return frame

    def seen(self, stack: Stack) -> tuple[tuple[Frame, ...], str]:
        """The calls with modules, up to where they stop making sense, and why they end early."""
        frames = [self.named(frame) for frame in stack.frames]
        kept = list(itertools.takewhile(self._can_be, frames))
        cut = stack.cut
        if len(kept) < len(frames) or kept[-1].module in self._fileless:
            cut = "nothing tells who called this"
        return tuple(kept), cut

    def _can_be(self, frame: Frame) -> bool:
        """Whether a guessed frame lies in code; one that was not guessed is believed."""
        if frame.trust is not Trust.FRAME_POINTER:
            return True
        place = bisect.bisect_right(self._code, (frame.pc, 1 << 64)) - 1
        return place >= 0 and frame.pc < self._code[place][1]


def _renamed(symbols: Sequence[Symbols], modules: Sequence[Module]) -> list[Symbols]:
    """Symbols with the names that the dump has for their modules; the linker's own may be links."""
    paths = {module.start: module.path for module in modules}
    return [replace(one, module=paths.get(one.start, one.module)) for one in symbols]


def _ended(told: Told, without: int) -> list[str]:
    """That the reader did not get to the end, and what this cost."""
    if not told.ended:
        return []
    if not without:
        return [f"{told.ended}, after the last stack."]
    return [f"{told.ended}; {without} of the threads show only where they stood."]


def _lacking(symbols: Sequence[Symbols], stacks: Sequence[Stack], advice: Advice) -> list[str]:
    """Which files are missing for modules that are on a stack, and how to get them."""
    there = dict.fromkeys(frame.module for frame in calls(stacks))
    known = {one.module: one for one in symbols}
    on_stack = [known[module] for module in there if module in known]
    lacks = []
    if fileless := [one.module for one in on_stack if not one.file]:
        lacks.append(
            f"Not found on this machine as the target had it: {_names(fileless)}. Its calls have no names and "
            f"stacks may end there; {advice.file}."
        )
    if placeless := [module for module in there if module and symbols and module not in known]:
        lacks.append(
            f"The dump does not tell where its own list of libraries is, so these are not read: {_names(placeless)}."
        )
    if lineless := [one.module for one in on_stack if one.file and not one.debug]:
        lacks.append(f"Without debug info: {_names(lineless)}. {advice.debug}")
    return lacks


def _names(modules: Sequence[str]) -> str:
    """A few modules without their folders."""
    more = f" and {len(modules) - _MOST_NAMES} more" if len(modules) > _MOST_NAMES else ""
    return ", ".join(last(module) for module in modules[:_MOST_NAMES]) + more
