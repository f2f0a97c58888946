"""The top of the page: the verdict in one sentence, how sure it is, and the facts in a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray.reports import crash, own
from tray.reports.names import last
from tray.reports.page.markup import foreign, make, path, sentence
from tray.sizes import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray.model import Dump, Frame, Window
    from tray.reports.page.markup import Child, Node
    from tray.reports.page.subject import Subject
    from tray.verdicts import Verdict

PLACES = (
    ("Who waits for whom", "waits"),
    ("Threads", "threads"),
    ("Memory", "memory"),
    ("What the dump holds", "holds"),
    ("Open it in a debugger", "debuggers"),
    ("Modules", "modules"),
)
"""Name and anchor of each section, in the order of the page."""
_MOST_PLACES = 6
_COMMAND = "Command line"
"""What may be too long for a column."""
_FORMATS = {"elf-core": "ELF core file", "minidump": "minidump"}
_ANSWERS = {True: "was not responding", False: "was responding", None: "nobody knows whether it responded"}


def section(subject: Subject) -> Node:
    """All of it."""
    return make(
        "header",
        make("p", make("b", foreign(subject.name)), f" · process {subject.report.snapshot.pid}", class_="app"),
        make("div", _verdict(subject), class_="verdict"),
        _alarm(subject),
        make("dl", (_fact(*fact) for fact in _facts(subject)), class_="facts"),
        make("nav", make("ul", (make("li", make("a", name, href=f"#{place}")) for name, place in PLACES)),
             aria_label="Sections"),
    )  # fmt: skip


def _verdict(subject: Subject) -> Iterator[Node]:
    verdict = subject.verdict
    if verdict is None:
        yield make("h1", "Why it hangs cannot be told from this dump")
        return
    yield make("h1", sentence(verdict.sentence))
    yield make("p", _certainty(verdict), class_="certainty")
    names = {wait.owner: wait.owner_name for wait in verdict.chain} | {
        one.tid: one.name for one in verdict.chain
    }
    places = [(names[tid], subject.own[tid]) for tid in subject.matter if tid in subject.own and tid in names]
    if places:
        yield make("ul", (make("li", _place(*one)) for one in places[:_MOST_PLACES]), class_="where")


def _place(name: str, frame: Frame) -> tuple[Child, ...]:
    """In which of the program's own calls a thread is."""
    line = (" at ", make("code", foreign(f"{last(frame.file)}:{frame.line}"))) if frame.line else None
    return foreign(name), " is in ", make("code", foreign(own.called(frame.function))), line


def _certainty(verdict: Verdict) -> str:
    """How sure it is; the mark says it to whom colours say nothing."""
    return "✓ The dump proves it" if verdict.certain else "≈ Likely, not proven"


def _alarm(subject: Subject) -> Node | None:
    missing = subject.report.missing
    told = [f"{one[:1].upper()}{one[1:]}." for one in crash.sentences(subject.report)]
    if missing:
        told.append(
            f"This dump is damaged: {shown(missing)} are missing at its end. It was not copied whole."
        )
    return make("p", foreign(" ".join(told)), class_="alarm") if told else None


def _fact(name: str, value: Child) -> Node:
    whole_line = "line" if name == _COMMAND else None
    return make("div", make("dt", name), make("dd", value), class_=whole_line)


def _facts(subject: Subject) -> Iterator[tuple[str, Child]]:
    report, dump = subject.report, subject.report.dump
    if dump:
        yield "Taken", _time(dump)
        if dump.target.window:
            yield "Window", _window(dump.target.window)
        yield "Stood still for", _pause(dump)
    kind = _FORMATS[report.format]
    yield (
        "Dump",
        f"{kind}, {dump.mode}, {shown(report.allocated)}" if dump else f"{kind}, {shown(report.allocated)}",
    )
    count = len(report.snapshot.threads)
    yield "Threads", f"{count:,}".replace(",", "\u202f") if count > 9999 else str(count)  # noqa: PLR2004
    if dump and dump.system:
        yield "System", foreign(dump.system)
    if report.snapshot.arguments:
        yield _COMMAND, make("code", path(_shortened(report.snapshot.arguments)))


def _time(dump: Dump) -> str:
    """When it was, by the clock of this computer, and how that is set."""
    local = dump.taken.astimezone()
    zone = local.strftime("%z")
    return f"{local:%Y-%m-%d %H:%M:%S} {'UTC' if zone == '+0000' else f'{zone[:3]}:{zone[3:]}'}"


def _shortened(text: str, most: int = 400) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _window(window: Window) -> tuple[Child, ...]:
    title = foreign(_shortened(window.title)) if window.title else "without a title"
    return title, f", {_ANSWERS[window.hung]}"


def _pause(dump: Dump) -> str:
    pause = f"{dump.frozen:.2f} s" if dump.frozen >= 1 else f"{dump.frozen * 1000:.0f} ms"
    return f"{pause} ({dump.method})" if dump.method else pause
