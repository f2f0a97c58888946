"""Damaged minidumps: an error that says so, or what can still be read; nothing else, and soon."""

from __future__ import annotations

import random
import struct
import tracemalloc
from typing import TYPE_CHECKING

import pytest
import synth_minidump as synth

from tray import reports
from tray.errors import BadDump
from tray.formats import minidump
from tray.reports import render

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20
VALUES = [0, 1, 0x7F, 0xFF, 0xFFFF, 2**31 - 1, 2**32 - 1, 2**63, 2**64 - 1, 2**64 - 4096]


def looked_at(path: Path) -> bool:
    """Whether a report can be made, with all that it shows; the only other way is `BadDump`."""
    try:
        report = reports.make(path, None)
    except BadDump:
        return False
    assert render.text(report)
    assert render.as_json(report)
    return True


def small() -> bytes:
    """A small minidump whose memory comes last."""
    process = synth.Process.usual(full=True)
    process.memory = {synth.HEAP: b"h" * 64}
    return synth.build(process)


def test_cut_at_every_byte(tmp_path: Path):
    """Wherever copying stopped before the memory, the file is called damaged; within it, it can be read."""
    whole, path = small(), tmp_path / "dmp"
    for size in range(1, len(whole)):
        path.write_bytes(whole[:size])
        assert looked_at(path) == (size >= len(whole) - 64), size


def mutated(source: bytes, chance: random.Random) -> bytearray:
    """The bytes with up to four of them, or whole numbers among them, changed."""
    found = bytearray(source)
    for _ in range(chance.randint(1, 4)):
        position = chance.randrange(len(found) - 8)
        if chance.random() < 0.5:
            found[position] = chance.randrange(256)
        else:
            position -= position % 4
            struct.pack_into("<Q", found, position, chance.choice(VALUES))
    return found


def damaged(path: Path, count: int, seed: int) -> int:
    """Damage a minidump as often as that; gives how many could still be read."""
    whole, chance, good = small(), random.Random(seed), 0
    for _ in range(count):
        path.write_bytes(mutated(whole, chance))
        good += looked_at(path)
    return good


def test_random_damage(tmp_path: Path):
    """2,000 damaged files: some can be read, and there is no other error."""
    assert 100 < damaged(tmp_path / "dmp", 2000, seed=70) < 1990


def test_damage_takes_no_memory(tmp_path: Path):
    """A number in a small file does not make us ask for as many bytes."""
    tracemalloc.start()
    try:
        damaged(tmp_path / "dmp", 200, seed=71)
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()


def test_the_file_is_closed_when_it_is_damaged(tmp_path: Path):
    """A reader that fails leaves nothing open; an unclosed file is a warning, which fails this."""
    (tmp_path / "dmp").write_bytes(b"MDMP, but no dump at all, really: none")
    with pytest.raises(BadDump):
        minidump.read(tmp_path / "dmp")
