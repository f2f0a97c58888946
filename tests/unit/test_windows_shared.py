"""Which memory that an app shares with others goes into a dump of its heap."""

from __future__ import annotations

from tray.capture.windows_shared import Shared
from tray.ffi import win32
from tray.ffi.win32 import Stretch, failure

MB = 1 << 20


def mapped(
    start: int, size: int, protect: int = win32.PAGE_READWRITE, kind: int = win32.MEM_MAPPED
) -> Stretch:
    """A stretch of the map of an address space."""
    return Stretch(start, size, win32.MEM_COMMIT, protect, kind)


def file(address: int) -> str:
    """Only at 1 GB a file is mapped."""
    if address != 1 << 30:
        raise failure(1006, "K32GetMappedFileNameW")
    return "\\Device\\HarddiskVolume1\\orders.db"


def added(*stretches: Stretch, most: int = 256 * MB) -> tuple[list[tuple[int, int]], list[tuple[str, int]]]:
    """What is added, and what is told to be missing."""
    shared = Shared(stretches, file, most)
    return [*iter(shared.next, None)], [(gap.what, gap.size) for gap in shared.gaps]


def test_what_is_nobodys_and_can_be_written():
    """A file can be had elsewhere, and what only can be read belongs to whoever writes it."""
    wanted = mapped(0x10000, 0x2000), mapped(0x20000, 0x1000, win32.PAGE_EXECUTE_READWRITE)
    others = (
        mapped(1 << 30, MB),
        mapped(0x30000, 0x1000, win32.PAGE_READONLY),
        mapped(0x40000, 0x1000, win32.PAGE_READWRITE | win32.PAGE_GUARD),
        mapped(0x50000, 0x1000, kind=win32.MEM_PRIVATE),
        mapped(0x60000, 0x1000, kind=win32.MEM_IMAGE),
        mapped(0x70000, 0x1000)._replace(state=win32.MEM_RESERVE),
    )
    assert added(*wanted, *others) == ([(0x10000, 0x2000), (0x20000, 0x1000)], [])


def test_the_largest_are_left_out():
    """All that is small, where queues and locks are, and the rest is told."""
    some = (
        mapped(0, 200 * MB),
        mapped(MB << 12, 2 * MB),
        mapped(MB << 13, 100 * MB),
        mapped(MB << 14, 900 * MB),
    )
    assert added(*some) == ([(MB << 12, 2 * MB), (MB << 13, 100 * MB)], [("shared memory", 1100 * MB)])


def test_a_size_has_32_bits():
    """Of a larger stretch there are pieces, without a gap."""
    found, missing = added(mapped(0x10000, 5 << 30), most=8 << 30)
    assert [size for _, size in found] == [1 << 30] * 5
    assert [start for start, _ in found] == [0x10000 + (piece << 30) for piece in range(5)]
    assert missing == []
