"""Damaged minidumps by the thousand, which take too long for the unit tests."""

from __future__ import annotations

import json
import random
import struct
from typing import TYPE_CHECKING

import synth_minidump as synth

from tray import reports
from tray.errors import BadDump
from tray.reports import render

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS = [0, 1, 0xFF, 0xFFFF, 2**31 - 1, 2**32 - 1, 2**63, 2**64 - 4096, 2**64 - 1]


def mutated(whole: bytes, chance: random.Random) -> bytes:
    """A dump with some bytes, or whole numbers among them, changed, or cut off."""
    found = bytearray(whole)
    for _ in range(chance.randint(1, 6)):
        position = chance.randrange(len(found) - 8)
        if chance.random() < 0.5:
            found[position] = chance.randrange(256)
        else:
            struct.pack_into("<Q", found, position & ~3, chance.choice(NUMBERS))
    return bytes(found[: chance.randrange(len(found))] if chance.random() < 0.1 else found)


def test_ten_thousand(tmp_path: Path) -> None:
    """A report, or a clear error, of a 64-bit and a 32-bit program; never anything else."""
    usual = {"exception": (71, 0xC0000005, synth.CODE, 1, 0), "names": {70: "main", 71: "worker"}}
    narrow = {70: synth.context_32(), 71: synth.context_32(sp=synth.STACK + 64)}
    wholes = [
        synth.build(synth.Process.usual(full=True, **usual)),
        synth.build(synth.Process.usual(architecture=0, threads=narrow, **usual)),
    ]
    path, chance, clear = tmp_path / "dmp", random.Random(72), 0
    for number in range(10_000):
        path.write_bytes(mutated(wholes[number % 2], chance))
        try:
            report = reports.make(path, None)
            render.text(report)
            json.dumps(render.as_json(report))
        except BadDump:
            clear += 1
    assert 1000 < clear < 9000, "the damage was too small or too great to tell anything"
