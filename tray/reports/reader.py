"""Asks the reader process for call stacks; whatever happens to it, what it told until then is kept."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tray
from tray.model import Frame, Stack, Trust
from tray.packed import origin
from tray.program import command as our_own
from tray.reports import advice, py_spy
from tray.reports.names import is_windows
from tray.reports.stacks import Advice, Symbols, Told

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LIMIT = 10.0
"""Seconds for the reader. 500 threads take half a second."""
WINDOWS_LIMIT = 30.0
"""The same on Windows, whose virus scanners may look at each file that is read for the first time."""
VERB = "read-stacks"
"""Our own command that is the reader; nobody types it, so the help is silent about it."""
_FLAGS = 0
if sys.platform == "win32":
    _FLAGS = subprocess.CREATE_NO_WINDOW  # the tray has no console that a console program could take part in
_CRASHED = 0xC0000000
"""Exit codes from here on are NTSTATUS values of a program that Windows ended."""
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


def unwind(path: Path, *, limit: float = LIMIT, command: Sequence[str] = ()) -> Told:
    """Call stacks of a core file, through drgn in a process of its own.

    Symbol servers that take too long are left out in a second try.
    """
    if sys.platform != "linux":
        return Told(lacks=("Call stacks of a core file are read on Linux: run hangshot inspect there.",))
    command = command or our_own(VERB, "elf-core")
    environment = dict(os.environ)
    told = _ask(path, limit, command, environment)
    if told.ended and not told.stacks and environment.pop(SERVERS, ""):
        again = _ask(path, limit, command, environment)
        lack = f"The symbol servers of {SERVERS} did not answer in time: the stacks were read without them."
        told = replace(again, lacks=(*again.lacks, lack))
    return replace(told, advice=advice.linux(told))


def unwind_minidump(path: Path, *, limit: float = WINDOWS_LIMIT, command: Sequence[str] = ()) -> Told:
    """Call stacks of a minidump, through the debugger engine of Windows in a process of its own."""
    if sys.platform != "win32":
        return Told(lacks=(ELSEWHERE,))
    beside = origin(path).absolute().parent
    told = _ask(path, limit, command or our_own(VERB, "minidump"), dict(os.environ), beside)
    return _without_windows(replace(told, advice=WINDOWS))


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
    lacking = [name for name in ("drgn", "pydemumble") if importlib.util.find_spec(name) is None]
    if not lacking:
        return True, "read by drgn", ""
    lost = "reports have no call stacks" if "drgn" in lacking else "names of C++ and Rust stay mangled"
    return False, f"{lost}: not installed: {', '.join(lacking)}", f"Run 'pip install {' '.join(lacking)}'."


def _engine_health() -> tuple[bool, str, str]:
    from tray.ffi import dbgeng

    try:
        dbgeng.Engine()
    except OSError as error:
        return False, f"reports have no call stacks: {error.strerror}", "Dumps can be read in WinDbg."
    named = ", symbols by _NT_SYMBOL_PATH" if "_NT_SYMBOL_PATH" in os.environ else ""
    found = f"read by Windows' debugger engine{named}"
    if py_spy.place():
        return True, f"{found}; calls of Python programs by py-spy", ""
    return True, f"{found}; none of Python programs", "For their calls run 'pip install py-spy'."


def _ask(
    path: Path, limit: float, command: Sequence[str], environment: Mapping[str, str], *more: Path
) -> Told:
    """Run the reader and understand what it said."""
    try:
        done = subprocess.run(
            [*command, str(path.absolute()), *map(str, more)],
            capture_output=True,
            timeout=limit,
            check=False,
            stdin=subprocess.DEVNULL,
            env=environment,
            cwd=Path(tray.__file__).parents[1],  # python -m looks in the current folder first
            creationflags=_FLAGS,
        )
    except subprocess.TimeoutExpired as late:
        return told(late.stdout or b"", f"The reader of call stacks was ended after {limit:g} s")
    except OSError as error:
        return Told(ended=f"The reader of call stacks cannot be started ({error.strerror})")
    return told(done.stdout, _end(done.returncode, done.stderr))


def _end(code: int, talk: bytes) -> str:
    """Why a reader with this exit code did not finish; empty for 0."""
    if code == 0:
        return ""
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"The reader of call stacks crashed ({signal.Signals(-code).name})"
    if code >= _CRASHED:
        return f"The reader of call stacks crashed ({code:#x})"
    lines = talk.decode(errors="replace").strip().splitlines()
    return f"The reader of call stacks gave up ({lines[-1][:200] if lines else f'exit code {code}'})"


def told(said: bytes, ended: str) -> Told:
    """What a reader's lines mean; one that is cut off or wrong says nothing."""
    stacks: list[Stack] = []
    symbols: list[Symbols] = []
    lacks: list[str] = []
    for line in said.splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            fact = json.loads(line)
            if "tid" in fact:
                stacks.append(_stack(fact))
            symbols += _symbols(fact.get("modules", ()))
            if lack := fact.get("lack"):
                lacks.append(str(lack))
            if why := fact.get("missing"):
                lacks.append(
                    f"Call stacks are read by drgn, which cannot be loaded ({why}); 'pip install drgn' gets it."
                )
    return Told(tuple(stacks), tuple(symbols), ended, tuple(lacks))


def _stack(fact: Mapping[str, Any]) -> Stack:
    frames = tuple(
        Frame(int(pc), str(function), "", 0, str(file), int(line), bool(inlined), Trust(trust))
        for pc, function, file, line, inlined, trust in fact["frames"]
    )
    return Stack(int(fact["tid"]), frames, str(fact["cut"]))


def _symbols(modules: Sequence[Mapping[str, Any]]) -> list[Symbols]:
    """One for each range of each module; the kernel's own never lacks anything that could be had."""
    return [
        Symbols(one["name"], start, end, bool(one["file"]), bool(one["debug"]) or one["file"] == "[vdso]")
        for one in modules
        for start, end in one["ranges"]
    ]
