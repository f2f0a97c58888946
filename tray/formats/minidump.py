"""Minidumps of Windows: file → `Snapshot`. Hangshot's own are written by dbghelp; this reads them back.

Nothing in a file is believed: every number is held against the file's size first,
so that a damaged one costs neither memory nor time.

Source: Windows SDK ``minidumpapiset.h``; learn.microsoft.com, "Minidump Files".
"""

from __future__ import annotations

import os
import struct

from tray.errors import BadDump
from tray.formats import minidump_handles as handles_of
from tray.formats import minidump_threads as threads_of
from tray.formats.minidump_crash import crash
from tray.formats.minidump_memory import Piece, Row, cut
from tray.formats.stretches import Stretches
from tray.lean import TYPE_CHECKING, replace
from tray.model import Module, Region, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO, Self

    from tray.formats.minidump_handles import Handle
    from tray.model import Thread

MAGIC = b"MDMP"
VERSION = 42899
THREAD_LIST, MODULE_LIST, MEMORY_LIST, SYSTEM, MEMORY64_LIST = 3, 4, 5, 7, 9
COMMENT_ASCII, COMMENT, MISCELLANY, MEMORY_MAP = 10, 11, 15, 16
EXCEPTION, HANDLES, THREAD_NAMES = 6, 12, 24
X86, AMD64 = 0, 9
"""PROCESSOR_ARCHITECTURE_* that are read."""

_HEADER = struct.Struct("<4sHHIIII8x")
"""``MINIDUMP_HEADER``: signature, version, of the writer, streams, where they are, checksum, time."""
_DIRECTORY = struct.Struct("<III")
"""``MINIDUMP_DIRECTORY``: type, size, offset."""
_MODULE = struct.Struct("<QIIII52xII24x")
"""``MINIDUMP_MODULE``: base, size, checksum, time, name, …, debug record's size and offset, …; 108 bytes."""
_PIECE = struct.Struct("<QII")
"""``MINIDUMP_MEMORY_DESCRIPTOR``: start, size, offset."""
_PIECE64 = struct.Struct("<QQ")
_MAP_ROW = struct.Struct("<QQI4xQIII4x")
"""``MINIDUMP_MEMORY_INFO``: base, allocation, its protection, size, state, protection, type."""
_DEBUG = struct.Struct("<4sIHH8sI")
"""A CodeView record of a PDB: ``RSDS``, GUID, age; then the PDB's name."""
_COMMIT, _MAPPED = 0x1000, 0x40000
_ACCESS = {
    0x01: "---",
    0x02: "r--",
    0x04: "rw-",
    0x08: "rw-",
    0x10: "--x",
    0x20: "r-x",
    0x40: "rwx",
    0x80: "rwx",
}
_LONGEST_TEXT = 1 << 16
_LONGEST_ARRAY = 1 << 28
_MOST_STREAMS = 4096
_MOST_ROWS, _MOST_MODULES = 1 << 20, 1 << 16
"""Of a list: more than any process has. A file of holes may promise ten times as many at no cost of its own."""
_MOST_TEXT = 64 << 20
"""Bytes of all names together: a million modules may share one that is as long as can be."""


class _Streams:
    """The file, and where each of its streams is."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = os.fstat(file.fileno()).st_size
        self._text_left = _MOST_TEXT
        self._places = self._directory()

    def at(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes of the file from ``offset``."""
        if size <= 0 or offset >= self.size:
            return b""
        self._file.seek(offset)
        return self._file.read(min(size, self.size - offset))

    def stream(self, kind: int) -> bytes:
        """A stream; empty if there is none.

        Raises:
            BadDump: The file is cut off within it.
        """
        size, offset = self._places.get(kind, (0, 0))
        content = self.at(offset, min(size, _LONGEST_ARRAY))
        if len(content) < size:
            raise BadDump("The minidump is cut off within its streams.")
        return content

    def rest(self, kind: int) -> bytes:
        """What there is of a stream, for what is worth no error."""
        size, offset = self._places.get(kind, (0, 0))
        return self.at(offset, min(size, _LONGEST_ARRAY))

    def text(self, offset: int) -> str:
        """A ``MINIDUMP_STRING``: its length in bytes, then UTF-16; empty once all of them were too long."""
        head = self.at(offset, 4)
        length = int.from_bytes(head, "little") if len(head) == 4 else 0  # noqa: PLR2004 - a u32
        content = self.at(offset + 4, min(length, _LONGEST_TEXT, self._text_left))
        self._text_left -= len(content)
        return content.decode("utf-16-le", "replace")

    def _directory(self) -> dict[int, tuple[int, int]]:
        head = self.at(0, _HEADER.size)
        if len(head) < _HEADER.size or not head.startswith(MAGIC):
            raise BadDump("This is no minidump.")
        _, version, _, count, offset, _, _ = _HEADER.unpack(head)
        if version != VERSION or not 0 < count <= _MOST_STREAMS:
            raise BadDump("The minidump's header is damaged.")
        table = self.at(offset, count * _DIRECTORY.size)
        if len(table) < count * _DIRECTORY.size:
            raise BadDump("The minidump is cut off within its list of streams.")
        places: dict[int, tuple[int, int]] = {}
        for kind, size, place in _DIRECTORY.iter_unpack(table):
            if kind:
                places.setdefault(kind, (size, place))
        return places


class Minidump:
    """An open minidump, ours or another tool's; `close` it.

    Attributes:
        snapshot: What it says, without the memory. Registers are brought into the
            order of ``struct user_regs_struct``, so that readers need know only one.
        memory: See `Stretches.memory`.
        comment: What its writer had to say, as its window's title.
        missing: Bytes that it promises and does not have: it was cut.
        times: Where each module starts → its linker's time stamp, which tells versions apart.
        pointer: Bytes of an address.
        teb: Environment block of its first thread, which leads to the process's.
        tebs: That of each thread, by its id.
        crash: The exception that it was written for; None where it was for none.

    Raises:
        BadDump: It is no minidump of an x86 program, or its streams are damaged.
    """

    format = "minidump"

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._streams = _Streams(file)
        self._architecture = _architecture(self._streams)
        self.pointer = 8 if self._architecture == AMD64 else 4
        self._pieces = sorted(_pieces(self._streams))
        places = ((piece.start, piece.size, piece.offset) for piece in self._pieces)
        self.memory = Stretches(places, self._streams.at).memory
        self.missing = _missing(self._pieces, self._streams.size)
        self.comment = _comment(self._streams)
        self.crash = crash(self._streams.stream(EXCEPTION))
        self._modules = tuple(_modules(self._streams))
        self.times = {row[0]: row[3] for row in _module_rows(self._streams)}
        self._names = threads_of.names(self._streams.stream(THREAD_NAMES))
        self.snapshot = self._snapshot()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def modules(self) -> Iterator[Module]:
        """Executable and libraries, the executable first; build ids as symbol servers know them."""
        return iter(self._modules)

    def pdbs(self) -> Iterator[tuple[int, str]]:
        """Where a module starts, and the path of its PDB as the linker wrote it: of the machine that built it."""
        for row in _module_rows(self._streams):
            record = self._streams.at(row[6], min(row[5], _DEBUG.size + _LONGEST_TEXT))
            if record.startswith(b"RSDS"):
                yield row[0], record[_DEBUG.size :].partition(b"\0")[0].decode("utf-8", "replace")

    def handles(self) -> dict[int, Handle]:
        """Handle → what it leads to; none where the dump does not tell."""
        return handles_of.handles(self._streams.rest(HANDLES), self._streams.at, self._streams.text)

    def _snapshot(self) -> Snapshot:
        found = threads_of.threads(self._streams.stream(THREAD_LIST), self._streams.at)
        if not found:
            raise BadDump("The minidump names no thread.")
        self.teb = found[0].teb
        self.tebs = {thread.told.tid: thread.teb for thread in found}
        rows = _map(self._streams)
        regions = [Region(module.start, module.end, "", 0, module.path) for module in self._modules]
        regions += [Region(row.start, row.start + row.size, "", 0, "[mapped]") for row in rows if row.mapped]
        name = self._modules[0].path.replace("\\", "/").rpartition("/")[2] if self._modules else ""
        return Snapshot(
            pid=_pid(self._streams),
            state="",
            name=name,
            arguments=self._command_line(found[0].teb),
            threads=tuple(self._named(thread.told) for thread in found),
            memory=tuple(cut(rows, self._pieces)),
            mappings=tuple(regions),
        )

    def _named(self, thread: Thread) -> Thread:
        place = self._names.get(thread.tid)
        return replace(thread, name=self._streams.text(place)) if place else thread

    def _command_line(self, teb: int) -> str:
        """The command line, if the dump holds TEB, PEB and the process's parameters."""
        if self._architecture != AMD64:
            return ""
        block = self._pointer(self._pointer(teb + 0x60) + 0x20)  # TEB → PEB → ProcessParameters
        length = int.from_bytes(self.memory(block + 0x70, 2), "little")
        text = self.memory(self._pointer(block + 0x78), min(length, _LONGEST_TEXT))
        return text.decode("utf-16-le", "replace")

    def _pointer(self, address: int) -> int:
        return int.from_bytes(self.memory(address, 8), "little")


def read(path: str | os.PathLike[str]) -> Minidump:
    """Open a minidump.

    Raises:
        BadDump: It is none, or damaged.
        OSError: It cannot be opened.
    """
    file = open(path, "rb")  # noqa: SIM115, PTH123 - Minidump closes it
    try:
        return Minidump(file)
    except BaseException:
        file.close()
        raise


def verify(file: BinaryIO, threads: int) -> None:
    """See that a minidump of ours is whole: header, streams, one entry a thread, and room for all memory.

    Raises:
        BadDump: It is not; the text says what is missing.
    """
    streams = _Streams(file)
    _architecture(streams)
    found = len(threads_of.threads(streams.stream(THREAD_LIST), streams.at))
    if not found or found != threads:
        raise BadDump(f"It holds {found} of {threads} threads.")
    if not streams.stream(MODULE_LIST):
        raise BadDump("It names no modules.")
    if missing := _missing(list(_pieces(streams)), streams.size):
        raise BadDump(f"{missing} bytes of memory are missing at its end.")


def forget_folders(file: BinaryIO) -> None:
    """Leave no more than the name of each module's PDB: the linker wrote the folder of whoever built it, too."""
    streams = _Streams(file)
    for row in _module_rows(streams):
        record = streams.at(row[6], min(row[5], _DEBUG.size + _LONGEST_TEXT))
        path = record[_DEBUG.size :].partition(b"\0")[0]
        if record.startswith(b"RSDS") and path:
            name = path.replace(b"\\", b"/").rpartition(b"/")[2]
            file.seek(row[6] + _DEBUG.size)
            file.write(name.ljust(len(path), b"\0"))


def _architecture(streams: _Streams) -> int:
    """The processor of the dump, one of those that are read."""
    content = streams.stream(SYSTEM)
    if len(content) < 2:  # noqa: PLR2004 - a u16
        raise BadDump("The minidump does not say which processor it is of.")
    found = int.from_bytes(content[:2], "little")
    if found not in (X86, AMD64):
        raise BadDump("This minidump is of a processor other than x86.")
    return found


def _pid(streams: _Streams) -> int:
    """``MINIDUMP_MISC_INFO``: size, flags, process id, if flag 1 is set."""
    content = streams.stream(MISCELLANY)
    if len(content) < 12:  # noqa: PLR2004 - three u32
        return 0
    _, flags, pid = struct.unpack_from("<III", content)
    return int(pid) if flags & 1 else 0


def _comment(streams: _Streams) -> str:
    """Both kinds of comment, as far as there are any."""
    wide = streams.stream(COMMENT)[:_LONGEST_TEXT].decode("utf-16-le", "replace")
    narrow = streams.stream(COMMENT_ASCII)[:_LONGEST_TEXT].decode("utf-8", "replace")
    return "\n".join(text.rstrip("\0") for text in (wide, narrow) if text.rstrip("\0"))


def _rows(
    content: bytes, head: int, count: int, row: struct.Struct, most: int = _MOST_ROWS
) -> Iterator[tuple[int, ...]]:
    """The rows of a list of that many.

    Raises:
        BadDump: There are not as many, or more than there can be.
    """
    if count > most:
        raise BadDump("One of the minidump's lists is longer than any process makes it.")
    if count and len(content) < head + count * row.size:
        raise BadDump("One of the minidump's lists is longer than its stream.")
    return row.iter_unpack(content[head : head + count * row.size])


def _counted(content: bytes, size: int = 4) -> int:
    """The count that a list begins with."""
    return int.from_bytes(content[:size], "little") if len(content) >= size else 0


def _modules(streams: _Streams) -> Iterator[Module]:
    for base, size, _, _, name, debug_size, debug_at in _module_rows(streams):
        build_id = _build_id(streams.at(debug_at, min(debug_size, _DEBUG.size)))
        yield Module(streams.text(name), base, base + size, build_id)


def _module_rows(streams: _Streams) -> Iterator[tuple[int, ...]]:
    content = streams.stream(MODULE_LIST)
    return _rows(content, 4, _counted(content), _MODULE, _MOST_MODULES)


def _build_id(record: bytes) -> str:
    """GUID and age as the folder's name on a symbol server; empty without a PDB."""
    if len(record) < _DEBUG.size or not record.startswith(b"RSDS"):
        return ""
    _, first, second, third, rest, age = _DEBUG.unpack(record)
    return f"{first:08X}{second:04X}{third:04X}{rest.hex().upper()}{age:X}"


def _pieces(streams: _Streams) -> Iterator[Piece]:
    """All memory that the dump holds, of both lists."""
    content = streams.stream(MEMORY_LIST)
    for start, size, offset in _rows(content, 4, _counted(content), _PIECE):
        if size:
            yield Piece(start, size, offset)
    content = streams.stream(MEMORY64_LIST)
    if len(content) < 16:  # noqa: PLR2004 - count and offset
        return
    count, offset = struct.unpack_from("<QQ", content)
    for start, size in _rows(content, 16, count, _PIECE64):
        yield Piece(start, size, offset)
        offset += size


def _missing(pieces: list[Piece], size: int) -> int:
    """Bytes that the lists promise and a file of this size does not have."""
    return sum(max(0, min(piece.size, piece.offset + piece.size - size)) for piece in pieces)


def _map(streams: _Streams) -> list[Row]:
    """The map of the address space: what is committed, sorted; empty where the dump has none."""
    content = streams.stream(MEMORY_MAP)
    if len(content) < 16:  # noqa: PLR2004 - MINIDUMP_MEMORY_INFO_LIST
        return []
    head, size, count = struct.unpack_from("<IIQ", content)
    if size != _MAP_ROW.size:
        raise BadDump("The minidump's map of memory has rows of an unknown kind.")
    found = []
    for start, _, _, length, state, protect, kind in _rows(content, head, count, _MAP_ROW):
        if state == _COMMIT and length:
            found.append(Row(start, length, _ACCESS.get(protect & 0xFF, "---"), kind == _MAPPED))
    return sorted(found)
