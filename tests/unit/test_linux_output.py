"""The dump's file: what goes past the page cache, and what is done where that cannot be."""

from __future__ import annotations

import errno
import os
import tempfile
from typing import TYPE_CHECKING

import pytest

from tray.capture import linux_output
from tray.capture.linux_output import LEAST, MUCH, PAGE, TRIAL, WORTH, Output, Trial

if TYPE_CHECKING:
    from pathlib import Path

MANY = 8 * TRIAL
CHUNK = 1 << 20


class FakeKernel:
    """Takes note of what is written which way.

    Attributes:
        written: Place and length, and whether past the page cache.
        refuses: Whether the file system knows no way past it.
        error: What every write past it fails with.
    """

    def __init__(self) -> None:
        self.written: list[tuple[int, int, bool]] = []
        self.refuses = False
        self.error = 0
        self._direct = -1

    def open_direct(self, descriptor: int) -> int:
        if self.refuses:
            raise OSError(errno.EINVAL, "refused")
        self._direct = os.dup(descriptor)
        return self._direct

    def write(self, descriptor: int, view: memoryview, place: int) -> int:
        if descriptor == self._direct and self.error:
            raise OSError(self.error, "failed")
        self.written.append((place, len(view), descriptor == self._direct))
        return len(view)

    def ways(self) -> list[bool]:
        """Which way each piece went."""
        return [direct for _, _, direct in self.written]


def output(kernel: FakeKernel, path: Path, size: int = MANY, *, hurry: bool = False) -> Output:
    """An output that is ready."""
    with path.open("wb") as file:
        made = Output(kernel, os.dup(file.fileno()))
    made.prepare(size, hurry=hurry)
    return made


def test_large_pieces_go_past_the_page_cache(tmp_path: Path) -> None:
    """Whole pages at the place of a page, and many of them; the rest does not."""
    kernel = FakeKernel()
    made = output(kernel, tmp_path / "dump")
    for place, size in [(PAGE, LEAST), (0, LEAST - PAGE), (5, LEAST), (PAGE, LEAST + 1), (7 * PAGE, CHUNK)]:
        assert made.write(memoryview(bytes(size)), place) == size
    assert kernel.ways() == [True, False, False, False, True]
    made.close()
    made.write(memoryview(bytes(CHUNK)), 0)
    assert kernel.ways()[-1] is False


@pytest.mark.parametrize("why", ["small", "refused"])
def test_the_usual_way_where_there_is_no_other(tmp_path: Path, why: str) -> None:
    """For a small dump, and where the file system refuses."""
    kernel = FakeKernel()
    kernel.refuses = why == "refused"
    made = output(kernel, tmp_path / "dump", WORTH - 1 if why == "small" else MANY)
    made.write(memoryview(bytes(CHUNK)), 0)
    assert kernel.ways() == [False]
    made.close()


@pytest.mark.linux
def test_a_file_without_a_name_stays_in_memory() -> None:
    """It is packed at once and never needs to reach the disk."""
    kernel = FakeKernel()
    with tempfile.TemporaryFile(buffering=0) as file:
        made = Output(kernel, file.fileno())
        made.prepare(MANY, hurry=False)
        made.write(memoryview(bytes(CHUNK)), 0)
    assert kernel.ways() == [False]


def test_what_fails_is_tried_the_usual_way(tmp_path: Path) -> None:
    """As where the blocks of the disk are larger than our pages."""
    kernel = FakeKernel()
    kernel.error = errno.EINVAL
    made = output(kernel, tmp_path / "dump")
    assert made.write(memoryview(bytes(CHUNK)), 0) == CHUNK
    assert kernel.written == [(0, CHUNK, False)]
    made.close()


@pytest.mark.parametrize(("cache", "direct"), [(1.0, True), (1.0 / MUCH, True), (0.9 / MUCH, False)])
def test_in_a_hurry_both_ways_are_tried(
    monkeypatch: pytest.MonkeyPatch, *, cache: float, direct: bool
) -> None:
    """The page cache is taken only where it is many times faster: what is in it must still reach the disk."""
    now = [0.0]
    monkeypatch.setattr(linux_output.time, "monotonic", lambda: now[0])
    trial = Trial()
    for _ in range(TRIAL // CHUNK):
        assert trial.direct(CHUNK) is True
        now[0] += 1
    for _ in range(TRIAL // CHUNK):
        assert trial.direct(CHUNK) is False
        now[0] += cache
    assert [trial.direct(CHUNK) for _ in range(5)] == [direct] * 5


def test_a_hurry_matters_only_for_much(tmp_path: Path) -> None:
    """A dump that is hardly larger than the trial itself is not tried with."""
    kernel = FakeKernel()
    made = output(kernel, tmp_path / "dump", 2 * TRIAL, hurry=True)
    for number in range(2 * TRIAL // CHUNK):
        made.write(memoryview(bytes(CHUNK)), number * CHUNK)
    assert all(kernel.ways())
    made.close()
