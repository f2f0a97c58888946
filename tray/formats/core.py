"""ELF core files of x86-64 Linux: `Snapshot` → header, file → `Snapshot`.

The order and the contents of the notes are the kernel's, because gdb, lldb and
elfutils each depend on a different part of them. Memory itself is not
handled here: `Layout` says where each stretch goes, and `Core` reads it back.

Source: core(5); Linux ``fs/binfmt_elf.c``; ``include/linux/elfcore.h``.
"""

from __future__ import annotations

import array
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from tray.errors import BadDump
from tray.formats import elf, xstate
from tray.formats.stretches import Stretches
from tray.model import Memory, Module, Region, Snapshot, Thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PAGE = 4096
NT_PRSTATUS, NT_FPREGSET, NT_PRPSINFO, NT_AUXV = 1, 2, 3, 6
NT_X86_XSTATE = 0x202
NT_FILE, NT_SIGINFO = 0x46494C45, 0x53494749

_STATUS = struct.Struct("<12shxxQQiiii64s216si4x")
"""``struct elf_prstatus``: siginfo, cursig, pending, held, pid, ppid, pgrp, sid, times, registers, fpvalid."""
_PROCESS = struct.Struct("<BcBb4xQIIiiii16s80s")
"""``struct elf_prpsinfo``: state, its letter, zombie, nice, flags, uid, gid, pid, ppid, pgrp, sid, name, arguments."""
_STATES = "RSDTZW"
_MOST_HEADERS = 4_000_000
_MOST_NOTES = 1 << 30


def _process_note(snapshot: Snapshot) -> bytes:
    """``struct elf_prpsinfo``, 136 bytes."""
    letter = snapshot.state if snapshot.state in tuple(_STATES) else "S"
    return _PROCESS.pack(
        _STATES.index(letter),
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
    return _STATUS.pack(
        b"", 0, 0, 0, thread.tid, snapshot.parent, 0, 0, b"", thread.registers, bool(thread.floating)
    )


def _file_note(mappings: Iterable[Region]) -> bytes:
    """NT_FILE: count, page size, (start, end, offset in pages) each, then the names."""
    listed = list(mappings)
    head = struct.pack("<QQ", len(listed), PAGE)
    table = b"".join(struct.pack("<QQQ", m.start, m.end, m.offset // PAGE) for m in listed)
    names = b"".join(m.path.encode("utf-8", "surrogateescape") + b"\0" for m in listed)
    return head + table + names


def _notes(snapshot: Snapshot) -> bytes:
    """All notes; those about the whole process stand inside the first thread.

    lldb counts every note after an NT_PRSTATUS to that thread and hangs on
    process-wide ones after the last.
    """
    parts: list[bytes] = []
    for number, thread in enumerate(snapshot.threads):
        parts.append(elf.note("CORE", NT_PRSTATUS, _thread_status(snapshot, thread)))
        if number == 0:
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
        head: Everything before the memory: headers and notes.
        offsets: File offset of each stretch of ``Snapshot.memory``, page aligned.
        size: Of the whole file.
    """

    head: bytes
    offsets: array.array[int]
    size: int


def layout(snapshot: Snapshot) -> Layout:
    """The head of a core file, and the place for each stretch of memory."""
    notes = _notes(snapshot)
    count = 1 + len(snapshot.memory)
    extra = elf.many(count)
    notes_at = elf.HEADER.size + count * elf.PROGRAM.size + len(extra)
    position = _page_up(notes_at + len(notes))
    offsets = array.array("Q")
    table = bytearray(elf.Program(elf.PT_NOTE, 0, notes_at, 0, len(notes), 0, 4).pack())
    for piece in snapshot.memory:
        offsets.append(position)
        table += elf.Program(
            elf.PT_LOAD, _flags(piece.access), position, piece.start, piece.stored, piece.size, PAGE
        ).pack()
        position += _page_up(piece.stored)
    return Layout(b"".join((elf.header(count), table, extra, notes)), offsets, position)


def write(snapshot: Snapshot, file: BinaryIO, contents: Iterable[bytes]) -> None:
    """Write a whole small core file; ``contents`` holds the stored bytes of each stretch.

    A live process is written by the capture instead, whose memory is copied
    beside Python.
    """
    place = layout(snapshot)
    file.write(place.head)
    for offset, content in zip(place.offsets, contents, strict=True):
        file.seek(offset)
        file.write(content)
    file.truncate(place.size)


class _Head:
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

    def parts(self) -> tuple[bytes, bytes]:
        """The table of program headers, and the block of notes.

        Raises:
            BadDump: It is no core file of x86-64, or cut off here.
        """
        head = self.at(0, elf.HEADER.size)
        if len(head) < elf.HEADER.size or not head.startswith(elf.MAGIC[:4]):
            raise BadDump("This is no core file.", hint="hangshot reads ELF core files of x86-64 Linux.")
        fields = elf.HEADER.unpack(head)
        kind, machine, table_at, sections_at, size, count = (fields[i] for i in (1, 2, 5, 6, 9, 10))
        if kind != elf.ET_CORE or machine != elf.EM_X86_64 or not head.startswith(elf.MAGIC[:6]):
            raise BadDump("This ELF file is no core file of x86-64.")
        if count == elf.PN_XNUM:
            section = self.at(sections_at, elf.SECTION.size)
            count = elf.SECTION.unpack(section)[7] if len(section) == elf.SECTION.size else 0
        table = self.at(table_at, count * elf.PROGRAM.size) if 0 < count <= _MOST_HEADERS else b""
        if size != elf.PROGRAM.size or not table or len(table) < count * elf.PROGRAM.size:
            raise BadDump("The core file is cut off within its headers.")
        return table, self._note_block(table)

    def _note_block(self, table: bytes) -> bytes:
        for program in elf.programs(table):
            if program.type == elf.PT_NOTE:
                block = self.at(program.offset, min(program.filesz, _MOST_NOTES))
                if len(block) < program.filesz:
                    raise BadDump("The core file is cut off within its notes.")
                return block
        raise BadDump("The core file says nothing about threads.")


class Core:
    """An open core file, ours or the kernel's or gdb's; `close` it.

    Attributes:
        snapshot: What it says, without the memory.
        memory: See `Stretches.memory`.
        format: As in `Captured`.
        comment: Always empty: a core file has no place for one.
        crash: Always None: why it was written stands with its threads.

    Raises:
        BadDump: It is no x86-64 core file, or its head is damaged.
    """

    format = "elf-core"
    comment = ""
    crash = None

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._head = _Head(file)
        table, notes = self._head.parts()
        loads = [p for p in elf.programs(table) if p.type == elf.PT_LOAD and p.memsz]
        self._loads = sorted(loads, key=lambda p: p.vaddr)
        self.memory = Stretches(((p.vaddr, p.filesz, p.offset) for p in loads), self._head.at).memory
        self.missing = _missing(loads, os.fstat(file.fileno()).st_size)
        """Bytes that the headers promise and the file does not have: it was cut."""
        self.snapshot = _snapshot(notes, self._loads)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def modules(self) -> Iterator[Module]:
        """Executable and libraries: the mapped files that begin with an ELF header, in file-note order.

        A file whose first page the dump does not hold counts as a module if part of it is code.
        """
        code = {p.vaddr for p in self._loads if p.flags & elf.PF_X}
        for path, regions in _by_path(self.snapshot.mappings).items():
            start, end = min(r.start for r in regions), max(r.end for r in regions)
            image = self.memory(start, PAGE) if regions[0].offset == 0 else b""
            if image.startswith(elf.MAGIC[:4]) or (not image and any(r.start in code for r in regions)):
                yield Module(path, start, end, elf.build_id(image))


def read(path: str | os.PathLike[str]) -> Core:
    """Open a core file.

    Raises:
        BadDump: It is none, or damaged.
        OSError: It cannot be opened.
    """
    file = open(path, "rb")  # noqa: SIM115, PTH123 - Core closes it
    try:
        return Core(file)
    except BaseException:
        file.close()
        raise


def verify(file: BinaryIO, threads: int) -> None:
    """See that a core file of ours is whole: headers, one status note a thread, and room for all memory.

    Raises:
        BadDump: It is not; the text says what is missing.
    """
    table, block = _Head(file).parts()
    found = sum(kind == NT_PRSTATUS and owner == "CORE" for owner, kind, _ in elf.notes(block))
    if found != threads:
        raise BadDump(f"It holds {found} of {threads} threads.")
    if missing := _missing(elf.programs(table), os.fstat(file.fileno()).st_size):
        raise BadDump(f"{missing} bytes of memory are missing at its end.")


def _missing(loads: Iterable[elf.Program], size: int) -> int:
    """Bytes that the headers promise and a file of this size does not have."""
    return sum(max(0, min(p.filesz, p.offset + p.filesz - size)) for p in loads if p.type == elf.PT_LOAD)


def _snapshot(block: bytes, loads: list[elf.Program]) -> Snapshot:
    """What the notes say."""
    threads: list[dict[str, bytes]] = []
    whole: dict[int, bytes] = {}
    for owner, kind, payload in elf.notes(block):
        if (owner, kind) == ("CORE", NT_PRSTATUS):
            threads.append({"status": payload})
        elif threads and owner == "CORE" and kind == NT_FPREGSET:
            threads[-1]["floating"] = payload
        elif threads and owner == "LINUX" and kind == NT_X86_XSTATE:
            threads[-1]["extended"] = payload
        elif owner == "CORE":
            whole.setdefault(kind, payload)
    if not threads:
        raise BadDump("The core file names no thread.")
    found = [_thread(fields) for fields in threads]
    parent = _STATUS.unpack(threads[0]["status"])[5]
    found[0] = Thread(
        found[0].tid, "", "", "", found[0].registers, found[0].floating, found[0].extended,
        _unless_zero(whole.get(NT_SIGINFO, b"")),
    )  # fmt: skip
    memory = tuple(Memory(p.vaddr, p.memsz, min(p.filesz, p.memsz), _access(p.flags)) for p in loads)
    process = _process(whole.get(NT_PRPSINFO, b""), found[0].tid, parent)
    return Snapshot(
        **process,
        threads=tuple(found),
        memory=memory,
        mappings=tuple(_mappings(whole.get(NT_FILE, b""))),
        auxv=whole.get(NT_AUXV, b""),
    )


def _thread(fields: dict[str, bytes]) -> Thread:
    if len(fields["status"]) != _STATUS.size:
        raise BadDump("A thread's note has a size that x86-64 does not have.")
    status = _STATUS.unpack(fields["status"])
    return Thread(
        tid=status[4],
        registers=status[9],
        floating=fields.get("floating", b""),
        extended=fields.get("extended", b""),
    )


def _process(note: bytes, pid: int, parent: int) -> dict[str, Any]:
    """Fields of `Snapshot` from an NT_PRPSINFO note."""
    if len(note) != _PROCESS.size:
        return {"pid": pid, "parent": parent}
    fields = _PROCESS.unpack(note)
    return {
        "pid": fields[7],
        "parent": fields[8],
        "uid": fields[5],
        "gid": fields[6],
        "state": fields[1].decode("latin-1"),
        "name": _text(fields[11]),
        "arguments": _text(fields[12]).rstrip(),
    }


def _mappings(note: bytes) -> Iterator[Region]:
    """The mappings of an NT_FILE note; one that makes no sense ends the list."""
    if len(note) < 16:  # noqa: PLR2004 - two u64
        return
    count, unit = struct.unpack_from("<QQ", note)
    if count > (len(note) - 16) // 24:
        raise BadDump("The core file's list of mapped files is damaged.")
    names = note[16 + 24 * count :].split(b"\0")
    for index, name in zip(range(count), names, strict=False):
        start, end, offset = struct.unpack_from("<QQQ", note, 16 + 24 * index)
        yield Region(start, end, "", offset * unit, name.decode("utf-8", "surrogateescape"))


def _by_path(mappings: Iterable[Region]) -> dict[str, list[Region]]:
    found: dict[str, list[Region]] = {}
    for region in mappings:
        found.setdefault(region.path, []).append(region)
    return found


def _unless_zero(value: bytes) -> bytes:
    return value if value.strip(b"\0") else b""


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _flags(access: str) -> int:
    flags = {"r": elf.PF_R, "w": elf.PF_W, "x": elf.PF_X}
    return sum(flags.get(letter, 0) for letter in access[:3])


def _access(flags: int) -> str:
    return "".join(
        letter if flags & bit else "-" for letter, bit in (("r", elf.PF_R), ("w", elf.PF_W), ("x", elf.PF_X))
    )


def _page_up(value: int) -> int:
    return value + -value % PAGE
