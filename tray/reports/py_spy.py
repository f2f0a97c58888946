"""A running process on Windows → the calls of its Python interpreter, through py-spy: a program of its own.

Nothing reads them from a minidump, so the app is asked while it still hangs. py-spy copies its interpreter's
list of calls as a debugger would; ``--nonblocking`` stops no thread, and without ``--locals`` no value is read.

Source: py-spy, ``src/stack_trace.rs``, ``struct StackTrace``: what ``dump --json`` prints.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys

from tray.lean import TYPE_CHECKING
from tray.paths import Path
from tray.reports import python_calls
from tray.reports.drgn_reader import MOST_FRAMES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from tray.model import Stack

NAME = "py-spy.exe"
LIMIT = 3.0
"""Seconds; it takes two tenths."""
_FLAGS = 0
if sys.platform == "win32":
    _FLAGS = subprocess.CREATE_NO_WINDOW
_LONGEST = 200


def place() -> Path | None:
    """The py-spy that came with us: in the built program, or where pip put it.

    Never one of the ``PATH``: others may be able to write to a folder in it.
    """
    if frozen := getattr(sys, "_MEIPASS", ""):
        found: Path | None = Path(frozen) / NAME
    else:
        found = _installed()
    return found if found and found.is_file() else None


def _installed() -> Path | None:
    from importlib import metadata

    try:
        files = metadata.files("py-spy") or []
    except metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in files if file.name == NAME), None)


def of_process(
    pid: int, *, limit: float = LIMIT, command: Sequence[str] = ()
) -> tuple[tuple[Stack, ...], str]:
    """Calls of a running process, which is not stopped for it, and why there are none."""
    program = place()
    if not command and program is None:
        return (), "py-spy is not installed"
    try:
        done = subprocess.run(
            [*(command or [str(program)]), "dump", "--nonblocking", "--json", "--pid", str(pid)],
            capture_output=True,
            timeout=limit,
            check=False,
            stdin=subprocess.DEVNULL,
            cwd=program.parent if program else None,  # and never the user's folder, which may hold any DLL
            creationflags=_FLAGS,
        )
    except subprocess.TimeoutExpired:
        return (), f"py-spy was ended after {limit:g} s"
    except OSError as error:
        return (), f"py-spy cannot be started ({error.strerror})"
    if done.returncode:
        return (), f"py-spy could not read them ({_why(done.stderr) or f'exit code {done.returncode:#x}'})"
    found = understood(done.stdout)
    return found, "" if found else "the interpreter has no calls"


def _why(talk: bytes) -> str:
    """What py-spy complains of, in its own words."""
    lines = (line.strip() for line in talk.decode(errors="replace").splitlines())
    first = next((line for line in lines if line), "")
    return first.removeprefix("Error:").strip().rstrip(".")[:_LONGEST]


def understood(said: bytes) -> tuple[Stack, ...]:
    """What py-spy told of each thread; what is not as it should be says nothing."""
    try:
        threads = json.loads(said)
    except (ValueError, RecursionError):
        return ()
    found: list[Stack] = []
    for thread in threads if isinstance(threads, list) else ():
        with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
            frames = [_frame(one) for one in thread["frames"][:MOST_FRAMES]]
            tid = thread["os_thread_id"] or thread["thread_id"]  # the same thing on Windows
            found.append(python_calls.stack({"tid": tid, "frames": frames}))
    return tuple(one for one in found if one.frames)


def _frame(told: Mapping[str, Any]) -> list[Any]:
    """A call, and whether C called it: as 3.11 marks it, or as the empty call below it of 3.12 and later does."""
    return [
        told["name"],
        told["filename"],
        max(0, told["line"]),
        told["is_entry"] or told.get("is_shim_entry", False),
    ]
