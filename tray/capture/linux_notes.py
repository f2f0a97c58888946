"""The notes of a core file, written thread by thread, so that none of their registers stay in memory."""

from __future__ import annotations

from itertools import groupby, repeat

from tray.formats import core_write
from tray.formats.core_write import PAGE
from tray.formats.file_note import FileList
from tray.lean import TYPE_CHECKING
from tray.model import Region

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tray.capture.linux_maps import Mapping, Mappings, Row
    from tray.model import Snapshot, Thread

_AT_ONCE = 64 << 10
"""Bytes that are held until they are written."""


class FileMappings(FileList):
    """The mapped files for debuggers, the executable first: lldb takes the first for it.

    Fileless memory is left out, for its names are no files. Of a deleted file the
    name is kept: a debugger compares build ids before it trusts another file there.
    """

    def __init__(self, mappings: Mappings, executable: str) -> None:
        self._mappings, self._firsts = mappings, mappings.named(executable)
        self._count = sum(1 for _ in mappings.places(_of_file))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Region]:
        for start, end, offset, _, file in self._rows():
            path = self._mappings.path(file).decode("utf-8", "surrogateescape")
            yield Region(start, end, "", offset, path)

    def made(self, index: int) -> Region:
        """One of them; see `Made`. Makes them all: who writes a dump asks for `spans` and `names`."""
        found: list[Region] = [*self]
        return found[index]

    def spans(self) -> Iterator[tuple[int, int, int]]:
        """See `FileList`; without an object for each."""
        return (row[:3] for row in self._rows())

    def names(self) -> Iterator[bytes]:
        """See `FileList`; as above."""
        for file, alike in groupby(row[-1] for row in self._rows()):
            yield from repeat(self._mappings.path(file), sum(1 for _ in alike))

    def _rows(self) -> Iterator[Row]:
        for first in (True, False):
            yield from (row for row in self._mappings.rows(_of_file) if (row[-1] in self._firsts) is first)


def _of_file(mapping: Mapping) -> bool:
    return bool(mapping.inode) and not mapping.fileless and mapping.path.startswith("/")


def write(
    process: Snapshot,
    vectors: Callable[[Thread], tuple[bytes, bytes]],
    write_at: Callable[[memoryview, int], int],
) -> int:
    """Write all notes to their place; gives how many bytes they are.

    Args:
        process: With its threads.
        vectors: Gives `Thread.floating` and `Thread.extended`.
        write_at: Writes at a place of the file; gives how many bytes.
    """
    room, filled, place = bytearray(_AT_ONCE + PAGE), 0, core_write.NOTES_AT
    for piece in core_write.notes(process, vectors):
        room[filled : filled + len(piece)] = piece  # grows for one that is longer than what is left
        filled += len(piece)
        if filled >= _AT_ONCE:
            place, filled = _written(room, filled, place, write_at), 0
    return _written(room, filled, place, write_at) - core_write.NOTES_AT


def _written(room: bytearray, filled: int, place: int, write_at: Callable[[memoryview, int], int]) -> int:
    """The place after the first so many bytes, which are written."""
    with memoryview(room) as view:
        begin = 0
        while begin < filled:
            with view[begin:filled] as rest:
                begin += write_at(rest, place + begin)
    return place + filled
