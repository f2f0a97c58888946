"""Builders: threads, mappings, a Snapshot, a core file and its sidecar, from a few words.

The process that `app` shows is made up, down to its bytes: an executable that is
not relocated, a library that is, a heap of which the middle was never touched,
and threads of which two look the same.
"""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tray.capture import linux_maps
from tray.ffi import linux as ffi
from tray.formats import core_write, elf
from tray.model import Dump, Memory, Region, Snapshot, Target, Thread, Trigger

PAGE = 4096
CODE, LIBRARY, HEAP, STACK = 0x400000, 0x7F0000000000, 0x1000000, 0x7FFC00000000
APP_ID, LIBRARY_ID = "a1" * 20, "b2" * 20


def registers(pc: int = CODE + PAGE, sp: int = STACK, **others: int) -> bytes:
    """``struct user_regs_struct``; ``others`` by their names in `tray.ffi.linux`, as ``RAX``."""
    values = [0] * 27
    values[ffi.RIP], values[ffi.RSP] = pc, sp
    for name, value in others.items():
        values[getattr(ffi, name)] = value & 0xFFFFFFFFFFFFFFFF
    return struct.pack("<27Q", *values)


def thread(tid: int = 70, name: str = "", **values: int) -> Thread:
    """A stopped thread; ``values`` go to `registers`."""
    return Thread(tid, name, registers=registers(**values), floating=b"\x7f" * 512)


def mapping(line: str) -> linux_maps.Mapping:
    """From a short line: ``1000-3000 rw-p /path``; with a path it gets the inode 5 on device 8:1."""
    span, access, *path = line.split(maxsplit=2)
    inode = 5 if path and not path[0].startswith("[") else 0
    found = linux_maps.parse(f"{span} {access} 00000000 08:01 {inode} {path[0] if path else ''}\n")
    assert found, line
    return found


def image(build_id: str = APP_ID, base: int = 0, size: int = PAGE) -> bytes:
    """The beginning of a module that is linked to run at ``base``, with its build id."""
    block = elf.note("GNU", elf.NT_GNU_BUILD_ID, bytes.fromhex(build_id))
    place = elf.HEADER.size + 2 * elf.PROGRAM.size
    programs = (
        elf.Program(elf.PT_LOAD, elf.PF_R, 0, base, size, size, PAGE),
        elf.Program(elf.PT_NOTE, elf.PF_R, place, base + place, len(block), len(block), 4),
    )
    head = bytearray(elf.header(len(programs)))
    struct.pack_into("<H", head, 16, 2 if base else 3)  # ET_EXEC, ET_DYN
    return (bytes(head) + b"".join(program.pack() for program in programs) + block).ljust(size, b"\0")


def snapshot(*threads: Thread, memory: tuple[Memory, ...] = (), **fields: object) -> Snapshot:
    """A process of these threads, or of one."""
    return Snapshot(70, threads=threads or (thread(),), memory=memory, **fields)


def app() -> tuple[Snapshot, list[bytes]]:
    """A whole small process, and the stored bytes of each stretch of its memory."""
    threads = (
        thread(70, pc=LIBRARY + 0x1234),
        thread(71, pc=LIBRARY + 0x1500, sp=STACK + 2 * PAGE),
        thread(72, pc=LIBRARY + 0x1500, sp=STACK + 2 * PAGE + 64),
        thread(73, pc=LIBRARY + 0x1500, sp=STACK + 2 * PAGE + 128),
    )
    pieces = [
        (Memory(CODE, PAGE, PAGE, "r--"), image(APP_ID, CODE)),
        (Memory(CODE + PAGE, 4 * PAGE, 0, "r-x"), b""),
        (Memory(CODE + 5 * PAGE, PAGE, PAGE, "rw-"), b"d" * PAGE),
        (Memory(HEAP, PAGE, PAGE, "rw-"), b"h" * PAGE),
        (Memory(HEAP + PAGE, 1 << 20, 0, "rw-"), b""),
        (Memory(LIBRARY, 2 * PAGE, PAGE, "r-x"), image(LIBRARY_ID)),
        (Memory(STACK, 3 * PAGE, 3 * PAGE, "rw-"), b"s" * 3 * PAGE),
    ]
    mappings = (
        Region(CODE, CODE + PAGE, "", 0, "/opt/app"),
        Region(CODE + PAGE, CODE + 5 * PAGE, "", PAGE, "/opt/app"),
        Region(CODE + 5 * PAGE, CODE + 6 * PAGE, "", 5 * PAGE, "/opt/app"),
        Region(LIBRARY, LIBRARY + 2 * PAGE, "", 0, "/lib/libc.so.6"),
    )
    memory = tuple(piece for piece, _ in pieces)
    auxv = struct.pack("<4Q", 6, PAGE, 0, 0)
    made = Snapshot(70, 1, 1000, 1000, "S", "app", "/opt/app --fast", threads, memory, mappings, auxv)
    return made, [content for _, content in pieces]


def head(shown: Snapshot) -> bytes:
    """Everything that stands before the memory in a core file: header, notes and program headers."""
    file = io.BytesIO()
    bare = replace(shown, memory=tuple(replace(piece, stored=0) for piece in shown.memory))
    core_write.write(bare, file, [b""] * len(shown.memory))
    content = file.getvalue()
    table = elf.HEADER.unpack_from(content)[5]
    return content[: table + (1 + len(bare.memory)) * elf.PROGRAM.size]


def core_file(path: Path, shown: Snapshot | None = None, contents: list[bytes] | None = None) -> Path:
    """A core file of a process, by default of `app`."""
    if shown is None:
        shown, contents = app()
    with path.open("w+b") as file:
        core_write.write(shown, file, [b""] * len(shown.memory) if contents is None else contents)
    return path


def dump(path: Path, shown: Snapshot | None = None, **fields: object) -> Dump:
    """What the sidecar of a dump of `app` says."""
    shown = shown or app()[0]
    told = tuple(Thread(one.tid, f"worker-{one.tid}", "S", "futex_wait") for one in shown.threads[:1])
    told += tuple(Thread(one.tid, "worker", "S", "futex_wait") for one in shown.threads[1:])
    usual = {
        "id": path.stem,
        "path": path,
        "format": "elf-core",
        "mode": "heap",
        "trigger": Trigger.CLI,
        "target": Target(shown.pid, 7, "app", Path("/opt/app")),
        "taken": datetime(2026, 11, 22, 19, 56, 5, tzinfo=UTC),
        "seconds": 1.5,
        "frozen": 0.25,
        "method": "stop and copy",
        "size": 65536,
        "allocated": 65536,
        "threads": told,
        "version": "0.1.0",
        "system": "Linux",
    }
    return Dump(**{**usual, **fields})
