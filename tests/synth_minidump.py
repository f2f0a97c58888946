"""Builders of minidumps, from a few words: what dbghelp would have written of a made-up process."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

CODE, STACK, HEAP = 0x140000000, 0x200000, 0x500000
TEB, PEB, PARAMETERS, LINE = 0x7FFE000, 0x7FFD000, 0x300000, 0x301000
COMMAND = r"C:\app\app.exe --fast"
GUID = bytes(range(16))
BUILD_ID = "03020100050407060" + "8090A0B0C0D0E0F" + "2"
EXCEPTION, HANDLES, NAMES = 6, 12, 24
THREADS, MODULES, MEMORY, SYSTEM, MEMORY64, COMMENT, MISCELLANY, MAP = 3, 4, 5, 7, 9, 11, 15, 16


def context(pc: int = CODE + 0x1000, sp: int = STACK, **registers: int) -> bytes:
    """CONTEXT of x86-64; ``registers`` by name, as ``rax``."""
    names = [
        "rax",
        "rcx",
        "rdx",
        "rbx",
        "rsp",
        "rbp",
        "rsi",
        "rdi",
        "r8",
        "r9",
        "r10",
        "r11",
        "r12",
        "r13",
        "r14",
        "r15",
        "rip",
    ]
    values = {**dict.fromkeys(names, 0), **registers, "rsp": sp, "rip": pc}
    found = bytearray(1232)
    struct.pack_into("<17Q", found, 120, *values.values())
    found[256:768] = b"\x7f" * 512
    return bytes(found)


def context_32(pc: int = 0x401000, sp: int = STACK, eax: int = 0, ebp: int = 0) -> bytes:
    """WOW64_CONTEXT."""
    found = bytearray(716)
    struct.pack_into("<I", found, 176, eax)
    struct.pack_into("<I", found, 180, ebp)
    struct.pack_into("<I", found, 184, pc)
    struct.pack_into("<I", found, 196, sp)
    return bytes(found)


@dataclass
class Process:
    """What the minidump tells; change what a test is about."""

    pid: int = 70
    architecture: int = 9
    threads: dict[int, bytes] = field(default_factory=lambda: {70: context(), 71: context(sp=STACK + 64)})
    modules: dict[str, tuple[int, ...]] = field(
        default_factory=lambda: {
            r"C:\app\app.exe": (CODE, 0x5000),
            r"C:\Windows\ntdll.dll": (0x7FF000000, 0x9000),
        }
    )
    """Base, size, and the linker's time stamp if it matters."""
    memory: dict[int, bytes] = field(default_factory=dict)
    comment: str = "Hangshot; mode mini"
    map: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    """Start, size, state, protection, type."""
    tebs: dict[int, int] = field(default_factory=dict)
    """Thread id → environment block; else they all have the same."""
    exception: tuple[int, ...] = ()
    """Thread id, code, address, and up to two parameters."""
    names: dict[int, str] = field(default_factory=dict)
    """Of threads."""
    handles: dict[int, tuple[object, ...]] = field(default_factory=dict)
    """Handle → kind, name, then kind and content of each object information."""
    pdb: str = "app.pdb"
    """Of each module, as the linker wrote its path."""
    full: bool = False
    """Whether memory is in the 64-bit list, at the file's end."""

    @classmethod
    def usual(cls, **fields: object) -> Process:
        """With a stack, a heap and the command line."""
        made = cls(**fields)
        line = COMMAND.encode("utf-16-le")
        made.memory |= {
            STACK: b"s" * 512,
            HEAP: b"h" * 4096,
            TEB: struct.pack("<13Q", *[0] * 12, PEB),
            PEB: struct.pack("<5Q", 0, 0, 0, 0, PARAMETERS),
            PARAMETERS: b"\0" * 0x70 + struct.pack("<HH4xQ", len(line), len(line), LINE),
            LINE: line,
        }
        made.map += [
            (STACK - 0x1000, 0x3000, 0x1000, 0x04, 0x20000),
            (HEAP, 0x1000, 0x1000, 0x04, 0x20000),
            (0x600000, 0x1000, 0x2000, 0x04, 0x20000),
            (0x700000, 0x2000, 0x1000, 0x02, 0x40000),
            (CODE, 0x5000, 0x1000, 0x20, 0x1000000),
        ]
        return made


class _Writer:
    """A file that grows; streams are told by their place."""

    def __init__(self, count: int) -> None:
        self.bytes = bytearray(32 + 12 * count)
        self.directory: list[tuple[int, int, int]] = []

    def add(self, content: bytes) -> int:
        """Append; gives the offset."""
        offset = len(self.bytes)
        self.bytes += content
        return offset

    def text(self, text: str) -> int:
        """A ``MINIDUMP_STRING``; gives the offset."""
        content = text.encode("utf-16-le")
        return self.add(struct.pack("<I", len(content)) + content + b"\0\0")

    def stream(self, kind: int, content: bytes) -> None:
        self.directory.append((kind, len(content), self.add(content)))


def build(process: Process | None = None) -> bytes:
    """The file."""
    process = process or Process.usual()
    writer = _Writer(11)
    service_pack = writer.text("")
    version = 10, 0, 19045, 2, service_pack
    writer.stream(SYSTEM, struct.pack("<HHHBB5I28x", process.architecture, 6, 0, 1, 1, *version))
    writer.stream(MISCELLANY, struct.pack("<III12x", 24, 1, process.pid))
    writer.stream(COMMENT, process.comment.encode("utf-16-le") + b"\0\0")
    writer.stream(THREADS, _threads(writer, process))
    if process.exception:
        writer.stream(EXCEPTION, _exception(*process.exception))
    if process.names:
        rows = b"".join(struct.pack("<IQ", tid, writer.text(name)) for tid, name in process.names.items())
        writer.stream(NAMES, struct.pack("<I", len(process.names)) + rows)
    if process.handles:
        writer.stream(HANDLES, _handles(writer, process))
    writer.stream(MODULES, _modules(writer, process))
    rows = b"".join(struct.pack("<QQI4xQIII4x", at, at, 4, size, *rest) for at, size, *rest in process.map)
    writer.stream(MAP, struct.pack("<IIQ", 16, 48, len(process.map)) + rows)
    _memory(writer, process)
    head = struct.pack("<4sHHIIII8x", b"MDMP", 42899, 0, len(writer.directory), 32, 0, 1_800_000_000)
    writer.bytes[:32] = head
    for number, entry in enumerate(writer.directory):
        struct.pack_into("<III", writer.bytes, 32 + 12 * number, *entry)
    return bytes(writer.bytes)


def _exception(tid: int, code: int, address: int, *parameters: int) -> bytes:
    values = [*parameters, *[0] * 15][:15]
    record = struct.pack("<IIQQI4x15Q", code, 0, 0, address, len(parameters), *values)
    return struct.pack("<I4x", tid) + record + bytes(8)


def _handles(writer: _Writer, process: Process) -> bytes:
    rows = b""
    for handle, (kind, name, *informations) in process.handles.items():
        place = 0
        for number, content in informations:
            place = writer.add(struct.pack("<III", place, number, len(content)) + content)
        names = writer.text(str(kind)), writer.text(str(name)) if name else 0
        rows += struct.pack("<QIIIIIIII", handle, *names, 0, 0x1F0001, 2, 4, place, 0)
    return struct.pack("<IIII", 16, 40, len(process.handles), 0) + rows


def _threads(writer: _Writer, process: Process) -> bytes:
    rows = b""
    for tid, registers in process.threads.items():
        place = len(registers), writer.add(registers)
        rows += struct.pack("<IIIIQQIIII", tid, 0, 32, 0, process.tebs.get(tid, TEB), 0, 0, 0, *place)
    return struct.pack("<I", len(process.threads)) + rows


def _modules(writer: _Writer, process: Process) -> bytes:
    rows = b""
    for path, (base, size, *time) in process.modules.items():
        name = writer.text(path)
        record = b"RSDS" + GUID + struct.pack("<I", 2) + process.pdb.encode() + b"\0"
        debug = len(record), writer.add(record)
        rows += struct.pack("<QIIII52xII24x", base, size, 0, *(time or [0]), name, *debug)
    return struct.pack("<I", len(process.modules)) + rows


def _memory(writer: _Writer, process: Process) -> None:
    pieces = dict(sorted(process.memory.items()))
    if process.full:
        size = 16 + 16 * len(pieces)
        rows = b"".join(struct.pack("<QQ", at, len(content)) for at, content in pieces.items())
        base = len(writer.bytes) + size
        writer.stream(MEMORY64, struct.pack("<QQ", len(pieces), base) + rows)
        writer.add(b"".join(pieces.values()))
        return
    rows = b"".join(
        struct.pack("<QII", at, len(content), writer.add(content)) for at, content in pieces.items()
    )
    writer.stream(MEMORY, struct.pack("<I", len(pieces)) + rows)


def minidump_file(path: Path, process: Process | None = None) -> Path:
    """The file, on the disk."""
    path.write_bytes(build(process))
    return path
