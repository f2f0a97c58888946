"""The list of mapped files that a core file brings."""

from __future__ import annotations

import struct
import tracemalloc

import pytest

from tray.errors import BadDump
from tray.formats.file_note import FileList, FileNote, Places, Stored
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


@pytest.mark.parametrize("many", [1, 5, 700], ids=["all held", "some held", "one held"])
def test_the_file_at_an_address(monkeypatch, many: int):
    """Is found in each sorted part of the list, however few beginnings are held; between files there is none."""
    rows = [
        (7000, 7010, 0, b"/app"),
        *((10 * n, 10 * n + 8, n, b"/file %d" % (n // 4)) for n in range(1, 600)),
    ]
    monkeypatch.setattr("tray.formats.file_note._SAMPLED", len(rows) // many + 1)
    for files in (FileNote(note(*rows)), FileList([*FileNote(note(*rows))])):
        places = Places(files)
        for row in rows:
            for address in row[0], row[1] - 1:
                assert places.at(address) == Region(row[0], row[1], "", 16 * row[2], row[3].decode())
            assert places.at(row[1]) is None
        assert places.at(5) is None
        assert [one.start for one in places.down(35)] == [30, 20, 10]
        assert [one.path for one in places.down(7005)] == ["/app"]
    assert Places(FileNote()).at(5) is None


def test_names_of_any_length():
    """Also such as begin in one step of what is read and end in another; the last may have no end."""
    rows = [(n, n + 1, 0, b"/" + b"x" * (n * 37 % 5000)) for n in range(200)]
    files = FileNote(note(*rows)[:-1])
    assert [one.path.encode() for one in files] == [row[3] for row in rows]
    assert files[150].path.encode() == rows[150][3]
    assert FileNote(note(*rows)[:-6000])[-1].end < 200


def test_holes_are_no_list_of_files():
    """A hole in a file that is said to list millions of mapped files takes neither memory nor time."""
    hole = Stored(lambda at, size: struct.pack("<QQ", 30 << 20, 1).ljust(size, b"\0")[at:], 0, 1 << 30)
    with pytest.raises(BadDump, match="damaged"):
        FileNote(hole)
