"""A core file → call stacks, through drgn: a program of its own, that may hang or crash.

``hangshot read-stacks FILE`` writes one JSON object a line:
``{"missing": why}`` without drgn; else ``{"modules": [...]}``, then a
``{"tid", "frames", "cut"}`` as soon as a thread is done, or ``{"tid", "like"}``
for one with the very calls of a thread told before, and ``{"done": true}``.
A frame is ``[pc, function, file, line, inlined, trust]``.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import sys

from tray.frames import Trust
from tray.lean import TYPE_CHECKING
from tray.reports.names import namer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import Any

    import drgn

MOST_FRAMES = 256
"""Of one thread; what recurses without end is understood long before."""
MOST_MEMORY, LEAST_MEMORY = 4 << 30, 256 << 20
"""Of our own, in bytes. Debug info is mapped from its file and does not count."""
FROM_TABLES = frozenset({"rbx", "r12", "r13", "r14", "r15"})
"""Registers of a caller that only unwind tables give back; drgn's guess by the
frame pointer gives rbp, rsp and rip. Source: drgn, ``arch_x86_64.c``,
``get_registers_from_frame_pointer()``."""


def main(path: str) -> None:
    """Read the file and tell what is found."""
    restrain()
    gc.disable()  # all that is made here is told and dropped, or lasts as long as we do
    # drgn's plugins are its own commands, slow to load, and code of any package that says it is one.
    os.environ |= {"DRGN_PLUGINS": "", "DRGN_DISABLE_PLUGINS": "*"}
    try:
        import drgn
    except ImportError as error:
        tell({"missing": str(error)})
        return
    program = drgn.Program()
    program.set_core_dump(path)
    modules = [one for one, _ in program.loaded_modules()]
    # Not `load_default_debug_info`, which also lists the names of all types: half of the time, and not needed here.
    program.load_module_debug_info(*modules)
    tell({"modules": [module(one) for one in modules]})
    calls = Calls(namer())
    for thread in program.threads():
        tell({"tid": thread.tid, **calls.of(thread)})
    tell({"done": True})


def restrain() -> None:
    """Take little memory, leave no core file after a crash, and say nothing but what is asked."""
    import logging

    logging.getLogger("drgn").setLevel(logging.CRITICAL)
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        most = allowance()
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        try:
            with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib takes its time
                file.write("1000")  # rather us than the app that hangs
        except OSError:
            pass


def allowance(spare: Path | str = "/proc/meminfo") -> int:
    """Bytes of memory that we may take: half of what the machine can spare, within limits."""
    try:
        with open(spare, encoding="ascii") as file:  # noqa: PTH123 - as above
            fields = dict(line.split(":", 1) for line in file if ":" in line)
        available = int(fields["MemAvailable"].split()[0]) << 10
    except (OSError, ValueError, KeyError, IndexError):
        return MOST_MEMORY
    return max(LEAST_MEMORY, min(MOST_MEMORY, available // 2))


def tell(fact: dict[str, Any]) -> None:
    """One line, at once: what was told is kept when we are ended."""
    print(json.dumps(fact), flush=True)


def module(one: drgn.Module) -> dict[str, Any]:
    """Where a module lies and which of its files were found."""
    return {
        "name": one.name,
        "ranges": list(one.address_ranges or ()),
        "file": one.loaded_file_path,
        "debug": one.debug_file_path,
    }


class Calls:
    """Threads' calls; what was found of an address, and of a whole stack, is not looked for again.

    Args:
        name: Turns a linker's name into the author's.
    """

    def __init__(self, name: Callable[[str], str]) -> None:
        self._name = name
        self._places: dict[tuple[int, bool, int], list[Any]] = {}
        self._told: dict[tuple[object, ...], int] = {}

    def of(self, thread: drgn.Thread) -> dict[str, Any]:
        """A thread's frames and why they end early, or which thread's are the same."""
        try:
            trace = thread.stack_trace()
        except Exception as error:  # noqa: BLE001 - drgn's own errors have no base but Exception; the next thread may do
            return {"frames": [], "cut": str(error)}
        found = list(steps(trace))
        cut = f"it has {len(trace)} frames" if len(found) > MOST_FRAMES else ""
        del found[MOST_FRAMES:]
        calls = (*((where, trust) for _, where, trust in found), cut)
        if (first := self._told.setdefault(calls, thread.tid)) != thread.tid:
            return {"like": first}
        return {"frames": [self._frame(*step) for step in found], "cut": cut}

    def _frame(self, frame: drgn.StackFrame, where: tuple[int, bool, int], trust: Trust) -> list[Any]:
        if where not in self._places:
            self._places[where] = [function(frame, self._name), *source(frame), frame.is_inline]
        return [where[0], *self._places[where], trust]


def steps(
    trace: Iterable[drgn.StackFrame],
) -> Iterator[tuple[drgn.StackFrame, tuple[int, bool, int], Trust]]:
    """Each frame, what tells where it is, and how it was found; one more than are told, where there are more.

    Where it is: its address, whether it was interrupted there, and how many calls were put in below it.
    """
    trust, below = Trust.REGISTERS, 0
    for number, frame in enumerate(itertools.islice(trace, MOST_FRAMES + 1)):
        # The one before was no inlined one, so this has registers of its own.
        if number and not below and trust is not Trust.FRAME_POINTER:  # what a guess leads to is no better
            trust = Trust.TABLES if FROM_TABLES & frame.registers().keys() else Trust.FRAME_POINTER
        try:
            pc = frame.pc
        except LookupError:
            return  # the outermost frame says so that it has no caller
        yield frame, (pc, frame.interrupted, below), trust
        below = below + 1 if frame.is_inline else 0


def function(frame: drgn.StackFrame, name: Callable[[str], str]) -> str:
    """The best name: debug info has C's, but a C++ or Rust one is whole only in the symbol."""
    symbol = ""
    if not frame.is_inline:
        try:
            found = frame.symbol()
            # One without a size, as in assembler, would be taken for all that has no name behind it.
            symbol = found.name.partition("@")[0] if found.size else ""
        except LookupError:
            pass  # no symbol table holds it
    if symbol.startswith(("_Z", "_R")):
        return name(symbol)
    return frame.function_name or symbol


def source(frame: drgn.StackFrame) -> tuple[str, int]:
    """File and line, where debug info has them."""
    try:
        file, line, _ = frame.source()
    except LookupError:
        return "", 0
    return file, line
