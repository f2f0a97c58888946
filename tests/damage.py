"""Damage done to dumps, and the one thing that may come of it."""

from __future__ import annotations

import json
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
HEADS = 20_000
"""About how much of a dump is not memory, in bytes."""
SMALL = 8 << 20
"""What reading a small file may take of memory, in bytes, whatever numbers are in it."""


def looked_at(path: Path) -> bool:
    """Whether a report can be made, with all that it shows; the only other way is `BadDump`."""
    try:
        report = reports.make(path, None)
    except BadDump:
        return False
    assert render.text(report)
    assert json.dumps(render.as_json(report))
    return True


def read(path: Path) -> bool:
    """Whether a report can be made; the only other way is `BadDump`."""
    try:
        return bool(reports.make(path, None))
    except BadDump:
        return False


def mutations(source: bytes, count: int, seed: int) -> Iterator[bytearray]:
    """The bytes again and again, with up to four of them, or whole numbers among them, changed."""
    chance = random.Random(seed)
    for _ in range(count):
        yield mutated(source, chance)


def mutated(source: bytes, chance: random.Random, most: int = 4, reach: int = 0) -> bytearray:
    """The bytes with up to ``most`` of them, or whole numbers, changed, within the first ``reach`` (0: anywhere)."""
    found = bytearray(source)
    for _ in range(chance.randint(1, most)):
        position = chance.randrange(min(reach or len(found), len(found)) - 8)
        if chance.random() < 0.5:
            found[position] = chance.randrange(256)
        else:
            struct.pack_into("<Q", found, position & ~3, chance.choice(VALUES))
    return found


def battered(source: bytes, count: int, seed: int) -> Iterator[bytes]:
    """The bytes again and again, much worse: often cut off, up to 64 changed, most of them where the headers are."""
    chance = random.Random(seed)
    for _ in range(count):
        found = bytearray(source)
        if chance.random() < 0.3:
            del found[chance.randrange(1, len(found)) :]
        for _ in range(chance.choice((1, 2, 8, 64))):
            reach = min(len(found), chance.choice((64, HEADS, len(source))))
            found[chance.randrange(reach)] = chance.choice((0, 255, chance.randrange(256)))
        yield bytes(found)
