"""Writing core files: a `Snapshot` → its headers and notes, piece by piece.

The notes stand right behind the file's header and the table of program headers
behind them. So each thread's registers can go to the file before it is known how much
memory is kept, or as well when the memory is there already, for `room` tells how much
they will take; nothing is held by the number of threads. Readers take both places from
the headers.

The order and the contents of the notes are the kernel's, because gdb, lldb and
elfutils each depend on a different part of them.

Source: core(5); Linux ``fs/binfmt_elf.c``; ``include/linux/elfcore.h``.
"""

from __future__ import annotations

import array
import functools
import struct
from itertools import accumulate

from tray.formats import elf, xstate
from tray.formats.file_note import FileList
from tray.formats.pieces import Pieces
from tray.lean import TYPE_CHECKING, dataclass
from tray.model import Thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import BinaryIO

    from tray.model import Region, Snapshot

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
_SPAN = struct.Struct("<QQQ")
_FLOATING, _SIGNAL = 512, 128
"""``sizeof(struct user_fpregs_struct)``, ``sizeof(siginfo_t)``."""
_STATUS_HEAD = elf.note_head("CORE", NT_PRSTATUS, STATUS.size)
_STATUS = "32xii72x216si4x"
"""Of `STATUS`, what is not 0: no signal, for nothing crashed."""
STATUS_NOTE = len(_STATUS_HEAD) + STATUS.size
"""Bytes of a thread's first note."""
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


def _file_note(mappings: Sequence[Region]) -> Iterator[bytes]:
    """NT_FILE, piece by piece: count, page size, (start, end, offset in pages) each, then the names."""
    files = _listed(mappings)
    size = _file_note_size(files)
    yield elf.note_head("CORE", NT_FILE, size) + struct.pack("<QQ", len(files), PAGE)
    for start, end, offset in files.spans():
        yield _SPAN.pack(start, end, offset // PAGE)
    for name in files.names():
        yield name + b"\0"
    yield bytes(-size % 4)


def _listed(mappings: Sequence[Region]) -> FileList:
    return mappings if isinstance(mappings, FileList) else FileList(mappings)


def _file_note_size(files: FileList) -> int:
    return 16 + sum(_SPAN.size + len(name) + 1 for name in files.names())


@functools.cache
def _form(floating: int, area: int, mask: bytes) -> tuple[struct.Struct, bytes, bytes, struct.Struct]:
    """How threads with registers of these sizes are packed, each at once; ``mask`` as in `xstate.spread`.

    Gives all their notes, what stands before the floating-point registers and before the area, and the area's parts.
    """
    parts, spread = xstate.spread(mask, area)
    usual = struct.calcsize(f"<{spread}")
    before_floating = elf.note_head("CORE", NT_FPREGSET, floating) if floating else b""
    before_area = elf.note_head("LINUX", NT_X86_XSTATE, usual) if area else b""
    form = (
        f"<{len(_STATUS_HEAD)}s{_STATUS}"
        f"{len(before_floating)}s{floating}s{-floating % 4}x"
        f"{len(before_area)}s{spread}{-usual % 4}x"
    )
    return struct.Struct(form), before_floating, before_area, parts


def thread_notes(parent: int, thread: Thread, floating: bytes, extended: bytes) -> bytes:
    """The notes of one thread, of which the first takes `STATUS_NOTE` bytes.

    Args:
        parent: Of the process.
        thread: One of its threads.
        floating: `Thread.floating`; not taken from there, for the vector registers may be kept elsewhere.
        extended: The same for `Thread.extended`.
    """
    form, before_floating, before_area, area = _form(len(floating), len(extended), xstate.mask(extended))
    return form.pack(
        _STATUS_HEAD,
        thread.tid,
        parent,
        thread.registers,
        bool(floating),
        before_floating,
        floating,
        before_area,
        *area.unpack(extended),
    )


def process_notes(snapshot: Snapshot) -> Iterator[bytes]:
    """The notes about the whole process, piece by piece."""
    yield elf.note("CORE", NT_PRPSINFO, _process_note(snapshot))
    yield elf.note("CORE", NT_SIGINFO, snapshot.threads[0].signal.ljust(_SIGNAL, b"\0"))
    yield elf.note("CORE", NT_AUXV, snapshot.auxv)
    yield from _file_note(snapshot.mappings)


def notes(snapshot: Snapshot, vectors: Callable[[Thread], tuple[bytes, bytes]]) -> Iterator[bytes]:
    """All notes, in small pieces.

    Args:
        snapshot: Of the process, with its threads.
        vectors: Gives `Thread.floating` and `Thread.extended`.
    """
    for number, thread in enumerate(snapshot.threads):
        own = thread_notes(snapshot.parent, thread, *vectors(thread))
        if number:
            yield own
            continue
        # lldb counts every note after an NT_PRSTATUS to that thread and hangs on process-wide ones after the last.
        yield own[:STATUS_NOTE]
        yield from process_notes(snapshot)
        yield own[STATUS_NOTE:]


def room(threads: int, area: bytes, auxv: bytes, mappings: Sequence[Region]) -> int:
    """How many bytes all notes take at most, told before there are any.

    Args:
        threads: How many there are.
        area: `Thread.extended` of one of them; the others' are no longer.
        auxv: `Snapshot.auxv`.
        mappings: `Snapshot.mappings`.
    """
    own = thread_notes(0, Thread(0), bytes(_FLOATING), area)
    process = PROCESS.size, _SIGNAL, len(auxv), _file_note_size(_listed(mappings))
    notes = (len(elf.note_head("CORE", 0, size)) + size + -size % 4 for size in process)
    return threads * len(own) + sum(notes)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything goes in a core file.

    Attributes:
        count: Program headers.
        notes: Length of the notes.
        table: Where the program headers begin.
        start: Where the memory begins: its stretches follow each other, each at a page's beginning.
        size: Of the whole file.
    """

    count: int
    notes: int
    table: int
    start: int
    size: int


def layout(memory: Pieces, notes: int) -> Layout:
    """The place for each stretch of memory behind so many bytes of notes."""
    count = 1 + len(memory)
    table = NOTES_AT + notes + -notes % 8
    start = _page_up(table + count * elf.PROGRAM.size + len(elf.many(count)))
    stored = sum(_page_up(row[2]) for row in memory.rows())
    return Layout(count, notes, table, start, start + stored)


def places(memory: Pieces, place: Layout) -> Iterator[tuple[int, int, int]]:
    """Start and end of each stretch that the file has bytes of, and where these are."""
    offset = place.start
    for start, _, stored, _ in memory.rows():
        if stored:
            yield start, start + stored, offset
            offset += _page_up(stored)


def headers(memory: Pieces, place: Layout) -> Iterator[tuple[int, bytes]]:
    """Everything but the notes that stands before the memory: where, and what."""
    yield 0, elf.header(place.count, place.table)
    at, offset = place.table, place.start
    block = elf.Program(elf.PT_NOTE, 0, NOTES_AT, 0, place.notes, 0, 4).pack()
    for first in range(0, len(memory), _AT_ONCE):
        loads, offset = _loads(memory, first, offset)
        block += loads
        yield at, block
        at, block = at + len(block), b""
    yield at, block + elf.many(place.count)


def _loads(memory: Pieces, first: int, offset: int) -> tuple[bytes, int]:
    """Program headers of up to `_AT_ONCE` stretches, and the place in the file after their bytes.

    All fields at once, each into every seventh place: the first holds type and flags, the fourth stays 0.
    """
    starts, sizes, stored, accesses = memory.columns(first, first + _AT_ONCE)
    offsets = array.array("Q", accumulate(map(_page_up, stored), initial=offset))
    known = {access: elf.PT_LOAD | _flags(access) << 32 for access in set(accesses)}
    table = array.array("Q", bytes(len(starts) * elf.PROGRAM.size))
    table[::7] = array.array("Q", map(known.__getitem__, accesses))
    table[1::7], table[2::7] = offsets[:-1], starts
    table[4::7], table[5::7] = stored, sizes
    table[6::7] = array.array("Q", (PAGE,)) * len(starts)
    return table.tobytes(), offsets[-1]


def write(snapshot: Snapshot, file: BinaryIO, contents: Iterable[bytes]) -> None:
    """Write a whole small core file; ``contents`` holds the stored bytes of each stretch.

    A live process is written by the capture instead, whose memory is copied
    beside Python.
    """
    everything = b"".join(notes(snapshot, lambda thread: (thread.floating, thread.extended)))
    memory = Pieces(snapshot.memory)
    place = layout(memory, len(everything))
    stored = zip(memory, contents, strict=True)
    wanted = (content for piece, content in stored if piece.stored)
    offsets = (offset for _, _, offset in places(memory, place))
    pieces = [(NOTES_AT, everything), *headers(memory, place)]
    for offset, content in (*pieces, *zip(offsets, wanted, strict=True)):
        file.seek(offset)
        file.write(content)
    file.truncate(place.size)


def _flags(access: str) -> int:
    flags = {"r": elf.PF_R, "w": elf.PF_W, "x": elf.PF_X}
    return sum(flags.get(letter, 0) for letter in access[:3])


def _page_up(value: int) -> int:
    return value + -value % PAGE
