"""`Report` → a text short enough for an issue tracker: the verdict, the stacks, and what a reader of them needs."""

from __future__ import annotations

from tray.lean import TYPE_CHECKING
from tray.printable import printable
from tray.reports import crash, threads, why
from tray.reports.names import last
from tray.sizes import shown

if TYPE_CHECKING:
    from tray.model import Report

_MOST_KINDS, _MOST_CALLS, _LONGEST = 12, 24, 170
_ID = 16
"""Hexadecimal digits of a build id that tell it apart."""


def text(report: Report) -> str:
    """The whole, about a hundred lines at most."""
    verdict = [*why.section(report), *threads.where(report)]
    parts = [
        [_head(report), *crash.sentences(report)],
        verdict,
        _stacks(report),
        _modules(report),
        _foot(report),
    ]
    return "\n\n".join("\n".join(map(printable, lines)) for lines in parts if lines)


def _head(report: Report) -> str:
    """Whom it shows, and when that was."""
    snapshot, dump = report.snapshot, report.dump
    name = dump.target.name if dump else snapshot.name or "a process"
    when = f" on {dump.system}, {dump.taken:%Y-%m-%d %H:%M} UTC, Hangshot {dump.version}" if dump else ""
    return f"{name} ({snapshot.pid}){when}"


def _stacks(report: Report) -> list[str]:
    told = threads.lines(report, threads.matter(report), most=_MOST_KINDS, calls=_MOST_CALLS)
    whole = {f"  {lack}" for lack in report.lacks}  # they end in what to do
    return [line if len(line) <= _LONGEST or line in whole else f"{line[: _LONGEST - 1]}…" for line in told]


def _modules(report: Report) -> list[str]:
    """Build ids of the modules on the stacks: what finds their symbols elsewhere."""
    kinds = threads.kinds(report, threads.matter(report))[:_MOST_KINDS]
    used = {frame.module for kind in kinds for frame in kind.stack.frames}
    return [
        f"{last(module.path)}  {module.build_id[:_ID] or '-'}"
        for module in report.modules
        if module.path in used
    ]


def _foot(report: Report) -> list[str]:
    """What the dump itself lacks."""
    lines = [f"The dump is damaged: {shown(report.missing)} are missing."] if report.missing else []
    if gaps := len(report.dump.gaps) if report.dump else 0:
        lines.append(f"The dump has {gaps} gap{'s' if gaps > 1 else ''}.")
    return lines
