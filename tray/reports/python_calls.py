"""Python's own calls, among the native ones that its interpreter makes for them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess

import tray
from tray.frames import Frame, Stack, Trust
from tray.lean import TYPE_CHECKING, replace
from tray.program import command as our_own
from tray.reports.alike import calls
from tray.reports.names import last

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from tray.model import Module

LIMIT = 5.0
"""Seconds for pystack; it takes a few hundredths."""
_MODULE = re.compile(r"(lib)?python3[\d.]*(_d|[a-z])*(\.so.*|\.dll)?", re.IGNORECASE)
_LOOP = re.compile(r"_?PyEval_EvalFrameDefault|_TAIL_CALL_\w+")
"""The interpreter's loop; since 3.11 one run of it serves Python calls that call each other. Windows'
debugger engine leaves out the first letter."""
_INSIDE = re.compile(
    r"_?Py(Eval|Object|Vectorcall|Function|Arg|Type)_?\w*|\w*vectorcall\w*|_?(slot_tp|cfunction|type|method|do_call)_\w+",
    re.IGNORECASE,
)
"""Its steps from one call to the next, which tell nobody anything once the calls are there."""


def is_python(modules: Iterable[Module]) -> bool:
    """Whether a Python 3 interpreter is among a process's modules."""
    return any(_MODULE.fullmatch(last(module.path)) for module in modules)


def is_run(stacks: Iterable[Stack]) -> bool:
    """Whether a Python 3 interpreter is seen at work, in a program that may hold it itself."""
    return any(_LOOP.fullmatch(frame.function) for frame in calls(stacks))


def of_core(path: Path, executable: str) -> tuple[tuple[Stack, ...], str]:
    """Calls from a core file, and why there are none."""
    return _asked(f"{executable}\n{path.absolute()}")


def of_process(pid: int) -> tuple[tuple[Stack, ...], str]:
    """Calls of a running process, which is not stopped for it, and why there are none."""
    return _asked(str(pid))


def _asked(what: str) -> tuple[tuple[Stack, ...], str]:
    """Run the reader, a process of its own, and understand what it said."""
    try:
        done = subprocess.run(
            our_own("read-stacks", what, "--format", "python"),
            capture_output=True,
            timeout=LIMIT,
            check=False,
            stdin=subprocess.DEVNULL,
            cwd=os.path.dirname(os.path.dirname(tray.__file__)),  # noqa: PTH120 - python -m looks in the current folder first
        )
    except subprocess.TimeoutExpired:
        return (), f"pystack was ended after {LIMIT:g} s"
    except OSError as error:
        return (), f"pystack cannot be started ({error.strerror})"
    return understood(done.stdout, done.returncode)


def understood(said: bytes, code: int) -> tuple[tuple[Stack, ...], str]:
    """What the reader's lines mean; one that is cut off or wrong says nothing."""
    found: list[Stack] = []
    missing = ""
    for line in said.splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            fact = json.loads(line)
            missing = missing or str(fact.get("missing", ""))
            if "tid" in fact:
                found.append(stack(fact))
    if missing:
        return (), "pystack is not installed; 'pip install pystack' gets it"
    if code and not found:
        return (), "pystack did not find the interpreter's state"
    return tuple(one for one in found if one.frames), "" if found else "the interpreter has no calls"


def stack(fact: Mapping[str, Any]) -> Stack:
    """One thread's calls; ``inlined`` says here that Python itself called, not C."""
    frames = tuple(
        Frame(0, str(function), file=str(file), line=int(line), inlined=not entry, trust=Trust.INTERPRETER)
        for function, file, line, entry in fact["frames"]
    )
    return Stack(int(fact["tid"]), frames)


def merged(stacks: Iterable[Stack], calls: Iterable[Stack]) -> tuple[Stack, ...]:
    """Native stacks with the Python calls in the place of the loops that ran them."""
    known = {one.tid: one.frames for one in calls}
    return tuple(
        replace(one, frames=_merged(one.frames, known[one.tid])) if known.get(one.tid) else one
        for one in stacks
    )


def _merged(native: Sequence[Frame], calls: Sequence[Frame]) -> tuple[Frame, ...]:
    """One thread's. Where the counts differ, its Python calls stand together where the interpreter begins."""
    runs = list(_runs(calls))
    loops = [place for place, frame in enumerate(native) if _LOOP.fullmatch(frame.function)]
    homes = {native[place].module for place in loops}
    if len(loops) != len(runs):
        begins = next((place for place, frame in enumerate(native) if _is_home(frame, homes)), len(native))
        return (*native[:begins], *(frame for run in runs for frame in run), *native[begins:])
    following = dict(zip(loops, runs, strict=True))
    found: list[Frame] = []
    for place, frame in enumerate(native):
        if place in following:
            found += following[place]
        elif not _is_step(frame, homes):
            found.append(frame)
    return tuple(found)


def _is_home(frame: Frame, homes: Container[str]) -> bool:
    """Whether this lies in the interpreter; where a program holds that itself, its loop tells."""
    if _MODULE.fullmatch(last(frame.module)):
        return True
    return frame.module in homes and bool(_LOOP.fullmatch(frame.function))


def _is_step(frame: Frame, homes: Container[str]) -> bool:
    """Whether this is the interpreter on its way to a call; without a name it tells nobody more than that."""
    if not frame.function:
        return bool(_MODULE.fullmatch(last(frame.module)))
    inside = frame.module in homes or _MODULE.fullmatch(last(frame.module))
    return bool(inside and _INSIDE.fullmatch(frame.function))


def _runs(calls: Sequence[Frame]) -> Iterator[list[Frame]]:
    """Calls that one run of the loop served: up to the one that C called."""
    run: list[Frame] = []
    for frame in calls:
        run.append(replace(frame, inlined=False))
        if not frame.inlined:
            yield run
            run = []
    if run:
        yield run
