"""What toasts and lines say about a dump: pure functions from values to sentences."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tray.sizes import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import PurePath

CLIP = 48
"""Characters of a name or title that fit into a menu row or the head of a toast."""
_MOST_NAMED = 3
LINE = 160
"""Characters of a sentence that a toast's body takes."""


def clipped(text: str, most: int = CLIP) -> str:
    """Foreign text as one line of at most ``most`` characters."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def seconds(duration: float) -> str:
    """A duration as people say it: ``0.004 s``, ``0.18 s``, ``3 s``, ``2 min``."""
    if 0.0005 <= duration < 0.00995:  # noqa: PLR2004
        return f"{duration:.3f} s"
    if duration < 0.995:  # noqa: PLR2004
        return f"{duration:.2f} s"
    if duration < 9.95:  # noqa: PLR2004
        return f"{duration:.1f} s"
    if duration < 99.5:  # noqa: PLR2004
        return f"{duration:.0f} s"
    return f"{duration / 60:.0f} min"


def shortened(path: Path, home: Path | None = None) -> str:
    """A path with ``~`` for the home folder; on Windows with a variable that Explorer understands."""
    if home is None and sys.platform == "win32":
        return by_variable(path, os.environ)
    home = home or Path.home()
    return f"~/{path.relative_to(home).as_posix()}" if path.is_relative_to(home) else str(path)


def by_variable(path: PurePath, variables: Mapping[str, str]) -> str:
    """A path as it can be pasted into Explorer, shortened by a variable of the user's."""
    for name in ("LOCALAPPDATA", "USERPROFILE"):
        if name in variables and path.is_relative_to(variables[name]):
            return f"%{name}%\\{path.relative_to(variables[name])}"
    return str(path)


def answering(hung: bool | None) -> str:  # noqa: FBT001 - three states, as `Window.hung`
    """What to add about a window; empty if it answers or that cannot be told."""
    return "not responding" if hung else ""


def saved_title(dumped: Mapping[str, Any]) -> str:
    """Head of the toast for a ``dumped`` event."""
    target = dumped["target"]
    return f"Dump saved — {clipped(target['name'])} ({target['pid']})"


def saved_body(dumped: Mapping[str, Any], *, hung: bool | None, home: Path | None = None) -> str:
    """Body of the toast: why it hangs, one line of facts, what is missing, and where the file is."""
    facts = [
        shown(dumped["allocated"] or dumped["size"]),
        dumped["mode"],
        f"stood still {seconds(dumped['frozen_seconds'])}",
    ]
    if hung:
        facts.append("was not responding")
    lines = [
        reason(dumped),
        " · ".join(facts),
        missing(dumped.get("gaps", ())),
        shortened(Path(dumped["path"]), home),
    ]
    return "\n".join(line for line in lines if line)


def reason(dumped: Mapping[str, Any]) -> str:
    """Why it hangs, in one line; empty where the dump does not tell."""
    verdict = dumped.get("verdict")
    return clipped(verdict["sentence"], LINE) if verdict else ""


def missing(gaps: Sequence[Mapping[str, Any]]) -> str:
    """What to say of a dump's gaps, by name but for stretches of memory; empty if there are none."""
    if not gaps:
        return ""
    things = [gap for gap in gaps if not gap.get("size")]
    if len(gaps) == 1 and things:
        return clipped(f"Missing: {things[0]['what']}: {things[0]['why']}", LINE)
    named = [gap["what"] for gap in things[:_MOST_NAMED]]
    others = len(things) - len(named)
    if stretches := len(gaps) - len(things):
        named.append("a stretch of memory" if stretches == 1 else f"{stretches} stretches of memory")
    named += [f"{others} more"] if others else []
    return f"{clipped('Missing: ' + ', '.join(named), LINE)}; see the sidecar"


def running_title(name: str) -> str:
    """Head of the toast, and the tooltip, while a dump runs."""
    return f"Dumping {clipped(name)}…"


def running_body(mode: str, estimate: int, done: int, total: int) -> str:
    """What is known about a dump that runs."""
    facts = [mode]
    if total:
        facts.append(f"{shown(done)} of {shown(total)}")
    elif estimate:
        facts.append(f"about {shown(estimate)}")
    return " · ".join(facts)


def busy(name: str, so_far: float) -> str:
    """The answer to a press while a dump runs."""
    return f"Already dumping {clipped(name)} — {so_far:.0f} s so far"


def percent(done: int, total: int) -> str:
    """Progress for a tooltip; empty while it is unknown."""
    return f"{100 * done // total} %" if total else ""
