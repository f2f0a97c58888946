"""The last sections: what the dump holds and lacks, how debuggers open it, and the modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray.modes import MODES
from tray.packed import base
from tray.reports.names import last, pasted
from tray.reports.page.markup import foreign, make
from tray.sizes import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tray.model import Gap, Module, Report
    from tray.reports.page.markup import Child, Node
    from tray.reports.page.subject import Subject

_MOST_GAPS, _MOST_MODULES = 60, 600
_GAPS_AT_FIRST = 8


def holds(subject: Subject) -> Node:
    """What is in it, and what is not and why."""
    report = subject.report
    return make(
        "section",
        make("h2", "What the dump holds, and what it lacks"),
        make(
            "div",
            make("div", make("h3", "Holds"), make("ul", (make("li", one) for one in _held(report)))),
            make(
                "div",
                make("h3", "Lacks"),
                make("ul", (make("li", one) for one in _lacking(report))),
                _gaps(report),
            ),
            class_="holds",
        ),
        id="holds",
    )


def _held(report: Report) -> Iterator[Child]:
    dump = report.dump
    mode = MODES.get(dump.mode) if dump else None
    if dump:
        yield f"Mode {dump.mode}: {mode.help}" if mode else f"Mode {dump.mode}"
    yield f"Registers and stacks of {_threads(len(report.snapshot.threads))}"
    yield f"{shown(report.allocated)} on the disk" + (
        f", {shown(report.size)} with its holes" if report.size > 2 * report.allocated else ""
    )
    if report.comment:
        yield "Its writer's note: ", foreign(report.comment)


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count != 1 else ''}"


def _lacking(report: Report) -> Iterator[Child]:
    if report.missing:
        yield f"{shown(report.missing)} at its end: it was not copied whole"
    if report.dump is None:
        yield "Its sidecar: nobody knows when and why it was taken, nor what it left out"
    if report.dump and report.dump.stuck:
        yield f"{_threads(len(report.dump.stuck))} that could not be stopped"
    gaps = report.dump.gaps if report.dump else ()
    if gaps:
        yield f"{len(gaps)} thing{'s' if len(gaps) > 1 else ''} that this mode should hold:"
    elif report.dump and not report.missing:
        yield "Nothing that this mode should hold"


def _gaps(report: Report) -> Iterator[Node]:
    gaps = report.dump.gaps if report.dump else ()
    if not gaps:
        return
    yield make("ul", map(_gap, gaps[:_GAPS_AT_FIRST]), class_="small soft")
    if len(gaps) > _GAPS_AT_FIRST:
        rest = gaps[_GAPS_AT_FIRST:_MOST_GAPS]
        more = len(gaps) - _MOST_GAPS
        last_line = make("li", f"… and {more} more, in the sidecar") if more > 0 else None
        summary = make("summary", make("span", f"{len(gaps) - _GAPS_AT_FIRST} more", class_="small"))
        yield make("details", summary, make("ul", map(_gap, rest), last_line, class_="small soft inside"))


def _gap(gap: Gap) -> Node:
    size = f" ({shown(gap.size)})" if gap.size else ""
    return make("li", foreign(gap.what), ": ", foreign(gap.why), size)


# ---- debuggers


def debuggers(subject: Subject) -> Node:
    """Commands to paste."""
    report = subject.report
    windows = report.format == "minidump"
    file = pasted(report.path.name, "DUMP", windows=windows)
    found = [
        ("Whichever is here", [f"hangshot open {file} --debugger"], ""),
        *(_windows(report) if windows else _linux(report)),
    ]
    return make(
        "section",
        make("h2", "Open it in a debugger"),
        make("p", "A click on a command selects all of it. Run it in the dump's folder.", class_="lead"),
        make("div", (_debugger(*one) for one in found)),
        id="debuggers",
    )


def _debugger(name: str, commands: Sequence[str], note: str = "") -> Node:
    return make(
        "div",
        make("h3", name),
        [make("pre", make("code", command)) for command in commands],
        make("p", note, class_="small soft") if note else None,
        class_="debugger",
    )


def _linux(report: Report) -> Iterator[tuple[str, list[str], str]]:
    program, core = pasted(_program(report), "PROGRAM"), pasted(base(report.path).name, "DUMP")
    if base(report.path) != report.path:
        yield (
            "zstd",
            [f"unzstd {pasted(report.path.name, 'DUMP')}"],
            "First unpack it: only Hangshot reads it as it is.",
        )
    yield "gdb", [f"gdb {program} {core} -ex 'thread apply all bt'"], ""
    yield "lldb", [f"lldb {program} --core {core} -o 'thread backtrace all'"], ""
    yield (
        "elfutils",
        [f"eu-stack --executable {program} --core {core}"],
        (
            "A mini or heap dump needs the same program and libraries on the machine where it is read; a full one "
            "brings them along. Symbols of a distribution come by themselves where DEBUGINFOD_URLS is set."
        ),
    )


def _windows(report: Report) -> Iterator[tuple[str, list[str], str]]:
    dump = pasted(base(report.path).name, "DUMP", windows=True)
    if base(report.path) != report.path:
        yield (
            "zstd",
            [f"zstd -d {pasted(report.path.name, 'DUMP', windows=True)}"],
            "First unpack it: only Hangshot reads it as it is.",
        )
    yield (
        "WinDbg",
        [f"windbgx -z {dump}", f'windbgx -z {dump} -c "!analyze -v -hang; ~*kp"'],
        (
            "For symbols set _NT_SYMBOL_PATH to srv*C:\\symbols*https://msdl.microsoft.com/download/symbols and the "
            "folder of the program's PDBs."
        ),
    )
    yield "Visual Studio", [f"devenv {dump}"], "Then choose Debug with Native Only, or Debug with Mixed."
    yield "lldb", [f'lldb --core {dump} -o "thread backtrace all"'], "Also on Linux and macOS."


def _program(report: Report) -> str:
    """The program's file, as the target saw it."""
    told = report.dump.target.executable if report.dump else None
    if told:
        return told.as_posix()  # core files are Linux's, wherever they are read
    return report.modules[0].path if report.modules else report.snapshot.name


# ---- modules


def modules(subject: Subject) -> Node:
    """Executable and libraries, folded: they are many."""
    found = subject.report.modules
    rows = [_module(one) for one in found[:_MOST_MODULES]]
    more = len(found) - _MOST_MODULES
    heads = make("tr", [make("th", name, scope="col") for name in ("Module", "Build id", "Address")])
    table = make("div", make("table", make("thead", heads), make("tbody", rows)), class_="table")
    known = any(one.build_id for one in found)
    summary = make("summary", make("span", "The list, with build ids" if known else "The list", class_="who"))
    return make(
        "section",
        make("h2", f"{len(found)} module{'s' if len(found) != 1 else ''}"),
        make("p", "The build ids are what finds the symbols of these very files.", class_="lead")
        if known
        else None,
        make("details", summary, table, class_="folded-on-paper" if len(found) > _MOST_GAPS else None),
        make("p", f"… and {more} more", class_="rest") if more > 0 else None,
        id="modules",
    )


def _module(module: Module) -> Node:
    folder = module.path[: len(module.path.rstrip("/\\")) - len(last(module.path))]
    return make(
        "tr",
        make(
            "td",
            make("b", foreign(last(module.path))),
            make("br"),
            make("span", foreign(folder), class_="small soft"),
        ),
        make("td", make("code", module.build_id or "-")),
        make("td", make("code", f"{module.start:x}-{module.end:x}"), class_="soft"),
    )
