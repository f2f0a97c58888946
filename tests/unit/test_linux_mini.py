"""The pages of a small dump: stacks, thread blocks, locks, names; and nothing else."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
import synth

from tray.capture import linux_maps, linux_mini
from tray.ffi import linux as ffi
from tray.formats.numbers import Runs

PAGE = 4096
MIB = 1 << 20
STACK = 0x7000000
LINKS = 0x2C0
"""Where this made-up glibc keeps its list node, from the thread block's start."""


class Process:
    """Mappings, memory with 8-byte words at some addresses, and written pages.

    Attributes:
        reads: How many reads were made.
    """

    def __init__(self, *lines: str, own=()) -> None:
        self.mappings = [one if not isinstance(one, str) else synth.mapping(one) for one in lines]
        self.words: dict[int, int] = {}
        self.written = own
        self.reads = 0

    def read(self, address: int, size: int) -> bytes:
        self.reads += 1
        place = next((m for m in self.mappings if m.start <= address < m.end), None)
        if place is None:
            return b""
        size = min(size, place.end - address)
        found = bytearray(size + 16)
        for at, word in self.words.items():
            if address <= at < address + size:
                struct.pack_into("<Q", found, at - address, word)
        return bytes(found[:size])

    def own(self, mapping) -> Runs:
        inside = [page for page in self.written if mapping.start <= page < mapping.end]
        return Runs(spans=((page, page + PAGE) for page in inside))

    def pages(self, *threads, auxv: bytes = b"") -> set[int]:
        mappings = linux_maps.Mappings(self.mappings)
        found = [*linux_mini.pages(threads, mappings, auxv, self.read, self.own)]
        assert found == sorted(set(found))
        return set(found)


def span(start: int, end: int) -> set[int]:
    """All pages of a stretch."""
    return set(range(start - start % PAGE, end, PAGE))


def test_the_main_threads_stack():
    """From the stack pointer, less what a function may use below it, to the mapping's end."""
    process = Process(f"{STACK:x}-{STACK + 0x10000:x} rw-p [stack]")
    assert process.pages(synth.thread(sp=STACK + 0x8040)) == span(STACK + 0x7000, STACK + 0x10000)
    assert process.pages(synth.thread(sp=STACK + 0x8080)) == span(STACK + 0x8000, STACK + 0x10000)
    assert process.pages(synth.thread(sp=STACK)) == span(STACK, STACK + 0x10000)


def test_a_huge_stack_is_cut():
    """Its innermost megabyte is kept."""
    process = Process(f"{STACK:x}-{STACK + 8 * MIB:x} rw-p [stack]")
    assert len(process.pages(synth.thread(sp=STACK + PAGE + 128))) == MIB // PAGE


def test_a_threads_stack_ends_at_its_block():
    """The mapping goes on, for the kernel merges neighbours; the stack does not."""
    process = Process(f"{STACK:x}-{STACK + 32 * MIB:x} rw-p")
    block = STACK + 0x9100
    wanted = process.pages(synth.thread(sp=STACK + 0x8080, FS_BASE=block))
    assert wanted == span(STACK + 0x8000, block + 0x1000)


def test_a_thread_block_elsewhere():
    """As the main thread's: it is kept, but is no end of a stack; a guard page behind it is not touched."""
    heap = STACK + 2 * MIB
    process = Process(
        f"{STACK:x}-{STACK + 0x2000:x} rw-p",
        f"{heap:x}-{heap + PAGE:x} rw-p",
        f"{heap + PAGE:x}-{heap + 2 * PAGE:x} ---p",
    )
    wanted = process.pages(synth.thread(sp=STACK + 0x1080, FS_BASE=heap + 0x800))
    assert wanted == {STACK + 0x1000, heap}


def test_lost_pointers():
    """A thread in the middle of something odd, with no stack or block, is no error."""
    process = Process("1000-2000 rw-p")
    assert process.pages(synth.thread(sp=0, FS_BASE=2**64 - 8), synth.thread(sp=2**64 - 1)) == set()


@pytest.mark.parametrize(
    ("call", "kept"), [(ffi.FUTEX, True), (ffi.RESTART_SYSCALL, True), (0, False), (-1, False)]
)
def test_the_lock_a_thread_waits_for(call: int, *, kept: bool):
    """With what stands around it, over a page's edge too: the owner is there."""
    process = Process("10000-20000 rw-p")
    wanted = process.pages(synth.thread(sp=0, ORIG_RAX=call, RDI=0x13004))
    assert wanted == ({0x12000, 0x13000} if kept else set())


def test_a_lock_that_is_nowhere():
    """A damaged pointer leads to nothing."""
    process = Process("10000-20000 rw-p")
    assert process.pages(synth.thread(sp=0, ORIG_RAX=ffi.FUTEX, RDI=4)) == set()


def linked_blocks(count: int) -> tuple[Process, list[int]]:
    """A process whose thread blocks, each a page of a megabyte, are linked in a ring through a head."""
    start, head = 0x10000000, 0x1000 + 0x40
    blocks = [start + number * MIB for number in range(count)]
    process = Process("1000-2000 rw-p", f"{start:x}-{start + count * MIB:x} rw-p")
    ring = [head, *(block + LINKS for block in blocks)]
    for number, node in enumerate(ring):
        process.words[node] = ring[(number + 1) % len(ring)]
        process.words[node + 8] = ring[number - 1]
    return process, blocks


def test_blocks_of_threads_that_have_ended():
    """Those that glibc still links are kept with the others, or libthread_db gives up."""
    process, blocks = linked_blocks(3)
    wanted = process.pages(synth.thread(sp=0, FS_BASE=blocks[1]))
    assert wanted == {0x1000, *blocks, blocks[1]}


def test_many_threads_are_linked_once():
    """The list is walked once, not once for every thread: the target stands still meanwhile."""
    process, blocks = linked_blocks(300)
    threads = [synth.thread(tid, sp=0, FS_BASE=block) for tid, block in enumerate(blocks)]
    assert process.pages(*threads) == {0x1000, *blocks}
    assert process.reads < 2 * len(blocks)


def test_a_list_that_is_none():
    """Pointers that do not point back are no list; one that leads away ends where memory does."""
    process, blocks = linked_blocks(3)
    process.words[0x1040] = 4
    assert process.pages(synth.thread(sp=0, FS_BASE=blocks[0])) == {blocks[0]}
    process, blocks = linked_blocks(3)
    process.words[blocks[1] + LINKS] = 0xDEAD000
    assert process.pages(synth.thread(sp=0, FS_BASE=blocks[0])) == {blocks[0], blocks[1]}


def test_a_list_without_end(monkeypatch):
    """Damaged links must not hold the target still for ever."""
    monkeypatch.setattr(linux_mini, "_MOST_THREADS", 50)
    process, blocks = linked_blocks(3)
    process.words[blocks[2] + LINKS] = blocks[1] + LINKS
    process.pages(synth.thread(sp=0, FS_BASE=blocks[0]))
    assert process.reads < 100


def test_modules():
    """First pages, by which modules are known; not of files that hold no code."""
    process = Process(
        "10000-20000 r--p /lib/libapp.so", "20000-30000 r-xp /lib/libapp.so", "30000-40000 r--p /usr/font"
    )
    process.mappings[1] = replace(process.mappings[1], offset=0x10000)
    assert process.pages() == {0x10000}


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("libc.so.6", True),
        ("libc-2.31.so", True),
        ("ld-linux-x86-64.so.2", True),
        ("ld-2.31.so", True),
        ("libpthread-2.31.so", True),
        ("ld-musl-x86_64.so.1", True),
        ("libcrypto.so.3", False),
        ("libcairo.so.2", False),
    ],
)
def test_the_c_librarys_data(name: str, *, kept: bool):
    """What it wrote is kept: libthread_db reads it."""
    lines = (f"10000-20000 r-xp /lib/{name}", f"20000-30000 rw-p /lib/{name}")
    process = Process(*lines, own=[0x25000])
    process.mappings[1] = replace(process.mappings[1], offset=0x10000)
    assert process.pages() == ({0x10000, 0x25000} if kept else {0x10000})


def test_deleted_modules():
    """Are kept whole, for no debugger finds them elsewhere; but not huge ones, nor what cannot be read."""
    lines = ("10000-14000 r-xp /a", "14000-18000 ---p /a", "20000-8020000 r-xp /b")
    process = Process(*lines)
    process.mappings = [replace(one, deleted=True, offset=PAGE) for one in process.mappings]
    assert process.pages() == span(0x10000, 0x14000)


def test_vdso():
    """Whole, for its frames have names."""
    process = Process("10000-12000 r-xp [vdso]")
    assert process.pages(auxv=struct.pack("<4Q", 33, 0x10000, 0, 0)) == {0x10000, 0x11000}


@pytest.mark.parametrize(
    "path", ["/dev/mem", "/sys/bus/pci/devices/0/resource0", "anon_inode:[perf_event]", "[vvar]"]
)
def test_devices_are_never_read(path: str):
    """Not even if a stack pointer leads there; nor are the kernel's own pages."""
    process = Process(f"10000-12000 rw-p {path}")
    assert process.pages(synth.thread(sp=0x10000)) == set()


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/shm/stack", "/dev/hugepages/stack", "/memfd:stack", ""])
def test_memory_is_read_whatever_its_name(path: str):
    """A stack may lie in what only sounds like a device."""
    process = Process(f"10000-12000 rw-p {path}")
    assert process.pages(synth.thread(sp=0x10000)) == {0x10000, 0x11000}
