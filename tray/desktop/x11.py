"""The window system of X11: what is in front, the hotkey, the clipboard."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING or sys.platform != "win32":
    from Xlib import error
    from Xlib.display import Display

from tray.desktop import Health, hotkey, x11_keys, x11_ping
from tray.desktop.x11_events import Events
from tray.desktop.x11_windows import LOST, Gone, Windows
from tray.errors import BadHotkey, HotkeyTaken, NoTarget, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tray.model import Window

_log = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds that the server has to let us in; it may be far away, or busy at login."""
STARTING = "x11-start"
"""Name of the thread that enters."""
_TRIES = 3
"""How often the window in front may close under our hands."""


def connect() -> X11 | None:
    """The display that ``$DISPLAY`` names, None if there is none, or it does not let us in or answer."""
    name = os.environ.get("DISPLAY", "")
    if sys.platform == "win32" or not name:
        return None
    found: queue.SimpleQueue[X11 | None] = queue.SimpleQueue()
    late = threading.Event()

    def enter() -> None:
        found.put(made := _connected(name))
        if made and late.is_set():
            made.close()

    # A server that hangs, or that a program that hangs has grabbed, lets nobody in and turns nobody away.
    threading.Thread(target=enter, name=STARTING, daemon=True).start()
    try:
        return found.get(timeout=PATIENCE)
    except queue.Empty:
        late.set()
        _log.info("The X display %s does not answer", name)
        return None


def _connected(name: str) -> X11 | None:
    try:
        return X11(name)
    except (error.DisplayError, *LOST) as why:
        _log.info("No X display: %s", why)
        return None


class X11:
    """An X11 display, for the parts of the `Desktop` port that a window system serves.

    Two connections: one for questions, used by any thread under a lock, and one
    for events, opened by the first method that needs it and used by its own
    thread alone. A callback on that thread may therefore ask whatever it likes.
    """

    name = "X11"

    def __init__(self, display_name: str) -> None:
        """Connect.

        Raises:
            Xlib.error.DisplayError: There is no such display, or it refuses us.
        """
        self._display_name = display_name
        self._windows = Windows(Display(display_name))
        self._lock = threading.Lock()
        self._events: Events | None = None
        self._closed = False

    def foreground(self) -> Window:
        """The app in front now, or the last one that was, if we, a panel or the desktop are in front.

        Raises:
            NoTarget: There is none, or its process cannot be told.
            Unsupported: The connection is lost.
        """
        for _ in range(_TRIES):
            with contextlib.suppress(Gone):
                return self.active() or self._behind()
        raise _nothing()  # openbox leaves the last window there after it closed

    def active(self) -> Window | None:
        """The app in front now; None if it is nothing, or something that is no app.

        Raises:
            Gone: It closed meanwhile.
            NoTarget: Its process cannot be told.
        """
        active = self._windows.active()
        return self._windows.app(active) if active else None

    def hung(self, window: Window, patience: float = 0.25) -> bool | None:
        """Whether the app's topmost window leaves a ping unanswered; None if it never promised to answer."""
        try:
            asked = self._windows.pingable(window.pid)
            return None if asked is None else x11_ping.unanswered(self._display_name, asked, patience)
        except (Gone, Unsupported, error.XError, error.DisplayError, *LOST):
            return None

    def watch(self, seen: Callable[[Window], None]) -> None:
        """Call ``seen`` with the app in front now and after each change of it."""
        events = self._listening()
        events.loop.call(lambda: events.watch(seen))

    def approaching(self, near: Callable[[], None]) -> None:
        """Call ``near`` when the pointer comes to a panel."""
        events = self._listening()
        events.loop.call(lambda: events.approaching(near))

    def bind(self, hotkey_text: str, pressed: Callable[[], None]) -> None:
        """Make the hotkey call ``pressed`` at once, on the events' thread, once for each press.

        It replaces the one before, which stays in force if this raises. While a
        program has grabbed the whole keyboard, as for an open menu, X gives the
        key to that program instead.

        Raises:
            BadHotkey: It is none, or the key is not on this keyboard.
            HotkeyTaken: Another program has it.
            Unsupported: The connection is lost.
        """
        wanted = hotkey.parse(hotkey_text)
        events = self._listening()
        events.loop.call(lambda: events.bind(wanted, pressed))

    def unbind(self) -> None:
        """Give the hotkey back, if there is one."""
        if events := self._events:
            with contextlib.suppress(Unsupported):
                events.loop.call(events.unbind)

    def copy(self, text: str) -> bool:
        """Put text on the clipboard, where it stays until we end or someone else copies."""
        try:
            events = self._listening()
            return events.loop.call(lambda: events.copy(text))
        except Unsupported:
            return False

    def health(self, hotkey_text: str, *, tray_runs: bool = False) -> list[Health]:
        """The state of display, window manager and hotkey.

        Args:
            hotkey_text: As in the settings.
            tray_runs: Whether a tray runs in another process; it is then the
                one that holds the hotkey.
        """
        try:
            manager = self._windows.manager()
        except Unsupported as lost:
            return [Health("display", ok=False, found=str(lost), hint=lost.hint)]
        return [self._display_health(), _manager_health(manager), self._hotkey_health(hotkey_text, tray_runs)]

    def close(self) -> None:
        """Give everything back and end the thread; callable twice."""
        with self._lock:
            self._closed = True
            events = self._events
        if events:
            events.loop.close()
        self._windows.close()

    def _behind(self) -> Window:
        """The last app that was in front, else the topmost that is to be seen."""
        recent = self._events.recent if self._events else ()
        for window in (*recent, *self._visible()):
            with contextlib.suppress(Gone):
                if app := self._windows.app(window):
                    return app
        raise _nothing()

    def _visible(self) -> Iterator[int]:
        for window in self._windows.stacking():
            with contextlib.suppress(Gone):
                if not self._windows.hidden(window):
                    yield window

    def _listening(self) -> Events:
        """The connection for events, opened when it is first wanted."""
        with self._lock:
            if self._closed:
                raise Unsupported("The X display is closed.", hint="Start Hangshot again.")
            if self._events is None:
                try:
                    self._events = Events(Display(self._display_name), self._windows)
                except (error.DisplayError, *LOST) as why:
                    raise Unsupported(f"The X display is lost: {why}.", hint="Start Hangshot again.") from why
            return self._events

    def _display_health(self) -> Health:
        found = f"X11 display {self._display_name}"
        if self._windows.trusted:
            return Health("display", ok=True, found=f"{found}.")
        return Health(
            "display",
            ok=True,
            found=f"{found}, reached from afar: only windows that tell their pid can be dumped.",
        )

    def _hotkey_health(self, text: str, tray_runs: bool) -> Health:  # noqa: FBT001
        """Whether the hotkey works, or would."""
        try:
            wanted = hotkey.parse(text)
            if not self._holds(wanted):
                with contextlib.closing(Display(self._display_name)) as display:
                    x11_keys.try_out(display, wanted)
        except HotkeyTaken as taken:
            if tray_runs:
                return Health("hotkey", ok=True, found=f"{wanted.label} is held by the running tray.")
            return Health("hotkey", ok=False, found=str(taken), hint=taken.hint)
        except BadHotkey as bad:
            return Health("hotkey", ok=False, found=str(bad), hint=bad.hint)
        return Health("hotkey", ok=True, found=f"{wanted.label} works.")

    def _holds(self, wanted: hotkey.Hotkey) -> bool:
        """Whether we have the hotkey already.

        Raises:
            BadHotkey: We have lost it, for the keyboard has changed.
        """
        grab = self._events.grab if self._events else None
        if grab is None or grab.hotkey != wanted:
            return False
        if grab.problem:
            raise grab.problem
        return True


def _nothing() -> NoTarget:
    return NoTarget("No app's window is in front.", hint="Bring the app to the front first.")


def _manager_health(manager: str | None) -> Health:
    if manager:
        return Health("window manager", ok=True, found=f"{manager}.")
    return Health(
        "window manager",
        ok=False,
        found="None runs, so the app with the keyboard focus is taken, and recent apps are not known.",
        hint="Start a window manager, such as openbox.",
    )
