"""`Report` → text for people, JSON for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tray.printable import printable
from tray.reports import crash, mappings, threads, why
from tray.sizes import shown

if TYPE_CHECKING:
    from tray.model import Report, Window

SCHEMA = 1
_FORMATS = {"elf-core": "ELF core file", "minidump": "minidump"}
_MOST_GAPS = 20


def text(report: Report) -> str:
    """The whole report, for a terminal or a mail."""
    told = threads.lines(report, threads.matter(report))
    verdict = [*why.section(report), *threads.where(report)]
    parts = [verdict, _what(report), told, _modules(report), _memory(report), _gaps(report)]
    return "\n\n".join("\n".join(map(printable, lines)) for lines in parts if lines)


def as_json(report: Report) -> dict[str, Any]:
    """The whole report; addresses are numbers."""
    snapshot = report.snapshot
    return {
        "schema": SCHEMA,
        "event": "report",
        "path": str(report.path),
        "size": report.size,
        "allocated": report.allocated,
        "missing": report.missing,
        "format": report.format,
        "comment": report.comment,
        "crash": asdict(report.crash) if report.crash else None,
        "target": {"pid": snapshot.pid, "name": snapshot.name, "arguments": snapshot.arguments,
                   "uid": snapshot.uid, "parent": snapshot.parent},
        **why.as_json(report),
        "threads": threads.as_json(report),
        "lacks": list(report.lacks),
        "modules": [
            {"path": m.path, "start": m.start, "end": m.end, "build_id": m.build_id} for m in report.modules
        ],
        "mappings": [
            {"start": start, "size": size, "stored": stored, "access": access, "kind": kind}
            for (start, size, stored, access), kind in mappings.each(report)
        ],
        "gaps": [{"what": g.what, "why": g.why, "size": g.size} for g in report.dump.gaps]
        if report.dump else [],
    }  # fmt: skip


def _what(report: Report) -> list[str]:
    """What the file is, and whom it shows."""
    snapshot, dump = report.snapshot, report.dump
    name = dump.target.name if dump else snapshot.name or "a process"
    lines = [f"{name} ({snapshot.pid})", f"  file      {report.path}"]
    size = shown(report.allocated)
    if report.size > 2 * report.allocated:
        size += f" on disk ({shown(report.size)} with its holes)"
    kind = f"{_FORMATS[report.format]}, {dump.mode} mode" if dump else _FORMATS[report.format]
    lines.append(f"  what      {kind}, {size}")
    if report.missing:
        lines.append(f"  DAMAGED   {shown(report.missing)} are missing at its end: it was not copied whole")
    if snapshot.arguments:
        lines.append(f"  command   {snapshot.arguments}")
    lines += [f"  crash     {sentence}" for sentence in crash.sentences(report)]
    if report.comment:
        lines.append(f"  comment   {report.comment.splitlines()[0]}")
    if dump:
        when = dump.taken.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        lines.append(f"  taken     {when}, by {dump.trigger.value}, Hangshot {dump.version}")
        lines.append(
            f"  pause     stood still for {dump.frozen:.3f} s of {dump.seconds:.3f} s ({dump.method})"
        )
        if dump.target.window:
            lines.append(f"  window    {_window(dump.target.window)}")
    return lines


def _window(window: Window) -> str:
    answer = {True: "was not responding", False: "was responding", None: "cannot tell if it responded"}
    return f"{window.title or 'without a title'}, {answer[window.hung]}"


def _modules(report: Report) -> list[str]:
    """Executable and libraries, with the build ids by which symbols are found."""
    lines = [f"{len(report.modules)} modules"]
    lines += [
        f"  {module.start:012x}-{module.end:012x}  {module.build_id[:40] or '-':<40}  {module.path}"
        for module in report.modules
    ]
    return lines


def _memory(report: Report) -> list[str]:
    """How much of each kind of memory there was, and how much of it the dump holds."""
    rows = [
        f"  {kind.name:<24}{shown(kind.size):>13}{shown(kind.stored):>13}{kind.count:>11}"
        for kind in mappings.by_kind(report)
    ]
    return [f"{'Memory by kind':<26}address space  in the dump  stretches", *rows] if rows else []


def _gaps(report: Report) -> list[str]:
    """What is missing, and why."""
    if report.dump is None:
        return [
            "There is no sidecar beside it, so nobody knows when and why it was taken, nor what it lacks."
        ]
    gaps = report.dump.gaps
    if not gaps:
        return ["Nothing is missing."]
    lines = [
        f"{len(gaps)} gap{'s' if len(gaps) > 1 else ''}: what this mode should hold and this dump does not"
    ]
    lines += [f"  {gap.what}: {gap.why}" for gap in gaps[:_MOST_GAPS]]
    if len(gaps) > _MOST_GAPS:
        lines.append(f"  … and {len(gaps) - _MOST_GAPS} more, in the sidecar")
    return lines
