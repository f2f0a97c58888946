"""The copy loop: every byte to its place, pages of zeros as holes, what is lost as gaps."""

from __future__ import annotations

import _thread
import array
import errno
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import wait_until

from tray.capture import copy
from tray.capture.copy import CACHED, CHUNK, PAGE, Copy, jobs
from tray.errors import Cancelled, TargetGone
from tray.formats.numbers import Runs
from tray.model import Gap

BASE = 0x10000000


class Source:
    """Memory from `BASE` on that can be lost or end.

    Attributes:
        lost: Pages, by number, that cannot be read.
        error: What reading them raises.
        ends: Nothing can be read from this page on; as when the process has ended.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.lost: set[int] = set()
        self.error = errno.EIO
        self.ends = 1 << 40
        self.shortest = 1 << 40

    def __call__(self, view: memoryview, address: int) -> int:
        page = (address - BASE) // PAGE
        if page >= self.ends:
            return 0
        if page in self.lost:
            raise OSError(self.error, "lost")
        last = min(self.lost - set(range(page)), default=1 << 40) * PAGE
        part = self.content[address - BASE : min(address - BASE + len(view), last)][: self.shortest]
        if not part:
            raise OSError(errno.EIO, "behind the end")
        view[: len(part)] = part
        return len(part)


class Output:
    """A file with holes.

    Attributes:
        bytes: Its content; never written bytes are zero.
        written: Start and end of each write.
        most: Takes no more than that at once.
    """

    def __init__(self, size: int) -> None:
        self.bytes = bytearray(size)
        self.written: list[tuple[int, int]] = []
        self.most = 1 << 40
        self.error: OSError | None = None

    def __call__(self, view: memoryview, place: int) -> int:
        if self.error:
            raise self.error
        view = view[: self.most]
        self.bytes[place : place + len(view)] = view
        self.written.append((place, place + len(view)))
        return len(view)

    def holes(self) -> list[int]:
        """Pages, by number, of which no byte was written."""
        touched = {n for start, end in self.written for n in range(start // PAGE, -(-end // PAGE))}
        return sorted(set(range(-(-len(self.bytes) // PAGE))) - touched)


def patient(_done: int, _total: int) -> bool:
    return False


def copied(source: Source, output: Output, size: int, progress=patient) -> Copy:
    """One pass over ``size`` bytes from `BASE`, to the output's beginning."""
    made = Copy(source, output, progress, size)
    made.run(Runs(spans=[(BASE, BASE + size)]), iter([(BASE, BASE + size, 0)]))
    return made


@st.composite
def layouts(draw):
    """Runs to copy, each within a stretch that is in the file, and these stretches with their places."""
    runs, places = Runs(), []
    address, offset = PAGE, PAGE
    for _ in range(draw(st.integers(1, 6))):
        address += draw(st.integers(0, 600)) * PAGE
        start = position = address
        address += draw(st.integers(1, 600)) * PAGE
        for _ in range(draw(st.integers(0, 3))):
            first = position + draw(st.integers(0, 100)) * PAGE
            last = first + draw(st.integers(1, 300)) * PAGE
            if last <= address:
                runs.add(first, last)
                position = last + PAGE
        places.append((start, address, offset))
        offset += address - start
    return runs, places


@given(layouts())
def test_jobs_are_the_runs_in_pieces(layout):
    """Each byte once, in order, none longer than a chunk, and at the place of its stretch."""
    runs, places = layout
    made = list(jobs(runs.pairs(), iter(places)))
    joined = array.array("Q")
    for address, length, place in made:
        assert 0 < length <= CHUNK
        [(start, offset)] = [(start, offset) for start, end, offset in places if start <= address < end]
        assert place == offset + address - start
        if joined and joined[-1] == address:
            joined[-1] = address + length
        else:
            joined.extend((address, address + length))
    whole = array.array("Q")
    for index in range(0, len(runs), 2):
        if whole and whole[-1] == runs[index]:
            whole[-1] = runs[index + 1]
        else:
            whole.extend(runs[index : index + 2])
    assert joined == whole


def test_a_run_over_several_stretches():
    """Is cut where the file's stretches meet."""
    places = [(0, 8192, 100_000), (8192, 12288, 500_000)]
    assert list(jobs([(4096, 12288)], iter(places))) == [
        (4096, 4096, 104_096),
        (8192, 4096, 500_000),
    ]


def test_what_the_file_has_no_place_for():
    """A run that reaches out of all stretches is copied as far as they go."""
    assert list(jobs([(0, 12288)], iter([(4096, 8192, 0), (16384, 20480, 4096)]))) == [(4096, 4096, 0)]


@given(
    st.lists(st.sampled_from([0, 0, 1]), max_size=12),
    st.integers(0, PAGE - 1),
    st.sampled_from([1, 100, PAGE, 1 << 40]),
)
def test_zero_pages_become_holes(pattern, tail, most):
    """Only whole pages of zeros are left out, wherever they stand, and whatever the length is."""
    content = b"".join((b"\0" * 4095 + b"x") if page else bytes(PAGE) for page in pattern) + b"t" * tail
    if not content:
        return
    output = Output(len(content))
    output.most = most
    copied(Source(content), output, len(content))
    assert output.bytes == content
    assert output.holes() == [number for number, page in enumerate(pattern) if not page]


@pytest.mark.parametrize("size", [1, 4095, 4097, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5000])
def test_nothing_but_zeros(size: int):
    """Is not written at all, also where the end is no page's."""
    output = Output(size)
    assert copied(Source(bytes(size)), output, size).done == size
    assert output.written == []


def test_old_bytes_in_the_buffer_do_not_count():
    """A short piece after a long one is judged by its own bytes."""
    content = b"x" * CHUNK + bytes(100)
    output = Output(len(content))
    copied(Source(content), output, len(content))
    assert output.bytes == content
    assert max(end for _, end in output.written) == CHUNK


@pytest.mark.parametrize(("size", "piece"), [(8 << 20, CACHED), (8 << 20 | PAGE, CHUNK)])
def test_a_little_is_copied_by_small_pieces(size: int, piece: int):
    """They are still in the processor's cache when they are written; of much, large ones are better for the disk."""
    output = Output(size)
    copied(Source(b"x" * size), output, size)
    assert max(end - start for start, end in output.written) == piece
    assert output.bytes == b"x" * size


def test_short_reads_are_continued():
    """A read may give less than asked for; nothing is lost, not even within a page."""
    content = bytes(range(1, 256)) * 300
    source, output = Source(content), Output(len(content))
    source.shortest = 1000
    made = copied(source, output, len(content))
    assert output.bytes == content
    assert made.gaps == []


@pytest.mark.parametrize("error", [errno.EIO, errno.EFAULT, errno.ENXIO, errno.EINVAL])
def test_lost_pages_are_gaps(error: int):
    """Neighbours are one gap, also over the seam of two pieces; all around them is there."""
    pages = CHUNK // PAGE
    content = b"x" * (3 * CHUNK)
    source, output = Source(content), Output(len(content))
    source.lost, source.error = {0, 5, 6, pages - 1, pages, 3 * pages - 1}, error
    made = copied(source, output, len(content))
    assert [(gap.what, gap.size) for gap in made.gaps] == [
        (f"{BASE + first * PAGE:x}-{BASE + last * PAGE:x}", (last - first) * PAGE)
        for first, last in ((0, 1), (5, 7), (pages - 1, pages + 1), (3 * pages - 1, 3 * pages))
    ]
    assert {gap.why for gap in made.gaps} == {"could not be read"}
    assert output.holes() == sorted(source.lost)
    assert made.done == len(content)


def test_the_end_of_a_file_within_a_page():
    """The rest of the last page is zeros in memory too, so it is no gap; whole pages behind it are."""
    source, output = Source(b"x" * 5000), Output(4 * PAGE)
    made = copied(source, output, 4 * PAGE)
    assert [gap.what for gap in made.gaps] == [f"{BASE + 2 * PAGE:x}-{BASE + 4 * PAGE:x}"]
    source, output = Source(b"x" * 5000), Output(2 * PAGE)
    assert copied(source, output, 2 * PAGE).gaps == []
    assert output.bytes == b"x" * 5000 + bytes(2 * PAGE - 5000)


def test_gaps_are_named_by_the_caller():
    """Who knows the mapping says what was lost."""
    source = Source(bytes(PAGE))
    source.lost = {0}
    made = Copy(source, Output(PAGE), patient, PAGE, name=lambda start, end: f"heap {end - start}")
    made.run(Runs(spans=[(BASE, BASE + PAGE)]), iter([(BASE, BASE + PAGE, 0)]))
    assert made.gaps == [Gap("heap 4096", "could not be read", PAGE)]


def test_a_process_that_ends_meanwhile():
    """Its memory reads as nothing at all, without an error: that is no gap."""
    source = Source(b"x" * (4 * CHUNK))
    source.ends = CHUNK // PAGE
    with pytest.raises(TargetGone):
        copied(source, Output(4 * CHUNK), 4 * CHUNK)


def test_other_errors_of_reading_end_the_copy():
    """Only those that mean the page are gaps."""
    source = Source(b"x" * PAGE)
    source.lost, source.error = {0}, errno.EPERM
    with pytest.raises(PermissionError):
        copied(source, Output(PAGE), PAGE)


def test_a_full_disk_ends_the_copy():
    """The error reaches the caller as it is."""
    output = Output(PAGE)
    output.error = OSError(errno.ENOSPC, "full")
    with pytest.raises(OSError, match="full"):
        copied(Source(b"x" * PAGE), output, PAGE)


def test_cancelling():
    """Is asked for before each piece, and obeyed by all threads."""
    asked: list[int] = []

    def progress(done: int, _total: int) -> bool:
        asked.append(done)
        return len(asked) > 3

    with pytest.raises(Cancelled):
        copied(Source(b"x" * (20 * CHUNK)), Output(20 * CHUNK), 20 * CHUNK, progress)
    assert len(asked) <= 3 + copy.COPIERS
    assert max(asked) < 20 * CHUNK


def test_progress_reaches_the_total():
    """It never goes back, and the last word is that all is done."""
    told: list[tuple[int, int]] = []
    size = 5 * CHUNK + 10
    copied(Source(b"x" * size), Output(size), size, lambda *one: bool(told.append(one)))
    assert told == sorted(told)
    assert told[-1] == (size, size)


@pytest.mark.parametrize(("length", "copiers"), [(PAGE, 1), (CHUNK, copy.COPIERS)])
def test_short_runs_are_copied_by_one_thread(length: int, copiers: int):
    """However many they are: two threads would wait for each other at each of them."""
    count = 8 * CHUNK // length
    runs = Runs(spans=((BASE + 2 * n * length, BASE + (2 * n + 1) * length) for n in range(count)))
    seen, there = set(), threading.Event()

    def read(view: memoryview, _address: int) -> int:
        seen.add(threading.get_ident())
        if len(seen) == copiers:
            there.set()
        assert there.wait(20)
        return len(view)

    Copy(read, Output(0), patient, 8 * CHUNK).run(runs, iter([(BASE, BASE + 16 * CHUNK, 0)]))
    assert len(seen) == copiers
    assert threading.get_ident() not in seen, "it may hold the target still"


def test_a_write_that_hangs(monkeypatch: pytest.MonkeyPatch):
    """Whoever holds the target still comes back all the same, as soon as nobody wants the copy any more."""
    monkeypatch.setattr(copy, "_LOOK", 0.01)
    monkeypatch.setattr(copy, "_GRACE", 0.02)
    hangs, answers, before = threading.Event(), threading.Event(), _thread._count()
    written = []

    def write(view: memoryview, place: int) -> int:
        written.append(place)
        hangs.set()
        assert answers.wait(20)
        return len(view) // 2

    with pytest.raises(Cancelled):
        copied(Source(b"x" * (8 * CHUNK)), write, 8 * CHUNK, lambda *_: hangs.is_set())
    answers.set()
    wait_until(lambda: _thread._count() == before, "the end of the threads")
    assert len(written) <= copy.COPIERS, "written after its file may have been closed"


def test_threads_that_are_stopped_are_waited_for():
    """They write no more when the file is closed."""
    begun, ended = [], []

    def write(view: memoryview, place: int) -> int:
        begun.append(place)
        time.sleep(0.05)
        ended.append(place)
        return len(view)

    with pytest.raises(Cancelled):
        copied(Source(b"x" * (8 * CHUNK)), write, 8 * CHUNK, lambda *_: bool(begun))
    assert sorted(begun) == sorted(ended)


def test_threads_end_with_the_copy():
    """None is left behind, after a failure either."""
    before = _thread._count()
    for fails in (False, True):
        output = Output(8 * CHUNK)
        output.error = OSError(errno.EIO, "broken") if fails else None
        try:
            copied(Source(b"x" * (8 * CHUNK)), output, 8 * CHUNK)
        except OSError:
            assert fails
        wait_until(lambda: _thread._count() == before, "the end of the threads")
