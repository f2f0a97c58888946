"""Two pieces of code that every Linux program brings along, found in the files it has mapped.

Nothing is read through the process, which would bring pages into its page tables.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray.capture.linux_net import CALL_AND_RETURN, RETURN_FROM_SIGNAL, Code

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tray.capture.linux_files import Files
    from tray.capture.linux_maps import Mapping, Pages
    from tray.ffi.linux import Kernel

_C_LIBRARY = re.compile(r".*/(libc[-.]|libc\.so|ld-|libpthread)[^/]*")
_CHUNK = 1 << 20
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

    def holds(self, mappings: Iterable[Mapping]) -> bool:
        """Whether the addresses are good in this memory map too."""
        wanted = frozenset(self.mappings)
        return wanted.intersection(mappings) == wanted


def find(kernel: Kernel, mappings: Sequence[Mapping], files: Files, pages: Pages) -> Found | None:
    """Both pieces; None where one is missing."""
    call = restore = None
    left = _MOST
    for mapping in sorted(mappings, key=lambda one: not _C_LIBRARY.fullmatch(one.path)):
        descriptor = files.descriptor(mapping) if mapping.access == "r-xp" and mapping.inode else None
        left -= mapping.size if descriptor is not None else 0
        if descriptor is None or left < 0 or pages.own(mapping):  # else it was changed, as by a breakpoint
            continue
        places = _places(kernel, mapping, descriptor)
        call = call or (mapping, places[0]) if places[0] else call
        restore = restore or (mapping, places[1]) if places[1] else restore
        if call and restore:
            return Found(Code(call[1], restore[1]), (call[0], restore[0]))
    return None


def _places(kernel: Kernel, mapping: Mapping, descriptor: int) -> tuple[int, int]:
    """Address of each piece in a mapping; 0 where it is not."""
    wanted = (CALL_AND_RETURN, RETURN_FROM_SIGNAL)
    found = [0, 0]
    before, buffer = b"", bytearray(_CHUNK)
    size = min(mapping.size, os.fstat(descriptor).st_size - mapping.offset)
    for start in range(0, size, _CHUNK):
        count = kernel.read_file(
            descriptor, memoryview(buffer)[: min(_CHUNK, size - start)], mapping.offset + start
        )
        content = before + buffer[:count]
        for index, piece in enumerate(wanted):
            at = content.find(piece)
            if at >= 0 and not found[index]:
                found[index] = mapping.start + start - len(before) + at
        if all(found):
            break
        before = bytes(content[-len(RETURN_FROM_SIGNAL) :])
    return found[0], found[1]
