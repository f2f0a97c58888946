"""Stacks that share their calls, as hundreds of threads of a pool do: what is made of one serves for all."""

from __future__ import annotations

from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar

    from tray.model import Frame, Stack

    Made = TypeVar("Made")


def once(make: Callable[[Stack], Made]) -> Callable[[Stack], Made]:
    """The same, done once for all stacks with the very same frames; it must not look at whose they are."""
    known: dict[tuple[int, str], tuple[Stack, Made]] = {}

    def made(stack: Stack) -> Made:
        key = id(stack.frames), stack.cut
        if key not in known:
            known[key] = stack, make(stack)  # the stack is kept, so nothing else gets its place
        return known[key][1]

    return made


def calls(stacks: Iterable[Stack]) -> Iterator[Frame]:
    """Each call of these stacks; of what some share, once."""
    kinds = {id(stack.frames): stack.frames for stack in stacks}
    for frames in kinds.values():
        yield from frames
