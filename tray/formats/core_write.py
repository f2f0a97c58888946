"""Writing core files: a `Snapshot` → its headers and notes, piece by piece.

The notes stand right behind the file's header and the table of program headers
behind them. So each thread's registers can go to the file while the process stands
still, before it is known how much memory is kept; nothing is held by the number of
threads. Readers take both places from the headers.

The order and the contents of the notes are the kernel's, because gdb, lldb and
elfutils each depend on a different part of them.

Source: core(5); Linux ``fs/binfmt_elf.c``; ``include/linux/elfcore.h``.
"""

from __future__ import annotations

import array
import struct

from tray.formats import elf, xstate
from tray.lean import TYPE_CHECKING, dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import BinaryIO

    from tray.model import Memory, Region, Snapshot, Thread

PAGE = 4096
NT_PRSTATUS, NT_FPREGSET, NT_PRPSINFO, NT_AUXV = 1, 2, 3, 6
NT_X86_XSTATE = 0x202
NT_FILE, NT_SIGINFO = 0x46494C45, 0x53494749

NOTES_AT = elf.HEADER.size
"""Where the notes begin."""

STATUS = struct.Struct("<12shxxQQiiii64s216si4x")
"""``struct elf_prstatus``: siginfo, cursig, pending, held, pid, ppid, pgrp, sid, times, registers, fpvalid."""
PROCESS = struct.Struct("<BcBb4xQIIiiii16s80s")
"""``struct elf_prpsinfo``: state, its letter, zombie, nice, flags, uid, gid, pid, ppid, pgrp, sid, name, arguments."""
STATES = "RSDTZW"
_AT_ONCE = 1024
"""Program headers that are made at a time."""


def _process_note(snapshot: Snapshot) -> bytes:
    """``struct elf_prpsinfo``, 136 bytes."""
    letter = snapshot.state if snapshot.state in tuple(STATES) else "S"
    return PROCESS.pack(
        STATES.index(letter),
        letter.encode(),
        letter == "Z",
        0,
        0,
        snapshot.uid & 0xFFFFFFFF,
        snapshot.gid & 0xFFFFFFFF,
        snapshot.pid,
        snapshot.parent,
        0,
        0,
        snapshot.name.encode("utf-8", "surrogateescape")[:15],
        snapshot.arguments.encode("utf-8", "surrogateescape")[:79],
    )


def _thread_status(snapshot: Snapshot, thread: Thread) -> bytes:
    """``struct elf_prstatus``, 336 bytes; no signal, for nothing crashed."""
    return STATUS.pack(
        b"", 0, 0, 0, thread.tid, snapshot.parent, 0, 0, b"", thread.registers, bool(thread.floating)
    )


def _file_note(mappings: Iterable[Region]) -> bytes:
    """NT_FILE: count, page size, (start, end, offset in pages) each, then the names."""
    listed = list(mappings)
    head = struct.pack("<QQ", len(listed), PAGE)
    table = b"".join(struct.pack("<QQQ", m.start, m.end, m.offset // PAGE) for m in listed)
    names = b"".join(m.path.encode("utf-8", "surrogateescape") + b"\0" for m in listed)
    return head + table + names


def thread_notes(snapshot: Snapshot, thread: Thread, *, first: bool) -> bytes:
    """The notes of one thread; those about the whole process stand inside the first one's.

    lldb counts every note after an NT_PRSTATUS to that thread and hangs on
    process-wide ones after the last.
    """
    parts = [elf.note("CORE", NT_PRSTATUS, _thread_status(snapshot, thread))]
    if first:
        parts.append(elf.note("CORE", NT_PRPSINFO, _process_note(snapshot)))
        parts.append(elf.note("CORE", NT_SIGINFO, thread.signal.ljust(128, b"\0")))
        parts.append(elf.note("CORE", NT_AUXV, snapshot.auxv))
        parts.append(elf.note("CORE", NT_FILE, _file_note(snapshot.mappings)))
    if thread.floating:
        parts.append(elf.note("CORE", NT_FPREGSET, thread.floating))
    if thread.extended:
        parts.append(elf.note("LINUX", NT_X86_XSTATE, xstate.usual(thread.extended)))
    return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything goes in a core file.

    Attributes:
        count: Program headers.
        notes: Length of the notes.
        table: Where the program headers begin.
        offsets: File offset of each stretch of memory, page aligned.
        size: Of the whole file.
    """

    count: int
    notes: int
    table: int
    offsets: array.array[int]
    size: int


def layout(memory: Sequence[Memory], notes: int) -> Layout:
    """The place for each stretch of memory behind so many bytes of notes."""
    count = 1 + len(memory)
    table = NOTES_AT + notes + -notes % 8
    position = _page_up(table + count * elf.PROGRAM.size + len(elf.many(count)))
    offsets = array.array("Q")
    for piece in memory:
        offsets.append(position)
        position += _page_up(piece.stored)
    return Layout(count, notes, table, offsets, position)


def headers(memory: Sequence[Memory], place: Layout) -> Iterator[tuple[int, bytes]]:
    """Everything but the notes that stands before the memory: where, and what."""
    yield 0, elf.header(place.count, place.table)
    at, known = place.table, dict[str, int]()
    block = bytearray(elf.Program(elf.PT_NOTE, 0, NOTES_AT, 0, place.notes, 0, 4).pack())
    for piece, offset in zip(memory, place.offsets, strict=True):
        flags = known.get(piece.access)
        if flags is None:
            flags = known[piece.access] = _flags(piece.access)
        block += elf.PROGRAM.pack(elf.PT_LOAD, flags, offset, piece.start, 0, piece.stored, piece.size, PAGE)
        if len(block) >= _AT_ONCE * elf.PROGRAM.size:
            yield at, bytes(block)
            at += len(block)
            block.clear()
    yield at, bytes(block) + elf.many(place.count)


def write(snapshot: Snapshot, file: BinaryIO, contents: Iterable[bytes]) -> None:
    """Write a whole small core file; ``contents`` holds the stored bytes of each stretch.

    A live process is written by the capture instead, whose memory is copied
    beside Python.
    """
    notes = b"".join(
        thread_notes(snapshot, thread, first=not number) for number, thread in enumerate(snapshot.threads)
    )
    place = layout(snapshot.memory, len(notes))
    pieces = [(NOTES_AT, notes), *headers(snapshot.memory, place)]
    for offset, content in (*pieces, *zip(place.offsets, contents, strict=True)):
        file.seek(offset)
        file.write(content)
    file.truncate(place.size)


def _flags(access: str) -> int:
    flags = {"r": elf.PF_R, "w": elf.PF_W, "x": elf.PF_X}
    return sum(flags.get(letter, 0) for letter in access[:3])


def _page_up(value: int) -> int:
    return value + -value % PAGE
