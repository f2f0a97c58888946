"""The handles of a minidump: what each leads to, and who holds it, as the system told its writer.

Nothing here is worth an error: what a damaged stream still says is told.

Source: Windows SDK ``minidumpapiset.h``, ``MINIDUMP_HANDLE_DATA_STREAM``; what dbghelp
6.3.9600 puts into ``MINIDUMP_HANDLE_OBJECT_INFORMATION``: the answers of
NtQueryInformationThread, NtQueryMutant and NtQueryInformationProcess as they are, so
their size tells the writer's width.
"""

from __future__ import annotations

import struct

from tray.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    At = Callable[[int, int], bytes]

_HEAD = struct.Struct("<IIII")
"""``MINIDUMP_HANDLE_DATA_STREAM``: its own size, that of a row, rows, reserved."""
_ROW = struct.Struct("<QIIIIII")
"""``MINIDUMP_HANDLE_DESCRIPTOR``: handle, type name, object name, attributes, access, handles, pointers."""
_WHERE_AT = 32
"""Where ``MINIDUMP_HANDLE_DESCRIPTOR_2`` says where its first object information is."""
_MORE = struct.Struct("<III")
"""``MINIDUMP_HANDLE_OBJECT_INFORMATION``: the next one, what it is, its size."""
_PARTIES = {
    (1, 48): struct.Struct("<16xQQ"),
    (1, 28): struct.Struct("<8xII"),
    (3, 16): struct.Struct("<QQ"),
    (3, 8): struct.Struct("<II"),
    (4, 48): struct.Struct("<32xQ"),
    (4, 24): struct.Struct("<16xI"),
}
"""Kind and size of an object information → where it has a process, and a thread: of a thread its own, of a
mutex the one that holds it, of a process only that."""
_OWNED = {1: "Thread", 3: "Mutant", 4: "Process"}
_MOST, _MOST_CHAINED = 1 << 14, 8


class Handle(NamedTuple):
    r"""What a handle leads to.

    Attributes:
        kind: As the system calls it: ``Mutant``, ``Thread``, ``Event`` …
        name: Of the object, as ``\BaseNamedObjects\Once``; empty for most, and for all files.
        party: Process and thread that it is, or that hold it; zeros if nobody does; None where that is not told.
    """

    kind: str
    name: str
    party: tuple[int, int] | None


def handles(content: bytes, at: At, text: Callable[[int], str]) -> dict[int, Handle]:
    """Handle → what it leads to.

    Args:
        content: The stream.
        at: Gives bytes of the file: offset, size.
        text: Gives a ``MINIDUMP_STRING`` by its offset.
    """
    if len(content) < _HEAD.size:
        return {}
    head, size, count, _ = _HEAD.unpack_from(content)
    if head < _HEAD.size or size < _ROW.size:
        return {}
    found = {}
    for number in range(min(count, _MOST)):
        row = content[head + number * size : head + (number + 1) * size]
        if len(row) < size:
            break
        handle, kind, name, *_ = _ROW.unpack_from(row)
        where = int.from_bytes(row[_WHERE_AT : _WHERE_AT + 4], "little")
        kind = text(kind) if kind else ""
        found[handle] = Handle(kind, text(name) if name else "", _party(kind, where, at))
    return found


def _party(kind: str, where: int, at: At) -> tuple[int, int] | None:
    """Process and thread that an object's informations name."""
    for number, content in _informations(where, at):
        form = _PARTIES.get((number, len(content)))
        if form and _OWNED[number] == kind:
            pid, tid = (*form.unpack_from(content), 0)[:2]
            return pid, tid
    return None


def _informations(where: int, at: At) -> Iterator[tuple[int, bytes]]:
    """Kind and content of each information in a chain."""
    for _ in range(_MOST_CHAINED):
        head = at(where, _MORE.size) if where else b""
        if len(head) < _MORE.size:
            return
        after, number, size = _MORE.unpack(head)
        yield number, at(where + _MORE.size, min(size, _LONGEST))
        where = after


_LONGEST = max(size for _, size in _PARTIES) + 1
"""What is longer is none of those that are known."""
