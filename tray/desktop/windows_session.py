"""What Windows tells about the session: another window in front, unlocked, awake again, about to end."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from tray.ffi import user32
from tray.ffi.user32 import call

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray.desktop.windows_front import Front
    from tray.desktop.windows_pump import Pump
    from tray.model import Window

log = logging.getLogger(__name__)

GRACE = 20.0
"""Seconds that the end of the session is held up; Windows itself waits for about five."""
BACK = {user32.WTS_CONSOLE_CONNECT, user32.WTS_REMOTE_CONNECT}
BACK |= {user32.WTS_SESSION_LOGON, user32.WTS_SESSION_UNLOCK}
AWAKE = {user32.PBT_APMRESUMEAUTOMATIC, user32.PBT_APMRESUMESUSPEND}


class Watch:
    """Follows which window is in front, by events."""

    def __init__(self, pump: Pump, front: Front) -> None:
        self._pump = pump
        self._front = front
        self._seen: Callable[[Window], None] | None = None
        self._callback: Any = None
        self._hook = 0

    def follow(self, seen: Callable[[Window], None]) -> None:
        """Call ``seen``, on the pump's thread, with the app in front now and after each change."""
        self._seen = seen
        self._pump.call(self._begin)

    def close(self) -> None:
        """Follow no more."""
        self._seen = None
        if self._hook:
            self._pump.call(lambda: call("UnhookWinEvent", self._hook))
            self._hook = 0

    def _begin(self) -> None:
        if not self._hook:
            self._callback = user32.event_callback(self._came)
            self._hook = call(
                "SetWinEventHook",
                *(user32.EVENT_SYSTEM_FOREGROUND, user32.EVENT_SYSTEM_FOREGROUND, None),
                *(user32.address(self._callback), 0, 0),
                user32.WINEVENT_OUTOFCONTEXT | user32.WINEVENT_SKIPOWNPROCESS,
            )
        self._came(call("GetForegroundWindow"))

    def _came(self, window: int) -> None:
        app = self._front.came(window)
        if app is not None and self._seen is not None:
            self._seen(app)


class Session:
    """Tells of unlocking and waking up, when keys may have been let go unseen, and of the end.

    Attributes:
        ended: Set when all is done that must be before the session ends.
    """

    def __init__(self, pump: Pump, back: Callable[[], None], ending: Callable[[], None]) -> None:
        self.ended = threading.Event()
        self._pump = pump
        self._back = back
        self._ending = ending
        pump.answer(user32.WM_WTSSESSION_CHANGE, self._changed)
        pump.answer(user32.WM_POWERBROADCAST, self._power)
        pump.answer(user32.WM_QUERYENDSESSION, lambda _first, _second: 1)
        pump.answer(user32.WM_ENDSESSION, self._end)
        pump.call(self._register)

    def close(self) -> None:
        """Be told no more."""
        self._pump.call(lambda: call("WTSUnRegisterSessionNotification", self._pump.window))

    def _register(self) -> None:
        try:
            call("WTSRegisterSessionNotification", self._pump.window, 0)
        except OSError as error:  # the service that tells may not be up yet, just after the start
            log.info("Unlocking is not told: %s", error)

    def _changed(self, what: int, _session: int) -> int:
        if what in BACK:
            self._back()
        return 0

    def _power(self, what: int, _: int) -> int:
        if what in AWAKE:
            self._back()
        return 1

    def _end(self, really: int, _reason: int) -> int:
        """The session ends once this returns: first let a dump that runs be finished."""
        if really:
            log.info("the session ends")
            self._ending()
            self.ended.wait(GRACE)
        return 0
