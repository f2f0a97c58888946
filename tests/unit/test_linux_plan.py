"""What goes into a dump, for each kind of mapping and each mode."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import synth
from hypothesis import given
from hypothesis import strategies as st

from tray.capture import linux_plan
from tray.capture.copy import jobs
from tray.capture.linux_maps import Mapping, Mappings
from tray.formats.numbers import Runs, touching
from tray.model import Gap, Memory
from tray.modes import MODES

if TYPE_CHECKING:
    import array
    from collections.abc import Iterator, Sequence

PAGE = 4096
MIB = 1 << 20
HEAP, FULL = (MODES[name].include for name in ("heap", "full"))


def pages_of(runs: Sequence[int]) -> set[int]:
    """Addresses of the pages in runs."""
    return {page for i in range(0, len(runs), 2) for page in range(runs[i], runs[i + 1], PAGE)}


def runs_of(pages) -> Runs:
    """Pages as runs."""
    return Runs(spans=touching((page, page + PAGE) for page in sorted(pages)))


class FakePages:
    """Knows which pages are written, and which are there; tells of so many numbers at a time."""

    at_once = 1 << 14

    def __init__(self, own=(), present=()) -> None:
        self.written = set(own)
        self.there = set(present) | self.written

    def own(self, mapping: Mapping) -> Runs:
        return runs_of(page for page in self.written if mapping.start <= page < mapping.end)

    def own_among(self, edges: array.array[int]) -> Iterator[array.array[int]]:
        numbers = runs_of(page for page in self.written if edges[0] <= page < edges[-1]).held
        yield from (numbers[at : at + self.at_once] for at in range(0, len(numbers), self.at_once))

    def present(self, mapping: Mapping) -> Runs:
        return runs_of(page for page in self.there if mapping.start <= page < mapping.end)


class FakeFiles:
    """Has the files of some mappings, by path, and knows where those hold data."""

    def __init__(self, *paths: str, data=()) -> None:
        self.paths = paths
        self.data = set(data)

    def descriptor(self, mapping: Mapping) -> int | None:
        return self.paths.index(mapping.path) + 10 if mapping.path in self.paths else None

    def written(self, mapping: Mapping, descriptor: int) -> Iterator[tuple[int, int]]:
        assert descriptor == self.descriptor(mapping)
        return runs_of(page for page in self.data if mapping.start <= page < mapping.end).pairs()


def plan(*lines: str, include=HEAP, own=(), present=(), files=None):
    """A plan for mappings given as `synth.mapping` reads them."""
    mappings = [one if isinstance(one, Mapping) else synth.mapping(one) for one in lines]
    return linux_plan.large(Mappings(mappings), include, FakePages(own, present), files or FakeFiles())


def parts(made) -> list[tuple[int, int, int, bool]]:
    """What is read from files."""
    both = [(made.live, True), (made.parts, False)]
    found = [(start, end, descriptor, live) for kind, live in both for start, end, _, descriptor in kind]
    return [(descriptor, start, end, live) for start, end, descriptor, live in sorted(found)]


def stored(made) -> list[tuple[int, int]]:
    """Stretches that the file holds."""
    return [(m.start, m.start + m.stored) for m in made.memory if m.stored]


def test_anonymous_memory():
    """What was touched is read; short holes stay in one stretch, long ones are only said to be there."""
    near, far = 0x10000 + MIB, 0x10000 + 3 * MIB
    made = plan("10000-1000000 rw-p", own=[0x10000, near, far])
    assert pages_of(made.runs) == {0x10000, near, far}
    assert made.memory == [
        Memory(0x10000, MIB + PAGE, MIB + PAGE, "rw-"),
        Memory(near + PAGE, far - near - PAGE, 0, "rw-"),
        Memory(far, PAGE, PAGE, "rw-"),
        Memory(far + PAGE, 0x1000000 - far - PAGE, 0, "rw-"),
    ]
    assert made.size == 3 * PAGE


def test_untouched_memory():
    """Takes nothing, but is said to be there: 64 GiB of it are one header."""
    made = plan("100000000-1100000000 rw-p")
    assert made.memory == [Memory(0x100000000, 64 << 30, 0, "rw-")]
    assert made.size == 0


def test_the_kernels_own_pages():
    """The vdso is kept whole, for its frames have names; vvar cannot be read."""
    made = plan("1000-3000 r--p [vvar]", "3000-5000 r-xp [vdso]")
    assert stored(made) == [(0x3000, 0x5000)]
    assert [m.start for m in made.memory] == [0x3000]


@pytest.mark.parametrize(
    ("flag", "why"),
    [
        ("dd", "excluded by the app itself (MADV_DONTDUMP)"),
        ("io", "device memory (VM_IO)"),
        ("pf", "device memory (VM_PFNMAP)"),
    ],
)
@pytest.mark.parametrize("include", [HEAP, FULL], ids=["heap", "full"])
def test_excluded_memory(flag: str, why: str, include):
    """Is named as a gap and never read, in any mode."""
    device = replace(synth.mapping("1000-3000 rw-p /dev/x"), flags=frozenset({flag, "rd"}))
    made = plan(device, include=include, own=[0x1000], files=FakeFiles("/dev/x"))
    assert made.gaps == [Gap("1000-3000 /dev/x", why, 0x2000)]
    assert (made.size, made.memory) == (0, [Memory(0x1000, 0x2000, 0, "rw-")])


def test_a_device_says_so_first():
    """Drivers mark their memory as not to be dumped as well."""
    device = replace(synth.mapping("1000-3000 rw-s /dev/x"), flags=frozenset({"io", "dd", "pf"}))
    assert plan(device).gaps[0].why == "device memory (VM_IO)"


def test_shared_memory_without_a_file():
    """All that it holds is read from its descriptor, while the app stands still."""
    made = plan("10000-20000 rw-s /memfd:x", files=FakeFiles("/memfd:x", data=[0x10000, 0x15000]))
    assert parts(made) == [(10, 0x10000, 0x11000, True), (10, 0x15000, 0x16000, True)]
    assert not made.runs
    assert stored(made) == [(0x10000, 0x16000)]
    assert made.gaps == []


def test_shared_memory_that_cannot_be_opened():
    """What the app has touched is read through it; the rest is a gap, for it may hold something."""
    made = plan("10000-20000 rw-s /memfd:x", present=[0x10000])
    assert pages_of(made.runs) == {0x10000}
    assert made.gaps == [
        Gap("10000-20000 /memfd:x", "shared memory that the app had not touched itself", 0xF000)
    ]
    assert plan("10000-11000 rw-s /memfd:x", present=[0x10000]).gaps == []


def test_private_view_of_shared_memory():
    """Pages that the app wrote are its own, read from it: also where the file has a hole, far from its data."""
    far = 0x10000 + 4 * MIB
    files = FakeFiles("/memfd:x", data=[0x10000, 0x11000, 0x12000])
    made = plan("10000-1000000 rw-p /memfd:x", own=[0x11000, far], files=files)
    assert parts(made) == [(10, 0x10000, 0x11000, True), (10, 0x12000, 0x13000, True)]
    assert pages_of(made.runs) == {0x11000, far}
    assert stored(made) == [(0x10000, 0x13000), (far, far + PAGE)]


def test_private_view_that_cannot_be_opened():
    """Each page is read once; what was not touched is as in the file, and no gap of the app's own."""
    made = plan("10000-20000 rw-p /memfd:x", own=[0x11000], present=[0x10000])
    assert list(made.runs) == [0x10000, 0x12000]
    assert made.gaps == []


def test_shared_files():
    """Files are on the disk anyway: a heap dump leaves them out, a full one has them, as they are now."""
    line, files = "10000-20000 rw-s /data", FakeFiles("/data")
    assert plan(line, own=[0x10000], files=files).size == 0
    made = plan(line, include=FULL, own=[0x10000], files=files)
    assert parts(made) == [(10, 0x10000, 0x20000, True)]
    made = plan("10000-20000 r--s /data", include=FULL, files=files)
    assert parts(made) == [(10, 0x10000, 0x20000, False)]


def test_full_files():
    """Written pages from the app, the rest from the file, after the app was let go."""
    made = plan("10000-14000 rw-p /lib", include=FULL, own=[0x11000], files=FakeFiles("/lib"))
    assert parts(made) == [(10, 0x10000, 0x11000, False), (10, 0x12000, 0x14000, False)]
    assert pages_of(made.runs) == {0x11000}
    assert made.memory == [Memory(0x10000, 0x4000, 0x4000, "rw-")]


def test_a_full_file_that_cannot_be_opened():
    """Is read through the app, whole."""
    made = plan("10000-14000 r--p /lib", include=FULL)
    assert list(made.runs) == [0x10000, 0x14000]
    assert stored(made) == [(0x10000, 0x14000)]


def test_a_closed_mapping():
    """PROT_NONE between a library's segments: nobody can read it, not even a full dump."""
    made = plan("10000-14000 ---p /lib", include=FULL, files=FakeFiles("/lib"))
    assert made.memory == [Memory(0x10000, 0x4000, 0, "---")]


CODE, DATA = "10000-14000 r-xp /lib", "14000-18000 rw-p /lib"


def test_a_module():
    """Of its code the first page, for the build id; its data whole, for globals that were never written."""
    made = plan(CODE, DATA, own=[0x15000], files=FakeFiles("/lib"))
    # Both lines have offset 0; the second is writable, so it is kept whole anyway.
    assert parts(made) == [
        (10, 0x10000, 0x11000, False),
        (10, 0x14000, 0x15000, False),
        (10, 0x16000, 0x18000, False),
    ]
    assert made.memory == [
        Memory(0x10000, PAGE, PAGE, "r-x"),
        Memory(0x11000, 3 * PAGE, 0, "r-x"),
        Memory(0x14000, 4 * PAGE, 4 * PAGE, "rw-"),
    ]


def test_a_module_that_cannot_be_opened():
    """Its first page comes through the app, and what was written."""
    made = plan(CODE, DATA, own=[0x15000])
    assert pages_of(made.runs) == {0x10000, 0x15000}
    assert parts(made) == []


def test_a_written_first_page():
    """Is not read twice."""
    made = plan(CODE, own=[0x10000, 0x13000], files=FakeFiles("/lib"))
    assert pages_of(made.runs) == {0x10000, 0x13000}
    assert stored(made) == [(0x10000, 0x14000)]
    assert parts(made) == [(10, 0x11000, 0x13000, False)]


def test_a_deleted_module():
    """Is kept whole, for no debugger finds it elsewhere."""
    gone = replace(synth.mapping(CODE), deleted=True)
    assert parts(plan(gone, files=FakeFiles("/lib"))) == [(10, 0x10000, 0x14000, False)]
    assert list(plan(gone).runs) == [0x10000, 0x14000]


def test_a_very_big_module():
    """Of more data than anyone's globals, only what was written."""
    big = f"10000-{0x10000 + 32 * MIB:x} rw-p /lib"
    moved = replace(synth.mapping(big), offset=PAGE)
    code = synth.mapping("8000-9000 r-xp /lib")
    made = plan(code, moved, own=[0x20000], files=FakeFiles("/lib"))
    assert stored(made) == [(0x8000, 0x9000), (0x20000, 0x21000)]


def test_a_private_file_that_is_no_module():
    """What was written, and what little lies between, from the file."""
    made = plan("10000-80000 rw-p /data", own=[0x20000, 0x22000, 0x60000], files=FakeFiles("/data"))
    assert stored(made) == [(0x20000, 0x23000), (0x60000, 0x61000)]
    assert parts(made) == [(10, 0x21000, 0x22000, False)]


def test_small_plan():
    """Single pages, cut where mappings meet."""
    mappings = [synth.mapping(line) for line in ("1000-3000 r--p /a", "3000-5000 rw-p", "8000-9000 rwxp")]
    made = linux_plan.small(Mappings(mappings), [0x2000, 0x3000, 0x4000, 0x8000])
    assert made.memory == [
        Memory(0x2000, PAGE, PAGE, "r--"),
        Memory(0x3000, 2 * PAGE, 2 * PAGE, "rw-"),
        Memory(0x8000, PAGE, PAGE, "rwx"),
    ]
    assert list(made.runs) == [0x2000, 0x3000, 0x3000, 0x5000, 0x8000, 0x9000]
    assert made.size == 4 * PAGE


ACCESS = st.sampled_from(["rw-p", "r-xp", "r--p", "---p", "rw-s", "r--s"])
PATHS = st.sampled_from(["", "/lib", "/memfd:x", "/data", "[heap]", "[vvar]", "[vdso]"])


@st.composite
def processes(draw):
    """Any mappings, with any pages written, there, or in their files; some files can be had."""
    mappings, chosen = [], ({}, {}, {})
    address = 0x10000
    for _ in range(draw(st.integers(1, 5))):
        address += draw(st.sampled_from([0, 0, PAGE, MIB]))
        size = draw(st.sampled_from([1, 2, 7, 30, 600, 5000]))
        path = draw(PATHS)
        one = synth.mapping(f"{address:x}-{address + size * PAGE:x} {draw(ACCESS)} {path}")
        flags = frozenset(draw(st.sampled_from([(), (), (), ("dd",), ("io",)])))
        offset = draw(st.sampled_from([0, PAGE]))
        mappings.append(replace(one, flags=flags, offset=offset, deleted=draw(st.booleans())))
        for kind in chosen:
            for number in draw(st.lists(st.integers(0, size - 1), max_size=4)):
                kind[address + number * PAGE] = True
        address += size * PAGE
    own, present, data = chosen
    files = FakeFiles(*draw(st.lists(st.sampled_from(["/lib", "/memfd:x", "/data"]), unique=True)), data=data)
    pages = FakePages(own, present)
    pages.at_once = draw(st.sampled_from([2, 6, 1 << 14]))
    return mappings, pages, files


@given(processes(), st.sampled_from([HEAP, FULL]))
def test_every_plan_can_be_carried_out(process, include):
    """Headers cover every mapping once and in order; every byte to copy is planned once, and has its place."""
    mappings, pages, files = process
    made = linux_plan.large(Mappings(mappings), include, pages, files)
    covered = [(m.start, m.start + m.size) for m in made.memory]
    assert covered == sorted(covered)
    assert all(first[1] <= second[0] for first, second in pairwise(covered))
    assert sum(m.size for m in made.memory) == sum(m.size for m in mappings if not m.special)
    for edges in (made.parts.runs, made.live.runs):
        assert list(edges) == sorted(edges), "parts are searched by bisection"
    places, offset = [], 0
    for piece in made.memory:
        if piece.stored:
            places.append((piece.start, piece.start + piece.stored, offset))
            offset += piece.stored
    copied = [
        job[2] // PAGE + n for job in jobs(made.runs.pairs(), iter(places)) for n in range(job[1] // PAGE)
    ]
    for edges in (made.parts.runs, made.live.runs):
        copied += [
            job[2] // PAGE + n for job in jobs(edges.pairs(), iter(places)) for n in range(job[1] // PAGE)
        ]
    assert len(copied) == len(set(copied)) == made.size // PAGE
    readable = {
        page
        for m in mappings
        if not m.flags and not m.special and not m.shared
        for page in pages_of(pages.own(m))
    }
    assert readable <= pages_of(made.runs), "what the app wrote itself is in every dump"
