"""JSON in pieces: a dump may tell of thousands of threads, and its text as a whole would take as much as all else.

Rows are written as they stand: to put each into a dictionary first takes three times as
long, and whoever waits for a dump waits for all of them.
"""

from __future__ import annotations

from _json import encode_basestring_ascii
from collections.abc import Iterator
from itertools import islice

from tray.lean import TYPE_CHECKING, NamedTuple, dumps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

quoted = encode_basestring_ascii
"""A string as JSON."""
_AT_ONCE = 64
"""Rows that are handed on at a time."""
_BLOCK = 16 << 10
_WORDS = {None: "null", False: "false", True: "true"}


class Said(str):
    """Text that is JSON already."""

    __slots__ = ()


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


def plain(value: float | None) -> str:
    """A number, true, false or null as JSON."""
    return _WORDS[value] if value is None or isinstance(value, bool) else repr(value)


def pieces(fields: Mapping[str, Any], layout: Layout = LINE) -> Iterator[str]:
    """An object's text. A field that is an iterator is a list of rows, JSON each, asked for as they are written."""
    before = layout.begin
    for key, value in fields.items():
        yield f"{before}{quoted(key)}: "
        before = layout.between
        if isinstance(value, Iterator):
            yield from _rows(value, layout)
        else:
            yield value if isinstance(value, Said) else dumps(value)
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


def _rows(rows: Iterator[str], layout: Layout) -> Iterator[str]:
    before = layout.first
    while some := list(islice(rows, _AT_ONCE)):
        yield before + layout.next.join(some)
        before = layout.next
    yield "[]" if before == layout.first else layout.last
