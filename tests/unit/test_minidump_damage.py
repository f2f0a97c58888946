"""Damaged minidumps: an error that says so, or what can still be read; nothing else, and soon."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest
import synth_minidump as synth
from damage import SMALL, looked_at, mutations, read

from tray.errors import BadDump
from tray.formats import minidump

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def small() -> bytes:
    """A small minidump whose memory comes last."""
    process = synth.Process.usual(full=True)
    process.memory = {synth.HEAP: b"h" * 64}
    return synth.build(process)


@pytest.mark.linux  # as below
def test_cut_at_every_byte(tmp_path: Path):
    """Wherever copying stopped before the memory, the file is called damaged; within it, it can be read."""
    whole, path = small(), tmp_path / "dmp"
    path.write_bytes(whole)
    with path.open("r+b") as file:
        for size in range(len(whole) - 1, 0, -1):
            file.truncate(size)
            assert looked_at(path) == (size >= len(whole) - 64), size


def damaged(path: Path, count: int, seed: int, look: Callable[[Path], bool] = looked_at) -> int:
    """Damage a minidump as often as that; gives how many could still be read."""
    good = 0
    for content in mutations(small(), count, seed):
        path.write_bytes(content)
        good += look(path)
    return good


@pytest.mark.linux  # the same everywhere, and writing so many files takes Wine long
def test_random_damage(tmp_path: Path):
    """500 damaged files (tests/live has 10,000): some can be read, and there is no other error."""
    assert 25 < damaged(tmp_path / "dmp", 500, seed=70) < 497


@pytest.mark.linux  # as above
def test_damage_takes_no_memory(tmp_path: Path):
    """A number in a small file does not make us ask for as many bytes."""
    tracemalloc.start()
    try:
        damaged(tmp_path / "dmp", 200, seed=71, look=read)
        assert tracemalloc.get_traced_memory()[1] < SMALL
    finally:
        tracemalloc.stop()


def test_the_file_is_closed_when_it_is_damaged(tmp_path: Path):
    """A reader that fails leaves nothing open; an unclosed file is a warning, which fails this."""
    (tmp_path / "dmp").write_bytes(b"MDMP, but no dump at all, really: none")
    with pytest.raises(BadDump):
        minidump.read(tmp_path / "dmp")
