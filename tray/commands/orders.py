"""What a worker is told on its standard input: one request, then answers to its questions, perhaps to cancel."""

from __future__ import annotations

import os
import threading
import time

from tray.lean import TYPE_CHECKING, replace
from tray.model import TIME_TO_ANSWER

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray.model import Target

CANCEL = "cancel"
ANSWERS = "answers"
LONGEST = 1 << 20
_PIECE = 1 << 16


class Orders:
    """Lines of a pipe, read without a buffer of Python's.

    A thread that waits in one at the end of the program would end it with a fatal error.
    """

    def __init__(self, descriptor: int = 0) -> None:
        import queue

        self._descriptor = descriptor
        self._rest = b""
        self._cancel: Callable[[], object] | None = None
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._answered: Callable[[str], object] = self._answers.put

    def line(self) -> str:
        """The next line; empty at the end."""
        while b"\n" not in self._rest and len(self._rest) < LONGEST:
            try:
                piece = os.read(self._descriptor, _PIECE)
            except OSError:  # Windows: whoever held the other end was killed
                piece = b""
            if not piece:
                break
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode("utf-8", "replace").strip()

    def waiting(self, seconds: float) -> bool:
        """Whether there is more, or the end, within this time (not on Windows)."""
        import select

        return b"\n" in self._rest or bool(select.select([self._descriptor], [], [], max(0.0, seconds))[0])

    def obey(self, cancel: Callable[[], object], answered: Callable[[str], object] | None = None) -> None:
        """Have ``cancel`` called from now on, on a thread of its own, when that is asked for.

        The end of the input asks for nothing: the tray may have died, and the dump is wanted all the same.

        Args:
            cancel: Is to stop.
            answered: Gets all other lines, empty at the end, in the place of `answer`.
        """
        before, self._cancel = self._cancel, cancel
        self._answered = answered or self._answered
        if before is None:
            threading.Thread(target=self._listen, name="orders", daemon=True).start()

    def answer(self) -> str:
        """The next line that is no cancel, once `obey` has been called; empty at the end."""
        return self._answers.get()

    def _listen(self) -> None:
        while line := self.line():
            if line != CANCEL:
                self._answered(line)
            elif self._cancel:
                self._cancel()
        self._answered("")


class Ping:
    """A ping that the tray sent to a window as the key went down; it says so when an answer comes.

    The app is frozen without waiting for that. Until it has answered it counts as
    hung: then nothing is injected into it, which costs one that is merely slow, and
    big, a longer pause. What the sidecar says is settled when the app has run long
    enough to answer.
    """

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._since = time.monotonic()
        self._told = False
        self._hung: bool | None = True

    def hung(self) -> bool | None:
        """Whether the window hangs, as far as is known now; None where that cannot be told."""
        return self._heard(0.0)

    def settled(self, target: Target, frozen: float) -> Target:
        """The target with the last word on its window, which it has time for but for the seconds it was frozen."""
        if not target.window:
            return target
        hung = self._heard(self._since + TIME_TO_ANSWER + frozen - time.monotonic())
        return replace(target, window=replace(target.window, hung=hung))

    def _heard(self, seconds: float) -> bool | None:
        if not self._told and self._orders.waiting(seconds):
            self._told = True
            self._hung = False if self._orders.line() == ANSWERS else None
        return self._hung
