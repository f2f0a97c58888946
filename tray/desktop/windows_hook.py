"""The hotkey heard by the low-level keyboard hook of the `keyboard` library.

The library cannot take its hook back and does not notice when Windows drops it,
as it does with hooks that were slow once: the thread that hangs is often not the
only thing that is slow then. So its listening thread is ended and started here.
"""

from __future__ import annotations

import ctypes
import logging
import threading
import time
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

TIMER = 1
LOOK = 15_000
"""Milliseconds between two looks at whether the hook still hears. There is no event for its loss."""
ENDING = 2.0


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
        keyboard.hook(self._event)
        self._listen()
        self._pump.answer(user32.WM_TIMER, self._look)
        call("SetTimer", self._pump.window, TIMER, LOOK, None)

    def stop(self) -> None:
        """Give the hook back to Windows."""
        if self._matcher is None:
            return
        import keyboard

        self._matcher = None
        call("KillTimer", self._pump.window, TIMER)
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

    def _look(self, timer: int, _: int) -> int | None:
        """Every few seconds: hook again if Windows has dropped the hook, or its thread has ended."""
        if timer != TIMER or self._matcher is None:
            return None
        told = user32.LASTINPUTINFO(cbSize=ctypes.sizeof(user32.LASTINPUTINFO))
        call("GetLastInputInfo", ctypes.byref(told))
        if not _listener().listening_thread.is_alive() or windows_keys.deaf(told.dwTime, self._heard):
            self._rehook()
        return 0

    def _rehook(self) -> None:
        log.debug("the keyboard hook is set again")
        self._deafen()
        self._listen()
        self._heard = call("GetTickCount")

    def _deafen(self) -> None:
        """End the thread that has the hook, and so the hook. Any message of its own ends it."""
        thread = _listener().listening_thread
        if thread.is_alive() and thread.native_id:
            try:
                call("PostThreadMessageW", thread.native_id, user32.WM_NULL, 0, 0)
            except OSError as error:  # it has just ended
                log.debug("the listening thread: %s", error)
            thread.join(ENDING)

    def _listen(self) -> None:
        """Start the listening thread anew, and nothing else: the queue behind it has its reader."""
        listener = _listener()
        if not listener.listening_thread.is_alive():
            listener.listening_thread = threading.Thread(target=listener.listen, name="keyboard", daemon=True)
            listener.listening_thread.start()


def _listener() -> Any:  # noqa: ANN401  # keyboard has no types
    import keyboard

    return keyboard._listener  # noqa: SLF001  # there is no public way to end or renew its hook


def _scan(chord: Chord) -> int:
    """Where the key lies on the keyboard, as the hook tells it."""
    special = {windows_keys.KEYS[name]: scan for name, scan in windows_keys.SCANS.items()}
    return special.get(chord.key) or call("MapVirtualKeyW", chord.key, user32.MAPVK_VK_TO_VSC)
