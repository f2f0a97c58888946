"""An act on a thread of its own, of which Ctrl+C does not make us lose sight."""

from __future__ import annotations

import threading

from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Apart:
    """Does something apart, from now on.

    ``Thread.join`` will not do to wait for it: where a signal handler raises in there,
    Python 3.11 takes the thread for ended ever after, and we would leave while it works.
    """

    def __init__(self, act: Callable[[], object], name: str) -> None:
        self._act = act
        self._ended = threading.Event()
        threading.Thread(target=self._do, name=name, daemon=True).start()

    def _do(self) -> None:
        try:
            self._act()
        finally:
            self._ended.set()

    def ended(self, seconds: float) -> bool:
        """Whether it has ended, waited for so long at most; may be interrupted, and asked again."""
        return self._ended.wait(seconds)
