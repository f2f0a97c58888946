"""What the X server tells by itself: another app in front, keys, panels, pasting."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING or sys.platform != "win32":
    from Xlib import X, error

from tray.desktop.x11_clipboard import Clipboard
from tray.desktop.x11_keys import Grab
from tray.desktop.x11_loop import Loop
from tray.desktop.x11_windows import Gone, ignore
from tray.errors import NoTarget, TrayError

if TYPE_CHECKING:
    from collections.abc import Callable

    from Xlib.display import Display
    from Xlib.protocol import rq

    from tray.desktop.hotkey import Hotkey
    from tray.desktop.x11_windows import Windows
    from tray.model import Window

_log = logging.getLogger(__name__)

_REMEMBERED = 16
"""How many windows that were in front are kept in mind."""


class Events:
    """The connection for events, and what follows from each.

    All methods but `recent` and `loop` belong on the loop's thread, on which all
    callbacks come too.

    Attributes:
        loop: Runs this, and lets others in.
        grab: The hotkey that we hold.
    """

    def __init__(self, display: Display, windows: Windows) -> None:
        display.set_error_handler(ignore)
        self._display = display
        self._windows = windows
        self._recent: deque[int] = deque(maxlen=_REMEMBERED)
        self._front: Window | None = None
        self._seen: list[Callable[[Window], None]] = []
        self._near: list[Callable[[], None]] = []
        self._panels: set[int] = set()
        self._pressed: Callable[[], None] | None = None
        self._clipboard: Clipboard | None = None
        self.grab: Grab | None = None
        display.screen().root.change_attributes(event_mask=X.PropertyChangeMask)
        self._note_front()
        self.loop = Loop(display, self._serve)

    @property
    def recent(self) -> tuple[int, ...]:
        """Windows of apps that were in front, the last first; some may be closed. From any thread."""
        return tuple(self._recent.copy())

    def watch(self, seen: Callable[[Window], None]) -> None:
        """Call ``seen`` with the app in front now and after each change."""
        self._seen.append(seen)
        if self._front:
            _tell(seen, self._front)

    def approaching(self, near: Callable[[], None]) -> None:
        """Call ``near`` when the pointer comes to a panel, also to one that starts later."""
        self._near.append(near)
        self._find_panels()

    def bind(self, hotkey: Hotkey, pressed: Callable[[], None]) -> None:
        """Take the hotkey, and let go of the one before."""
        grab = Grab(self._display, hotkey)
        if self.grab and not self.grab.is_same(grab):
            self.grab.release()
        self.grab, self._pressed = grab, pressed

    def unbind(self) -> None:
        """Let go of the hotkey."""
        if self.grab:
            self.grab.release()
        self.grab, self._pressed = None, None

    def copy(self, text: str) -> bool:
        """Put text on the clipboard."""
        if self._clipboard is None:
            self._clipboard = Clipboard(self._display)
        return self._clipboard.own(text)

    def _serve(self, event: rq.Event) -> None:
        """What follows from one event."""
        with contextlib.suppress(error.XError):  # what it is about may have gone
            if event.type == X.PropertyNotify:
                self._property_changed(event.atom)
            elif event.type in (X.KeyPress, X.KeyRelease):
                self._key(event)
            elif event.type == X.MappingNotify:
                self._keyboard_changed(event)
            elif event.type == X.EnterNotify and event.detail != X.NotifyInferior:
                for near in self._near:
                    _tell(near)
            elif event.type == X.SelectionRequest and self._clipboard:
                self._clipboard.answer(event)
            elif event.type == X.SelectionClear and self._clipboard:
                self._clipboard.forget()

    def _property_changed(self, atom: int) -> None:
        if atom == self._display.get_atom("_NET_ACTIVE_WINDOW"):
            self._front_changed()
        elif atom == self._display.get_atom("_NET_CLIENT_LIST") and self._near:
            self._find_panels()

    def _front_changed(self) -> None:
        before = self._front
        self._note_front()
        if self._front and self._front != before:
            for seen in self._seen:
                _tell(seen, self._front)

    def _note_front(self) -> None:
        """Keep in mind which app is in front; what is no app leaves the last one there."""
        with contextlib.suppress(Gone, TrayError):
            window = self._windows.active()
            if not window:
                return
            with contextlib.suppress(NoTarget):
                app = self._windows.app(window)
                if app is None:
                    return
                self._front = app
            with contextlib.suppress(ValueError):
                self._recent.remove(window)
            self._recent.appendleft(window)

    def _find_panels(self) -> None:
        """Ask to be told when the pointer enters a panel that is new."""
        with contextlib.suppress(Gone, TrayError):
            panels = set(self._windows.panels())
            for panel in panels - self._panels:
                window = self._display.create_resource_object("window", panel)
                window.change_attributes(event_mask=X.EnterWindowMask)
            self._panels = panels

    def _key(self, event: rq.Event) -> None:
        if self.grab and self.grab.is_press(event) and self._pressed:
            _tell(self._pressed)

    def _keyboard_changed(self, event: rq.Event) -> None:
        self._display.refresh_keyboard_mapping(event)
        if self.grab:
            self.grab.follow()


def _tell(callback: Callable[..., None], *arguments: object) -> None:
    """Call back; whatever goes wrong there must not end our thread."""
    try:
        callback(*arguments)
    except Exception:  # noqa: BLE001  # it is logged, and only the caller's
        _log.exception("A callback of the X11 desktop failed")
