"""What a page is about: a report, its verdict and waits, and what its parts ask of them again and again."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tray.reports import own, redact, threads, why

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray.model import Frame, Report
    from tray.verdicts import Verdict, Wait


@dataclass(frozen=True, slots=True)
class Subject:
    """A dump, looked at.

    Attributes:
        report: What was read; redacted if that was asked for.
        verdict: Why it hangs; None where the dump does not tell.
        waits: Who waits for what.
        matter: Threads that the verdict is about, in its order.
        own: The program's own call that each thread is in, where one is known.
        redacted: Whether names, paths and arguments were left out.
    """

    report: Report
    verdict: Verdict | None
    waits: tuple[Wait, ...]
    matter: tuple[int, ...] = field(default=())
    own: dict[int, Frame] = field(default_factory=dict)
    redacted: bool = False

    @property
    def name(self) -> str:
        """What people call the program."""
        dump = self.report.dump
        return dump.target.name if dump else self.report.snapshot.name or "a process"

    @property
    def where(self) -> dict[int, str]:
        """The same in a few words."""
        return {tid: f"in {own.called(frame.function)}" for tid, frame in self.own.items()}


def looked_at(report: Report, hide: Callable[[str], str] | None = None) -> Subject:
    """A report with all that can be told about it; ``hide`` is applied to every text of it."""
    verdict, waits = why.look(report) or (None, ())
    if hide is not None:
        hidden = functools.lru_cache(maxsize=None)(hide)
        report, verdict, waits = redact.everywhere((redact.redacted(report), verdict, waits), hidden)
    calls = {stack.tid: frame for stack in report.stacks if (frame := own.own(stack))}
    return Subject(
        report,
        verdict,
        waits,
        threads.matter(report, verdict),
        calls,
        redacted=hide is not None,
    )
