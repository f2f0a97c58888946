"""The section of memory: a bar for each kind, what the dump holds of it dark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray.reports import mappings
from tray.reports.page.markup import make
from tray.sizes import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray.reports.mappings import Kind
    from tray.reports.page.markup import Node
    from tray.reports.page.subject import Subject

_NAMES = {
    mappings.HEAP: "Heap and other private",
    mappings.STACK: "Stacks",
    mappings.CODE: "Code",
    mappings.DATA: "Data of modules",
    mappings.CONSTANTS: "Constants of modules",
    mappings.SHARED: "Shared memory",
    mappings.MAPPED: "Mapped files",
    mappings.RESERVED: "Only reserved",
}
_LEAST = 0.7
"""Percent of the widest bar that the smallest thing takes, so that it can be seen."""


def section(subject: Subject) -> Node:
    """The table with its bars."""
    kinds = mappings.by_kind(subject.report)
    used = [kind for kind in kinds if kind.name != mappings.RESERVED]
    widest = max((kind.size for kind in used), default=0)
    rows = [_row(kind, widest) for kind in kinds]
    return make(
        "section",
        make("h2", "Memory"),
        make("p", _lead(used), class_="lead"),
        make(
            "div",
            _legend(kinds),
            make("div", make("table", _table_head(), make("tbody", rows)), class_="table"),
        )
        if rows
        else None,
        id="memory",
        class_="memory",
    )


def _lead(used: list[Kind]) -> str:
    size, stored = sum(kind.size for kind in used), sum(kind.stored for kind in used)
    if not size:
        return "The dump lists no memory."
    if size == stored:
        return f"The dump lists {shown(size)} and holds all of it; what its mode leaves out it does not list."
    return f"The dump holds {shown(stored)} of {shown(size)} of address space in use."


def _legend(kinds: list[Kind]) -> Node:
    marks = [make("span", "in the dump", class_="l-held")]
    if any(kind.stored < kind.size for kind in kinds if kind.name != mappings.RESERVED):
        marks.append(make("span", "left out, or never touched", class_="l-left"))
    if any(kind.name == mappings.RESERVED for kind in kinds):
        marks.append(make("span", "reserved without any use; not to scale", class_="l-open"))
    return make("p", marks, class_="legend", aria_hidden="true")


def _table_head() -> Node:
    heads = [make("th", "Kind", scope="col"), make("td")]
    heads += [make("th", name, scope="col", class_=f"figure {class_}") for name, class_ in
              (("Size", "size"), ("In the dump", "in-dump"), ("Stretches", "stretches"))]  # fmt: skip
    return make("thead", make("tr", heads))


def _row(kind: Kind, widest: int) -> Node:
    return make(
        "tr",
        make("th", _NAMES[kind.name], scope="row"),
        make("td", _bar(kind, widest), class_="picture"),
        make("td", shown(kind.size), class_="figure size"),
        make("td", shown(kind.stored), class_="figure in-dump"),
        make("td", str(kind.count), class_="figure stretches"),
    )


def _bar(kind: Kind, widest: int) -> Node:
    """The bar; nothing that the table does not say, so screen readers need not tell it."""
    return make("svg", _parts(kind, widest), viewBox="0 0 100 10", preserveAspectRatio="none", class_="bar",
                aria_hidden="true")  # fmt: skip


def _parts(kind: Kind, widest: int) -> Iterator[Node]:
    if kind.name == mappings.RESERVED:
        yield make("rect", x=0.2, y=1, width=99.6, height=8, class_="open")
        return
    whole = max(_LEAST, 100 * kind.size / widest)
    held = min(whole, max(_LEAST, 100 * kind.stored / widest)) if kind.stored else 0.0
    yield make("rect", x=0, y=0, width=f"{whole:.2f}", height=10, class_="left")
    if held:
        yield make("rect", x=0, y=0, width=f"{held:.2f}", height=10, class_="held")
