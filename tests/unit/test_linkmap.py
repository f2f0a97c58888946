"""The dynamic linker's list, as it is, and as damaged memory shows it."""

from __future__ import annotations

import struct
from itertools import pairwise

from tray.formats import elf, linkmap

BASE, DEBUG, NODES, NAMES = 0x500000, 0x600000, 0x700000, 0x800000


class Image:
    """Memory of a made-up process.

    Attributes:
        reads: Longest read so far, and how many.
    """

    def __init__(self) -> None:
        self.bytes: dict[int, int] = {}
        self.longest = self.count = 0

    def put(self, address: int, content: bytes) -> None:
        self.bytes.update(zip(range(address, address + len(content)), content, strict=True))

    def __call__(self, address: int, size: int) -> bytes:
        self.count += 1
        self.longest = max(self.longest, size)
        found = bytearray()
        while len(found) < size and (byte := self.bytes.get(address + len(found))) is not None:
            found.append(byte)
        return bytes(found)


def auxv(count: int = 2) -> bytes:
    """Says where the program headers are."""
    return struct.pack("<6Q", linkmap.AT_PHDR, BASE + 64, linkmap.AT_PHNUM, count, 0, 0)


def process(*libraries: tuple[int, str, int], version: int = 1, following: int = 0, size: int = 48) -> Image:
    """A process with these libraries: base, path, dynamic section."""
    image = Image()
    programs = elf.Program(elf.PT_PHDR, 4, 64, 64, 0, 0), elf.Program(elf.PT_DYNAMIC, 6, 0, 0x1000, 0, size)
    image.put(BASE + 64, b"".join(one.pack() for one in programs))
    image.put(BASE + 0x1000, struct.pack("<6Q", 1, 2, linkmap.DT_DEBUG, DEBUG, linkmap.DT_NULL, 0))
    chain(image, NODES, libraries)
    image.put(DEBUG, struct.pack("<i4xQ24xQ", version, NODES if libraries else 0, following))
    return image


def chain(image: Image, at: int, libraries: tuple[tuple[int, str, int], ...]) -> None:
    """The list's nodes, 64 bytes apart, and their names."""
    places = [at + 64 * number for number in range(len(libraries))]
    for place, (base, path, dynamic) in zip(places, libraries, strict=True):
        following = dict(pairwise([*places, 0]))[place]
        name = NAMES + 64 * place if path else 0
        image.put(place, struct.pack("<5Q", base, name, dynamic, following, 0))
        image.put(name, path.encode("utf-8", "surrogateescape") + b"\0") if path else None


def test_libraries_in_order():
    """The executable, which has no name, comes first; long names and foreign bytes survive."""
    libraries = ((BASE, "", 1), (2, "/lib/" + "l" * 200, 3), (4, "/lib/\udcff", 5))
    found = list(linkmap.linked(auxv(), process(*libraries)))
    assert [(one.base, one.path, one.dynamic) for one in found] == list(libraries)


def test_other_namespaces_follow():
    """What dlmopen loaded is in lists of its own, from version 2 on."""
    image = process((1, "/one", 1), version=2, following=DEBUG + 4096)
    chain(image, NODES + 4096, ((2, "/two", 2),))
    image.put(DEBUG + 4096, struct.pack("<i4xQ24xQ", 2, NODES + 4096, 0))
    assert [one.path for one in linkmap.linked(auxv(), image)] == ["/one", "/two"]
    image.put(DEBUG, struct.pack("<i", 1))
    assert [one.path for one in linkmap.linked(auxv(), image)] == ["/one"]


def test_a_static_program():
    """Has no list: no dynamic section, one without DT_DEBUG, or nothing where it should be."""
    without = process((1, "/one", 1))
    without.put(BASE + 0x1000, struct.pack("<2Q", linkmap.DT_NULL, 0))
    ends_early = process((1, "/one", 1), size=16)
    for image in (Image(), without, ends_early):
        assert list(linkmap.linked(auxv(), image)) == []
    assert list(linkmap.linked(auxv(count=1), process((1, "/one", 1)))) == []
    assert list(linkmap.linked(b"", process((1, "/one", 1)))) == []


def test_a_list_that_leads_nowhere():
    """It ends where memory does; a name that cannot be read is empty."""
    image = process((1, "/one", 1), (2, "/two", 2))
    image.put(NODES + 64, struct.pack("<5Q", 2, 0xDEAD, 2, 0xDEAD, 0))
    assert [one.path for one in linkmap.linked(auxv(), image)] == ["/one", ""]


def test_a_list_that_bites_its_tail():
    """Damaged memory must not hold the target still for ever."""
    image = process((1, "/one", 1), version=2, following=DEBUG)
    assert len(list(linkmap.linked(auxv(), image))) == linkmap._MOST_NAMESPACES
    image = process((1, "", 1))
    image.put(NODES + 24, struct.pack("<Q", NODES))
    assert len(list(linkmap.linked(auxv(), image))) == linkmap._MOST_LIBRARIES


def test_sizes_in_memory_are_not_trusted():
    """A damaged size must not make us ask for as much memory."""
    image = process((1, "/one", 1), size=1 << 60)
    assert len(list(linkmap.linked(auxv(count=1 << 40), image))) == 1
    assert image.longest <= linkmap._LARGEST_DYNAMIC


def test_a_name_without_an_end():
    """Is cut at the longest that a path can be."""
    image = process((1, "/" + "x" * 10_000, 1))
    [one] = linkmap.linked(auxv(), image)
    assert len(one.path) == linkmap._LONGEST_NAME


def test_auxiliary():
    """Pairs become a table; half a pair at the end is left out."""
    assert linkmap.auxiliary(struct.pack("<4Q", 3, 4, 5, 6) + b"half") == {3: 4, 5: 6}
