"""The demo's window on Windows. Once it hangs, Windows goes on showing what it drew last."""

from __future__ import annotations

import ctypes
import time
from ctypes.wintypes import MSG, RECT
from typing import Any

from tray.ffi import user32
from tray.ffi.user32 import call

TITLE = "Hangshot demo"
_CLASS = "hangshot-demo"
_SIZE = 560, 200
_DARK, _WHITE, _AMBER = 0x362A20, 0xFFFFFF, 0x4DC0FF
"""Colours as Windows has them: blue, green, red."""
_DOTS = 96
"""Per inch, of a screen on which nothing is enlarged."""
_PATIENCE, _PAUSE = 2.0, 0.02
"""Seconds to wait until the window is in front, which Windows does not grant everybody; and between two looks."""


class Window:
    """A window in the middle of the screen; ready to freeze once it is there."""

    def __init__(self, hotkey: str) -> None:
        self._hotkey = hotkey
        self._scale = call("GetDpiForSystem") / _DOTS
        self._painted = False
        self._procedure = user32.window_procedure(self._take)
        self._window = self._created()
        call("ShowWindow", self._window, user32.SW_SHOWNORMAL)
        call("SetForegroundWindow", self._window)
        self._await_front()

    def _created(self) -> int:
        module = call("GetModuleHandleW", None)
        kind = user32.WNDCLASSEXW(
            cbSize=ctypes.sizeof(user32.WNDCLASSEXW),
            lpfnWndProc=user32.address(self._procedure).value,
            hInstance=module,
            hCursor=call("LoadCursorW", None, user32.IDC_ARROW),
            lpszClassName=_CLASS,
        )
        call("RegisterClassExW", ctypes.byref(kind))
        width, height = (self._scaled(length) for length in _SIZE)
        left = (call("GetSystemMetrics", user32.SM_CXSCREEN) - width) // 2
        top = (call("GetSystemMetrics", user32.SM_CYSCREEN) - height) // 3
        place = left, top, width, height
        return call("CreateWindowExW", 0, _CLASS, TITLE, user32.WS_TITLED, *place, None, None, module, None)

    def _await_front(self) -> None:
        """Draw, and wait until the window is in front."""
        message, until = MSG(), time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            while call("PeekMessageW", ctypes.byref(message), None, 0, 0, user32.PM_REMOVE):
                call("DispatchMessageW", ctypes.byref(message))
            if self._painted and call("GetForegroundWindow") == self._window:
                return
            time.sleep(_PAUSE)

    def _take(self, window: int, message: int, first: int, second: int) -> int:
        if message != user32.WM_PAINT:
            return call("DefWindowProcW", window, message, first, second)
        self._paint(window)
        self._painted = True
        return 0

    def _paint(self, window: int) -> None:
        state = ctypes.create_string_buffer(user32.PAINTSTRUCT_SIZE)
        place = RECT()
        call("GetClientRect", window, ctypes.byref(place))
        canvas = call("BeginPaint", window, state)
        brush = call("CreateSolidBrush", _DARK)
        call("FillRect", canvas, ctypes.byref(place), brush)
        call("DeleteObject", brush)
        call("SetBkMode", canvas, user32.TRANSPARENT)
        middle = place.bottom // 2
        self._write(canvas, "This app is frozen on purpose.", 26, _WHITE, RECT(0, 0, place.right, middle))
        asks = RECT(0, middle - self._scaled(20), place.right, place.bottom)
        self._write(canvas, f"Press {self._hotkey} to dump it.", 20, _AMBER, asks)
        call("EndPaint", window, state)

    def _write(self, canvas: int, line: str, size: int, colour: int, place: Any) -> None:  # noqa: ANN401 - a RECT
        font = call("CreateFontW", -self._scaled(size), *(0,) * 12, "Segoe UI")
        before = call("SelectObject", canvas, font)
        call("SetTextColor", canvas, colour)
        call("DrawTextW", canvas, line, -1, ctypes.byref(place), user32.DT_MIDDLE)
        call("SelectObject", canvas, before)
        call("DeleteObject", font)

    def _scaled(self, length: int) -> int:
        return round(length * self._scale)
