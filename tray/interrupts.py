"""Ctrl+C, but only where it can do no harm."""

from __future__ import annotations

import threading
from contextlib import contextmanager

from tray.lean import TYPE_CHECKING, signal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import Self

    Deed = Callable[[int, FrameType | None], object]

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


class Held:
    """Holds polite signals back, as a context manager, but where `interruptible` lets them in.

    A Python signal handler may raise between any two calls: after a file is made and
    before anybody knows that it must go, or in the midst of removing it. Within this
    block a signal does so only inside `interruptible`, and only once; the
    clean-up that follows is left in peace. What comes after the last such block comes
    too late and is dropped.

    On another thread than the main one, where Python delivers no signal, it does nothing.
    """

    def __init__(self) -> None:
        self._deeds: dict[int, Deed] = {}
        self._waiting: int | None = None
        self._open = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (getattr(signal, name) for name in _NAMES if hasattr(signal, name)):
                deed = signal.getsignal(number)
                if callable(deed):
                    self._deeds[number] = deed
                    signal.signal(number, self._come)
        return self

    def __exit__(self, *_: object) -> None:
        for number, deed in self._deeds.items():
            signal.signal(number, deed)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let a signal end this block, be it one that came before."""
        self._open = True
        try:
            if self._waiting is not None:
                self._come(self._waiting, None)
            yield
        finally:
            self._open = False

    def _come(self, number: int, frame: FrameType | None) -> None:
        if self._open:
            self._open = False
            self._deeds[number](number, frame)
        else:
            self._waiting = number
