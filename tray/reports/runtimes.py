"""Programs whose own calls no native stack shows: which language it is, and what reads its calls from this dump."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tray.packed import plain
from tray.reports import python_calls
from tray.reports.names import last

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray.model import Report, Stack

_MINUTE = 60
_MINI = ("mini", "triage")
"""Modes whose dumps hold nothing of what an interpreter knows."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """A language with calls of its own.

    Attributes:
        language: As in "Its Java calls".
        module: What a file of its interpreter is called.
        who: What reads them, and how it is got.
        command: How; ``{exe}``, ``{dump}`` and ``{pid}`` are filled in.
        live: Whether that asks the running process and needs no dump.
    """

    language: str
    module: re.Pattern[str]
    who: str
    command: str
    live: bool = False


_I = re.IGNORECASE
RUNTIMES = (
    Runtime(
        "Java",
        re.compile(r"libjvm\.so|jvm\.dll", _I),
        "A JDK of the very version that ran it reads them",
        "jhsdb jstack --exe {exe} --core {dump}",
    ),
    Runtime(
        ".NET",
        re.compile(r"libcoreclr\.so|coreclr\.dll", _I),
        "dotnet-dump reads them ('dotnet tool install -g dotnet-dump')",
        "dotnet-dump analyze {dump} -c 'clrstack -all'",
    ),
    Runtime(
        ".NET Framework",
        re.compile(r"clr\.dll|mscorwks\.dll", _I),
        "WinDbg reads them",
        "windbg -z {dump} -c '.loadby sos clr; ~*e !clrstack'",
    ),
    Runtime(
        "JavaScript",
        re.compile(r"node|nodejs|node\.exe|libnode\.(so|dll).*", _I),
        "llnode reads them, of the versions of Node that it knows ('npm install -g llnode')",
        "llnode {exe} -c {dump} -o 'v8 bt'",
    ),
    Runtime(
        "Ruby",
        re.compile(r"libruby[-.\d].*|ruby[\d.]*", _I),
        "rbspy reads them as long as it hangs",
        "rbspy snapshot --pid {pid}",
        live=True,
    ),
)
PYTHON = Runtime(
    "Python",
    re.compile(r"(?!)"),
    "py-spy reads them as long as it hangs ('pip install py-spy')",
    "py-spy dump --nonblocking --pid {pid}",
    live=True,
)
"""Of a minidump, from which nothing reads them."""
GO = Runtime(
    "Go",
    re.compile(r"(?!)"),
    "Delve reads them, also of goroutines that no thread runs, by its 'goroutines -t'",
    "dlv core {exe} {dump}",
)
_GO_FUNCTION = re.compile(
    r"runtime\.(futex|mcall|gopark|goexit|mstart\d?|notesleep|findRunnable|epollwait)(\.abi0)?"
)


def added(report: Report) -> Report:
    """The report with Python's calls, and what is lacking of other languages'."""
    if python_calls.is_python(report.modules):
        report = _with_python(report)
    found = [one for one in RUNTIMES if any(one.module.fullmatch(last(m.path)) for m in report.modules)]
    found += [GO] if _is_go(report.stacks) else []
    return replace(report, lacks=(*report.lacks, *(_lack(one, report) for one in found)))


def _with_python(report: Report) -> Report:
    """Python's calls in their places: from the dump, or as the running process told."""
    if report.dump and report.dump.calls:
        stacks = python_calls.merged(report.stacks, report.dump.calls)
        return replace(report, stacks=stacks, lacks=(*report.lacks, _later(report.dump.calls_after)))
    if report.format != "elf-core":
        return replace(report, lacks=(*report.lacks, _lack(PYTHON, report)))
    calls, why = python_calls.of_core(plain(report.path), report.modules[0].path)
    if calls:
        return replace(report, stacks=python_calls.merged(report.stacks, calls))
    return replace(report, lacks=(*report.lacks, _no_python(report, why)))


def _later(seconds: float) -> str:
    """That Python's calls are not of the very moment of the dump, and how much later they are."""
    late = f"{seconds:.1f} s" if seconds < _MINUTE else f"{seconds / _MINUTE:.0f} min"
    return f"Its Python calls are those that the running app told, {late} after the dump."


def _no_python(report: Report, why: str) -> str:
    """That Python's calls are missing, and what to do."""
    if _is_small(report):
        more = f", and {report.dump.calls_missing}" if report.dump and report.dump.calls_missing else ""
        return f"Its Python calls are not shown, for a small dump does not hold them{more}. Take one in heap mode."
    return f"Its Python calls are not shown: {why}."


def _is_small(report: Report) -> bool:
    return report.dump is not None and report.dump.mode in _MINI


def _is_go(stacks: Sequence[Stack]) -> bool:
    return any(_GO_FUNCTION.fullmatch(frame.function) for stack in stacks for frame in stack.frames)


def _lack(runtime: Runtime, report: Report) -> str:
    """That these calls are not in the native stacks, and the command that shows them."""
    quote = subprocess.list2cmdline if sys.platform == "win32" else shlex.join
    exe = report.modules[0].path if report.modules else report.snapshot.name
    values = {"exe": quote([exe]), "dump": quote([str(report.path)]), "pid": report.snapshot.pid}
    why = (
        f": {report.dump.calls_missing}"
        if runtime is PYTHON and report.dump and report.dump.calls_missing
        else ""
    )
    small = ", and a dump in heap mode has them" if _is_small(report) and not runtime.live else ""
    return (
        f"Its {runtime.language} calls are not {'all ' * (runtime is GO)}in these stacks{small}{why}. "
        f"{runtime.who}: {runtime.command.format(**values)}"
    )
