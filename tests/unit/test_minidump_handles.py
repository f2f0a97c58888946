"""The handles of a minidump, as dbghelp of either width writes them; and of damaged ones what is left."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
import synth_minidump as synth

from tray.formats import minidump, minidump_handles
from tray.formats.minidump_handles import Handle

if TYPE_CHECKING:
    from pathlib import Path

INFORMATIONS = {
    # What dbghelp 6.3.9600 wrote in the test bed, 64 and 32 bit.
    "thread": (
        1,
        "03010000000000000000fc7f00000000e800000000000000ec0000000000000003000000000000000000000000000000",
    ),
    "thread 32": (1, "030100000000fc7fe8000000ec000000030000000000000000000000"),
    "mutant": (3, "e800000000000000ec00000000000000"),
    "mutant 32": (3, "e8000000ec000000"),
    "mutant, its count": (2, "0000000000000000"),
    "process": (4, "03010000" + "00" * 28 + "e800000000000000" + "00" * 8),
}


def read(path: Path, **handles: tuple[object, ...]) -> dict[int, Handle]:
    """The handles of a dump that has these."""
    process = synth.Process.usual(handles={4 * n: row for n, row in enumerate(handles.values(), 1)})
    with minidump.read(synth.minidump_file(path, process)) as file:
        return file.handles()


@pytest.mark.parametrize(
    ("name", "kind", "party"),
    [
        ("thread", "Thread", (0xE8, 0xEC)),
        ("thread 32", "Thread", (0xE8, 0xEC)),
        ("mutant", "Mutant", (0xE8, 0xEC)),
        ("mutant 32", "Mutant", (0xE8, 0xEC)),
        ("process", "Process", (0xE8, 0)),
        ("mutant, its count", "Mutant", None),
        ("mutant", "Event", None),
    ],
)
def test_who_it_is(tmp_path: Path, name: str, kind: str, party: tuple[int, int] | None):
    """By the information that fits its kind; its size tells the width."""
    number, content = INFORMATIONS[name]
    one = read(tmp_path / "a.dmp", one=(kind, r"\BaseNamedObjects\x", (number, bytes.fromhex(content))))
    assert one == {4: Handle(kind, r"\BaseNamedObjects\x", party)}


def test_several_informations(tmp_path: Path):
    """They hang together in a chain, the last one first, as dbghelp has it."""
    known = [(number, bytes.fromhex(content)) for number, content in (INFORMATIONS["mutant"], (2, "00" * 8))]
    assert read(tmp_path / "a.dmp", one=("Mutant", "", *known))[4].party == (0xE8, 0xEC)
    assert read(tmp_path / "a.dmp", one=("Mutant", "", *known[::-1]))[4].party == (0xE8, 0xEC)


def test_a_dump_without_handles(tmp_path: Path):
    """Has none."""
    assert read(tmp_path / "a.dmp") == {}


def test_damaged_handles():
    """Rings of informations, sizes of nothing, rows that are cut off: what is whole is told, and it ends soon."""
    ring = struct.pack("<III", 1, 2, 8) + bytes(8)

    def rows(count: int, size: int = 40, head: int = 16, where: int = 1) -> bytes:
        row = struct.pack("<QIIIIIIII", 4, 1, 0, 0, 0, 0, 0, where, 0)[:size]
        return struct.pack("<IIII", head, size, count, 0) + row

    def told(content: bytes, most: int = 20):
        asked = []

        def at(offset: int, size: int) -> bytes:
            asked.append(size)
            return ring[:size] if size == 12 else bytes(size)

        found = minidump_handles.handles(content, at, lambda _: "Mutant")
        assert len(asked) <= most
        assert max(asked, default=0) < 100
        return found

    assert told(rows(1)) == {4: Handle("Mutant", "", None)}
    assert told(rows(2**32 - 1)) == {4: Handle("Mutant", "", None)}
    assert told(rows(1)[:-1]) == told(rows(1, size=8)) == told(rows(1, head=0)) == told(b"MDMP") == {}
    assert told(rows(1, size=32)) == {4: Handle("Mutant", "", None)}
