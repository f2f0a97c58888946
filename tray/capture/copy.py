"""The copy loop: bytes of a live process into their places in a file.

The one place through which all memory passes. Nothing here allocates by the
size of the target: two threads, one buffer each, and system calls.
"""

from __future__ import annotations

import ctypes
import errno
import threading
from collections.abc import Callable

from tray.errors import Cancelled, TargetGone
from tray.lean import TYPE_CHECKING, dataclass, field
from tray.model import Gap
from tray.patience import begun

if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Iterable, Iterator, Sequence

    from tray.capture import Progress
    from tray.formats.numbers import Runs

PAGE = 4096
CHUNK = 1 << 20
"""Best of 256 KiB to 64 MiB in reading as in writing, measured on ext4."""
CACHED = 256 << 10
"""So much stays in the processor's own cache between reading and writing, and takes less memory: a little is sooner
copied by these."""
_LITTLE = 8 << 20
COPIERS = 2
_ALONE = 4 << 20
"""So little is sooner copied by one thread than shared between two."""
_SHORT = 64 << 10
"""So are runs that are no longer than this on average: two threads would mostly wait for each other's Python."""
_LOOK, _GRACE = 0.2, 1.0
"""Seconds between two looks at whether the copy is still wanted; and for its end, once it is not."""
_MOST_LOST = 4096
"""Stretches that cannot be read and are told by name."""
_MOST = 256
"""Jobs that are done at a time."""
_ZEROS = memoryview(bytes(CHUNK))
_ZERO_PAGE = bytes(PAGE)

Job = tuple[int, int, int]
"""Source position, length, place in the file."""
Write = Callable[[memoryview, int], int]
"""Writes bytes at a place; gives how many of them."""


def jobs(
    runs: Iterable[tuple[int, int]], places: Iterator[tuple[int, int, int]], most: int = CHUNK
) -> Iterator[Job]:
    """Pieces to copy, in the order of their addresses.

    Args:
        runs: Start and end address of each run to copy, sorted.
        places: Start and end address of each stretch in the file, and its file offset, sorted.
        most: Bytes of a piece, at most.
    """
    start = end = offset = 0
    for first, last in runs:
        address = first
        while address < last:
            while end <= address:
                start, end, offset = next(places)
            address = max(address, start)
            length = min(last, end, address + most) - address
            if length <= 0:
                break
            yield address, length, offset + address - start
            address += length


@dataclass(slots=True)
class Copy:
    """One pass over a list of jobs.

    Attributes:
        read: Fills a buffer from a source position; fewer bytes before what cannot be read,
            0 when the source is gone, ``OSError`` where nothing can be read.
        write: Writes at a place of the output, never through its position.
        progress: Told after each piece.
        total: Bytes that all passes over this output have together; for ``progress``.
        done: Bytes dealt with so far.
        gaps: What could not be read.
        name: What the source is called in a `Gap`, from its position.
    """

    read: Callable[[memoryview, int], int]
    write: Write
    progress: Progress
    total: int
    done: int = 0
    gaps: list[Gap] = field(default_factory=list)
    name: Callable[[int, int], str] = lambda start, end: f"{start:x}-{end:x}"
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _first: Job | None = None
    _most: int = CHUNK
    _error: BaseException | None = None
    _lost: list[list[int]] = field(default_factory=list)
    _lost_more: int = 0

    def run(self, runs: Runs, places: Iterator[tuple[int, int, int]]) -> None:
        """Do the `jobs` of these runs, much with up to `COPIERS` threads, while this one waits.

        This one may hold the target still, and in the write to a disk that hangs not even its death
        would let the target go.

        Raises:
            Cancelled: ``progress`` asked to stop.
            TargetGone: The source is gone.
            OSError: The output cannot take more.
        """
        size = runs.size
        self._most = CACHED if size <= _LITTLE else CHUNK
        work, room = jobs(runs.pairs(), places, self._most), min(self._most, size + -size % PAGE)
        if size > _ALONE:
            count = COPIERS if size > len(runs) // 2 * _SHORT else 1
            self._await([begun(lambda: self._work(work, room)) for _ in range(count)])
        else:
            self._work(work, room)
        self.gaps += [
            Gap(self.name(start, end), "could not be read", end - start) for start, end in self._joined()
        ]
        if self._lost_more:
            self.gaps.append(Gap("more of it", "could not be read", self._lost_more))
        if self._error:
            raise self._error

    def _await(self, copiers: Sequence[LockType]) -> None:
        """Wait for the threads, but not for long once nobody wants the copy any more: one may hang."""
        patience = _GRACE
        for done in copiers:
            while patience > 0 and not done.acquire(timeout=_LOOK):
                if self._unwanted():
                    patience -= _LOOK

    def _unwanted(self) -> bool:
        """Whether it is to be stopped, or has failed."""
        with self._lock:
            if not self._error and self.progress(self.done, self.total):
                self._error = Cancelled("The dump was stopped.")
            return self._error is not None

    def _work(self, work: Iterator[Job], room: int) -> None:
        try:
            buffer = Buffer(room)
            while some := self._next(work):
                self._copy(buffer, some)
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that called
            with self._lock:
                self._error = self._error or error

    def _next(self, work: Iterator[Job]) -> list[Job]:
        """The next jobs, which fit into a buffer together; none when there is none, or they are not wanted any more."""
        if self._unwanted():
            return []
        with self._lock:
            some: list[Job] = []
            room = self._most
            job = self._first or next(work, None)
            while job and job[1] <= room and len(some) < _MOST:
                some.append(job)
                room -= job[1]
                job = next(work, None)
            self._first = job
            return some

    def _copy(self, buffer: Buffer, some: list[Job]) -> None:
        """Copy jobs; what stands together in the output is written together."""
        place = filled = 0
        for address, length, goes_to in some:
            if goes_to != place + filled:
                _store(buffer, filled, self._put, place)
                place, filled = goes_to, 0
            position = 0
            while position < length:
                view = buffer.view[filled : filled + length - position]
                if count := self._filled(view, address + position):
                    position += count
                    filled += count
                    continue
                _store(buffer, filled, self._put, place)
                rest = -(address + position) % PAGE
                if not rest:  # else a file ends within its last page, whose rest is zeros in memory too
                    self._lose(address + position, PAGE)
                position += rest or PAGE
                place, filled = goes_to + position, 0
        _store(buffer, filled, self._put, place)
        with self._lock:
            self.done += sum(length for _, length, _ in some)

    def _put(self, view: memoryview, place: int) -> int:
        """Write it, if it is still wanted: whoever has not waited for us may have closed the file."""
        return len(view) if self._error else self.write(view, place)

    def _filled(self, view: memoryview, address: int) -> int:
        """How many bytes could be read; 0 where the first page cannot."""
        try:
            count = self.read(view, address)
        except OSError as error:
            if error.errno in (errno.EIO, errno.EFAULT, errno.ENXIO, errno.EINVAL):
                return 0
            raise
        if not count:
            raise TargetGone("The process ended while its memory was being read.")
        return count

    def _lose(self, address: int, size: int) -> None:
        with self._lock:
            for run in self._lost[-COPIERS:]:
                if run[1] == address:
                    run[1] += size
                    return
            if len(self._lost) < _MOST_LOST:
                self._lost.append([address, address + size])
            else:
                self._lost_more += size

    def _joined(self) -> list[list[int]]:
        """Lost pages as runs."""
        runs: list[list[int]] = []
        for start, end in sorted(self._lost):
            if runs and runs[-1][1] >= start:
                runs[-1][1] = max(end, runs[-1][1])
            else:
                runs.append([start, end])
        return runs


class Buffer:
    """Room for so many bytes, at the beginning of a page, as writing past the page cache needs it.

    Attributes:
        view: All of it.
    """

    def __init__(self, room: int) -> None:
        self._bytes = bytearray(room + PAGE)
        self._skipped = -ctypes.addressof(ctypes.c_char.from_buffer(self._bytes)) % PAGE
        self.view = memoryview(self._bytes)[self._skipped : self._skipped + room]

    def any(self, count: int) -> bool:
        """Whether not all of so many bytes are zeros."""
        # By the first byte of each page at first: most that is not zero shows there.
        return any(self._bytes[self._skipped : self._skipped + count : PAGE]) or not self._bytes.startswith(
            _ZEROS[:count], self._skipped
        )

    def holes(self, count: int) -> Iterator[tuple[int, int]]:
        """Start and end of each run of whole pages of zeros, of so many bytes."""
        pages = count // PAGE
        firsts = self._bytes[self._skipped : self._skipped + pages * PAGE : PAGE]
        is_zero = self._bytes.startswith
        page = firsts.find(0)
        while page >= 0:
            end = page
            while end < pages and is_zero(_ZERO_PAGE, self._skipped + end * PAGE):
                end += 1
            if end > page:
                yield page * PAGE, end * PAGE
            page = firsts.find(0, end + 1)


def _store(buffer: Buffer, count: int, write: Write, place: int) -> None:
    """Write the first ``count`` bytes of a buffer, leaving pages of zeros as holes."""
    if not buffer.any(count):
        return
    begin = 0
    for start, end in buffer.holes(count):
        _write(buffer.view[begin:start], write, place + begin)
        begin = end
    _write(buffer.view[begin:count], write, place + begin)


def _write(view: memoryview, write: Write, place: int) -> None:
    """Write all of a view at its place."""
    while view:
        count = write(view, place)
        view, place = view[count:], place + count
