"""Why a program hangs: at the dump, within a moment, and in the report, with who waits for whom."""

from __future__ import annotations

import os
import time

from tray import reports
from tray.errors import BadDump
from tray.formats import core
from tray.lean import TYPE_CHECKING, NamedTuple, logger
from tray.reports import verdict, waits
from tray.verdicts import Verdict, Wait, WaitKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, BinaryIO

    from tray.formats import minidump
    from tray.model import Captured, Report, Thread
    from tray.verdicts import Asked

log = logger(__name__)

PATIENCE = 0.5
"""Seconds that the dump's end may be put off by this; ten threads take a few thousandths."""
_MOST_LINES, _MOST_NAMES = 40, 4


class Why(NamedTuple):
    """Why a program hangs, and what that was made from."""

    verdict: Verdict
    waits: tuple[Wait, ...]


def at_once(file: BinaryIO, captured: Captured, opened: core.Core | None = None) -> Why | None:
    """The verdict from a dump just written; None where there is none. Never raises: the dump is what counts.

    Args:
        file: The dump, open for reading.
        captured: What its capture told.
        opened: Its reader, where it has one already.
    """
    try:
        with os.fdopen(os.dup(file.fileno()), "rb", buffering=0) as copy:
            read = opened or _opened(copy, captured.format)
            told = {thread.tid: thread for thread in captured.threads}
            found = _waits(read, told, captured.asked, time.monotonic() + PATIENCE)
            if found is None:
                return None
            threads = _main_first(read.snapshot.threads, captured.asked.main if captured.asked else 0)
            return Why(verdict.verdict(found, threads, told, captured.stuck), found)
    except Exception as error:  # noqa: BLE001 - whatever it is, there is a good dump
        log.warning("Why it hangs was not found out: %r", error)
        return None


def _opened(file: BinaryIO, kind: str) -> core.Core | minidump.Minidump:
    """The dump's reader; that of the other system's dumps is not even imported."""
    if kind == core.Core.format:
        return core.Core(file, whole=False)
    from tray.formats import minidump

    return minidump.Minidump(file)


def _waits(
    read: core.Core | minidump.Minidump,
    told: Mapping[int, Thread],
    asked: Asked | None = None,
    limit: float = float("inf"),
) -> tuple[Wait, ...] | None:
    """Who waits for what, in a dump of either format; None for a minidump whose libraries are not here."""
    if isinstance(read, core.Core):
        return waits.find(read.snapshot, read.memory, told, limit)
    from tray.formats import minidump_wow64
    from tray.reports import windows_calls, windows_waits

    program = minidump_wow64.inside(read)
    with windows_calls.Names(tuple(program.modules()), program.times) as names:
        return windows_waits.find(program, names, told, asked, limit) if names.tell() else None


def _main_first(threads: Sequence[Thread], main: int) -> Sequence[Thread]:
    """The threads, the one that people wait for first."""
    return sorted(threads, key=lambda thread: thread.tid != main) if main else threads


def known(report: Report) -> Verdict | None:
    """The verdict, with functions where the report has stacks; None where the dump does not tell."""
    looked = look(report)
    if looked:
        return looked[0]
    return report.dump.verdict if report.dump else None


def section(report: Report) -> list[str]:
    """Verdict and who waits for whom, line by line; empty where the dump does not tell."""
    if not (looked := look(report)):
        return []
    said, found = looked
    return [said.sentence + ("" if said.certain else " (likely, not proven)"), *_graph(found)]


def as_json(report: Report) -> dict[str, Any]:
    """``verdict`` and ``waits`` as programs read them; null and empty where the dump does not tell."""
    if not (looked := look(report)):
        return {"verdict": None, "waits": []}
    from dataclasses import asdict

    said, found = looked
    return {"verdict": asdict(said), "waits": [asdict(wait) for wait in found]}


def look(report: Report) -> tuple[Verdict, tuple[Wait, ...]] | None:
    """The verdict, from the sidecar if that has one, and the waits; None for a dump that does not tell."""
    from tray.reports import entered, own

    dump = report.dump
    told = {thread.tid: thread for thread in dump.threads} if dump else {}
    stuck = dump.stuck if dump else ()
    found = (dump.waits if dump else None) or _read_again(report, told)
    if found is None:
        return (dump.verdict, dump.verdict.chain) if dump and dump.verdict else None
    found = entered.named(found, report.stacks)
    window = dump.target.window if dump else None
    main = window.thread or 0 if window and report.format != core.Core.format else 0
    threads = _main_first(report.snapshot.threads, main)
    said = verdict.verdict(found, threads, told, stuck, own.places(report.stacks))
    known = dump.verdict if dump else None
    # What was found at the time counts; that it happened in these functions only the stacks tell.
    return said if known is None or known.kind is said.kind else known, found


def _read_again(report: Report, told: Mapping[int, Thread]) -> tuple[Wait, ...] | None:
    """The waits, from the dump itself; None where it does not tell."""
    try:
        with reports.opened(report.path) as file:
            return _waits(file, told)
    except (BadDump, OSError):
        return None


def _graph(found: Sequence[Wait]) -> list[str]:
    """Each thread that waits for something of the process's own, one line; equal ones folded."""
    rows: dict[str, list[str]] = {}
    for wait in found:
        if wait.address or wait.owner is not None:
            rows.setdefault(_edge(wait), []).append(wait.name)
    lines = [f"  {_who(names)} {edge}" for edge, names in rows.items()]
    more = len(lines) - _MOST_LINES
    return lines if more <= 0 else [*lines[:_MOST_LINES], f"  … and {more} more waits"]


def _who(names: Sequence[str]) -> str:
    """Those who wait for the same."""
    if len(names) <= _MOST_NAMES:
        return ", ".join(names)
    return f"{', '.join(names[: _MOST_NAMES - 1])} and {len(names) - _MOST_NAMES + 1} more"


def _edge(wait: Wait) -> str:
    """What follows the name: the lock, where it is, and who holds it."""
    if wait.kind is WaitKind.JOIN:
        return f"→ {wait.owner_name}: {wait.does}"
    holder = f"→ {wait.owner_name}" if wait.owner is not None else "→ ?"
    where = f" at 0x{wait.address:x}" if wait.address else ""
    return f"{holder}: {wait.does}{where}" + (", with a time limit" if wait.timed else "")
