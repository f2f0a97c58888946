"""Why a program hangs: at the dump, within a moment, and in the report, with who waits for whom."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, BinaryIO

from tray.errors import BadDump
from tray.formats import core
from tray.reports import own, verdict, waits
from tray.verdicts import WaitKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray.model import Captured, Report
    from tray.verdicts import Verdict, Wait

log = logging.getLogger(__name__)

PATIENCE = 0.5
"""Seconds that the dump's end may be put off by this; ten threads take a few thousandths."""
_MOST_LINES, _MOST_NAMES = 40, 4


def at_once(file: BinaryIO, captured: Captured) -> Verdict | None:
    """The verdict from a dump just written; None where there is none. Never raises: the dump is what counts.

    Args:
        file: The dump, open for reading.
        captured: What its capture told.
    """
    if captured.format != "elf-core":
        return None
    try:
        with os.fdopen(os.dup(file.fileno()), "rb") as copy:
            read = core.Core(copy)
            limit = time.monotonic() + PATIENCE
            return verdict.judge(read.snapshot, read.memory, captured.threads, captured.stuck, limit)
    except Exception as error:  # noqa: BLE001 - whatever it is, there is a good dump
        log.warning("Why it hangs was not found out: %r", error)
        return None


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
    said, found = looked
    return {"verdict": asdict(said), "waits": [asdict(wait) for wait in found]}


def look(report: Report) -> tuple[Verdict, tuple[Wait, ...]] | None:
    """The verdict, from the sidecar if that has one, and the waits; None for a dump that does not tell."""
    told = {thread.tid: thread for thread in report.dump.threads} if report.dump else {}
    stuck = report.dump.stuck if report.dump else ()
    try:
        with core.read(report.path) as file:
            found = waits.find(file.snapshot, file.memory, told)
            said = verdict.verdict(found, file.snapshot.threads, told, stuck, own.places(report.stacks))
    except (BadDump, OSError):
        return None
    known = report.dump.verdict if report.dump else None
    # What was found at the time counts; that it happened in these functions only the stacks tell.
    return said if known is None or known.kind is said.kind else known, found


def _graph(found: Sequence[Wait]) -> list[str]:
    """Each thread that waits for something of the process's own, one line; equal ones folded."""
    rows: dict[str, list[str]] = {}
    for wait in found:
        if wait.address:
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
    return f"{holder}: {wait.does} at 0x{wait.address:x}" + (", with a time limit" if wait.timed else "")
