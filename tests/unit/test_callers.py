"""Whose code waits: what stands beside a futex is the C library's only where its own code made the call."""

from __future__ import annotations

import struct

import pytest

from tray.ffi import linux as ffi
from tray.formats import elf
from tray.model import Region
from tray.reports.callers import Code

APP, LIBC, STACK, BLOCK = 0x400000, 0x7F0000000000, 0x7FFE00000000, 0x500000
LIBRARY = "/lib/x86_64-linux-gnu/libc.so.6"
SIZE = 0x3000
IN_APP, IN_LIBC = APP + 0x1100, LIBC + 0x1100


def image() -> bytes:
    """A module's first page: a header segment, one of code at 0x1000, one of data at 0x2000."""
    programs = [
        elf.Program(elf.PT_LOAD, flags, offset, offset, 0x800, 0x800)
        for flags, offset in ((elf.PF_R, 0), (elf.PF_R | elf.PF_X, 0x1000), (elf.PF_R | elf.PF_W, 0x2000))
    ]
    return (elf.header(len(programs)) + b"".join(map(elf.Program.pack, programs))).ljust(0x1000, b"\0")


def code(*stack: int, libraries: tuple[str, ...] = (LIBRARY,), head: bytes | None = None, block: int = BLOCK):
    """An app with these libraries, and what its one thread's stack holds."""
    files = [("/opt/app", APP), *((path, LIBC) for path in libraries)]
    regions = [
        Region(at + o, at + o + 0x1000, "", o, path) for path, at in files for o in range(0, SIZE, 0x1000)
    ]
    first = image() if head is None else head
    contents = {
        STACK: struct.pack(f"<{len(stack)}Q", *stack),
        BLOCK: struct.pack("<Q", block),
        APP: first,
        LIBC: first,
    }

    def memory(address: int, size: int) -> bytes:
        return contents.get(address, b"")[:size]

    return Code(regions, memory)


def registers(pc: int, r9: int = 0, block: int = BLOCK) -> list[int]:
    """Of a thread in a call that this code made."""
    found = [0] * 27
    found[ffi.RIP], found[ffi.RSP], found[ffi.R9], found[ffi.FS_BASE] = pc, STACK, r9, block
    return found


@pytest.mark.parametrize(
    ("stack", "r9", "foreign"),
    [
        ((IN_APP, 5), 5, True),
        ((IN_APP, 5), 6, False),
        ((APP + 0x2100, 5), 5, False),
        ((IN_LIBC, 5), 5, False),
        ((0x1234, 5), 5, False),
        ((), 0, False),
    ],
    ids=["through syscall()", "another argument", "data", "its own", "nowhere", "no stack"],
)
def test_through_the_library(stack: tuple[int, ...], r9: int, *, foreign: bool) -> None:
    """``syscall()`` stands right above who called it, with its last argument in r9."""
    assert code(*stack).is_foreign(registers(IN_LIBC, r9)) is foreign


def test_without_the_library() -> None:
    """A program's own system call, where it has a C library, is none of that; without one, its thread blocks tell."""
    assert code().is_foreign(registers(IN_APP))
    assert not code(libraries=()).is_foreign(registers(IN_APP))
    assert code(libraries=(), block=0x77).is_foreign(registers(IN_APP))
    assert code(libraries=()).is_foreign(registers(IN_APP, block=0))
    assert not code(libraries=()).is_foreign(registers(IN_APP, block=0x123000))
    assert not code().is_foreign(registers(0x10))


def test_the_library_alone() -> None:
    """Up to an address of the stack nobody else's code is on it; a file whose head is missing may be code all over."""
    assert code(IN_LIBC, APP + 0x2100, 7).is_library_alone(registers(IN_LIBC), STACK + 24)
    assert not code(IN_LIBC, IN_APP, 7).is_library_alone(registers(IN_LIBC), STACK + 24)
    assert code(IN_LIBC, IN_APP).is_library_alone(registers(IN_LIBC), STACK + 8)
    assert not code(IN_LIBC, APP + 0x2100, head=b"").is_library_alone(registers(IN_LIBC), STACK + 16)
    assert not code().is_library_alone(registers(IN_APP), STACK)
    assert code().file(LIBC + SIZE) is None
