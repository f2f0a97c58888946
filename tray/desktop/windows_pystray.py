"""pystray's icon for Windows, with what it lacks. Imported only where an icon is shown."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from tray.desktop import menu
from tray.desktop.windows_picture import icon_bits, menu_text
from tray.ffi import user32
from tray.ffi.user32 import call

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image

_Stock: Any = menu.Icon
if sys.platform == "win32":
    from pystray import _win32

    _Stock = _win32.Icon

NEAR = 1.0
"""Seconds between two words that the pointer is over the icon."""


class Icon(_Stock):  # type: ignore[misc]  # pystray has no types
    """Adds what the stock one lacks; each method says what.

    Attributes:
        told: Called on the icon's thread with ``near``, ``opening``, ``balloon`` (it was clicked) or ``gone``.
        repaint: Gives the picture for the size and colours of the taskbar now.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:  # noqa: ANN401  # as there
        super().__init__(*arguments, **settings)
        self.told: Callable[[str], None] = lambda _: None
        self.repaint: Callable[[], Image] = lambda: self.icon
        self._icon_handle: int | None = None
        self._menu_handle: Any = None
        self._open = False
        self._near = 0.0
        self._message_handlers |= {
            user32.WM_QUERYENDSESSION: lambda *_: 1,  # 0, pystray's own answer, would be a veto
            user32.WM_SETTINGCHANGE: lambda *_: self._colours_changed(),
        }

    def _update_menu(self) -> None:
        """Nothing: the menu is made when it opens, on the thread that shows it, never under an open one."""

    def _on_notify(self, first: int, second: int) -> None:
        """A left click opens the menu too: a stray click must not write a dump."""
        if second in {user32.WM_LBUTTONUP, user32.WM_RBUTTONUP}:
            self._show_menu(first)
        elif second == user32.NIN_BALLOONUSERCLICK:
            self.told("balloon")
        elif second == user32.NIN_BALLOONTIMEOUT:  # its time is over, or it was closed
            self.told("gone")
        elif second == user32.WM_MOUSEMOVE and time.monotonic() - self._near > NEAR:
            self._near = time.monotonic()
            self.told("near")

    def _show_menu(self, first: int) -> None:
        if self._open:
            return
        self._open = True
        try:
            super()._update_menu()
            self.told("opening")
            super()._on_notify(first, user32.WM_RBUTTONUP)
            # Without a message after it the next click is lost.
            # Source: learn.microsoft.com, TrackPopupMenu, "Remarks".
            call("PostMessageW", self._hwnd, user32.WM_NULL, 0, 0)
        finally:
            self._open = False

    def _create_menu_item(self, descriptor: Any, callbacks: list[Any]) -> Any:  # noqa: ANN401  # as there
        """Long texts are cut, and an ampersand is shown as one."""
        item = super()._create_menu_item(descriptor, callbacks)
        if item.dwTypeData:
            item.dwTypeData = menu_text(item.dwTypeData)
        return item

    def _assert_icon_handle(self) -> None:
        """An icon of the very size that the taskbar shows; pystray loads the large one."""
        if not self._icon_handle:
            bits = icon_bits(self.icon)
            self._icon_handle = call(
                "CreateIconFromResourceEx",
                *(bits, len(bits), 1, user32.ICON_VERSION),
                *(self.icon.width, self.icon.height, user32.LR_DEFAULTCOLOR),
            )

    def _on_display_change(self, _first: int, _second: int) -> None:
        """Another size may fit now."""
        self.icon = self.repaint()

    def _colours_changed(self) -> None:
        fresh = self.repaint()
        if fresh is not self.icon:  # each picture is drawn once
            self.icon = fresh
