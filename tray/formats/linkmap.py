"""The dynamic linker's own list of loaded libraries, read the way a debugger reads it.

Debuggers find a process's libraries by walking this list in its memory, so the
pages that this walk touches are the pages that a small dump must hold.

Source: ``<link.h>``, ``struct r_debug`` and ``struct link_map``; ``<elf.h>``.
"""

from __future__ import annotations

import struct

from tray.formats import elf
from tray.lean import TYPE_CHECKING, dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AT_PHDR, AT_PHENT, AT_PHNUM, AT_SYSINFO_EHDR = 3, 4, 5, 33
DT_NULL, DT_DEBUG = 0, 21
_MOST_LIBRARIES = 10_000
_MOST_NAMESPACES = 64
"""glibc has 16 (``DL_NNS``). What is read here may be damaged: it must neither loop nor ask for gigabytes."""
_LARGEST_DYNAMIC = 64 << 10
_LONGEST_NAME = 4096
_NAME_STEP = 64


@dataclass(frozen=True, slots=True)
class Linked:
    """One entry of the list.

    Attributes:
        base: What to add to the file's addresses.
        path: Empty for the executable itself.
        dynamic: Address of its dynamic section.
        name: Address of its path.
    """

    base: int
    path: str
    dynamic: int
    name: int = 0


def auxiliary(auxv: bytes) -> dict[int, int]:
    """The auxiliary vector as a table."""
    whole = len(auxv) - len(auxv) % 16
    return dict(struct.iter_unpack("<QQ", auxv[:whole]))


def linked(auxv: bytes, read: Callable[[int, int], bytes]) -> Iterator[Linked]:
    """Each library in the order in which the linker searches them, the executable first.

    Args:
        auxv: The auxiliary vector.
        read: Gives up to that many bytes from an address; fewer or none where it cannot.
    """
    vector = auxiliary(auxv)
    debug = _debug(vector, read)
    for _ in range(_MOST_NAMESPACES):
        head = read(debug, 48) if debug else b""
        if len(head) < 48:  # noqa: PLR2004 - struct r_debug_extended
            return
        version, first = struct.unpack_from("<i4xQ", head)
        yield from _chain(first, read)
        debug = struct.unpack_from("<Q", head, 40)[0] if version > 1 else 0


def _debug(vector: dict[int, int], read: Callable[[int, int], bytes]) -> int:
    """Address of ``struct r_debug``; 0 for a static program."""
    table_at, count = vector.get(AT_PHDR, 0), min(vector.get(AT_PHNUM, 0), 64)
    programs = list(elf.programs(read(table_at, count * elf.PROGRAM.size)))
    bias = next((table_at - p.vaddr for p in programs if p.type == elf.PT_PHDR), 0)
    for program in programs:
        if program.type == elf.PT_DYNAMIC:
            section = read(bias + program.vaddr, min(program.memsz, _LARGEST_DYNAMIC))
            for tag, value in struct.iter_unpack("<QQ", _whole(section, 16)):
                if tag == DT_DEBUG:
                    return int(value)
                if tag == DT_NULL:
                    break
    return 0


def _chain(node: int, read: Callable[[int, int], bytes]) -> Iterator[Linked]:
    for _ in range(_MOST_LIBRARIES):
        fields = read(node, 40) if node else b""
        if len(fields) < 40:  # noqa: PLR2004 - the public part of struct link_map
            return
        base, name, dynamic, node, _ = struct.unpack("<5Q", fields)
        yield Linked(base, _string(name, read), dynamic, name)


def _string(address: int, read: Callable[[int, int], bytes]) -> str:
    found = b""
    while address and len(found) < _LONGEST_NAME:
        part = read(address + len(found), _NAME_STEP)
        found += part
        if b"\0" in part or len(part) < _NAME_STEP:
            break
    return found.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _whole(block: bytes, size: int) -> bytes:
    """``block`` without a cut-off last entry."""
    return block[: len(block) - len(block) % size]
