"""The toasts about a dump: words, and what their buttons do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tray.desktop import Toast
from tray.shot import words

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray.desktop import Desktop
    from tray.shot import Event, Running

BRIEF = 3
"""Seconds for a toast that only answers."""


def result(
    event: Event,
    running: Running,
    desktop: Desktop,
    report: Callable[[Path], None] | None = None,
    retry: Callable[[], None] | None = None,
) -> Toast:
    """The toast that ends a dump, whichever way it went.

    ``report`` shows what the dump tells; ``retry`` tries again as administrator.
    """
    if event["event"] == "dumped":
        return _saved(event, running, desktop, report)
    if event.get("error") == "Cancelled":
        return Toast("Cancelled", f"Nothing was saved; {_name(running)} runs on.", seconds=BRIEF)
    if retry:
        buttons = (("Retry as administrator", retry),)
        return replace(
            failure({**event, "hint": "Windows will ask you first."}), buttons=buttons, clicked=retry
        )
    return failure(event)


def failure(event: Event) -> Toast:
    """The toast for an error event: what went wrong, and the one thing to do."""
    said = [str(event.get(part, "")) for part in ("message", "hint")]
    return Toast(event.get("title", "The dump failed"), "\n".join(line for line in said if line))


def progress(running: Running, cancel: Callable[[], None]) -> Toast:
    """The toast while a dump takes its time."""
    body = words.running_body(running.mode, running.estimate, running.done, running.total)
    return Toast(words.running_title(running.target.name), body, buttons=(("Cancel", cancel),))


def busy(running: Running, cancel: Callable[[], None]) -> Toast:
    """The answer to a press while a dump runs."""
    title = words.busy(running.target.name, running.so_far)
    body = words.running_body(running.mode, running.estimate, running.done, running.total)
    return Toast(title, body, buttons=(("Cancel", cancel),))


def copy(path: Path, desktop: Desktop) -> None:
    """Put a path on the clipboard; where there is none, show the path instead."""
    if not desktop.copy(str(path)):
        desktop.toast(
            Toast("Nothing was copied", f"There is no clipboard here. The path is\n{path}", topic="copy")
        )


def _saved(event: Event, running: Running, desktop: Desktop, report: Callable[[Path], None] | None) -> Toast:
    path = Path(event["path"])

    def reveal() -> None:
        desktop.reveal(path)

    return Toast(
        words.saved_title(event),
        words.saved_body(event, hung=running.hung),
        buttons=(
            *((("Show report", lambda: report(path)),) if report else ()),
            ("Show in folder", reveal),
            ("Copy path", lambda: copy(path, desktop)),
        ),
        clicked=reveal,
    )


def _name(running: Running) -> str:
    return words.clipped(running.target.name)
