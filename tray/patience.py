"""Patience with files that another program has open, and with what may never answer."""

from __future__ import annotations

import sys
import time
from _thread import allocate_lock, start_new_thread

from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

SECONDS = 2.0
"""How long a program that looks into every new file, as a virus scanner, may hold on to one."""
_PAUSE = 0.01


def patiently(act: Callable[[], T]) -> T:
    """Rename, replace or remove a file, and on Windows try again for a while.

    There a file cannot be renamed or removed while anybody has it open who did not
    allow it: virus scanners open what was just closed, and Python itself opens files so.

    Raises:
        OSError: As from ``act``; on Windows a `PermissionError` only after `SECONDS`.
    """
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return act()
        except PermissionError:
            if sys.platform != "win32" or time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE)


def within(seconds: float, act: Callable[[], T]) -> T:
    """What an act gives or raises, if it is done in time; what no signal interrupts is left behind.

    Raises:
        TimeoutError: It is still at it.
    """
    found: list[T] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            found.append(act())
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            failures.append(error)

    if not begun(work).acquire(timeout=seconds):
        raise TimeoutError(f"no answer within {seconds:g} s")
    if failures:
        raise failures[0]
    return found[0]


def begun(act: Callable[[], object]) -> LockType:
    """Have an act done on another thread; a lock that is free when it is over.

    Without a `threading.Thread`, whose start takes ten times as long.
    """
    done = allocate_lock()
    done.acquire()

    def work() -> None:
        try:
            act()
        finally:
            done.release()

    try:
        start_new_thread(work, ())
    except RuntimeError:  # there may be no more threads, as in a container
        work()
    return done
