"""An act on a thread of its own, of which Ctrl+C does not make us lose sight."""

from __future__ import annotations

import threading
from _thread import allocate_lock, start_new_thread

from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    Result = TypeVar("Result")


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


def within(seconds: float, act: Callable[[], Result]) -> Result:
    """What an act gives or raises, if it is done in time; what no signal interrupts is left behind.

    Without a `threading.Thread`, whose start takes ten times as long.

    Raises:
        TimeoutError: It is still at it.
    """
    found: list[Result] = []
    failures: list[BaseException] = []
    done = allocate_lock()
    done.acquire()

    def work() -> None:
        try:
            found.append(act())
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            failures.append(error)
        finally:
            done.release()

    try:
        start_new_thread(work, ())
    except RuntimeError:  # there may be no more threads, as in a container
        work()
    if not done.acquire(timeout=seconds):
        raise TimeoutError
    if failures:
        raise failures[0]
    return found[0]
