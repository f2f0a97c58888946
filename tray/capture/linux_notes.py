"""The notes of a core file, written thread by thread, so that none of their registers stay in memory."""

from __future__ import annotations

from tray.formats import core_write
from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray.model import Snapshot, Thread

_AT_ONCE = 64 << 10
"""Bytes that are held until they are written."""


def write(
    process: Snapshot, whole: Callable[[Thread], Thread], write_at: Callable[[memoryview, int], int]
) -> int:
    """Write all notes to their place; gives how many bytes they are.

    Args:
        process: With its threads.
        whole: Gives a thread with its vector registers.
        write_at: Writes at a place of the file; gives how many bytes.
    """
    rest, place = bytearray(), core_write.NOTES_AT
    for number, thread in enumerate(process.threads):
        rest += core_write.thread_notes(process, whole(thread), first=not number)
        if len(rest) >= _AT_ONCE:
            place, rest = _flushed(rest, place, write_at), bytearray()
    return _flushed(rest, place, write_at) - core_write.NOTES_AT


def _flushed(content: bytearray, place: int, write_at: Callable[[memoryview, int], int]) -> int:
    """The place after this content, which is written."""
    view = memoryview(content)
    while view:
        count = write_at(view, place)
        view, place = view[count:], place + count
    return place
