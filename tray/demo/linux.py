"""What the demo's program asks of Linux."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Any

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


class Linux:
    """See `tray.demo.deadlock.System`."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.acquire: Callable[[Any], object] = self._libc.pthread_mutex_lock

    def begin(self) -> None:
        """Have a name, and end with the one that has started us."""
        self._libc.prctl(_PR_SET_NAME, NAME)
        self._libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL)
        # Else Yama lets only our ancestors trace us, and the worker is a sister.
        self._libc.prctl(_PR_SET_PTRACER, ctypes.c_ulong(_PR_SET_PTRACER_ANY))

    def name(self, name: str) -> None:
        """As `top` shows it."""
        self._libc.prctl(_PR_SET_NAME, name.encode())

    def lock(self) -> object:
        """A mutex."""
        mutex = ctypes.create_string_buffer(_MUTEX)
        self._libc.pthread_mutex_init(mutex, None)
        return mutex

    def window(self, hotkey: str) -> object | None:
        """A window of X11, where there is a display."""
        if not os.environ.get("DISPLAY"):
            return None
        from tray.demo.window import Window

        return Window(hotkey)
