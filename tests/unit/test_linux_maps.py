"""The memory map of Linux: its lines, flags, and page maps."""

from __future__ import annotations

import array
import errno
import os
import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import synth

from tray.capture import linux_maps, linux_pages, linux_plan
from tray.capture.linux_files import Files
from tray.capture.linux_maps import Mapping
from tray.ffi import linux as ffi
from tray.formats.spool import Spool
from tray.modes import MODES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = 4096


def line(rest: str, access: str = "rw-p", inode: int = 7) -> str:
    """A line of maps for 0x1000-0x3000, with what comes after the inode."""
    return f"1000-3000 {access} 00002000 08:1a {inode} {rest}\n"


@pytest.mark.parametrize(
    ("rest", "path", "deleted"),
    [
        ("                     /usr/lib/libc.so.6", "/usr/lib/libc.so.6", False),
        ("/tmp/with space  and more", "/tmp/with space  and more", False),
        ("/tmp/two\\012lines", "/tmp/two\\012lines", False),
        ("/tmp/lib.so (deleted)", "/tmp/lib.so", True),
        ("/memfd:jit (deleted)", "/memfd:jit", True),
        ("/tmp/line\u2028separator\x85\x0b", "/tmp/line\u2028separator\x85\x0b", False),
        ("/tmp/bytes\udcff", "/tmp/bytes\udcff", False),
        ("[heap]", "[heap]", False),
        ("", "", False),
    ],
)
def test_a_line(rest: str, path: str, *, deleted: bool):
    """The path is all that follows, as the kernel shows it, less that it was deleted."""
    found = linux_maps.parse(line(rest))
    assert found == Mapping(0x1000, 0x3000, "rw-p", 0x2000, (8, 0x1A), 7, path, deleted)
    assert found.size == 0x2000


def blocks(text: str, size: int = 1 << 20) -> list[bytes]:
    """A file of /proc as it is read, cut into blocks of a size."""
    content = text.encode("utf-8", "surrogateescape")
    return [content[start : start + size] for start in range(0, len(content), size)]


def test_mappings_share_what_is_alike():
    """Of very many mappings with few names, only the addresses take room; vsyscall is left out."""
    path = "/a/rather/long/path"
    rows = [f"{n}000-{n}800 rw-p {n}000 08:01 7 {path}\n" for n in range(1, 4)]
    vsyscall = "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n"
    found = linux_maps.listed(blocks("".join([*rows, vsyscall])))
    assert [one.offset for one in found] == [0x1000, 0x2000, 0x3000]
    assert len(found.kinds) == 1


@pytest.mark.parametrize(
    ("rest", "inode", "fileless"),
    [
        ("/memfd:x (deleted)", 7, True),
        ("/SYSV00000000 (deleted)", 7, True),
        ("/dev/shm/pool", 7, True),
        ("/dev/hugepages/pool", 7, True),
        ("/dev/zero (deleted)", 7, True),
        ("/dev/zero", 7, False),
        ("/drm mm object (deleted)", 7, True),
        ("/usr/lib/libc.so.6", 7, False),
        ("", 0, False),
    ],
)
def test_fileless(rest: str, inode: int, *, fileless: bool):
    """Shared memory that exists in memory only is part of the program's own."""
    assert linux_maps.parse(line(rest, inode=inode)).fileless is fileless


@pytest.mark.parametrize(("access", "fileless"), [("rw-s", True), ("rw-p", False)])
def test_huge_pages_of_the_pool(access: str, *, fileless: bool):
    """Those that programs share are in no file; a program's own are found by its page tables."""
    found = linux_maps.parse(line("/anon_hugepage (deleted)", access, inode=7))
    assert found.fileless is fileless


def test_shared_and_special():
    """The fourth letter, and the kernel's own pages."""
    assert linux_maps.parse(line("", "rw-s")).shared
    assert not linux_maps.parse(line("", "rw-p")).shared
    assert [linux_maps.parse(line(name)).special for name in ("[vvar]", "[vvar_vclock]", "[vdso]")] == [
        True,
        True,
        False,
    ]


def test_a_mapping_in_words():
    """For the list of gaps."""
    assert str(linux_maps.parse(line("/dev/dri/card0"))) == "1000-3000 /dev/dri/card0"
    assert str(linux_maps.parse(line(""))) == "1000-3000"


SMAPS = """\
00001000-00003000 rw-p 00000000 00:00 0
Size:                  8 kB
VmFlags: rd wr mr mw me ac
00003000-00005000 rw-p 00000000 00:00 0
VmFlags: rd wr mr mw me dd ac
00008000-00009000 rw-s 00000000 00:05 9                                  /dev/fb0
VmFlags: rd wr sh pf io dd
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
VmFlags: ex
"""


HEADS = "".join(line for line in SMAPS.splitlines(keepends=True) if line[0] in "0123456789abcdef")
"""The same as ``maps`` has it."""


@pytest.mark.parametrize("size", [1 << 20, 1, 7, 64, 100])
def test_flags(size: int):
    """Only those that matter are kept; it does not matter how the files are cut into blocks."""
    found = linux_maps.flagged(blocks(SMAPS, size))
    assert list(found.edges) == [0x1000, 0x3000, 0x3000, 0x5000, 0x8000, 0x9000]
    assert {one.start: one.flags & linux_maps.NOTED for one in found} == {
        0x1000: set(),
        0x3000: {"dd"},
        0x8000: {"pf", "io", "dd"},
    }
    plain = linux_maps.listed(blocks(HEADS, size))
    assert [replace(one, flags=frozenset()) for one in found] == [*plain]
    assert [*linux_maps.listed(blocks(HEADS, size), flags=found.flags_at)] == [*found]
    assert plain.fingerprint == found.fingerprint == linux_maps.fingerprint(blocks(HEADS, size))


def test_a_map_that_has_changed():
    """Has another fingerprint: with another mapping, other rights, or without one."""
    known = linux_maps.listed(blocks(HEADS))
    rows = HEADS.splitlines(keepends=True)
    for other in (HEADS.replace("rw-s", "r--s"), "".join(rows[1:]), HEADS + HEADS.splitlines()[0], ""):
        assert linux_maps.fingerprint(blocks(other + "\n")) != known.fingerprint


def test_nothing_to_read():
    """As of a process that has just ended."""
    assert len(linux_maps.flagged([])) == len(linux_maps.listed([])) == 0


def test_mappings_by_kind():
    """A test is asked once for each kind, not for each mapping."""
    found = linux_maps.listed(blocks(HEADS))
    asked: list[Mapping] = []
    shared = found.where(lambda kind: asked.append(kind) or kind.shared)
    assert [one.start for one in shared] == [0x8000]
    assert [one.access for one in asked] == ["rw-p", "rw-s"]


class FakeKernel:
    """Answers about pages from a list of categories by page number.

    Attributes:
        pages: ``PAGE_IS_*`` bits of each page from address 0.
        error: What scanning raises, as on an old kernel.
    """

    def __init__(self, *pages: int, error: int | None = None) -> None:
        self.pages = pages
        self.error = error
        self.scans = 0

    def open(self, path: str) -> int:
        assert path == "/proc/70/pagemap"
        return os.open(os.devnull, os.O_RDONLY)

    def scan_pages(
        self, descriptor: int, start: int, end: int, *, skip: int, want: int
    ) -> Iterator[array.array[int]]:
        self.scans += 1
        if self.error:
            raise OSError(self.error, "cannot")
        pages = range(start // PAGE, end // PAGE)
        wanted = [page for page in pages if self.pages[page] & want and not self.pages[page] & skip]
        yield from linux_pages._joined(PAGE * page for page in wanted)

    def pagemap(self, descriptor: int, start: int, count: int) -> array.array[int]:
        bits = {ffi.PAGE_IS_PRESENT: 63, ffi.PAGE_IS_SWAPPED: 62, ffi.PAGE_IS_FILE: 61}
        pages = self.pages[start // PAGE : start // PAGE + count]
        return array.array("Q", [sum(1 << bits.get(bit, 0) for bit in bits if page & bit) for page in pages])


NONE, OWN, SWAPPED, FILE, ZERO = 0, 8, 16, 8 | 4, 8 | 32


@pytest.fixture(params=[None, errno.ENOTTY], ids=["scan", "before 6.7"])
def pages(request):
    """A page map with one page of each kind, asked the new and the old way."""
    kernel = FakeKernel(NONE, OWN, SWAPPED, FILE, NONE, OWN, error=request.param)
    found = linux_pages.Pages(kernel, 70)
    yield found
    found.close()
    assert kernel.scans == (1 if request.param else 2)


def test_pages(pages):
    """Those of files count where there is no file, as for shared memory without one, or if asked for."""
    anonymous = Mapping(0, 6 * PAGE, "rw-p", 0, (0, 0), 0, "")
    library = Mapping(0, 6 * PAGE, "rw-p", 0, (8, 1), 7, "/lib")
    runs = list(pages.own(anonymous)), list(pages.own(library))
    assert runs == ([PAGE, 4 * PAGE, 5 * PAGE, 6 * PAGE], [PAGE, 3 * PAGE, 5 * PAGE, 6 * PAGE])


def test_present_pages(pages):
    """All that are there, whosoever they are."""
    library = Mapping(0, 6 * PAGE, "rw-p", 0, (8, 1), 7, "/lib")
    for _ in range(2):
        assert list(pages.present(library)) == [PAGE, 4 * PAGE, 5 * PAGE, 6 * PAGE]


def test_the_zero_page_is_nobodys():
    """A page that was only read holds nothing of its own."""
    pages = linux_pages.Pages(FakeKernel(ZERO, OWN), 70)
    assert list(pages.own(Mapping(0, 2 * PAGE, "rw-p", 0, (0, 0), 0, ""))) == [PAGE, 2 * PAGE]
    pages.close()


def test_a_scan_that_fails_otherwise():
    """Whatever the reason, the older way is tried, and from then on."""
    kernel = FakeKernel(OWN, error=errno.EPERM)
    pages = linux_pages.Pages(kernel, 70)
    for _ in range(2):
        assert list(pages.own(Mapping(0, PAGE, "rw-p", 0, (0, 0), 0, ""))) == [0, PAGE]
    assert kernel.scans == 1
    pages.close()


def test_mappings_in_little_room():
    """The compact list gives back what was put in, by place and by address; a hole holds nothing."""
    listed = [*linux_maps.listed(blocks(HEADS))]
    listed = [
        replace(one, flags=frozenset({"dd"})) if number == 1 else one for number, one in enumerate(listed)
    ]
    found = linux_maps.Mappings(listed)
    assert [*found] == listed
    assert (found[-1], found[:2]) == (listed[-1], listed[:2])
    for one in listed:
        assert found.at(one.start) == found.at(one.end - 1) == one
    assert found.at(0) is None
    assert found.at(listed[-1].end) is None
    assert linux_maps.Mappings().at(0) is None
    with pytest.raises(IndexError):
        found[len(listed)]


def test_pages_of_neighbours():
    """Are asked for together, the new way; the older way looks only where something is mapped."""
    mapped = array.array("Q", (0, 2 * PAGE, 4 * PAGE, 6 * PAGE))
    for error, scans in ((None, 2), (errno.ENOTTY, 1)):
        kernel = FakeKernel(NONE, OWN, NONE, NONE, SWAPPED, ZERO, error=error)
        pages = linux_pages.Pages(kernel, 70)
        for _ in range(2):
            found = [number for some in pages.own_among(mapped) for number in some]
            assert found[:4] == [PAGE, 2 * PAGE, 4 * PAGE, 5 * PAGE] or error
        assert kernel.scans == scans
        pages.close()


class Scattered(FakeKernel):
    """Every other page of all memory is there."""

    def scan_pages(
        self, descriptor: int, start: int, end: int, *, skip: int, want: int
    ) -> Iterator[array.array[int]]:
        for first in range(start, end, 8192 * 2 * PAGE):
            runs = array.array("Q", bytes(16 * min(8192, (end - first) // (2 * PAGE))))
            runs[::2] = array.array("Q", range(first, first + len(runs) * PAGE, 2 * PAGE))
            runs[1::2] = array.array("Q", range(first + PAGE, first + PAGE + len(runs) * PAGE, 2 * PAGE))
            yield runs


@pytest.mark.linux
@pytest.mark.parametrize("line", ["rw-p", "rw-p /data", "rw-s /memfd:x"])
def test_every_other_page_in_little_memory(tmp_path: Path, line: str):
    """Hundreds of thousands of stretches are planned without holding them."""
    access, _, path = line.partition(" ")
    end = 0x100000000 + 120_000 * PAGE
    mapping = synth.mapping(f"100000000-{end:x} {access} {path}")
    disk = os.open(tmp_path, os.O_TMPFILE | os.O_RDWR)
    spool = Spool(disk)
    pages = linux_pages.Pages(Scattered(), 70, spool)
    tracemalloc.start()
    try:
        made = linux_plan.large(
            linux_maps.Mappings([mapping], spool), MODES["heap"].include, pages, Files(Scattered(), 70)
        )
        assert tracemalloc.get_traced_memory()[1] < 800_000
    finally:
        tracemalloc.stop()
        pages.close()
    assert len(made.runs) == 120_000
    assert made.runs.pair(59_999)[1] == mapping.end - PAGE
    spool.close()
    os.close(disk)
