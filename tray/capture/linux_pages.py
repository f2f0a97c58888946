"""Which pages of a Linux process hold something of its own.

Source: proc_pid_pagemap(5).
"""

from __future__ import annotations

import array

from tray.ffi import linux as ffi
from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tray.capture.linux_maps import Mapping
    from tray.ffi.linux import Kernel

_PAGEMAP_STEP = 1 << 16
_THERE = ffi.PAGE_IS_PRESENT | ffi.PAGE_IS_SWAPPED


class Pages:
    """Which pages of a stopped process are there; closes its descriptor at the end of a ``with``."""

    def __init__(self, kernel: Kernel, pid: int) -> None:
        self._kernel = kernel
        self._descriptor = kernel.open(f"/proc/{pid}/pagemap")
        self._scan = True

    def close(self) -> None:
        """Close the page map."""
        import os

        os.close(self._descriptor)

    def own(self, mapping: Mapping) -> array.array[int]:
        """Start and end, in turn, of the runs of pages that are the process's own: written, and not the zero page.

        Shared file pages and pages that were never touched are not among them.
        """
        skip = ffi.PAGE_IS_PFNZERO if not mapping.inode else ffi.PAGE_IS_PFNZERO | ffi.PAGE_IS_FILE
        return self._runs(mapping, skip, file_counts=not mapping.inode)

    def own_among(self, edges: array.array[int]) -> array.array[int]:
        """As `own`, of neighbouring mappings without a file, by their starts and ends in turn."""
        if self._scan:
            skip = ffi.PAGE_IS_PFNZERO
            try:
                return self._kernel.scan_pages(self._descriptor, edges[0], edges[-1], skip=skip, want=_THERE)
            except OSError:
                self._scan = False
        spans = zip(edges[::2], edges[1::2], strict=True)
        return _joined(page for start, end in spans for page in self._entries(start, end, file_counts=True))

    def present(self, mapping: Mapping) -> array.array[int]:
        """As `own`, but pages of files count as well if this process has them in its page tables."""
        return self._runs(mapping, 0, file_counts=True)

    def touched(self, start: int, end: int) -> bool:
        """Whether every page between two addresses is in memory, so that writing there brings in nothing new."""
        entries = self._kernel.pagemap(self._descriptor, start, (end - start) // ffi.PAGE)
        return len(entries) == (end - start) // ffi.PAGE and all(entry >> ffi.PM_PRESENT for entry in entries)

    def _runs(self, mapping: Mapping, skip: int, *, file_counts: bool) -> array.array[int]:
        if self._scan:
            start, end = mapping.start, mapping.end
            try:
                return self._kernel.scan_pages(self._descriptor, start, end, skip=skip, want=_THERE)
            except OSError:  # ENOTTY before Linux 6.7; whatever else it is, the older way may still do
                self._scan = False
        return _joined(self._entries(mapping.start, mapping.end, file_counts=file_counts))

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


def _joined(pages: Iterable[int]) -> array.array[int]:
    """Runs of neighbouring pages: start and end in turn."""
    runs = array.array("Q")
    for address in pages:
        if runs and runs[-1] == address:
            runs[-1] = address + ffi.PAGE
        else:
            runs.extend((address, address + ffi.PAGE))
    return runs
