"""The nouns of what threads were doing: calls, and how far each can be trusted."""

from __future__ import annotations

from tray.lean import StrEnum, dataclass


class Trust(StrEnum):
    """How a frame was found, the surest first."""

    REGISTERS = "registers"
    """Where the thread itself stood."""
    TABLES = "unwind tables"
    """By the tables that the compiler wrote for exceptions and debuggers."""
    FRAME_POINTER = "frame pointer"
    """By the chain that not every compiler keeps: a guess, and so is all that follows it."""
    INTERPRETER = "interpreter"
    """By an interpreter's own list of calls; such a frame lies in no module."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One call.

    Attributes:
        pc: Where it stands or returns to; the same as its caller's when inlined.
        function: As its author wrote it, demangled; empty where nothing names it.
        module: Path of the executable or library, as the target saw it; empty for code that no file holds.
        offset: Of ``pc`` from the start of the module.
        file: Source file, as the compiler saw it; empty without debug info.
        line: Line in that file, from 1; 0 without debug info.
        inlined: The compiler put it into its caller; it has no registers of its own.
        trust: How it was found.
    """

    pc: int
    function: str = ""
    module: str = ""
    offset: int = 0
    file: str = ""
    line: int = 0
    inlined: bool = False
    trust: Trust = Trust.REGISTERS


@dataclass(frozen=True, slots=True)
class Stack:
    """What one thread was doing, the innermost call first.

    Attributes:
        tid: Thread id.
        frames: At least the one the thread stood in, where its registers are known.
        cut: Why it ends before the thread's beginning; empty if it does not.
    """

    tid: int
    frames: tuple[Frame, ...] = ()
    cut: str = ""
