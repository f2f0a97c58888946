"""`Report` → text for people, JSON for programs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from tray.reports import threads, why
from tray.reports.registers import sp
from tray.sizes import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray.model import Memory, Report, Window

SCHEMA = 1
_RIP, _RSP = 16, 19
_FORMATS = {"elf-core": "ELF core file", "minidump": "minidump"}
_MOST_THREADS, _MOST_GAPS = 40, 20
_FOLD = 3
"""Threads that share name, state and place from this many on stand on one line."""


def text(report: Report) -> str:
    """The whole report, for a terminal or a mail."""
    told = threads.lines(report, threads.matter(report))
    verdict = [*why.section(report), *threads.where(report)]
    parts = [_what(report), verdict, told, _modules(report), _memory(report), _gaps(report)]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


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
        "target": {"pid": snapshot.pid, "name": snapshot.name, "arguments": snapshot.arguments,
                   "uid": snapshot.uid, "parent": snapshot.parent},
        **why.as_json(report),
        "threads": threads.as_json(report),
        "lacks": list(report.lacks),
        "modules": [
            {"path": m.path, "start": m.start, "end": m.end, "build_id": m.build_id} for m in report.modules
        ],
        "mappings": [
            {"start": m.start, "size": m.size, "stored": m.stored, "access": m.access,
             "kind": kind} for m, kind in _kinds(report)
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
    size: Counter[str] = Counter()
    stored: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for memory, kind in _kinds(report):
        size[kind] += memory.size
        stored[kind] += memory.stored
        count[kind] += 1
    lines = [f"{sum(count.values())} stretches of memory"]
    for kind, total in size.most_common():
        lines.append(f"  {kind:<24}  {shown(total):>8}, {shown(stored[kind]):>8} of it in the dump")
    return lines


def _kinds(report: Report) -> Iterator[tuple[Memory, str]]:
    """Each stretch of memory with what kind it is."""
    starts = sorted((region.start, region.end) for region in report.snapshot.mappings)
    modules = {module.path for module in report.modules}
    paths = {region.start: region.path for region in report.snapshot.mappings}
    stacks = sorted(sp(thread) for thread in report.snapshot.threads)
    import bisect

    for memory in report.snapshot.memory:
        index = bisect.bisect_right(starts, (memory.start, 1 << 64)) - 1
        if index >= 0 and memory.start < starts[index][1]:
            yield memory, _file_kind(memory, paths[starts[index][0]] in modules)
            continue
        place = bisect.bisect_left(stacks, memory.start)
        if place < len(stacks) and stacks[place] < memory.start + memory.size:
            yield memory, "stack"
        else:
            yield memory, "heap and other private"


def _file_kind(memory: Memory, module: bool) -> str:  # noqa: FBT001 - private
    if not module:
        return "mapped file"
    if "x" in memory.access:
        return "code"
    return "module data" if "w" in memory.access else "module constants"


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
