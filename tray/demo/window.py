"""The demo's window, drawn so that it stays readable when nobody draws it again."""

from __future__ import annotations

import os
import select
import socket
import time
from typing import Any

TITLE = "Hangshot demo"
_SIZE = 560, 170
_PATIENCE = 2.0
"""Seconds to wait for a window manager to put the window in front."""


class Window:
    """A window on the X display; ready to freeze once it is there."""

    def __init__(self, hotkey: str) -> None:
        from Xlib import X
        from Xlib.display import Display

        self._display = Display()
        screen = self._display.screen()
        self._window = screen.root.create_window(
            *self._corner(screen),
            *_SIZE,
            0,
            screen.root_depth,
            X.InputOutput,
            X.CopyFromParent,
            event_mask=X.FocusChangeMask | X.StructureNotifyMask,
        )
        self._describe()
        self._paint(_picture(hotkey), screen.root_depth)
        self._window.map()
        self._await_front(X.FocusIn)

    @staticmethod
    def _corner(screen: Any) -> tuple[int, int]:  # noqa: ANN401 - python-xlib's stubs know no Screen
        return (screen.width_in_pixels - _SIZE[0]) // 2, (screen.height_in_pixels - _SIZE[1]) // 3

    def _describe(self) -> None:
        """Say who we are, and promise to answer pings; once frozen, the promise is broken."""
        from Xlib import Xatom

        window, atom = self._window, self._display.intern_atom
        window.set_wm_name(TITLE)
        window.set_wm_class("hangshot-demo", "Hangshot-demo")
        window.set_wm_protocols([atom("WM_DELETE_WINDOW"), atom("_NET_WM_PING")])
        window.set_wm_client_machine(socket.gethostname())
        window.change_property(atom("_NET_WM_PID"), Xatom.CARDINAL, 32, [os.getpid()])

    def _paint(self, picture: Any, depth: int) -> None:  # noqa: ANN401 - a PIL image
        """Make the picture the background: the server itself repaints that, also when we hang."""
        pixmap = self._window.create_pixmap(*_SIZE, depth)
        pixmap.put_pil_image(pixmap.create_gc(), 0, 0, picture)
        self._window.change_attributes(background_pixmap=pixmap)
        pixmap.free()

    def _await_front(self, focus_in: int) -> None:
        """Wait until the window has the focus; without a window manager that may never be."""
        until = time.monotonic() + _PATIENCE
        self._display.sync()
        while (left := until - time.monotonic()) > 0:
            while self._display.pending_events():
                if self._display.next_event().type == focus_in:
                    return
            select.select([self._display.fileno()], [], [], left)


def _picture(hotkey: str) -> Any:  # noqa: ANN401
    """What the window shows."""
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("RGB", _SIZE, "#202a36")
    draw = ImageDraw.Draw(picture)
    middle = _SIZE[0] // 2
    for line, height, points, colour in (
        ("This app is frozen on purpose.", 60, 26, "#ffffff"),
        (f"Press {hotkey} to dump it.", 108, 20, "#ffc04d"),
    ):
        draw.text((middle, height), line, fill=colour, font=ImageFont.load_default(points), anchor="mm")
    return picture
