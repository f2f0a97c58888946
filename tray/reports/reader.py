"""Who reads call stacks: for each format of a dump, the process that is asked for them."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager

from tray.lean import TYPE_CHECKING, replace
from tray.packed import origin
from tray.program import command as our_own
from tray.reports.names import is_windows
from tray.reports.reading import Reading
from tray.reports.stacks import Advice, Told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

LIMIT = 10.0
"""Seconds for the reader. 500 threads take half a second."""
WINDOWS_LIMIT = 30.0
"""The same on Windows, whose virus scanners may look at each file that is read for the first time."""
VERB = "read-stacks"
"""Our own command that is the reader; nobody types it, so the help is silent about it."""
ELSEWHERE = (
    "Each thread shows only where it stood: call stacks of a minidump are read on Windows. "
    "Run hangshot inspect there, or open it in WinDbg."
)
WINDOWS = Advice(
    "put the same build where it was or beside the dump",
    "Names are those that it exports and there are no lines; put its PDB beside it or beside the dump, "
    "or name the PDB's folder in _NT_SYMBOL_PATH.",
)
NAMELESS = (
    "Windows' own libraries are named by what they export, so some of their calls have no name. "
    "WinDbg gets their PDBs from Microsoft; Hangshot asks no server."
)
SERVERS = "DEBUGINFOD_URLS"
"""Names the servers that debug info is fetched from; drgn obeys it as gdb does."""


@contextmanager
def unwind(path: Path, *, limit: float = LIMIT, command: Sequence[str] = ()) -> Iterator[Callable[[], Told]]:
    """Call stacks of a core file, through drgn in a process of its own; see `stacks.Unwind`.

    Symbol servers that take too long are left out in a second try.
    """
    if sys.platform != "linux":
        yield lambda: Told(
            lacks=("Call stacks of a core file are read on Linux: run hangshot inspect there.",)
        )
        return
    command = [*(command or our_own(VERB)), os.path.abspath(path)]  # noqa: PTH100 - pathlib takes its time to load
    with Reading(command, limit, os.environ) as reading:
        from tray.reports import advice

        with advice.Owners() as owners:

            def told() -> Told:
                found = reading.told(owners.ask)
                if found.ended and not found.stacks and os.environ.get(SERVERS):
                    found = _without_servers(command, limit)
                return replace(found, advice=advice.linux(found, owners))

            yield told


def _without_servers(command: Sequence[str], limit: float) -> Told:
    """What is told when nobody is asked for debug info."""
    environment = {name: value for name, value in os.environ.items() if name != SERVERS}
    with Reading(command, limit, environment) as again:
        told = again.told()
    lack = f"The symbol servers of {SERVERS} did not answer in time: the stacks were read without them."
    return replace(told, lacks=(*told.lacks, lack))


@contextmanager
def unwind_minidump(
    path: Path, *, limit: float = WINDOWS_LIMIT, command: Sequence[str] = ()
) -> Iterator[Callable[[], Told]]:
    """Call stacks of a minidump, through the debugger engine of Windows in a process of its own."""
    if sys.platform != "win32":
        yield lambda: Told(lacks=(ELSEWHERE,))
        return
    beside = origin(path).absolute().parent
    command = command or our_own(VERB, "--format", "minidump", "--beside", str(beside))
    with Reading([*command, str(path.absolute())], limit, os.environ) as reading:
        yield lambda: _without_windows(replace(reading.told(), advice=WINDOWS))


def _without_windows(told: Told) -> Told:
    """Say of Windows' own libraries only what is missed: nobody has their PDBs, and their exports do for most."""
    symbols = tuple(replace(one, debug=one.debug or is_windows(one.module)) for one in told.symbols)
    own = sorted((one.start, one.end) for one in symbols if is_windows(one.module))
    nameless = (frame.pc for stack in told.stacks for frame in stack.frames if not frame.function)
    missed = any(start <= pc < end for pc in nameless for start, end in own)
    return replace(told, symbols=symbols, lacks=(*told.lacks, NAMELESS) if missed else told.lacks)


READERS = {"elf-core": unwind, "minidump": unwind_minidump}
"""Format of a dump → what reads call stacks from it."""


def health() -> tuple[bool, str, str]:
    """Whether call stacks can be read here, what was found, and what to do about it."""
    if sys.platform == "win32":
        return _engine_health()
    import importlib.util

    lacking = [name for name in ("drgn", "pydemumble") if importlib.util.find_spec(name) is None]
    if not lacking:
        return True, "read by drgn", ""
    lost = "reports have no call stacks" if "drgn" in lacking else "names of C++ and Rust stay mangled"
    return False, f"{lost}: not installed: {', '.join(lacking)}", f"Run 'pip install {' '.join(lacking)}'."


def _engine_health() -> tuple[bool, str, str]:
    from tray.ffi import dbgeng
    from tray.reports import py_spy

    try:
        dbgeng.Engine()
    except OSError as error:
        return False, f"reports have no call stacks: {error.strerror}", "Dumps can be read in WinDbg."
    named = ", symbols by _NT_SYMBOL_PATH" if "_NT_SYMBOL_PATH" in os.environ else ""
    found = f"read by Windows' debugger engine{named}"
    if py_spy.place():
        return True, f"{found}; calls of Python programs by py-spy", ""
    return True, f"{found}; none of Python programs", "For their calls run 'pip install py-spy'."
