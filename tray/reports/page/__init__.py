"""`Report` → one page of HTML that needs nothing else: no network, no script, no font but the reader's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray import __version__
from tray.reports.page import calls, contents, head, memory, style, waiting
from tray.reports.page.markup import Node, foreign, make, written
from tray.reports.page.subject import looked_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray.model import Report
    from tray.reports.page.subject import Subject

MARK = b"<!doctype html>\n<!-- A report of Hangshot -->\n"
"""What every page begins with: by this an earlier one is known, that may be replaced."""


def html(report: Report, hide: Callable[[str], str] | None = None) -> bytes:
    """The page, in UTF-8.

    Args:
        report: With its stacks.
        hide: Takes what is private out of a text, as `redact.words` makes it; None leaves everything in.
    """
    return drawn(looked_at(report, hide))


def drawn(subject: Subject) -> bytes:
    """The page about what has been looked at."""
    page = make("html", _head(subject), _body(subject), lang="en")
    return MARK + written(page).encode() + b"\n"


def _head(subject: Subject) -> Node:
    verdict = subject.verdict
    title = f"{subject.name}: {verdict.sentence}" if verdict else f"{subject.name}: a report of Hangshot"
    return make(
        "head",
        make("meta", charset="utf-8"),
        Node("meta", (("http-equiv", "Content-Security-Policy"), ("content", style.POLICY))),
        make("meta", name="viewport", content="width=device-width, initial-scale=1"),
        make("meta", name="color-scheme", content="light dark"),
        make("meta", name="referrer", content="no-referrer"),
        make("meta", name="generator", content=f"Hangshot {__version__}"),
        make("title", title),
        Node("style", raw=style.SHEET),
    )


def _body(subject: Subject) -> Node:
    verdict = subject.verdict
    return make(
        "body",
        make(
            "main",
            head.section(subject),
            waiting.section(subject),
            calls.section(subject),
            memory.section(subject),
            contents.holds(subject),
            contents.debuggers(subject),
            contents.modules(subject),
        ),
        _foot(subject),
        class_=verdict.kind.value if verdict else None,
    )


def _foot(subject: Subject) -> Node:
    private = (
        "User names, paths, arguments and the window's title are left out."
        if subject.redacted
        else "It has names, paths and perhaps a window's title from this computer: "
        "look at whom you send it to, or make one without them by 'hangshot inspect --redact --html FILE'."
    )
    return make(
        "footer",
        make("p", "A report of Hangshot ", __version__, " about ", foreign(subject.report.path.name), ". "
             "This page loads nothing from anywhere. ", private),
    )  # fmt: skip
