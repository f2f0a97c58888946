"""Long rows of numbers, of which few are held."""

from __future__ import annotations

import array
import bisect
import random
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from tray.formats import numbers
from tray.formats.numbers import BLOCK, Numbers, Runs
from tray.formats.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MANY = 40 * BLOCK + 17


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """One whose file is on a disk, and holds little."""
    with (tmp_path / "dump").open("wb") as file:
        made = Spool(file.fileno(), held=1000)
        yield made
        made.close()


@pytest.mark.linux
def test_they_are_as_in_an_array(spool: Spool):
    """By place from either end, as a part, forward and backward, whether held or not; two rows may share a spool."""
    expected = array.array("Q", (7 * n for n in range(MANY)))
    row, other = Numbers("Q", spool), Numbers("b", spool)
    for number in expected:
        row.append(number)
        other.append(number % 100)
    assert len(row.held) <= 2 * BLOCK
    assert len(row) == len(expected)
    assert list(row) == list(expected)
    assert list(reversed(row)) == list(reversed(expected))
    assert list(other) == [number % 100 for number in expected]
    for place in (0, 1, BLOCK - 1, BLOCK, 20 * BLOCK + 3, MANY - 1, -1, -MANY):
        assert row[place] == expected[place]
    for first, last in (
        (0, 0),
        (0, 5),
        (BLOCK - 1, 3 * BLOCK + 1),
        (38 * BLOCK, MANY),
        (5, MANY),
        (MANY, MANY),
    ):
        assert row[first:last] == row.part(first, last) == expected[first:last]
    for place in (MANY, -MANY - 1):
        with pytest.raises(IndexError):
            row[place]


@pytest.mark.linux
def test_they_are_found_by_bisection(spool: Spool):
    """Also those that stand in it more than once, before the first and behind the last."""
    choose = random.Random(5)
    expected = sorted(choose.randrange(10, 3 * MANY) for _ in range(MANY))
    row = Numbers("Q", spool, expected)
    for number in (0, expected[0], expected[-1], 4 * MANY, *choose.choices(expected, k=500)):
        assert row.rank(number) == bisect.bisect_right(expected, number)
    assert Numbers("Q", spool).rank(5) == 0


@pytest.mark.linux
def test_many_take_little_room(spool: Spool):
    """However many they are, and while they are added from whatever gives them."""
    tracemalloc.start()
    try:
        row = Numbers("Q", spool, (n for n in range(400_000)))
        assert sum(row) == 399_999 * 200_000
        row.extend(Numbers("Q", spool, row))
        assert row[-1] == row[399_999] == 399_999
        assert tracemalloc.get_traced_memory()[1] < 300_000
    finally:
        tracemalloc.stop()


def test_without_a_spool_all_are_held():
    """As where a few are looked at, or on a system where no dump is made."""
    row = Numbers("H", numbers=(n % 1000 for n in range(MANY)))
    assert len(row.held) == len(row) == MANY
    assert row.rank(1000) == MANY


def test_few_are_held(spool: Spool):
    """Those of most processes, and so nothing is written for them."""
    row = Numbers("Q", spool, range(numbers._MOST - 1))
    assert len(row.held) == len(row)
    assert spool.size == 0


@pytest.mark.linux
def test_runs(spool: Spool):
    """Are pairs of numbers, and have a size together; the end of the last one can be moved."""
    spans = [(100 * n, 100 * n + n % 90) for n in range(MANY)]
    runs = Runs(spool)
    for span in spans:
        runs.add(*span)
    assert list(runs.pairs()) == spans
    assert list(Runs(spool, spans)) == list(runs)
    assert runs.size == sum(end - start for start, end in spans)
    assert Runs(spool, spans) == runs
    runs.held[-1] += 5
    assert runs.size == 5 + sum(end - start for start, end in spans)
    assert Runs(spool, spans) != runs


@pytest.mark.linux
@pytest.mark.parametrize("held", [True, False])
def test_what_an_address_lies_in(spool: Spool, *, held: bool):
    """Its start, its end and its place; nothing between two of them, before the first or from the last end on."""
    spans = [
        (100 * n, 100 * n + 60 + 40 * (n % 2)) for n in range(1, MANY)
    ]  # each second one ends where one begins
    runs = Runs(None if held else spool, spans)
    assert (len(runs.held) == len(runs)) is held
    for place in (0, 1, 2, 511, 512, 513, 20 * BLOCK, len(spans) - 1):
        start, end = spans[place]
        for address in (start, start + 1, end - 1):
            assert runs.around(address) == (start, end, place)
    assert [runs.around(address) for address in (0, 99, 260, 299, 100 * 20 * BLOCK + 60, spans[-1][1])] == [
        None
    ] * 6
