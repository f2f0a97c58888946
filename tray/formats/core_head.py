"""Headers and notes of a core file, one after the other as they stand there. See `core` for what they say."""

from __future__ import annotations

import os
import struct

from tray.errors import BadDump
from tray.formats import elf
from tray.formats.core_write import NT_FILE, NT_PRSTATUS, STATUS
from tray.formats.file_note import Stored
from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from typing import BinaryIO

    Note = tuple[int, str, int, bytes]
    """Where it begins, owner, kind, payload."""

_MOST_HEADERS = 4_000_000
_MOST_NOTES = 1 << 30
"""Bytes of them."""
_NOTES_AT_MOST = 1 << 22
"""A process with a million threads has as many; a file of holes may have twenty times that at no cost of its own."""
_LARGEST_NOTE = 1 << 20
"""Bytes of one about the process or a thread: the registers of a processor take 11,000."""
_AT_ONCE = 1024
"""Program headers that are read at a time."""
_WINDOW = 64 << 10
"""Bytes of notes that are read at a time: many small reads cost more than what they leave out."""
_STATUS = "32xi76x216s8x"
"""Of `STATUS`, thread id and registers alone."""
_OWNERS = {b"CORE\0": "CORE", b"LINUX\0": "LINUX"}
_NAME = 8
"""Bytes of a note's name that are read with its head: ``CORE`` and ``LINUX`` fit."""


class Head:
    """The headers and notes of a core file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size

    def at(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes of the file from ``offset``."""
        if offset >= self._size or size <= 0:
            return b""
        self._file.seek(offset)
        return self._file.read(min(size, self._size - offset))

    def programs(self) -> Iterator[tuple[int, ...]]:
        """Each program header, field by field as in the file: a process may have 65,000.

        Raises:
            BadDump: It is no core file of x86-64, or cut off here.
        """
        head = self.at(0, elf.HEADER.size)
        if len(head) < elf.HEADER.size or not head.startswith(elf.MAGIC[:4]):
            raise BadDump(
                "This is neither a core file nor a minidump.",
                hint="Hangshot reads ELF core files of x86-64 Linux, and minidumps of Windows.",
            )
        fields = elf.HEADER.unpack(head)
        kind, machine, table, sections_at, size, count = (fields[i] for i in (1, 2, 5, 6, 9, 10))
        if kind != elf.ET_CORE or machine != elf.EM_X86_64 or not head.startswith(elf.MAGIC[:6]):
            raise BadDump("This ELF file is no core file of x86-64.")
        if count == elf.PN_XNUM:
            section = self.at(sections_at, elf.SECTION.size)
            count = elf.SECTION.unpack(section)[7] if len(section) == elf.SECTION.size else 0
        if size != elf.PROGRAM.size or not 0 < count <= _MOST_HEADERS or table + count * size > self._size:
            raise BadDump("The core file is cut off within its headers.")
        return self._programs(table, count * size)

    def _programs(self, table: int, length: int) -> Iterator[tuple[int, ...]]:
        step = _AT_ONCE * elf.PROGRAM.size
        for start in range(0, length, step):
            yield from elf.PROGRAM.iter_unpack(self.at(table + start, min(step, length - start)))

    def notes(self, position: int, end: int, wanted: Collection[int]) -> Iterator[Note]:
        """Each note of a part of the file; without payload but for those wanted.

        Raises:
            BadDump: The last one is cut off, or they are more or larger than can be.
        """
        window, start = b"", position
        for _ in range(_NOTES_AT_MOST):
            if position + elf.NOTE.size > end:
                return
            if position + elf.NOTE.size + _NAME > start + len(window):
                window, start = self.at(position, _WINDOW), position
            place = position - start
            name_size, size, kind = elf.NOTE.unpack_from(window, place)
            payload = position + elf.NOTE.size + name_size + -name_size % 4
            if name_size > _LARGEST_NOTE or (kind in wanted and kind != NT_FILE and size > _LARGEST_NOTE):
                raise BadDump("A note is larger than any is: the file is damaged.")
            if payload + size > end:
                raise BadDump("A note runs past the end of its segment: the file is damaged.")
            name = window[place + elf.NOTE.size : place + elf.NOTE.size + name_size]
            if name_size > _NAME:
                name = self.at(position + elf.NOTE.size, name_size)
            owner = _OWNERS.get(name) or name.rstrip(b"\0").decode("latin-1")
            if kind not in wanted:
                yield position, owner, kind, b""
            elif payload + size <= start + len(window):
                yield position, owner, kind, window[payload - start : payload - start + size]
            else:
                yield position, owner, kind, self.at(payload, size)
            position = payload + size + -size % 4
        raise BadDump("It has more notes than any process makes: the file is damaged.")

    def stored(self, position: int) -> Stored:
        """The payload of the note at this place."""
        name_size, size, _ = elf.NOTE.unpack(self.at(position, elf.NOTE.size))
        return Stored(self.at, position + elf.NOTE.size + name_size + -name_size % 4, size)

    def alike(self, position: int, end: int, size: int) -> Iterator[tuple[int, bytes]]:
        """Thread id and registers of each thread whose notes are like those before them but for their content.

        Most are, and so their heads are compared without a step for each. They begin at
        ``position``; those before them are ``size`` bytes long.
        """
        before = self.at(position - size, size) if size <= _WINDOW else b""
        layout = _layout(before)
        if layout is None:
            return
        head, _, _, *others = layout.unpack(before)
        while count := min(_WINDOW, end - position) // size:
            for first, tid, registers, *rest in layout.iter_unpack(self.at(position, count * size)):
                if first != head or rest != others:
                    return
                yield tid, registers
            position += count * size

    def notes_at(self) -> tuple[int, int]:
        """Where the notes begin and end.

        Raises:
            BadDump: There are none, or the file ends before they do.
        """
        found = next((program for program in self.programs() if program[0] == elf.PT_NOTE), None)
        if found is None:
            raise BadDump("The core file says nothing about threads.")
        offset, size = found[2], min(found[5], _MOST_NOTES)
        if offset + size > self._size:
            raise BadDump("The core file is cut off within its notes.")
        return offset, offset + size


def _layout(notes: bytes) -> struct.Struct | None:
    """The head of each note, the first one's thread id and registers; None unless that is a status."""
    parts, place = ["<"], 0
    while place + elf.NOTE.size <= len(notes):
        name, size, kind = elf.NOTE.unpack_from(notes, place)
        if not place and (kind, size) != (NT_PRSTATUS, STATUS.size):
            return None
        head, padded = elf.NOTE.size + name + -name % 4, size + -size % 4
        parts.append(f"{head}s{padded}x" if place else f"{head}s{_STATUS}")
        place += head + padded
    return struct.Struct("".join(parts)) if 0 < place == len(notes) else None
