"""Two pieces of code that every Linux program brings along, found in the files it has mapped.

Nothing is read through the process, which would bring pages into its page tables.
"""

from __future__ import annotations

import os

from tray.capture.linux_names import C_LIBRARY
from tray.capture.linux_net import CALL_AND_RETURN, RETURN_FROM_SIGNAL, Code
from tray.lean import TYPE_CHECKING, dataclass

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from tray.capture.linux_files import Files
    from tray.capture.linux_maps import Mapping, Mappings
    from tray.capture.linux_pages import Pages
    from tray.ffi.linux import Kernel
    from tray.formats.numbers import Runs

_PIECES = (CALL_AND_RETURN, RETURN_FROM_SIGNAL)
_CHUNK = 64 << 10
_MOST = 256 << 20


@dataclass(frozen=True, slots=True)
class Found:
    """The code, and the mappings that it is in.

    Attributes:
        code: Addresses.
        mappings: Those that must still be there for the addresses to hold.
    """

    code: Code
    mappings: tuple[Mapping, ...]

    def holds(self, mappings: Mappings) -> bool:
        """Whether the addresses are good in this memory map too."""
        return all(mappings.at(one.start) == one for one in self.mappings)


def find(kernel: Kernel, mappings: Mappings, files: Files, pages: Pages) -> Found | None:
    """Both pieces; None where one is missing."""
    found: dict[bytes, tuple[int, Mapping]] = {}
    left = _MOST
    for mapping in _in_turn(mappings):
        descriptor = files.descriptor(mapping)
        left -= mapping.size if descriptor is not None else 0
        if descriptor is None or left < 0:
            continue
        changed = pages.own(mapping)  # pages of the program's own, as where a debugger has set a breakpoint
        for piece, address in _places(kernel, mapping, descriptor, found):
            if piece not in found and not _overlaps(changed, address, address + len(piece)):
                found[piece] = address, mapping
                if len(found) == len(_PIECES):
                    code = Code(found[CALL_AND_RETURN][0], found[RETURN_FROM_SIGNAL][0])
                    return Found(code, tuple({where for _, where in found.values()}))
    return None


def _in_turn(mappings: Mappings) -> Iterator[Mapping]:
    """Mapped code, that of the C library first."""
    yield from mappings.where(lambda kind: _is_code(kind) and kind.path == C_LIBRARY)
    yield from mappings.where(lambda kind: _is_code(kind) and kind.path != C_LIBRARY)


def _is_code(kind: Mapping) -> bool:
    return kind.access == "r-xp" and bool(kind.inode)


def _overlaps(runs: Runs, start: int, end: int) -> bool:
    """Whether any of the runs has an address of this stretch."""
    return any(first < end and start < last for first, last in runs.pairs())


def _places(
    kernel: Kernel, mapping: Mapping, descriptor: int, found: Container[bytes]
) -> Iterator[tuple[bytes, int]]:
    """Each piece that is in a mapping's file, and its address; none that has been ``found`` by then."""
    before = max(map(len, _PIECES)) - 1  # bytes that stay from one chunk to the next, in front of it
    buffer, begin = bytearray(before + _CHUNK), before
    size = min(mapping.size, os.fstat(descriptor).st_size - mapping.offset)
    for start in range(0, size, _CHUNK):
        view = memoryview(buffer)[before : before + min(_CHUNK, size - start)]
        end = before + kernel.read_file(descriptor, view, mapping.offset + start)
        for piece in (one for one in _PIECES if one not in found):
            at = buffer.find(piece, begin, end)
            while at >= 0:
                yield piece, mapping.start + start - before + at
                at = buffer.find(piece, at + 1, end) if piece not in found else -1
        buffer[:before], begin = buffer[end - before : end], 0
