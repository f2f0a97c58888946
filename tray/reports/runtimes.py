"""Programs whose own calls no native stack shows: which language it is, and what reads its calls from this dump."""

from __future__ import annotations

import mmap
import re

from tray.lean import TYPE_CHECKING, dataclass, replace
from tray.packed import SUFFIX, base, plain
from tray.paths import Path
from tray.patience import within
from tray.reports import python_calls
from tray.reports.alike import calls
from tray.reports.names import last, pasted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray.model import Report, Stack

_MINUTE = 60
_MODES = ("triage", "mini", "heap", "full")
"""Each holds what the one before it does."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What reads a language's calls.

    Attributes:
        who: What that is, and how it is got.
        command: How; ``{exe}``, ``{dump}`` and ``{pid}`` are filled in.
        mode: The smallest that holds what it reads; empty if it asks the running process and needs no dump.
    """

    who: str
    command: str
    mode: str = ""


@dataclass(frozen=True, slots=True)
class Runtime:
    """A language with calls of its own.

    Attributes:
        language: As in "Its Java calls".
        module: What a file of its interpreter is called.
        core, minidump: What reads them from a dump of Linux, and from one of Windows.
    """

    language: str
    module: re.Pattern[str]
    core: Reading
    minidump: Reading


_I = re.IGNORECASE
_NEVER = re.compile(r"(?!)")
_JDK = "A JDK of the very version that ran it reads them"
_DOTNET = "dotnet-dump reads them ('dotnet tool install -g dotnet-dump')"
_RBSPY = Reading("rbspy reads them as long as it hangs", "rbspy snapshot --pid {pid}")
_PY_SPY = Reading(
    "py-spy reads them as long as it hangs ('pip install py-spy')", "py-spy dump --nonblocking --pid {pid}"
)
_DELVE = "dlv core {exe} {dump}"
_GO = "Delve reads them, also of goroutines that no thread runs"


def _framework(sos: str) -> Reading:
    """WinDbg, for the .NET whose debugger extension lies beside this."""
    return Reading("WinDbg reads them", f'windbg -z {{dump}} -c ".loadby sos {sos}; ~*e !clrstack"', "heap")


# Which mode is enough was tried for Java, Node and Go on Linux, and for Go on Windows. There heap mode has
# neither memory that is both written and run, as Java's compiled code is, nor the list that Delve looks for.
RUNTIMES = (
    Runtime(
        "Java",
        re.compile(r"libjvm\.so|jvm\.dll", _I),
        Reading(_JDK, "jhsdb jstack --exe {exe} --core {dump}", "heap"),
        Reading(_JDK, "jhsdb jstack --exe {exe} --core {dump}", "full"),
    ),
    Runtime(
        ".NET",
        re.compile(r"libcoreclr\.so|coreclr\.dll", _I),
        Reading(_DOTNET, "dotnet-dump analyze {dump} -c 'clrstack -all' -c exit", "heap"),
        Reading(_DOTNET, 'dotnet-dump analyze {dump} -c "clrstack -all" -c exit', "heap"),
    ),
    Runtime(".NET Framework", re.compile(r"clr\.dll", _I), _framework("clr"), _framework("clr")),
    Runtime(
        ".NET Framework", re.compile(r"mscorwks\.dll", _I), _framework("mscorwks"), _framework("mscorwks")
    ),
    Runtime(
        "JavaScript",
        re.compile(r"node|nodejs|node\.exe|libnode\.(so|dll).*", _I),
        Reading(
            "llnode reads them, seen with Node 20 ('npm install -g llnode', with lldb and its headers)",
            "llnode {exe} -c {dump} --batch -o 'v8 bt'",
            "heap",
        ),
        Reading(
            "Nothing reads them from a minidump; while it computes, Node's debugger shows them by 'pause' and 'bt'",
            "node inspect -p {pid}",
        ),
    ),
    Runtime("Ruby", re.compile(r"libruby[-.\d].*|ruby[\d.]*(\.exe)?|.*-ruby\d+\.dll", _I), _RBSPY, _RBSPY),
)
PYTHON = Runtime("Python", _NEVER, _PY_SPY, _PY_SPY)
"""Of a minidump, from which nothing reads them."""
GO = Runtime(
    "Go",
    _NEVER,
    Reading(_GO, f"echo 'goroutines -t 50' | {_DELVE} --allow-non-terminal-interactive=true", "heap"),
    Reading(f"{_GO}, by its 'goroutines -t 50'", _DELVE, "full"),  # cmd and PowerShell echo differently
)
_GO_FUNCTION = re.compile(
    r"runtime\.(futex|mcall|gopark|goexit|mstart\d?|notesleep|findRunnable|epollwait)(\.abi0)?"
)
_GO_MARK = b"\xff Go buildinf:"
"""In each program that Go built. Source: Go, ``debug/buildinfo``."""
_ALIGNED = 16
_ANSWER = 2.0
"""Seconds that the disk may take."""
_MOST_SEARCHED = 256 << 20
"""Bytes of a program in which the mark is looked for."""


def added(report: Report) -> Report:
    """The report with Python's calls, and what is lacking of other languages'."""
    if python_calls.is_python(report.modules) or python_calls.is_run(report.stacks):
        report = _with_python(report)
    found = [one for one in RUNTIMES if any(one.module.fullmatch(last(m.path)) for m in report.modules)]
    found += [GO] if _is_go(report) else []
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
    if _lacks_mode(report, "heap"):
        more = f", and {report.dump.calls_missing}" if report.dump and report.dump.calls_missing else ""
        return f"Its Python calls are not shown, for a small dump does not hold them{more}. Take one in heap mode."
    return f"Its Python calls are not shown: {why}."


def _lacks_mode(report: Report, mode: str) -> bool:
    """Whether the dump is of a smaller mode than this; of another's dump nobody knows."""
    known = report.dump.mode if report.dump else ""
    return known in _MODES and mode in _MODES and _MODES.index(known) < _MODES.index(mode)


def _is_go(report: Report) -> bool:
    return _has_go(report.stacks) or bool(report.modules and _is_built_by_go(report.modules[0].path))


def _has_go(stacks: Sequence[Stack]) -> bool:
    return any(_GO_FUNCTION.fullmatch(frame.function) for frame in calls(stacks))


def _is_built_by_go(path: str) -> bool:
    """Whether Go left its mark in a program, where that lies on this machine: it may have no names in it."""
    if path.startswith(("//", "\\\\")):  # another machine's
        return False
    try:
        return within(_ANSWER, lambda: _has_mark(Path(path)))
    except (
        OSError,
        ValueError,
    ):  # it is not there, empty, or on a disk that does not answer, for which it may hang
        return False


def _has_mark(path: Path) -> bool:
    if not path.is_file():  # a dump may name a pipe, whose opening waits for ever
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        place = content.find(_GO_MARK, 0, _MOST_SEARCHED)
    return place >= 0 and place % _ALIGNED == 0


def _lack(runtime: Runtime, report: Report) -> str:
    """That these calls are not in the native stacks, and the command that shows them."""
    windows = report.format != "elf-core"
    reading = runtime.minidump if windows else runtime.core
    exe = report.modules[0].path if report.modules else report.snapshot.name
    values = {
        "exe": pasted(exe, "PROGRAM", windows=windows),
        "dump": pasted(str(base(report.path)), "DUMP", windows=windows),
        "pid": report.snapshot.pid,
    }
    command = reading.command.format(**values)
    unpacked = reading.mode and report.path.suffix == SUFFIX
    packed = pasted(str(report.path), "DUMP", windows=windows)
    once = f", once it is unpacked by zstd -d {packed}" if unpacked else ""
    small = f", and a dump in {reading.mode} mode has them" if _lacks_mode(report, reading.mode) else ""
    if runtime is PYTHON and report.dump and report.dump.calls_missing:
        small = f": {report.dump.calls_missing}"
    return (
        f"Its {runtime.language} calls are not {'all ' * (runtime is GO)}in these stacks{small}. "
        f"{reading.who}{once}: {command}"
    )
