"""JSON in pieces: a dump may tell of thousands of threads, and its text as a whole would take as much as all else."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from tray.lean import TYPE_CHECKING, NamedTuple, dumps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

_AT_ONCE = 64
"""Rows that are made at a time; by itself each costs three times as much."""
_BLOCK = 16 << 10


class Layout(NamedTuple):
    """What stands before, between and behind the fields of an object, and the rows of one that has many."""

    begin: str
    between: str
    end: str
    first: str
    next: str
    last: str


LINE = Layout("{", ", ", "}\n", "[", ", ", "]")
"""All in one line, as ``dumps`` has it."""
LINES = Layout("{\n ", ",\n ", "\n}\n", "[\n  ", ",\n  ", "\n ]")
"""A line for each field and each row, which is read and written faster than one for each field of a row."""


def pieces(fields: Mapping[str, Any], layout: Layout = LINE) -> Iterator[str]:
    """An object's text. A field that is an iterator is a list of objects, which are asked for as they are written."""
    before = layout.begin
    for key, value in fields.items():
        yield f"{before}{dumps(key)}: "
        before = layout.between
        if isinstance(value, Iterator):
            yield from _rows(value, layout)
        else:
            yield dumps(value)
    yield layout.end


def blocks(parts: Iterable[str]) -> Iterator[bytes]:
    """Pieces of a text as bytes, so many at a time as make a write worth its while."""
    held: list[str] = []
    size = 0
    for piece in parts:
        held.append(piece)
        size += len(piece)
        if size >= _BLOCK:
            yield "".join(held).encode()
            held, size = [], 0
    yield "".join(held).encode()


def _rows(rows: Iterator[Any], layout: Layout) -> Iterator[str]:
    before = layout.first
    while some := list(islice(rows, _AT_ONCE)):
        yield before + _joined(some, layout.next)
        before = layout.next
    yield "[]" if before == layout.first else layout.last


def _joined(rows: list[Any], between: str) -> str:
    """Rows as JSON; all in one go, where nothing in them looks like what then stands between two."""
    text = dumps(rows)[1:-1]
    if text.count("}, {") == len(rows) - 1:
        return text.replace("}, {", f"}}{between}{{")
    return between.join(map(dumps, rows))
