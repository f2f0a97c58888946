"""A page as a tree, and the one place where it becomes text: so nothing foreign gets out unescaped."""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Child: TypeAlias = "Node | str | Iterable[Child] | None"
"""What an element holds: text is foreign until proven otherwise, None is nothing."""

LONGEST = 6000
"""Characters of one text; a path has 4096 at most."""
_EMPTY = {"meta", "br", "col", "wbr"}
"""Elements that have no end."""
_BREAKS = re.compile(
    r"(thread \d\S*|\(for \d+ \w+\)\S*|'\w+ -\w+ \d+'|(?<!\S)\S*?\w-\w\S*|(?<!\S)\S*>\(\)\S*)"
)
"""What browsers would break: ``worker-2`` and a command's option at the hyphen, ``<lambda>()`` and ``thread 2``."""
_FOLDER = re.compile(r"(?<=[/\\])(?=[^/\\\s])")


@dataclass(frozen=True, slots=True)
class Node:
    """An element.

    Attributes:
        tag: Its name.
        attributes: Our own words only: names, numbers, references. Never text of the target.
        children: Text among them is escaped when it is written.
        raw: What it holds instead of children, as it is: the style sheet.
    """

    tag: str
    attributes: tuple[tuple[str, str], ...] = ()
    children: tuple[Child, ...] = ()
    raw: str = ""


def make(tag: str, *children: Child, **attributes: object) -> Node:
    """An element; ``class_`` stands for ``class``, ``stroke_width`` for ``stroke-width``, None for nothing."""
    told = tuple(
        (name.rstrip("_").replace("_", "-"), str(value))
        for name, value in attributes.items()
        if value is not None
    )
    return Node(tag, told, children)


def foreign(text: str) -> Node:
    """Text of the target, which may run from right to left without dragging its neighbours along."""
    return make("bdi", text)


def sentence(text: str) -> Iterator[Child]:
    """Text whose words with hyphens, and threads' numbers, stay whole as long as they fit on a line."""
    for number, part in enumerate(_BREAKS.split(text)):
        yield make("span", part, class_="word") if number % 2 else part


def path(text: str) -> Node:
    """Text of the target with paths in it, which break between their folders rather than within a name."""
    first, *others = _FOLDER.split(text)
    return make("bdi", first, ((make("wbr"), part) for part in others))


def written(node: Node) -> str:
    """The page."""
    pieces: list[str] = []
    _write(node, pieces.append)
    return "".join(pieces)


def clean(text: str, most: int = LONGEST) -> str:
    """Text without what could turn it round, hide in it or break it: each such sign becomes a mark."""
    longer = len(text) > most
    kept = text[: most - 1] if longer else text
    if not kept.isprintable():
        kept = "".join(map(_sign, kept))
    return f"{kept}…" if longer else kept


def _sign(sign: str) -> str:
    """Itself, if it shows as one; controls, surrogates and what turns the line's direction do not."""
    if sign.isprintable():
        return sign
    return " " if unicodedata.category(sign) == "Zs" or sign in "\n\t" else "\ufffd"


def _write(child: Child, add: Callable[[str], None]) -> None:
    """One after the other; generators within generators would hand each piece up through all of them."""
    if isinstance(child, str):
        add(html.escape(clean(child)))
    elif isinstance(child, Node):
        _write_element(child, add)
    elif child is not None:
        for one in child:
            _write(one, add)


def _write_element(node: Node, add: Callable[[str], None]) -> None:
    told = "".join(f' {name}="{html.escape(value)}"' for name, value in node.attributes)
    add(f"<{node.tag}{told}>")
    if node.tag in _EMPTY:
        return
    add(node.raw)
    for child in node.children:
        _write(child, add)
    add(f"</{node.tag}>")
