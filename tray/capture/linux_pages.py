"""Which pages of a Linux process hold something of its own.

Source: proc_pid_pagemap(5).
"""

from __future__ import annotations

import array

from tray.ffi import linux as ffi
from tray.formats.numbers import Runs
from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tray.capture.linux_maps import Mapping
    from tray.ffi.linux import Kernel
    from tray.formats.spool import Spool

_PAGEMAP_STEP = 1 << 16
_MOST = 1 << 14
"""Starts and ends of runs that are given at a time."""
_THERE = ffi.PAGE_IS_PRESENT | ffi.PAGE_IS_SWAPPED


class Pages:
    """Which pages of a stopped process are there; `close` it.

    Args:
        kernel: Reads the page map.
        pid: The process.
        spool: Where runs go that are too many to be held: every other page of much memory may be there.
    """

    def __init__(self, kernel: Kernel, pid: int, spool: Spool | None = None) -> None:
        self._kernel, self._spool = kernel, spool
        self._descriptor = kernel.open(f"/proc/{pid}/pagemap")
        self._scan = True

    def close(self) -> None:
        """Close the page map."""
        import os

        os.close(self._descriptor)

    def own(self, mapping: Mapping) -> Runs:
        """The runs of pages that are the process's own: written, and not the zero page.

        Shared file pages and pages that were never touched are not among them.
        """
        skip = ffi.PAGE_IS_PFNZERO if not mapping.inode else ffi.PAGE_IS_PFNZERO | ffi.PAGE_IS_FILE
        return self._runs(mapping, skip, file_counts=not mapping.inode)

    def own_among(self, edges: array.array[int]) -> Iterator[array.array[int]]:
        """As `own`, of neighbouring mappings without a file, by their starts and ends in turn.

        Gives starts and ends of runs in turn too, so many at a time; none is empty, and the
        first run of one may touch the last of the one before.
        """
        return self._found(edges, ffi.PAGE_IS_PFNZERO, file_counts=True)

    def present(self, mapping: Mapping) -> Runs:
        """As `own`, but pages of files count as well if this process has them in its page tables."""
        return self._runs(mapping, 0, file_counts=True)

    def touched(self, start: int, end: int) -> bool:
        """Whether every page between two addresses is in memory, so that writing there brings in nothing new."""
        entries = self._kernel.pagemap(self._descriptor, start, (end - start) // ffi.PAGE)
        return len(entries) == (end - start) // ffi.PAGE and all(entry >> ffi.PM_PRESENT for entry in entries)

    def _runs(self, mapping: Mapping, skip: int, *, file_counts: bool) -> Runs:
        found = Runs(self._spool)
        for some in self._found((mapping.start, mapping.end), skip, file_counts=file_counts):
            found.extend(some)
        return found

    def _found(self, edges: Sequence[int], skip: int, *, file_counts: bool) -> Iterator[array.array[int]]:
        begin = edges[0]
        if self._scan:
            try:
                for some in self._kernel.scan_pages(
                    self._descriptor, begin, edges[-1], skip=skip, want=_THERE
                ):
                    yield some
                    begin = some[-1]
            except OSError:  # ENOTTY before Linux 6.7; whatever else it is, the older way may still do
                self._scan = False
            else:
                return
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            yield from _joined(self._entries(max(start, begin), end, file_counts=file_counts))

    def _entries(self, first: int, last: int, *, file_counts: bool) -> Iterator[int]:
        """Addresses of the pages that count, from the page map itself."""
        held = 1 << ffi.PM_PRESENT | 1 << ffi.PM_SWAP
        of_file = 0 if file_counts else 1 << ffi.PM_FILE
        for start in range(first, last, _PAGEMAP_STEP * ffi.PAGE):
            count = min(_PAGEMAP_STEP, (last - start) // ffi.PAGE)
            entries = self._kernel.pagemap(self._descriptor, start, count)
            if any(entries):
                for index, entry in enumerate(entries):
                    if entry & held and not entry & of_file:
                        yield start + index * ffi.PAGE


def _joined(pages: Iterable[int]) -> Iterator[array.array[int]]:
    """Runs of neighbouring pages: start and end in turn, so many at a time."""
    runs = array.array("Q")
    for address in pages:
        if runs and runs[-1] == address:
            runs[-1] = address + ffi.PAGE
            continue
        if len(runs) >= _MOST:
            yield runs
            runs = array.array("Q")
        runs.extend((address, address + ffi.PAGE))
    if runs:
        yield runs
