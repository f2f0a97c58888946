"""What is taken from drgn, and what is not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tray.reports import drgn_reader

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Symbol:
    """One that drgn found nearest below an address."""

    name: str
    size: int


@dataclass
class Call:
    """A frame of drgn's."""

    found: Symbol | None
    function_name: str | None = None
    is_inline: bool = False
    pc: int = 0x10
    interrupted: bool = False
    known: tuple[str, ...] = ("rbx",)
    asked: list[str] = field(default_factory=list)

    def registers(self) -> dict[str, int]:
        """As drgn: those that are known in this frame."""
        return dict.fromkeys(self.known, 0)

    def source(self) -> tuple[str, int, int]:
        """As drgn, which raises without debug info."""
        raise LookupError

    def symbol(self) -> Symbol:
        """As drgn, which raises where there is none."""
        self.asked.append("symbol")
        if self.found is None:
            raise LookupError
        return self.found


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (Call(Symbol("save@@V1", 8)), "save"),
        (Call(Symbol("_ZN3app4saveEv", 8), "save"), "named _ZN3app4saveEv"),
        (Call(Symbol("memset", 0)), ""),
        (Call(Symbol("memset", 0), "wait"), "wait"),
        (Call(None, "wait"), "wait"),
        (Call(None), ""),
        (Call(Symbol("outer", 8), "inner", is_inline=True), "inner"),
    ],
)
def test_names(call: Call, name: str) -> None:
    """A symbol without a size, as assembler makes, may end long before: no name is better than a wrong one."""
    assert drgn_reader.function(call, lambda symbol: f"named {symbol}") == name


@dataclass
class Task:
    """A thread of drgn's."""

    tid: int
    calls: list[Call]

    def stack_trace(self) -> list[Call]:
        """Its calls."""
        return self.calls


def stacks(*threads: Task) -> Iterator[dict[str, object]]:
    """What is told of each."""
    calls = drgn_reader.Calls(str)
    return ({"tid": thread.tid, **calls.of(thread)} for thread in threads)


def named(name: str, **how: object) -> Call:
    return Call(Symbol(name, 8), **how)


def test_calls_of_many_threads_are_told_once() -> None:
    """And not looked up again: of 500 threads of a pool 499 say no more than that."""
    pool = [Task(tid, [named("wait"), named("run", pc=0x20)]) for tid in (1, 2, 3)]
    first, *others = stacks(*pool)
    assert [frame[1] for frame in first["frames"]] == ["wait", "run"]
    assert others == [{"tid": 2, "like": 1}, {"tid": 3, "like": 1}]
    assert not any(call.asked for task in pool[1:] for call in task.calls)


@pytest.mark.parametrize(
    "other",
    [
        [named("wait"), named("other", pc=0x30)],
        [named("wait")],
        [named("wait"), named("run", pc=0x20, interrupted=True)],
        [named("wait"), named("run", pc=0x20, known=())],
        [named("wait", is_inline=True), named("run", pc=0x20)],
    ],
)
def test_calls_that_differ_in_anything_are_told(other: list[Call]) -> None:
    """Where they are, how many, whether a signal came in, how they were found, what was put in."""
    *_, told = stacks(Task(1, [named("wait"), named("run", pc=0x20)]), Task(2, other))
    assert "like" not in told


def test_a_stack_without_end_is_cut() -> None:
    """The count of its frames says so."""
    deep = [named("again") for _ in range(drgn_reader.MOST_FRAMES + 1)]
    whole, cut = stacks(Task(1, deep[1:]), Task(2, deep))
    assert (len(whole["frames"]), whole["cut"]) == (drgn_reader.MOST_FRAMES, "")
    assert (len(cut["frames"]), cut["cut"]) == (drgn_reader.MOST_FRAMES, f"it has {len(deep)} frames")
