"""The parts of ELF that a core file and a loaded module share (64-bit, little endian).

Source: elf(5); gABI, "Program Loading and Dynamic Linking".
"""

from __future__ import annotations

import functools
import struct

from tray.errors import BadDump
from tray.lean import TYPE_CHECKING, dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"\x7fELF\x02\x01\x01"
"""64-bit, little endian, version 1."""
HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
PROGRAM = struct.Struct("<IIQQQQQQ")
SECTION = struct.Struct("<IIQQQQIIQQ")
NOTE = struct.Struct("<III")

ET_CORE, EM_X86_64 = 4, 62
PT_LOAD, PT_DYNAMIC, PT_NOTE, PT_PHDR = 1, 2, 4, 6
PF_X, PF_W, PF_R = 1, 2, 4
PN_XNUM = 0xFFFF
"""``e_phnum`` of a file with more headers than fit: section 0 holds the number."""
NT_GNU_BUILD_ID = 3


@dataclass(frozen=True, slots=True)
class Program:
    """One program header, by its fields' usual names."""

    type: int
    flags: int
    offset: int
    vaddr: int
    filesz: int
    memsz: int
    align: int = 0

    def pack(self) -> bytes:
        """As it stands in the file; the physical address is 0."""
        return PROGRAM.pack(
            self.type, self.flags, self.offset, self.vaddr, 0, self.filesz, self.memsz, self.align
        )


def header(count: int, table: int = HEADER.size) -> bytes:
    """The header of a core file with ``count`` program headers at ``table``.

    With more than 65,534 the number does not fit, and stands in `many` instead,
    which then follows the program headers.
    """
    many = count >= PN_XNUM
    return HEADER.pack(
        MAGIC.ljust(16, b"\0"),
        ET_CORE,
        EM_X86_64,
        1,
        0,
        table,
        table + count * PROGRAM.size if many else 0,
        0,
        HEADER.size,
        PROGRAM.size,
        PN_XNUM if many else count,
        SECTION.size if many else 0,
        1 if many else 0,
        0,
    )


def many(count: int) -> bytes:
    """Section header 0 of a file whose number of program headers does not fit; else nothing.

    Source: Linux ``fs/binfmt_elf.c``, ``fill_extnum_info()``.
    """
    return SECTION.pack(0, 0, 0, 0, 0, 1, 0, count, 0, 0) if count >= PN_XNUM else b""


def note(owner: str, kind: int, payload: bytes) -> bytes:
    """Pack one note: header, owner, payload, the last two padded to 4 bytes.

    Padding stays at 4 in 64-bit files too. The gABI asks for 8, but the kernel
    writes 4 and gdb, lldb and elfutils all read 4, so 8 would lose every note
    after the first odd one.

    Args:
        owner: ``"CORE"`` or ``"LINUX"``; the NUL that ends it is added here.
        kind: ``NT_*`` number; its meaning depends on ``owner``.
        payload: The note's content.

    Source: Linux ``fs/binfmt_elf.c``, ``writenote()``.
    """
    return note_head(owner, kind, len(payload)) + padded(payload)


@functools.cache
def note_head(owner: str, kind: int, size: int) -> bytes:
    """What stands before a note's payload of so many bytes."""
    name = owner.encode("ascii") + b"\0"
    return NOTE.pack(len(name), size, kind) + padded(name)


def padded(value: bytes) -> bytes:
    """``value`` with NULs up to a multiple of 4 bytes."""
    return value + b"\0" * (-len(value) % 4)


def notes(block: bytes) -> Iterator[tuple[str, int, bytes]]:
    """Owner, kind and payload of each note of a ``PT_NOTE`` segment.

    Raises:
        BadDump: A note runs past the end.
    """
    position = 0
    while position + NOTE.size <= len(block):
        name_size, size, kind = NOTE.unpack_from(block, position)
        name_at = position + NOTE.size
        payload_at = name_at + name_size + -name_size % 4
        position = payload_at + size + -size % 4
        if payload_at + size > len(block):
            raise BadDump("A note runs past the end of its segment: the file is damaged.")
        owner = block[name_at : name_at + name_size].rstrip(b"\0").decode("latin-1")
        yield owner, kind, block[payload_at : payload_at + size]


def programs(table: bytes) -> Iterator[Program]:
    """Each header of a program header table; a cut-off last one is left out."""
    whole = len(table) - len(table) % PROGRAM.size
    for kind, flags, offset, vaddr, _, filesz, memsz, align in PROGRAM.iter_unpack(table[:whole]):
        yield Program(kind, flags, offset, vaddr, filesz, memsz, align)


def own_programs(image: bytes) -> Iterator[Program]:
    """The program headers of a loaded module, from its first page(s); none where those are no ELF file's."""
    if len(image) < HEADER.size or not image.startswith(MAGIC[:5]):
        return
    _, _, _, _, _, offset, _, _, _, size, count, _, _, _ = HEADER.unpack_from(image)
    if size == PROGRAM.size:
        yield from programs(image[offset : offset + count * size])


def build_id(image: bytes) -> str:
    """The GNU build id in the first page(s) of a loaded module, hexadecimal; empty if it is not there.

    Found by its place in the file, which those pages are the beginning of: the
    addresses of a program that is not relocatable do not begin at 0.
    """
    for program in own_programs(image):
        if program.type == PT_NOTE:
            found = _build_id(image[program.offset : program.offset + program.filesz])
            if found:
                return found
    return ""


def _build_id(block: bytes) -> str:
    """The build id among the notes of one block; notes that make no sense end the search."""
    try:
        for owner, kind, payload in notes(block):
            if (owner, kind) == ("GNU", NT_GNU_BUILD_ID):
                return payload.hex()
    except BadDump:
        pass
    return ""
