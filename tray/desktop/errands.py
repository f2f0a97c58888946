"""A thread that runs callbacks, so that no back end's own thread is ever held up."""

from __future__ import annotations

import logging
import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds that `Errands.close` waits for the callback that runs."""


class Errands:
    """A thread that runs callbacks one at a time, in the order they were posted."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def post(self, callback: Callable[[], object]) -> None:
        """Have ``callback`` run soon; what it raises is logged."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="errands", daemon=True)
                self._thread.start()
        self._queue.put(callback)

    def close(self) -> None:
        """Run what was posted, then end. Callable from a callback, too."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is None:
            return
        self._queue.put(None)
        if thread is not threading.current_thread():
            thread.join(timeout=PATIENCE)

    def _work(self) -> None:
        while (callback := self._queue.get()) is not None:
            run_safely(callback)


def run_safely(callback: Callable[[], object]) -> None:
    """Call it; what it raises is logged, for there is nobody to tell."""
    try:
        callback()
    except Exception:
        log.exception("A callback of the desktop failed")
