"""Damage done to dumps, and the one thing that may come of it."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING

from tray import reports
from tray.errors import BadDump
from tray.reports import render

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VALUES = [0, 1, 0x7F, 0xFF, 0xFFFF, 2**31 - 1, 2**32 - 1, 2**63, 2**64 - 1, 2**64 - 4096]
SMALL = 8 << 20
"""What reading a small file may take of memory, in bytes, whatever numbers are in it."""


def looked_at(path: Path) -> bool:
    """Whether a report can be made, with all that it shows; the only other way is `BadDump`."""
    try:
        report = reports.make(path, None)
    except BadDump:
        return False
    assert render.text(report)
    assert render.as_json(report)
    return True


def mutations(source: bytes, count: int, seed: int) -> Iterator[bytearray]:
    """The bytes again and again, with up to four of them, or whole numbers among them, changed."""
    chance = random.Random(seed)
    for _ in range(count):
        yield _mutated(source, chance)


def _mutated(source: bytes, chance: random.Random) -> bytearray:
    found = bytearray(source)
    for _ in range(chance.randint(1, 4)):
        position = chance.randrange(len(found) - 8)
        if chance.random() < 0.5:
            found[position] = chance.randrange(256)
        else:
            position -= position % 4
            struct.pack_into("<Q", found, position, chance.choice(VALUES))
    return found
