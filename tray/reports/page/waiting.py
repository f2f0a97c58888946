"""The section of who waits for whom: drawn, and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray.reports.page import graph, layout
from tray.reports.page.drawing import svg
from tray.reports.page.markup import foreign, make
from tray.verdicts import WaitKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tray.reports.page.graph import Picture, Tree
    from tray.reports.page.layout import Drawing
    from tray.reports.page.markup import Child, Node
    from tray.reports.page.subject import Subject
    from tray.verdicts import Wait

_MOST_LINES, _MOST_NAMES = 40, 4


def section(subject: Subject) -> Node:
    """The pictures, and below them each wait as a sentence."""
    found, more = graph.pictures(subject.waits, subject.matter, subject.where)
    drawings = [layout.laid_out(one) for one in found]
    figures = [_figure(one, *drawn) for one, drawn in zip(found, enumerate(drawings), strict=True)]
    narrow = len(drawings) == 1 and drawings[0].width < 2.6 * layout.WIDE
    return make(
        "section",
        make("h2", "Who waits for whom"),
        _lead(subject, found),
        make(
            "div",
            make("div", figures, class_="pictures") if figures else None,
            _words(_folded(subject), open_=narrow or not figures),
            class_="beside" if narrow else None,
        ),
        make("p", _rest(more), class_="rest small") if more else None,
        id="waits",
    )


def _rest(more: int) -> str:
    count = f"{more} more threads wait" if more > 1 else "One more thread waits"
    return f"{count} for something that names no owner, as idle ones do: not drawn."


def _lead(subject: Subject, found: Sequence[Picture]) -> Node:
    if subject.verdict is None:
        text = "Nothing about it can be read from this dump."
    elif any(one.ring for one in found):
        text = "Each arrow leads from a thread to the one that holds what it wants. Round the ring nobody ever lets go."
    elif found:
        text = "Each arrow leads from a thread to what it waits for."
    else:
        text = "No thread waits for another one, as far as the dump tells."
    return make("p", text, class_="lead")


def _figure(picture: Picture, number: int, drawing: Drawing) -> Node:
    title = "A ring of threads that wait for each other" if picture.ring else "What waits for the same thing"
    return make("figure", svg(drawing, number, title, told(picture)), tabindex=0)


def told(picture: Picture) -> str:
    """A picture in words, for those who cannot see it."""
    steps = [f"{tree.box.title} waits for {tree.label or 'the next'}" for tree in picture.ring]
    if picture.ring:
        steps.append(f"held by {picture.ring[0].box.title}")
    for tree in (*picture.ring, *filter(None, (picture.root,))):
        steps += _steps(tree)
    return "; ".join(steps) + "."


def _steps(tree: Tree) -> Iterator[str]:
    """Who waits for this, and who waits for those."""
    for one in tree.waiting:
        yield f"{one.box.title} {'wait' if one.box.kind == 'crowd' else 'waits'} for {tree.box.title}"
        yield from _steps(one)


def _folded(subject: Subject) -> list[tuple[Wait, list[str]]]:
    """Waits worth a line, those of the verdict first, with the names of all that wait for the very same."""
    rows: dict[tuple[object, ...], tuple[Wait, list[str]]] = {}
    by_thread = {wait.tid: wait for wait in subject.waits}
    first = [by_thread[tid] for tid in subject.matter if tid in by_thread]
    for wait in (*first, *(wait for wait in subject.waits if wait.tid not in subject.matter)):
        if wait.address or wait.owner is not None or wait.tid in subject.matter:
            key = (wait.does, wait.address, wait.owner, wait.timed)
            rows.setdefault(key, (wait, []))[1].append(wait.name)
    return list(rows.values())


def _words(rows: Sequence[tuple[Wait, list[str]]], *, open_: bool) -> Node | None:
    if not rows:
        return None
    lines = [make("li", _line(wait, names)) for wait, names in rows[:_MOST_LINES]]
    if len(rows) > _MOST_LINES:
        lines.append(
            make("li", f"… and {len(rows) - _MOST_LINES} more; 'hangshot inspect --json' has them all.")
        )
    told_in_words = make("ul", lines, class_="small")
    if open_:
        return make("div", told_in_words, class_="words")
    summary = make("summary", make("span", "The same in words, with addresses", class_="who"))
    return make("details", summary, make("div", told_in_words, class_="inside"), class_="words")


def _line(wait: Wait, names: Sequence[str]) -> Iterator[Child]:
    yield from _who(names)
    yield " "
    yield foreign(wait.does if len(names) == 1 else wait.does.replace("waits ", "wait ", 1))
    if wait.address:
        yield from (" at ", make("code", f"0x{wait.address:x}"))
    if wait.owner is not None:
        yield ": " if wait.kind is WaitKind.JOIN else ", held by "
        yield make("b", foreign(wait.owner_name))
    elif wait.kind.has_owner:
        yield ", and nobody can tell who holds it"
    if wait.timed:
        yield ", for a limited time"


def _who(names: Sequence[str]) -> Iterator[Child]:
    shown = names if len(names) <= _MOST_NAMES else names[: _MOST_NAMES - 1]
    for number, name in enumerate(shown):
        yield ", " if number else ""
        yield make("b", foreign(name))
    if len(shown) < len(names):
        yield f" and {len(names) - len(shown)} more"
