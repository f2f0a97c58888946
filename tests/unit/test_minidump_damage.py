"""Damaged minidumps: an error that says so, or what can still be read; nothing else, and soon."""

from __future__ import annotations

import os
import struct
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


def promising(path: Path, kind: int, content: bytes, size: int) -> Path:
    """A minidump of which one stream is replaced by this content and then holes, so many bytes in all."""
    whole = bytearray(synth.build())
    count, table = struct.unpack_from("<II", whole, 8)
    kinds = [struct.unpack_from("<I", whole, table + 12 * number)[0] for number in range(count)]
    place = kinds.index(kind if kind in kinds else synth.MAP)
    struct.pack_into("<III", whole, table + 12 * place, kind, size, len(whole))
    path.write_bytes(whole + content)
    os.truncate(path, len(whole) + size)
    return path


@pytest.mark.linux  # holes
@pytest.mark.parametrize(
    ("kind", "head", "row"),
    [
        (synth.THREADS, "<I", 48),
        (synth.MODULES, "<I", 108),
        (synth.MEMORY, "<I", 16),
        (synth.MEMORY64, "<Q8x", 16),
        (synth.MAP, "<IIQ", 48),
    ],
)
def test_holes_take_no_memory(tmp_path: Path, kind: int, head: str, row: int):
    """A list of millions of rows, which a few hundred bytes can promise, is no more than an error."""
    size = 64 << 20
    count = (size - struct.calcsize(head)) // row
    content = struct.pack(head, *((16, 48, count) if kind == synth.MAP else (count,)))
    path = promising(tmp_path / "dmp", kind, content, size)
    tracemalloc.start()
    try:
        with pytest.raises(BadDump, match="longer than any process makes it"):
            minidump.read(path)
        assert tracemalloc.get_traced_memory()[1] < 3 * size
    finally:
        tracemalloc.stop()


@pytest.mark.linux  # as above
def test_names_take_no_memory(tmp_path: Path):
    """Thousands of modules may share a name that is as long as can be; it is not told each time."""
    count, name = 8000, "x" * 32_768
    at = len(synth.build()) + 4 + 108 * count
    rows = (struct.pack("<QIIII84x", 65536 * number, 4096, 0, 0, at) for number in range(count))
    content = struct.pack("<I", count) + b"".join(rows)
    told = struct.pack("<I", 2 * len(name)) + name.encode("utf-16-le")
    path = promising(tmp_path / "dmp", synth.MODULES, content + told, len(content))
    with path.open("r+b") as file:
        file.seek(at)
        file.write(told)
    with minidump.read(path) as found:
        modules = list(found.modules())
    assert modules[0].path == name
    assert sum(len(module.path) for module in modules) < 40 << 20


def test_the_file_is_closed_when_it_is_damaged(tmp_path: Path):
    """A reader that fails leaves nothing open; an unclosed file is a warning, which fails this."""
    (tmp_path / "dmp").write_bytes(b"MDMP, but no dump at all, really: none")
    with pytest.raises(BadDump):
        minidump.read(tmp_path / "dmp")
