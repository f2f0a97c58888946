"""Damaged core files: an error that says so, or what can still be read; nothing else, and soon."""

from __future__ import annotations

import struct
import tracemalloc
from typing import TYPE_CHECKING

import pytest
import synth
from damage import SMALL, looked_at, mutations, read

from tray import reports
from tray.errors import BadDump
from tray.formats import core, core_write, elf
from tray.reports import render

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


TABLE = elf.HEADER.unpack_from(synth.head(synth.app()[0]))[5]
"""Where the program headers of the file begin that is damaged here."""


@pytest.mark.linux  # as below
def test_cut_at_every_byte_of_the_head(tmp_path: Path):
    """Wherever copying stopped within headers and notes, the file is called damaged."""
    path = synth.core_file(tmp_path / "core")
    head = synth.head(synth.app()[0])
    with path.open("r+b") as file:
        for size in range(len(head) - 1, -1, -1):
            file.truncate(size)
            assert not looked_at(path), size


def test_cut_behind_the_head(tmp_path: Path):
    """From there on it can be read, and says how much is missing."""
    path = synth.core_file(tmp_path / "core")
    whole, head = path.stat().st_size, len(synth.head(synth.app()[0]))
    with path.open("r+b") as file:
        for size in (whole - 1, whole - 5000, whole // 2, head):
            file.truncate(size)
            report = reports.make(path, None)
            assert 0 < report.missing <= whole - size
            assert "DAMAGED" in render.text(report)


def damaged(path: Path, count: int, seed: int, look: Callable[[Path], bool] = looked_at) -> int:
    """Damage a core file as often as that; gives how many could still be read."""
    synth.core_file(path)
    head = synth.head(synth.app()[0])
    good = 0
    with path.open("r+b", buffering=0) as file:
        for content in mutations(head, count, seed):
            file.seek(0)
            file.write(content)
            good += look(path)
    return good


@pytest.mark.linux  # the same everywhere, and writing so many files takes Wine long
def test_random_damage(tmp_path: Path):
    """500 damaged heads (tests/live has 10,000): some can be read, and there is no other error."""
    assert 25 < damaged(tmp_path / "core", 500, seed=70) < 475


@pytest.mark.linux  # as above
def test_damage_takes_no_memory(tmp_path: Path):
    """A number in a small file does not make us ask for as many bytes."""
    tracemalloc.start()
    try:
        damaged(tmp_path / "core", 200, seed=71, look=read)
        assert tracemalloc.get_traced_memory()[1] < SMALL
    finally:
        tracemalloc.stop()


def threads(path: Path, *, whole: bool) -> list[tuple[int, bytes]] | None:
    """Ids and registers as one of the two ways of reading finds them; None for a damaged file."""
    with path.open("rb", buffering=0) as file:
        try:
            return list(core.registers(core.Core(file, whole=whole).snapshot.threads))
        except BadDump:
            return None


@pytest.mark.linux  # as above
def test_damage_is_seen_by_lean_reading_too(tmp_path: Path):
    """Reading a crowd of threads at once overlooks nothing that reading each by itself finds."""
    shown = synth.snapshot(*(synth.thread(100 + number) for number in range(9)))
    path, head, good = synth.core_file(tmp_path / "core", shown), synth.head(shown), 0
    with path.open("r+b", buffering=0) as file:
        for content in mutations(head, 500, seed=72):
            file.seek(0)
            file.write(content)
            found = threads(path, whole=False)
            assert found == threads(path, whole=True)
            good += found is not None
    assert 100 < good < 480


def changed(path: Path, *changes: tuple[str, int, int]) -> Path:
    """The file of `synth.app` with some fields changed: (format, offset, value)."""
    synth.core_file(path)
    with path.open("r+b") as file:
        for kind, offset, value in changes:
            file.seek(offset)
            file.write(struct.pack(kind, value))
    return path


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ([("<I", 0, 0)], "neither a core file"),
        ([("<B", 4, 1)], "x86-64"),
        ([("<H", 16, 3)], "x86-64"),
        ([("<H", 18, 3)], "x86-64"),
        ([("<H", 54, 32)], "headers"),
        ([("<H", 56, 0)], "headers"),
        ([("<H", 56, 60_000)], "headers"),
        ([("<H", 56, elf.PN_XNUM)], "headers"),
        ([("<H", 56, elf.PN_XNUM), ("<Q", 40, 1 << 63)], "headers"),
        ([("<Q", 32, 1 << 63)], "headers"),
        ([("<I", TABLE, elf.PT_LOAD)], "says nothing about threads"),
        ([("<Q", TABLE + 32, 1 << 40)], "notes"),
        ([("<Q", TABLE + 32, 0)], "names no thread"),
        ([("<I", 64 + 4, 335)], "size"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, changes: list, cause: str):
    """Each damaged field leads to its own sentence."""
    with pytest.raises(BadDump, match=cause) as caught:
        core.read(changed(tmp_path / "core", *changes))
    assert caught.value.hint


def promised(path: Path, owner: str, kind: int, size: int) -> Path:
    """A core file whose second note is of this size, which is a hole as is all behind it: notes that say nothing."""
    found = elf.note("CORE", core_write.NT_PRSTATUS, bytes(core_write.STATUS.size))
    found += elf.note_head(owner, kind, size)
    path.write_bytes(elf.header(1) + elf.Program(elf.PT_NOTE, 0, 4096, 0, 1 << 30, 0, 4).pack())
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(found)
        file.truncate(4096 + (1 << 30))
    return path


HOLES = (1 << 30) - 4096


@pytest.mark.linux  # holes
@pytest.mark.parametrize(
    ("note", "cause"),
    [
        (("CORE", core_write.NT_PRSTATUS, HOLES), "larger"),
        (("LINUX", core_write.NT_X86_XSTATE, HOLES), "larger"),
        (("CORE" * 300_000, 99, 8), "larger"),
        (("CORE", 99, 8), "more notes"),
    ],
)
def test_holes_take_neither_memory_nor_time(tmp_path: Path, monkeypatch, note: tuple, cause: str):
    """A GiB of nothing, which a few thousand bytes can promise, is no more than an error."""
    monkeypatch.setattr("tray.formats.core_head._NOTES_AT_MOST", 10_000)
    path = promised(tmp_path / "core", *note)
    tracemalloc.start()
    try:
        with pytest.raises(BadDump, match=cause):
            core.read(path)
        assert tracemalloc.get_traced_memory()[1] < 10 * SMALL
    finally:
        tracemalloc.stop()


def test_the_file_is_closed_when_it_is_damaged(tmp_path: Path):
    """A reader that fails leaves nothing open; an unclosed file is a warning, which fails this."""
    (tmp_path / "core").write_bytes(b"no core at all")
    with pytest.raises(BadDump):
        core.read(tmp_path / "core")
