"""The list of mapped files that a core file brings."""

from __future__ import annotations

import struct
import tracemalloc

import pytest

from tray.errors import BadDump
from tray.formats.file_note import FileNote, Stored
from tray.model import Region

MANY = 10_000
SMALL = 160 << 10


def note(*rows: tuple[int, int, int, bytes]) -> bytes:
    """An NT_FILE note, its offsets counted in pages of 16 bytes."""
    spans = b"".join(struct.pack("<QQQ", *row[:3]) for row in rows)
    return struct.pack("<QQ", len(rows), 16) + spans + b"".join(row[3] + b"\0" for row in rows)


def test_each_file_is_made_when_it_is_looked_at():
    """By number, from either end, as a part and one after the other; names may be no text at all."""
    files = FileNote(note((1, 2, 3, b"/one"), (4, 5, 0, b""), (6, 7, 1, b"/\xff")))
    one, two, three = Region(1, 2, "", 48, "/one"), Region(4, 5, ""), Region(6, 7, "", 16, "/\udcff")
    assert list(files) == [one, two, three]
    assert (files[0], files[-1], files[1:]) == (one, three, [two, three])
    assert files == (one, two, three)
    assert files != (one, two)
    assert FileNote() == ()


def test_many_files_take_little_room():
    """The bytes of the note are all that is kept, and four more for each: 10,000 objects would take 2 MB."""
    rows = note(*((at, at + 1, 0, b"/one/and/the/same") for at in range(MANY)))
    tracemalloc.start()
    try:
        files = FileNote(rows)
        assert sum(one.end - one.start for one in files) == len(files) == MANY
        assert tracemalloc.get_traced_memory()[1] < SMALL
    finally:
        tracemalloc.stop()


def test_holes_are_no_list_of_files():
    """A hole in a file that is said to list millions of mapped files takes neither memory nor time."""
    hole = Stored(lambda at, size: struct.pack("<QQ", 30 << 20, 1).ljust(size, b"\0")[at:], 0, 1 << 30)
    with pytest.raises(BadDump, match="damaged"):
        FileNote(hole)
