"""Stretches of a process's memory that are read from the files behind them."""

from __future__ import annotations

from tray.formats.numbers import Numbers, Runs
from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tray.capture.linux_maps import Mapping
    from tray.ffi.linux import Kernel
    from tray.formats.spool import Spool

    Part = tuple[int, int, int, int]
    """Start, end, offset of address 0, descriptor."""

_NONE = (1 << 64, 1 << 64)
"""A run behind all addresses."""


class Parts:
    """Stretches in the order of their addresses, as numbers: there may be as many as mappings.

    Attributes:
        runs: Start and end of each, in turn.

    Args:
        spool: See `Numbers`.
        parts: The first ones.
    """

    def __init__(self, spool: Spool | None = None, parts: Iterable[Part] = ()) -> None:
        self._spool = spool
        self.runs = Runs(spool)
        # The offset is less than 0 where a mapping begins later than its file.
        self._offsets, self._descriptors = Numbers("q", spool), Numbers("i", spool)
        for part in parts:
            self._append(*part)

    @property
    def size(self) -> int:
        """Bytes, all together."""
        return self.runs.size

    def add(
        self,
        mapping: Mapping,
        descriptor: int,
        spans: Iterable[tuple[int, int]],
        own: Iterable[tuple[int, int]],
    ) -> None:
        """Stretches of a mapping, less the runs that the process wrote itself; both are sorted."""
        at_zero = mapping.offset - mapping.start
        written = iter(own)
        first, last = next(written, _NONE)
        for start, end in spans:
            position = start
            while first < end:
                if position < first:
                    self._append(position, first, at_zero, descriptor)
                position = max(position, last)
                if last > end:
                    break  # it goes on in the next stretch
                first, last = next(written, _NONE)
            if position < end:
                self._append(position, end, at_zero, descriptor)

    def joined(self, other: Parts) -> Parts:
        """Those of both."""
        if not self.runs or not other.runs:
            return self if self.runs else other
        from heapq import merge

        return Parts(self._spool, merge(self, other))

    def reader(self, kernel: Kernel) -> Callable[[memoryview, int], int]:
        """Reads their addresses from the files."""

        def read(buffer: memoryview, address: int) -> int:
            index = (self.runs.rank(address) - 1) // 2
            return kernel.read_file(self._descriptors[index], buffer, self._offsets[index] + address)

        return read

    def __iter__(self) -> Iterator[Part]:
        rows = zip(self.runs.pairs(), self._offsets, self._descriptors, strict=True)
        return ((start, end, offset, descriptor) for (start, end), offset, descriptor in rows)

    def _append(self, start: int, end: int, at_zero: int, descriptor: int) -> None:
        self.runs.add(start, end)
        self._offsets.append(at_zero)
        self._descriptors.append(descriptor)
