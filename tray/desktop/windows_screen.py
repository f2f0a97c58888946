"""Windows' own answers about windows. None of the questions waits for the app that is asked about."""

from __future__ import annotations

import ctypes
from ctypes.wintypes import DWORD

from tray.ffi import user32
from tray.ffi.user32 import call

LONGEST = 512
"""Characters that are read of a title or class name."""


class WindowsScreen:
    """`Screen`, answered by user32."""

    def active(self) -> int:
        """The window in front; 0 while the focus moves."""
        return call("GetForegroundWindow")

    def kind(self, window: int) -> str:
        """Name of its class; empty if it is gone."""
        return _text("GetClassNameW", window)

    def title(self, window: int) -> str:
        """Its title as the system keeps it: ``GetWindowText`` may wait for a window of ours."""
        return _text("InternalGetWindowText", window)

    def owner(self, window: int) -> tuple[int, int]:
        """Its process and thread; zeros if it is gone."""
        pid = DWORD()
        thread = call("GetWindowThreadProcessId", window, ctypes.byref(pid))
        return pid.value, thread

    def root(self, window: int) -> int:
        """The window that a dialog belongs to in the end."""
        return call("GetAncestor", window, user32.GA_ROOTOWNER)

    def frozen_behind(self, ghost: int) -> int:
        """The window that a ghost stands for.

        Source: an export of user32 without documentation, used by Task Manager; Wine lacks it.
        """
        try:
            return call("HungWindowFromGhostWindow", ghost)
        except OSError:
            return 0

    def parts(self, window: int) -> list[int]:
        """The windows in it, at any depth."""
        return _enumerated("EnumChildWindows", window)

    def stacked(self) -> list[int]:
        """All top-level windows, the frontmost first."""
        return _enumerated("EnumWindows")

    def seen(self, window: int) -> bool:
        """Whether it is shown: visible, and not cloaked as on another virtual desktop."""
        return bool(call("IsWindowVisible", window)) and not _cloaked(window)

    def frozen(self, window: int) -> bool:
        """Whether it has taken no message for five seconds, as Windows counts."""
        return bool(call("IsHungAppWindow", window))

    def answers(self, window: int, patience: float) -> bool | None:
        """Whether its thread takes an empty message in time."""
        try:
            call(
                "SendMessageTimeoutW",
                window,
                user32.WM_NULL,
                0,
                0,
                user32.SMTO_ABORTIFHUNG | user32.SMTO_BLOCK,
                max(1, round(patience * 1000)),
                ctypes.byref(ctypes.c_size_t()),
            )
        except OSError as error:
            # Windows before 8 says nothing at all, that is 0, when the time is over.
            return False if error.winerror in {0, user32.ERROR_TIMEOUT} else None  # type: ignore[attr-defined,unused-ignore]
        return True


def _text(name: str, window: int) -> str:
    buffer = ctypes.create_unicode_buffer(LONGEST)
    call(name, window, buffer, LONGEST)
    return buffer.value


def _enumerated(name: str, *parent: int) -> list[int]:
    found: list[int] = []

    def take(window: int, _: int) -> bool:
        found.append(window)
        return True

    callback = user32.window_callback(take)
    call(name, *parent, user32.address(callback), 0)
    return found


def _cloaked(window: int) -> bool:
    cloaked = DWORD()
    try:
        result = call(
            "DwmGetWindowAttribute",
            window,
            user32.DWMWA_CLOAKED,
            ctypes.byref(cloaked),
            ctypes.sizeof(cloaked),
        )
    except OSError:  # no desktop composition, as on Windows 7 or Wine
        return False
    return result == 0 and cloaked.value != 0
