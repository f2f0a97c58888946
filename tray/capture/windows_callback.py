"""What dbghelp asks while it writes a dump, and our answers.

It asks on the thread that called it, while the target's threads are suspended. So an
answer touches our own memory and the file, waits for nothing, and never raises: an
exception inside a foreign callback would be lost.

Source: learn.microsoft.com, "MINIDUMP_CALLBACK_TYPE"; the order was seen with dbghelp 6.3.9600.
"""

from __future__ import annotations

import time

from tray.errors import Cancelled
from tray.ffi import dbghelp as d
from tray.lean import TYPE_CHECKING, Protocol
from tray.model import Gap

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tray.capture import Progress

MOST_FAILURES = 50
"""Stretches of unreadable memory that are told one by one; of more, the sum is told."""
SMALL = 8 << 20
"""Bytes that are written before anybody could cancel; a cancel is obeyed at the end."""
_TOLD_EVERY = 0.05
"""Seconds between two words to the progress, which costs more than a small write."""


class Added(Protocol):
    """Memory that a dump has besides what dbghelp takes by itself."""

    def thread(self, context: bytes) -> None:
        """Take note of a thread by its CONTEXT."""

    def next(self) -> tuple[int, int] | None:
        """Start and size of another stretch to add; None when there are no more."""


class Answers:
    """The answers, and what was learnt from the questions.

    Attributes:
        cancelled: Set from outside to have the dump stopped.
        error: What went wrong on our side; dbghelp only knows that something did.
        threads: Thread ids in the dump, in its order.
        met: Threads that it came upon before that, and may have suspended.
        first_stop: When the first thread may have been suspended, by ``time.monotonic``.
        asked: How many questions came; it grows as long as dbghelp is alive.
        done: Bytes written.
    """

    def __init__(
        self,
        progress: Progress,
        total: int,
        *,
        write: Callable[[int, int, int], None] | None = None,
        snapshot: bool = False,
        added: Added | None = None,
    ) -> None:
        """
        Args:
            progress: Told of what is written, and asked whether to stop.
            total: About how many bytes there will be. Of a dump with less than `SMALL`
                dbghelp asks but once whether to go on; else after each piece that it reads.
            write: Takes address, size and file offset of each piece of the dump;
                None leaves writing to dbghelp, which then tells nothing of it.
            snapshot: Whether the dump is of a clone, not of the process itself.
            added: Told of each thread; what it then names is added to the dump.
        """  # noqa: D205, D212 - the class says what it is
        self.cancelled = False
        self.error: BaseException | None = None
        self.threads: list[int] = []
        self.met: list[int] = []
        self.first_stop: float | None = None
        self.asked = 0
        self.done = 0
        self._progress, self._total, self._write = progress, total, write
        self._whole = total
        self._snapshot, self._added = snapshot, added
        self._next = 0.0
        self._failures: list[tuple[int, int]] = []
        self._more_failures = self._more_bytes = 0
        self._questions: dict[int, d.MINIDUMP_CALLBACK_INPUT] = {}
        self._places: dict[int, d.MINIDUMP_CALLBACK_OUTPUT] = {}
        self._answers: dict[int, Callable[[Any, Any], None]] = {
            d.IsProcessSnapshotCallback: self._is_snapshot,
            d.IncludeThreadCallback: self._include_thread,
            d.ThreadCallback: self._thread,
            d.MemoryCallback: self._memory,
            d.CancelCallback: self._cancel,
            d.IoStartCallback: self._io_start,
            d.IoWriteAllCallback: self._io_write,
            d.IoFinishCallback: self._io_finish,
            d.ReadMemoryFailureCallback: self._failure,
        }

    def __call__(self, _parameter: int | None, question: int, answer: int) -> int:
        """Answer one question; always TRUE, for FALSE leaves out threads and modules.

        The target stands still meanwhile, and of hundreds of questions nearly all are
        whether to go on; so a question is looked at in its place, with no new object.
        """
        self.asked += 1
        try:
            asked = self._questions.get(question) or self._question(question)
            act = self._answers.get(asked.CallbackType)
            if act:
                act(asked, self._places.get(answer) or self._place(answer))
        except BaseException as error:  # noqa: BLE001 - raised again by whoever called dbghelp
            self.error = self.error or error
        return 1

    def _question(self, address: int) -> d.MINIDUMP_CALLBACK_INPUT:
        """A question's place; dbghelp uses some twenty of them again and again."""
        return self._questions.setdefault(address, d.MINIDUMP_CALLBACK_INPUT.from_address(address))

    def _place(self, address: int) -> d.MINIDUMP_CALLBACK_OUTPUT:
        return self._places.setdefault(address, d.MINIDUMP_CALLBACK_OUTPUT.from_address(address))

    def gaps(self) -> list[Gap]:
        """Memory that could not be read."""
        why = "it could not be read"
        gaps = [Gap(f"{start:x}-{end:x}", why, end - start) for start, end in self._failures]
        if self._more_failures:
            gaps.append(Gap(f"{self._more_failures} more stretches of memory", why, self._more_bytes))
        return gaps

    def finish(self) -> None:
        """Tell that all is done.

        Raises:
            Cancelled: It was to be stopped, and dbghelp never asked: Wine's own does not.
        """
        whole = max(self._total, self.done)
        if self._progress(whole, whole) or self.cancelled:
            raise Cancelled("The dump was stopped.")

    def _stop(self) -> bool:
        """Whether to stop, by the progress' wish or an error of ours."""
        if self.error is None and not self.cancelled and (now := time.monotonic()) >= self._next:
            self._next = now + _TOLD_EVERY
            self._total = max(self._total, self.done)
            self.cancelled = bool(self._progress(self.done, self._total)) or self.cancelled
        if self.cancelled and self.error is None:
            self.error = Cancelled("The dump was stopped.")
        return self.error is not None

    def _is_snapshot(self, _question: Any, answer: Any) -> None:  # noqa: ANN401
        answer.Status = d.S_FALSE if self._snapshot else d.S_OK

    def _include_thread(self, question: Any, _answer: Any) -> None:  # noqa: ANN401
        self.met.append(question.ThreadId)
        if self.first_stop is None:
            self.first_stop = time.monotonic()

    def _thread(self, question: Any, _answer: Any) -> None:  # noqa: ANN401
        self.threads.append(question.ThreadId)
        if self._added:
            self._added.thread(bytes(question.Thread.Context))

    def _memory(self, _question: Any, answer: Any) -> None:  # noqa: ANN401
        """Name one more stretch to add; dbghelp asks until there is none."""
        stretch = self._added.next() if self._added else None
        answer.MemoryBase, answer.MemorySize = stretch or (0, 0)

    def _cancel(self, _question: Any, answer: Any) -> None:  # noqa: ANN401
        answer.CheckCancel = self._whole >= SMALL
        answer.Cancel = self._stop()

    def _io_start(self, _question: Any, answer: Any) -> None:  # noqa: ANN401
        answer.Status = d.S_FALSE if self._write else d.S_OK

    def _io_write(self, question: Any, answer: Any) -> None:  # noqa: ANN401
        answer.Status = d.E_FAIL
        if self._write and not self._stop():
            size = question.BufferBytes
            self._write(question.Buffer, size, question.Offset)
            self.done += size
            answer.Status = d.S_OK

    def _io_finish(self, _question: Any, answer: Any) -> None:  # noqa: ANN401
        answer.Status = d.S_OK

    def _failure(self, question: Any, answer: Any) -> None:  # noqa: ANN401
        """Leave unreadable memory out, and remember it; neighbours count as one."""
        failed = question.ReadMemoryFailure
        start, end = failed.Offset, failed.Offset + failed.Bytes
        if self._failures and self._failures[-1][1] == start:
            self._failures[-1] = (self._failures[-1][0], end)
        elif len(self._failures) < MOST_FAILURES:
            self._failures.append((start, end))
        else:
            self._more_failures += 1
            self._more_bytes += failed.Bytes
        answer.Status = d.S_OK
