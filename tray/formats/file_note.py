"""The list of mapped files that a core file brings, in little room: a process may have 65,000."""

from __future__ import annotations

import array
import bisect
import struct
from collections.abc import Sequence
from functools import cached_property

from tray.errors import BadDump
from tray.formats.made import Made
from tray.lean import TYPE_CHECKING
from tray.model import Region

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_HEAD = struct.Struct("<QQ")
"""How many, and what their offsets are counted in."""
_SPAN = struct.Struct("<QQQ")
_MOST = 4_000_000
"""Mapped files that are read; a file of holes may promise ten times as many at no cost of its own."""
_STEP = 16 << 10
"""Bytes that are read at a time."""
_AT_ONCE = 512
"""Files of which it is read together where they begin."""
_SAMPLED = 8192
"""Files of which it is held where they begin."""
_PARTS = 64
"""The executable's files stand before all others; further parts are of a list that nobody has sorted."""


class FileList(Made[Region]):
    """Mapped files, and what a core file says of them; those that keep them as numbers tell it without an object each.

    Args:
        regions: The files.
    """

    def __init__(self, regions: Sequence[Region] = ()) -> None:
        self._regions = regions

    def __len__(self) -> int:
        return len(self._regions)

    def made(self, index: int) -> Region:
        """One of them; see `Made`."""
        return self._regions[index]

    def starts(self, first: int, last: int) -> array.array[int]:
        """Where those from a place up to another begin."""
        return array.array("Q", (self.made(place).start for place in range(first, last)))

    def spans(self) -> Iterator[tuple[int, int, int]]:
        """Start, end and offset in bytes of each."""
        return ((one.start, one.end, one.offset) for one in self)

    def names(self) -> Iterator[bytes]:
        """The path of each."""
        return (one.path.encode("utf-8", "surrogateescape") for one in self)


class Stored:
    """Bytes of a file that are read in pieces, when they are looked at.

    Args:
        at: Gives up to so many bytes of the file from an offset.
        start: Where in the file they begin.
        size: How many they are.
    """

    def __init__(self, at: Callable[[int, int], bytes], start: int, size: int) -> None:
        self._at, self._start, self.size = at, start, size
        self._windows = [(0, b""), (0, b"")]
        """Places and contents that were read last: mostly two are looked at in turn."""

    def part(self, place: int, size: int) -> bytes:
        """Up to so many of them."""
        size = min(size, self.size - place)
        for start, content in self._windows:
            if start <= place and place + size <= start + len(content):
                return content[place - start : place - start + size]
        content = self._at(self._start + place, min(max(size, _STEP), self.size - place))
        self._windows = [self._windows[1], (place, content)]
        return content[:size]


class FileNote(FileList):
    """The mappings of an NT_FILE note, each made when it is looked at; what makes no sense ends the list.

    Raises:
        BadDump: There are fewer than it says.

    Source: core(5); Linux ``fs/binfmt_elf.c``, ``fill_files_note()``.
    """

    def __init__(self, note: bytes | Stored = b"") -> None:
        super().__init__()
        self._note = (
            Stored(lambda at, size: note[at : at + size], 0, len(note)) if isinstance(note, bytes) else note
        )
        self._most, self._unit = 0, 1
        if self._note.size < _HEAD.size:
            return
        self._most, self._unit = _HEAD.unpack(self._note.part(0, _HEAD.size))
        if self._most > _MOST or self._most > (self._note.size - _HEAD.size) // _SPAN.size:
            raise BadDump("The core file's list of mapped files is damaged.")
        self._first = _HEAD.size + _SPAN.size * self._most
        self._met: dict[int, list[int]] = {}

    @cached_property
    def _before(self) -> array.array[int]:
        """How many names end before each step of them, as far as there are files; counted when first asked for."""
        found, place = array.array("I", (0,)), self._first
        while found[-1] < self._most and (block := self._note.part(place, _STEP)):
            found.append(found[-1] + block.count(b"\0"))
            place += len(block)
        return found

    def _begin(self, number: int) -> int:
        """Where in the note the name with this number begins; what is behind the last one, if that has no end."""
        if not number:
            return self._first
        step = bisect.bisect_left(self._before, number) - 1
        if step + 1 == len(self._before):
            return self._note.size + 1
        if step not in self._met:
            if len(self._met) >= 2:  # noqa: PLR2004 - a name may begin in one and end in the next
                self._met.clear()
            self._met[step] = self._ends(self._first + step * _STEP)
        return self._met[step][number - self._before[step] - 1]

    def _ends(self, place: int) -> list[int]:
        """What is behind each name that ends in the step from this place on."""
        found, block = list[int](), self._note.part(place, _STEP)
        end = block.find(b"\0")
        while end >= 0:
            found.append(place + end + 1)
            end = block.find(b"\0", end + 1)
        return found

    def starts(self, first: int, last: int) -> array.array[int]:
        """See `FileList`; without the names."""
        rows = self._note.part(_HEAD.size + _SPAN.size * first, _SPAN.size * (last - first))
        return array.array("Q", rows)[::3]

    def __len__(self) -> int:
        return min(self._most, self._before[-1] + 1) if self._most else 0

    def made(self, index: int) -> Region:
        """One of them; see `Made`."""
        index = range(len(self))[index]
        start, end, offset = _SPAN.unpack(self._note.part(_HEAD.size + _SPAN.size * index, _SPAN.size))
        first, last = self._begin(index), self._begin(index + 1)
        name = self._note.part(first, last - first - 1)
        return Region(start, end, "", offset * self._unit, name.decode("utf-8", "surrogateescape"))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Sequence) and len(self) == len(other) and all(map(Region.__eq__, self, other))
        )

    __hash__ = None  # type: ignore[assignment] # it is as equal to a list as to a tuple

    def __repr__(self) -> str:
        return f"FileNote({list(self)!r})"


class Places:
    """Which mapped file is at an address.

    Where a few thousand of them begin is held, and of what lies between those the list itself is asked.
    """

    def __init__(self, files: FileList) -> None:
        self._files = files
        self._step = len(files) // _SAMPLED + 1
        self._parts: list[tuple[int, int, array.array[int]]] = []
        """Of each part of the list that is sorted, its first place, its last, and where some of it begin."""
        first, before, sample = 0, 0, array.array("Q")
        for place, start in enumerate(self._starts()):
            if start < before and len(self._parts) < _PARTS:
                self._parts.append((first, place, sample))
                first, sample = place, array.array("Q")
            if not (place - first) % self._step:
                sample.append(start)
            before = start
        self._parts.append((first, len(files), sample))

    def at(self, address: int) -> Region | None:
        """The one at an address."""
        return next(self.down(address), None)

    def down(self, address: int) -> Iterator[Region]:
        """The one at an address, and those that stand before it in the list, the nearest first."""
        for first, last, sample in self._parts:
            if index := bisect.bisect_right(sample, address):
                place = first + (index - 1) * self._step
                if self._step > 1:
                    starts = self._files.starts(place, min(place + self._step, last))
                    place += bisect.bisect_right(starts, address) - 1
                if address < self._files[place].end:
                    yield from map(self._files.made, range(place, first - 1, -1))
                    return

    def _starts(self) -> Iterator[int]:
        count = len(self._files)
        for first in range(0, count, _AT_ONCE):
            yield from self._files.starts(first, min(first + _AT_ONCE, count))
