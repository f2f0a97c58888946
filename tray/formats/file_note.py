"""The list of mapped files that a core file brings, in little room: a process may have 65,000."""

from __future__ import annotations

import array
import struct
from collections.abc import Sequence

from tray.errors import BadDump
from tray.formats.made import Made
from tray.lean import TYPE_CHECKING
from tray.model import Region

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = struct.Struct("<QQ")
"""How many, and what their offsets are counted in."""
_SPAN = struct.Struct("<QQQ")


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

    def spans(self) -> Iterator[tuple[int, int, int]]:
        """Start, end and offset in bytes of each."""
        return ((one.start, one.end, one.offset) for one in self)

    def names(self) -> Iterator[bytes]:
        """The path of each."""
        return (one.path.encode("utf-8", "surrogateescape") for one in self)


class FileNote(Made[Region]):
    """The mappings of an NT_FILE note, each made when it is looked at; what makes no sense ends the list.

    Raises:
        BadDump: There are fewer than it says.

    Source: core(5); Linux ``fs/binfmt_elf.c``, ``fill_files_note()``.
    """

    def __init__(self, note: bytes = b"") -> None:
        self._note = note
        self._names = array.array("I")
        """Where in the note each one's name begins."""
        if len(note) < _HEAD.size:
            return
        count, self._unit = _HEAD.unpack_from(note)
        if count > (len(note) - _HEAD.size) // _SPAN.size:
            raise BadDump("The core file's list of mapped files is damaged.")
        place = _HEAD.size + _SPAN.size * count
        while place and len(self._names) < count:
            self._names.append(place)
            place = note.find(b"\0", place) + 1

    def __len__(self) -> int:
        return len(self._names)

    def made(self, index: int) -> Region:
        """One of them; see `Made`."""
        index = range(len(self))[index]
        start, end, offset = _SPAN.unpack_from(self._note, _HEAD.size + _SPAN.size * index)
        first = self._names[index]
        last = self._note.find(b"\0", first)
        name = self._note[first : last if last >= 0 else len(self._note)]
        return Region(start, end, "", offset * self._unit, name.decode("utf-8", "surrogateescape"))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Sequence) and len(self) == len(other) and all(map(Region.__eq__, self, other))
        )

    __hash__ = None  # type: ignore[assignment] # it is as equal to a list as to a tuple

    def __repr__(self) -> str:
        return f"FileNote({list(self)!r})"
