"""A minidump → call stacks, through the debugger engine of Windows: run in a process of its own, that may hang.

Writes one JSON object a line, as `drgn_reader` does: ``{"lack": sentence}`` for what is
missing; a ``{"tid", "frames", "cut"}`` as soon as a thread is done; then
``{"modules": [...]}``, for only now is it known which symbols were found.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tray.ffi import dbgeng
from tray.ffi.win32 import IMAGE_FILE_MACHINE_I386
from tray.model import Trust
from tray.reports import dbgeng_paths, dbgeng_wow64
from tray.reports.dbgeng_names import Names

if TYPE_CHECKING:
    from tray.reports.dbgeng_paths import Places

MOST_FRAMES = 256
"""Of one thread; what recurses without end is understood long before."""
PATIENCE = 60_000
"""Milliseconds for the engine to open a dump; ours take a few hundredths of a second."""
ENGINE = (
    dbgeng.DEBUG_ENGOPT_DISALLOW_SHELL_COMMANDS
    | dbgeng.DEBUG_ENGOPT_DISABLE_MANAGED_SUPPORT  # would load code that the dump names
    | dbgeng.DEBUG_ENGOPT_DISABLE_EXECUTION_COMMANDS
    | dbgeng.DEBUG_ENGOPT_DISABLESQM
)
SYMBOLS = (
    dbgeng.SYMOPT_UNDNAME
    | dbgeng.SYMOPT_DEFERRED_LOADS
    | dbgeng.SYMOPT_LOAD_LINES
    | dbgeng.SYMOPT_OMAP_FIND_NEAREST
    | dbgeng.SYMOPT_FAIL_CRITICAL_ERRORS
    | dbgeng.SYMOPT_AUTO_PUBLICS
    | dbgeng.SYMOPT_NO_PROMPTS
)

INSTEAD = "Each thread shows only where it stood; WinDbg may tell more."


def main(path: str, beside: str | None = None) -> None:
    """Read the file and tell what is found.

    Args:
        path: The dump.
        beside: A folder where symbols may lie, too, as that of the packed dump that this one was unpacked from.
    """
    try:
        engine = dbgeng.Engine()
    except OSError as error:
        what = f"The debugger engine of Windows, dbgeng.dll, cannot be used here ({error.strerror or error})"
        tell({"lack": f"{what}. {INSTEAD}"})
        return
    places = prepare(engine, Path(path), Path(beside) if beside else None)
    try:
        engine.open(path, PATIENCE)
    except OSError as error:
        what = f"The debugger engine of Windows does not read this dump ({error.strerror or error})"
        tell({"lack": f"{what}. {INSTEAD}"})
        return
    read(engine, places)
    sys.stdout.flush()
    if sys.platform == "win32":
        os._exit(0)  # the engine's own threads take their time to end


def prepare(engine: dbgeng.Engine, path: Path, beside: Path | None = None) -> Places:
    """Say what the engine may do, and where it finds programs and symbols."""
    places = dbgeng_paths.places(path, os.environ, beside)
    engine.options(ENGINE | places.engine, SYMBOLS | places.symbols)
    engine.paths(";".join(places.images), ";".join(places.pdbs))
    return places


def read(engine: dbgeng.Engine, places: Places) -> None:
    """Tell every thread of an open dump, then the modules."""
    is_wow64 = dbgeng_wow64.is_seen(engine)
    names = Names(engine, narrow=is_wow64 or engine.machine() == IMAGE_FILE_MACHINE_I386)
    for number, tid in engine.threads():
        tell({"tid": tid, **stack(engine, names, number, is_wow64=is_wow64)})
    tell({"modules": names.modules()})
    for lack in dbgeng_paths.strays(places, names.without_pdb()):
        tell({"lack": lack})


def tell(fact: dict[str, Any]) -> None:
    """One line, at once: what was told is kept when we are ended."""
    print(json.dumps(fact), flush=True)


def stack(engine: dbgeng.Engine, names: Names, number: int, *, is_wow64: bool) -> dict[str, Any]:
    """A thread's frames, and why they end early."""
    cut = ""
    try:
        engine.select(number)
        if is_wow64:
            found, cut = dbgeng_wow64.frames(engine, MOST_FRAMES)
        else:
            found = engine.frames(MOST_FRAMES)
    except OSError as error:
        return {"frames": [], "cut": f"the debugger engine does not read it: {error.strerror or error}"}
    if len(found) == MOST_FRAMES:
        cut = f"it has {MOST_FRAMES} frames or more"
    return {"frames": told(names, found), "cut": cut}


def told(names: Names, found: list[dbgeng.DEBUG_STACK_FRAME_EX]) -> list[list[Any]]:
    """Frames as the reader's lines have them: ``[pc, function, file, line, inlined, trust]``."""
    frames: list[list[Any]] = []
    trust, called = Trust.REGISTERS, None
    for frame in found:
        pc = frame.InstructionOffset
        inlined = bool(frame.InlineFrameContext >> 8 & dbgeng.STACK_FRAME_TYPE_INLINE)
        if called is not None and trust is not Trust.FRAME_POINTER:  # what a guess leads to is no better
            sure = names.can_unwind(called, first=trust is Trust.REGISTERS)
            trust = Trust.TABLES if sure else Trust.FRAME_POINTER
        function, file, line = names.place(frame, first=trust is Trust.REGISTERS)
        frames.append([names.plain(pc), function, file, line, inlined, trust])
        called = None if inlined else pc  # only what is not inlined has registers of its own
    return frames
