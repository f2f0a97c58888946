"""A program that deadlocks on purpose: two threads lock two locks in opposite order.

The locks are the system's own (``pthread_mutex_t``, ``CRITICAL_SECTION``, through
ctypes), so a debugger shows both threads in the very call in which a program in C
would wait.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class System(Protocol):
    """What the program asks of the system it runs on.

    Attributes:
        acquire: Takes a lock; waits for ever if another thread has it. It is the system's own function, so
            that nothing stands between it and the one that a report shall name.
    """

    acquire: Callable[[Any], object]

    def begin(self) -> None:
        """Be a program of its own, that may be dumped and ends with the one that has started it."""

    def name(self, name: str) -> None:
        """Give the thread that calls this a name."""

    def lock(self) -> object:
        """A fresh lock."""

    def window(self, hotkey: str) -> object | None:
        """A window that asks for a press of the hotkey, as long as it is kept; None without a screen."""


def main(hotkey: str) -> int:
    """Show a window if there is a display, say ``ready PID [window]``, and never answer again.

    ``hotkey`` is what the window asks to be pressed.
    """
    system = _system()
    system.begin()
    try:
        window = system.window(hotkey)
    except Exception as error:  # noqa: BLE001 - python-xlib raises a dozen unrelated kinds
        print(f"no window: {error}", file=sys.stderr)
        window = None
    workers = deadlocked(system)
    print("ready", os.getpid(), "window" if window else "", flush=True)
    for worker in workers:
        worker.join()
    return 0


def _system() -> System:
    if sys.platform == "win32":
        from tray.demo.windows import Windows

        return Windows()
    from tray.demo.linux import Linux

    return Linux()


def deadlocked(system: System) -> list[threading.Thread]:
    """Two threads that wait for each other, for ever."""
    document, index = system.lock(), system.lock()
    both_hold_one = threading.Barrier(3)

    def named(number: int, work: Callable[..., None]) -> None:
        system.name(f"worker-{number}")
        work(system, document, index, both_hold_one)

    workers = [
        threading.Thread(target=named, args=(number, work), daemon=True)
        for number, work in enumerate((save, load), 1)
    ]
    for worker in workers:
        worker.start()
    both_hold_one.wait()
    return workers


def save(system: System, document: object, index: object, both_hold_one: threading.Barrier) -> None:
    """Hold the document and want the index."""
    system.acquire(document)
    both_hold_one.wait()
    system.acquire(index)


def load(system: System, document: object, index: object, both_hold_one: threading.Barrier) -> None:
    """Hold the index and want the document."""
    system.acquire(index)
    both_hold_one.wait()
    system.acquire(document)
