"""The 32-bit program in a 64-bit minidump, as 64-bit tools write it: seen as the program sees itself.

The registers in such a dump are those of the layer in between (WOW64), which keeps
the program's own on its stack.

Source: Windows SDK ``winternl.h`` and ``winnt.h``: TEB, WOW64_CONTEXT; WOW64_TLS_CPURESERVED
is slot 1; the 64-bit TEB's exception list points at the 32-bit TEB.
"""

from __future__ import annotations

from tray.formats import minidump_threads
from tray.lean import TYPE_CHECKING, replace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tray.formats.minidump import Minidump
    from tray.formats.minidump_handles import Handle
    from tray.model import Module, Snapshot, Thread

LAYER = "wow64cpu.dll"
TLS_SLOT = 0x1480 + 8
"""Offset in the 64-bit TEB of ``TlsSlots[1]``: the address of two u16, then the 32-bit CONTEXT."""
CONTEXT_AT, CONTEXT_SIZE = 4, 716
_HIGH = 1 << 32


class Narrow:
    """A 64-bit minidump as its 32-bit program is; what is not here is as in `minidump.Minidump`.

    Attributes:
        snapshot: With the program's own registers; a thread whose are not in the dump has none.
        teb: The 32-bit one of the first thread; 0 where the dump lacks it.
    """

    pointer = 4

    def __init__(self, dump: Minidump) -> None:
        self._dump = dump
        self.memory, self.times = dump.memory, dump.times
        threads = tuple(self._thread(thread) for thread in dump.snapshot.threads)
        self.snapshot: Snapshot = replace(dump.snapshot, threads=threads)
        self.teb = self._word(dump.teb)

    def modules(self) -> Sequence[Module]:
        """The 32-bit ones."""
        found = [
            one for one in self._dump.modules() if one.end <= _HIGH and not _name(one).startswith("wow64")
        ]
        in_syswow64 = {_name(one) for one in found if "\\syswow64\\" in one.path.casefold()}
        return [
            one for one in found if "\\system32\\" not in one.path.casefold() or _name(one) not in in_syswow64
        ]

    def handles(self) -> Mapping[int, Handle]:
        """As in the dump."""
        return self._dump.handles()

    def _thread(self, thread: Thread) -> Thread:
        place = self._word(self._dump.tebs.get(thread.tid, 0) + TLS_SLOT)
        context = self.memory(place + CONTEXT_AT, CONTEXT_SIZE) if place else b""
        return replace(thread, registers=minidump_threads.narrow(context))

    def _word(self, address: int) -> int:
        return int.from_bytes(self.memory(address, 8), "little") if address else 0


def inside(dump: Minidump) -> Minidump | Narrow:
    """A dump as its program sees itself."""
    return Narrow(dump) if any(_name(module) == LAYER for module in dump.modules()) else dump


def _name(module: Module) -> str:
    return module.path.rpartition("\\")[2].casefold()
