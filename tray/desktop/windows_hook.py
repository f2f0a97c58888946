"""The hotkey heard by the low-level keyboard hook of the `keyboard` library.

The library cannot take its hook back and does not notice when Windows drops it,
as it does with hooks that were slow once; and a machine on which apps hang is
slow. So the thread that has the hook is ours, and its end takes the hook back.
"""

from __future__ import annotations

import ctypes
import logging
import threading
import time
from ctypes.wintypes import MSG
from typing import TYPE_CHECKING, Any

from tray.desktop import windows_keys
from tray.desktop.errands import run_safely
from tray.desktop.windows_keys import Chord, Matcher
from tray.ffi import user32
from tray.ffi.user32 import call

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray.desktop.windows_pump import Pump

log = logging.getLogger(__name__)

LOOK = 15_000
"""Milliseconds between two looks at whether the hook still hears. There is no event for its loss."""
STARTING, ENDING = 5.0, 2.0
"""Seconds to wait for the thread of the hook."""


class Hook:
    """Hears what no other program is asked about: taken combinations, keys in full-screen games.

    Not heard: keys pressed over a window of an administrator, unless we are one.
    """

    name = "the keyboard hook"

    def __init__(self, pump: Pump) -> None:
        self._pump = pump
        self._matcher: Matcher | None = None
        self._pressed: Callable[[], None] = lambda: None
        self._heard = 0
        self._watchdog = 0
        self._thread: threading.Thread | None = None

    def start(self, chord: Chord, pressed: Callable[[], None]) -> None:
        """Hear it."""
        import keyboard

        scan = _scan(chord)
        self._matcher = Matcher(
            windows_keys.names(chord),
            scan,
            lambda: windows_keys.held(lambda key: call("GetAsyncKeyState", key)),
        )
        self._pressed = pressed
        self._heard = call("GetTickCount")
        self._listen()
        keyboard.hook(self._event)
        self._watchdog = self._pump.every(LOOK, self._look)

    def stop(self) -> None:
        """Give the hook back to Windows."""
        if self._matcher is None:
            return
        import keyboard

        self._matcher = None
        self._pump.forget(self._watchdog)
        keyboard.unhook(self._event)
        self._deafen()

    def forget(self) -> None:
        """Nothing is held any more; and a hook that slept may be gone."""
        if self._matcher is not None:
            self._matcher.forget()
            self._rehook()

    def _event(self, event: Any) -> None:  # noqa: ANN401  # keyboard has no types
        """A key event, on the library's thread."""
        self._heard = call("GetTickCount")
        matcher = self._matcher
        if matcher is None:
            return
        if event.event_type == "up":
            matcher.up(event.scan_code)
        elif matcher.down(event.scan_code, time.monotonic(), keypad=bool(event.is_keypad)):
            run_safely(self._pressed)

    def _look(self) -> None:
        """Every few seconds: hook again if Windows has dropped the hook, or its thread has ended."""
        told = user32.LASTINPUTINFO(cbSize=ctypes.sizeof(user32.LASTINPUTINFO))
        call("GetLastInputInfo", ctypes.byref(told))
        if not self._alive() or windows_keys.deaf(told.dwTime, self._heard):
            self._rehook()

    def _rehook(self) -> None:
        log.debug("the keyboard hook is set again")
        self._deafen()
        self._listen()
        self._heard = call("GetTickCount")

    def _listen(self) -> None:
        """Start the thread that has the hook, and wait until it has; nothing if there is one."""
        listener = _listener()
        if self._alive():
            return
        if not listener.listening:
            listener.init()
            listener.listening = True
            listener.processing_thread = threading.Thread(target=listener.process, name="keys", daemon=True)
            listener.processing_thread.start()
        began = threading.Event()
        self._thread = threading.Thread(target=_live, args=(listener, began), name="keyboard", daemon=True)
        self._thread.start()
        began.wait(STARTING)

    def _deafen(self) -> None:
        """End the thread that has the hook: Windows takes it away then."""
        thread = self._thread
        if thread is None or not self._alive():
            return
        try:
            call("PostThreadMessageW", thread.native_id, user32.WM_QUIT, 0, 0)
        except OSError as error:  # it has just ended
            log.debug("the thread of the hook: %s", error)
        thread.join(ENDING)

    def _alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()


def _live(listener: Any, began: threading.Event) -> None:  # noqa: ANN401  # keyboard has no types
    """Set the hook and take messages: the hook is called while we wait for them."""
    from keyboard import _winkeyboard

    message = MSG()
    # Makes the queue of this thread: before it has one it gets no messages, and Wine skips its hook.
    call("PeekMessageW", ctypes.byref(message), None, 0, 0, user32.PM_NOREMOVE)
    try:
        _winkeyboard.prepare_intercept(listener.direct_callback)
    finally:
        began.set()
    while call("GetMessageW", ctypes.byref(message), None, 0, 0) not in {0, -1}:
        call("DispatchMessageW", ctypes.byref(message))


def _listener() -> Any:  # noqa: ANN401  # keyboard has no types
    import keyboard

    return keyboard._listener  # noqa: SLF001  # there is no public way to end or renew its hook


def _scan(chord: Chord) -> int:
    """Where the key lies on the keyboard, as the hook tells it."""
    special = {windows_keys.KEYS[name]: scan for name, scan in windows_keys.SCANS.items()}
    return special.get(chord.key) or call("MapVirtualKeyW", chord.key, user32.MAPVK_VK_TO_VSC)
