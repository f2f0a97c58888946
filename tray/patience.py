"""Patience with files that another program has open."""

from __future__ import annotations

import sys
import time

from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
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
