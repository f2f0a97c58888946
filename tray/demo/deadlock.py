"""A program that deadlocks on purpose: two threads lock two mutexes in opposite order.

The mutexes are real ones (``pthread_mutex_t``, through ctypes), so a debugger
shows both threads in ``pthread_mutex_lock``, as it would for a program in C.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = b"hangshot-demo"

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_PTRACER = 0x59616D61
_PR_SET_PTRACER_ANY = 2**64 - 1
_SIGKILL = 9
_MUTEX = 40
"""``sizeof(pthread_mutex_t)`` with glibc on x86-64."""


def main(hotkey: str) -> int:
    """Show a window if there is a display, say ``ready PID [window]``, and never answer again.

    ``hotkey`` is what the window asks to be pressed.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NAME, NAME)
    libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL)
    # Else Yama lets only our ancestors trace us, and the worker is a sister.
    libc.prctl(_PR_SET_PTRACER, ctypes.c_ulong(_PR_SET_PTRACER_ANY))
    window = _window(hotkey)
    workers = deadlocked(libc)
    print("ready", os.getpid(), "window" if window else "", flush=True)
    for worker in workers:
        worker.join()
    return 0


def deadlocked(libc: ctypes.CDLL) -> list[threading.Thread]:
    """Two threads that wait for each other, for ever."""
    document, index = (ctypes.create_string_buffer(_MUTEX) for _ in range(2))
    for lock in (document, index):
        libc.pthread_mutex_init(lock, None)
    both_hold_one = threading.Barrier(3)

    def named(number: int, work: Callable[..., None]) -> None:
        libc.prctl(_PR_SET_NAME, b"worker-%d" % number)
        work(libc, document, index, both_hold_one)

    workers = [
        threading.Thread(target=named, args=(number, work), daemon=True)
        for number, work in enumerate((save, load), 1)
    ]
    for worker in workers:
        worker.start()
    both_hold_one.wait()
    return workers


def save(libc: ctypes.CDLL, document: object, index: object, both_hold_one: threading.Barrier) -> None:
    """Hold the document and want the index."""
    libc.pthread_mutex_lock(document)
    both_hold_one.wait()
    libc.pthread_mutex_lock(index)


def load(libc: ctypes.CDLL, document: object, index: object, both_hold_one: threading.Barrier) -> None:
    """Hold the index and want the document."""
    libc.pthread_mutex_lock(index)
    both_hold_one.wait()
    libc.pthread_mutex_lock(document)


def _window(hotkey: str) -> object | None:
    """A window, where there is a display; kept, for it closes when it is forgotten."""
    if not os.environ.get("DISPLAY"):
        return None
    from tray.demo.window import Window

    try:
        return Window(hotkey)
    except Exception as error:  # noqa: BLE001 - python-xlib raises a dozen unrelated kinds
        print(f"no window: {error}", file=sys.stderr)
        return None
