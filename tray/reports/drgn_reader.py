"""A core file → call stacks, through drgn: a program of its own, that may hang or crash.

``hangshot read-stacks elf-core FILE`` writes one JSON object a line:
``{"missing": why}`` without drgn; else ``{"modules": [...]}``, then a
``{"tid", "frames", "cut"}`` as soon as a thread is done, and ``{"done": true}``.
A frame is ``[pc, function, file, line, inlined, trust]``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tray.model import Trust
from tray.reports.names import namer

if TYPE_CHECKING:
    from collections.abc import Callable

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
    try:
        import drgn
    except ImportError as error:
        tell({"missing": str(error)})
        return
    program = drgn.Program()
    program.set_core_dump(path)
    try:
        program.load_default_debug_info()
    except drgn.MissingDebugInfoError:
        pass  # each module tells it below
    tell({"modules": [module(one) for one in program.modules()]})
    name = namer()
    for thread in program.threads():
        tell({"tid": thread.tid, **stack(thread, name)})
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
            Path("/proc/self/oom_score_adj").write_text("1000")  # rather us than the app that hangs
        except OSError:
            pass


def allowance(spare: Path = Path("/proc/meminfo")) -> int:
    """Bytes of memory that we may take: half of what the machine can spare, within limits."""
    try:
        fields = dict(line.split(":", 1) for line in spare.read_text().splitlines() if ":" in line)
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


def stack(thread: drgn.Thread, name: Callable[[str], str]) -> dict[str, Any]:
    """A thread's frames, and why they end early."""
    try:
        trace = thread.stack_trace()
    except Exception as error:  # noqa: BLE001 - drgn's own errors have no base but Exception; the next thread may do
        return {"frames": [], "cut": str(error)}
    frames: list[list[Any]] = []
    trust, entered = Trust.REGISTERS, False
    for number, frame in enumerate(trace):
        if number == MOST_FRAMES:
            return {"frames": frames, "cut": f"it has {len(trace)} frames"}
        if entered and trust is not Trust.FRAME_POINTER:  # what a guess leads to is no better
            trust = Trust.TABLES if FROM_TABLES & frame.registers().keys() else Trust.FRAME_POINTER
        entered = not frame.is_inline  # the next one has registers of its own
        try:
            pc = frame.pc
        except LookupError:
            break  # the outermost frame says so that it has no caller
        frames.append([pc, function(frame, name), *source(frame), frame.is_inline, trust])
    return {"frames": frames, "cut": ""}


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
