"""The two pieces of code that a borrowed thread stands on are found in the mapped files, and only where unchanged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tray.capture import linux_code
from tray.capture.linux_maps import Mapping, Mappings
from tray.capture.linux_net import CALL_AND_RETURN, RETURN_FROM_SIGNAL, Code
from tray.formats.numbers import Runs

if TYPE_CHECKING:
    from pathlib import Path

CHUNK = 1 << 20
LIBRARY = Mapping(0x700000, 0x700000 + 3 * CHUNK, "r-xp", 0x1000, (8, 1), 5, "/lib/libc.so.6")
PROGRAM = Mapping(0x400000, 0x402000, "r-xp", 0x1000, (8, 1), 6, "/bin/app")


class FakeSystem:
    """Files by mapping, and the pages that the program has changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened: dict[Mapping, object] = {}
        self.changed: dict[Mapping, tuple[int, ...]] = {}

    def add(self, mapping: Mapping, pieces: dict[int, bytes]) -> None:
        content = bytearray(0x1000 + mapping.size)
        for at, piece in pieces.items():
            content[0x1000 + at : 0x1000 + at + len(piece)] = piece
        path = self.folder / str(mapping.inode)
        path.write_bytes(content)
        self.opened[mapping] = path.open("rb")

    def descriptor(self, mapping: Mapping) -> int | None:
        return self.opened[mapping].fileno() if mapping in self.opened else None

    def own(self, mapping: Mapping) -> Runs:
        edges = iter(self.changed.get(mapping, ()))
        return Runs(spans=zip(edges, edges, strict=True))

    def read_file(self, descriptor: int, view: memoryview, offset: int) -> int:
        file = next(one for one in self.opened.values() if one.fileno() == descriptor)
        file.seek(offset)
        return file.readinto(view)

    def find(self) -> linux_code.Found | None:
        return linux_code.find(self, Mappings(sorted(self.opened, key=lambda one: one.start)), self, self)


@pytest.fixture
def system(tmp_path: Path):
    fake = FakeSystem(tmp_path)
    yield fake
    for file in fake.opened.values():
        file.close()


def test_both_in_the_c_library(system: FakeSystem):
    """It is looked at first, wherever it is mapped."""
    system.add(PROGRAM, {0x10: CALL_AND_RETURN})
    system.add(LIBRARY, {0x20: CALL_AND_RETURN, 0x80: RETURN_FROM_SIGNAL})
    found = system.find()
    assert found == linux_code.Found(Code(0x700020, 0x700080), (LIBRARY,))


def test_on_the_edge_of_what_is_read_at_once(system: FakeSystem):
    """A piece that two readings share is found, and at the right place."""
    edge = CHUNK - 4
    system.add(LIBRARY, {edge: RETURN_FROM_SIGNAL, 2 * CHUNK - 1: CALL_AND_RETURN})
    found = system.find()
    assert found is not None
    assert found.code == Code(LIBRARY.start + 2 * CHUNK - 1, LIBRARY.start + edge)


def test_changed_pages_are_passed_over(system: FakeSystem):
    """A debugger's breakpoint may stand there."""
    system.add(LIBRARY, {0x20: CALL_AND_RETURN, 0x1020: CALL_AND_RETURN, 0x2000: RETURN_FROM_SIGNAL})
    system.changed[LIBRARY] = (LIBRARY.start, LIBRARY.start + 0x1000)
    found = system.find()
    assert found is not None
    assert found.code == Code(LIBRARY.start + 0x1020, LIBRARY.start + 0x2000)


def test_one_is_not_enough(system: FakeSystem):
    """Neither is code in memory that can be written."""
    system.add(LIBRARY, {0x20: CALL_AND_RETURN})
    system.add(replace(PROGRAM, access="rwxp"), {0x20: RETURN_FROM_SIGNAL})
    assert system.find() is None


def test_it_holds_as_long_as_the_mappings_are_there(system: FakeSystem):
    """A library may be unloaded between the search and the stop."""
    system.add(LIBRARY, {0x20: CALL_AND_RETURN, 0x80: RETURN_FROM_SIGNAL})
    found = system.find()
    assert found is not None
    assert found.holds(Mappings([PROGRAM, LIBRARY]))
    assert not found.holds(Mappings([PROGRAM, replace(LIBRARY, start=LIBRARY.start + 0x1000)]))
