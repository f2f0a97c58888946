"""What a worker is told on its standard input: one request, then answers to its questions, perhaps to cancel."""

from __future__ import annotations

import os
import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CANCEL = "cancel"
LONGEST = 1 << 20
_PIECE = 1 << 16


class Orders:
    """Lines of a pipe, read without a buffer of Python's.

    A thread that waits in one at the end of the program would end it with a fatal error.
    """

    def __init__(self, descriptor: int = 0) -> None:
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
