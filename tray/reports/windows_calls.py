"""In which of the system's calls a Windows thread stands, without symbols: by names that its libraries export.

A thread that waits stands right behind the system call in one of ntdll's or
win32u's stubs, which have no frame: the word at its stack pointer is the return
address, and never a stale one. From there each call is found by the tables for
exceptions (x86-64) or by the chain of frame pointers that Windows' own libraries
keep (x86). What cannot be walked so is not guessed at. The walk ends at the
program's own first call.
"""

from __future__ import annotations

import re
import struct
from contextlib import ExitStack

from tray.formats import pe
from tray.lean import TYPE_CHECKING, NamedTuple, pattern
from tray.reports.names import last
from tray.reports.windows_blocking import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

    from tray.model import Module, Thread

    Memory = Callable[[int, int], bytes]
    Open = Callable[[str], pe.Image]

_MOST_CALLS = 32
_SYSTEM_FOLDERS = pattern(r"^[a-z]:\\.*\\(?:system32|syswow64)\\[^\\]*$", re.IGNORECASE)
_MOST_STACK = 1 << 20
_ORDER = (10, 11, 12, 5, 19, 4, 13, 14, 9, 8, 7, 6, 3, 2, 1, 0)
"""Where the registers are in ``struct user_regs_struct``, in the order of x86-64's unwind codes."""
_PC, _SP = 16, 19
KEPT = (3, 5, 6, 7, 12, 13, 14, 15)
"""Registers that calls keep: rbx rbp rsi rdi r12 … r15."""
RCX, RDX, _FRAME = 1, 2, 5
_ENTERED = (b"\x0f\x05", b"\xff\xd2", b"\xff\xd0", b"\xcd\x2e")
"""How a stub enters the system: ``syscall``, ``call edx``, ``call eax``, ``int 2e``."""


class Call(NamedTuple):
    """One call of a thread's, innermost first.

    Attributes:
        name: Exported function; empty where nothing names it.
        module: Short name of its library, in small letters.
        registers: In the order of the unwind codes; only those in `KEPT` and the stack pointer are known further out.
        above: The stack pointer once it has returned, if that is known. On x86 its arguments begin here.
    """

    name: str
    module: str
    registers: tuple[int, ...]
    above: int


class Names:
    """The libraries of a dump, as far as the same files are on this machine; a context manager.

    Args:
        modules: Of the dump.
        times: Time stamp of each, by where it starts: a file that differs in it is another version.
        opened: Opens a file.
    """

    def __init__(self, modules: Sequence[Module], times: Mapping[int, int], opened: Open = pe.read) -> None:
        self._modules, self._times, self._opened = modules, times, opened
        self._images: dict[int, pe.Image | None] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def tell(self) -> bool:
        """Whether calls can be told at all: not on another machine, nor among the layer's of a 32-bit program."""
        short = {last(module.path).casefold(): module for module in self._modules}
        system = short.get("ntdll.dll")
        return system is not None and "wow64.dll" not in short and self.image(system) is not None

    def module(self, address: int) -> Module | None:
        """The module around an address."""
        return next((module for module in self._modules if module.start <= address < module.end), None)

    def code(self, address: int, size: int) -> bytes:
        """Code as it is in the file, for dumps that leave it out."""
        module = self.module(address)
        image = self.image(module) if module else None
        return image.code(address - module.start, size) if module and image else b""

    def image(self, module: Module) -> pe.Image | None:
        """Its file; None if it is not here, or another version."""
        if module.start not in self._images:
            self._images[module.start] = self._found(module)
        return self._images[module.start]

    def _found(self, module: Module) -> pe.Image | None:
        """Only of the system's own: the program's may lie on the very network share that it hangs on."""
        folder = _SYSTEM_FOLDERS.search(module.path)
        if not folder or last(module.path).casefold() not in SYSTEM:
            return None
        for path in (module.path, module.path.casefold().replace("\\system32\\", "\\syswow64\\")):
            try:
                image = self._open.enter_context(self._opened(path))
            except (OSError, ValueError):
                continue
            if (image.time, image.size) == (self._times.get(module.start), module.end - module.start):
                return image
        return None


class _At(NamedTuple):
    """Where a walk is: an address of code, and the registers as they were there."""

    pc: int
    registers: tuple[int, ...]


def calls(thread: Thread, memory: Memory, names: Names, pointer: int) -> list[Call]:
    """A waiting thread's calls, innermost first, as far as they are certain; empty for one that runs.

    Args:
        thread: With its registers.
        memory: Gives up to that many bytes of the process.
        names: The libraries.
        pointer: Bytes of an address.
    """
    if not thread.registers:
        return []
    values = struct.unpack("<27Q", thread.registers)
    at: _At | None = _At(values[_PC], tuple(values[place] for place in _ORDER))
    step = _stub
    found: list[Call] = []
    while at and len(found) < _MOST_CALLS and (made := step(at, memory, names, pointer)):
        found.append(made[0])
        at = made[1] if made[0].module in SYSTEM else None
        step = _by_tables if pointer == 8 else _by_frames  # noqa: PLR2004 - bytes
    return found


def stack_pointer(thread: Thread) -> int:
    """Where a thread's stack ends; 0 without its registers."""
    return int(struct.unpack_from("<27Q", thread.registers)[_SP]) if thread.registers else 0


def word(memory: Memory, address: int, pointer: int) -> int | None:
    """An address-sized word of the process; None where the dump has none."""
    content = memory(address, pointer)
    return int.from_bytes(content, "little") if len(content) == pointer else None


def _stub(at: _At, memory: Memory, names: Names, pointer: int) -> tuple[Call, _At] | None:
    """The system call's stub; None for a thread that is elsewhere."""
    if (memory(at.pc - 2, 2) or names.code(at.pc - 2, 2)) not in _ENTERED:
        return None
    sp = at.registers[pe.RSP]
    call, back = _named(at, names, at.pc, sp + pointer), word(memory, sp, pointer)
    if not call or not call.name.startswith("Nt") or back is None:
        return None
    return call, _At(back, _with(at.registers, sp=sp + pointer))


def _by_tables(at: _At, memory: Memory, names: Names, pointer: int) -> tuple[Call, _At] | None:
    """A call that is not the innermost, on x86-64."""
    module = names.module(at.pc)
    image = names.image(module) if module else None
    if module and not image:
        return Call("", last(module.path).casefold(), at.registers, 0), _At(0, at.registers)  # and no further
    steps = image.steps(at.pc - 1 - module.start) if module and image else None
    if steps is None or (undone := _undone(steps, at.registers, memory)) is None:
        return None
    sp = undone[pe.RSP]
    back = word(memory, sp, pointer)
    call = _named(at, names, at.pc - 1, sp + pointer)
    if not call or back is None or not 0 <= sp - at.registers[pe.RSP] < _MOST_STACK:
        return None
    return call, _At(back, _with(undone, sp=sp + pointer))


def _by_frames(at: _At, memory: Memory, names: Names, pointer: int) -> tuple[Call, _At] | None:
    """A call that is not the innermost, on x86."""
    frame = at.registers[_FRAME]
    before, back = word(memory, frame, pointer), word(memory, frame + pointer, pointer)
    above = frame + 2 * pointer
    call = _named(at, names, at.pc - 1, above)
    if not call or before is None or back is None or not 0 <= frame - at.registers[pe.RSP] < _MOST_STACK:
        return None
    return call, _At(back, _with(at.registers, sp=above, frame=before))


def _named(at: _At, names: Names, pc: int, above: int) -> Call | None:
    """The call around an address; None where there is no library."""
    module = names.module(pc)
    if module is None:
        return None
    image = names.image(module)
    name = image.name(pc - module.start) if image else ""
    return Call(name, last(module.path).casefold(), at.registers, above)


def _with(registers: Sequence[int], *, sp: int, frame: int | None = None) -> tuple[int, ...]:
    """Registers with another stack pointer, and another frame's."""
    changed = list(registers)
    changed[pe.RSP] = sp
    if frame is not None:
        changed[_FRAME] = frame
    return tuple(changed)


def _undone(steps: Sequence[pe.Step], registers: Sequence[int], memory: Memory) -> list[int] | None:
    """Registers as they were before a function's prologue, but for its return address; None if memory lacks."""
    found = list(registers)
    base = next((step.base for step in steps if step.base), None)
    bottom = found[base[0]] - base[1] if base else found[pe.RSP]
    for step in steps:
        if step.base:
            found[pe.RSP] = bottom
        found[pe.RSP] += step.grown
        if step.register < 0:
            continue
        pushed = step.at < 0
        value = word(memory, found[pe.RSP] if pushed else bottom + step.at, 8)
        if value is None:
            return None
        found[step.register] = value
        found[pe.RSP] += 8 * pushed
    return found
