"""Stretches of a process's memory that are read from the files behind them."""

from __future__ import annotations

import array
import bisect

from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tray.capture.linux_maps import Mapping
    from tray.ffi.linux import Kernel


class Parts:
    """Stretches in the order of their addresses, as numbers: there may be as many as mappings.

    Attributes:
        runs: Start and end of each, in turn.
    """

    def __init__(self, parts: Iterable[tuple[int, int, int, int]] = ()) -> None:
        self.runs = array.array("Q")
        self._offsets = array.array(
            "q"
        )  # of address 0: less than 0 where a mapping begins later than its file
        self._descriptors = array.array("i")
        for part in parts:
            self._append(*part)

    @property
    def size(self) -> int:
        """Bytes, all together."""
        return sum(self.runs[1::2]) - sum(self.runs[::2])

    def add(
        self, mapping: Mapping, descriptor: int, spans: Iterable[tuple[int, int]], own: array.array[int]
    ) -> None:
        """Stretches of a mapping, less the runs that the process wrote itself."""
        at_zero = mapping.offset - mapping.start
        for start, end in spans:
            position = start
            for index in range(0, len(own), 2):
                first, last = max(own[index], start), min(own[index + 1], end)
                if first < last:
                    if position < first:
                        self._append(position, first, at_zero, descriptor)
                    position = last
            if position < end:
                self._append(position, end, at_zero, descriptor)

    def joined(self, other: Parts) -> Parts:
        """Those of both."""
        if not self.runs or not other.runs:
            return self if self.runs else other
        from heapq import merge

        return Parts(merge(self, other))

    def reader(self, kernel: Kernel) -> Callable[[memoryview, int], int]:
        """Reads their addresses from the files."""

        def read(buffer: memoryview, address: int) -> int:
            index = (bisect.bisect_right(self.runs, address) - 1) // 2
            return kernel.read_file(self._descriptors[index], buffer, self._offsets[index] + address)

        return read

    def __iter__(self) -> Iterator[tuple[int, int, int, int]]:
        """Start, end, offset of address 0, descriptor."""
        return zip(self.runs[::2], self.runs[1::2], self._offsets, self._descriptors, strict=True)

    def _append(self, start: int, end: int, at_zero: int, descriptor: int) -> None:
        self.runs.extend((start, end))
        self._offsets.append(at_zero)
        self._descriptors.append(descriptor)
