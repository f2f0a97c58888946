"""pystray's own GTK icons, for X11 trays that know nothing of StatusNotifierItem.

They need PyGObject, which distributions bring and ``pip`` does not.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

    from tray.desktop.menu import Items

log = logging.getLogger(__name__)

STARTING = 5.0


def has_tray() -> bool:
    """Whether an X11 tray (XEmbed) runs that such an icon could go to."""
    if sys.platform == "win32" or not os.environ.get("DISPLAY"):
        return False
    from Xlib import error
    from Xlib.display import Display

    try:
        display = Display()
    except (OSError, error.DisplayError):
        return False
    try:
        tray = display.intern_atom(f"_NET_SYSTEM_TRAY_S{display.get_default_screen()}")
        return bool(display.get_selection_owner(tray))
    finally:
        display.close()


def usable() -> bool:
    """Whether PyGObject is there, and a tray to go to."""
    return importlib.util.find_spec("gi") is not None and has_tray()


class StockIcon:
    """An icon that GTK shows, on a thread with GTK's loop.

    GTK wants all its calls on one thread, so even the import is done there;
    later changes are posted to it by pystray itself.
    """

    def __init__(self, image: Image, title: str, menu: Items | None) -> None:
        self._icon: Any = None
        self._begun = threading.Event()
        self._first = (image, title, menu)
        self._thread = threading.Thread(target=self._live, name="gtk", daemon=True)

    def show(self) -> bool:
        """Show the icon; False where GTK cannot."""
        self._thread.start()
        self._begun.wait(STARTING)
        return self._icon is not None

    def update(self, image: Image, title: str, menu: Items | None) -> None:
        """Change what is shown."""
        if self._icon is not None:
            self._icon.icon = image
            self._icon.title = title
            self._icon.menu = menu

    def close(self) -> None:
        """Take the icon away and end the thread."""
        icon, self._icon = self._icon, None
        if icon is not None:
            icon.visible = False
            icon.stop()
            self._thread.join(STARTING)

    def _live(self) -> None:
        image, title, menu = self._first
        try:
            icon = _backend()("hangshot", image, title, menu)
            self._icon = icon
            icon.run(lambda _: self._shown(icon))
        except Exception:  # GLib.Error, ImportError, …: whatever it is, there is no icon
            self._icon = None
            log.info("GTK shows no icon", exc_info=True)
        self._begun.set()

    def _shown(self, icon: Any) -> None:  # noqa: ANN401  # pystray has no types
        icon.visible = True
        self._begun.set()


def _backend() -> Any:  # noqa: ANN401  # pystray has no types
    """AppIndicator of pystray, or else its GTK icon with the menu on either button."""
    from tray.desktop import menu  # noqa: F401  # it imports pystray so that no display is touched

    try:
        from pystray import _appindicator
    except (ImportError, ValueError):
        from pystray import _gtk
    else:
        return _appindicator.Icon

    class GtkIcon(_gtk.Icon):  # type: ignore[misc]  # pystray has no types
        """A left click opens the menu: a stray click must not write a dump."""

        def _on_status_icon_activate(self, status_icon: object) -> None:
            self._on_status_icon_popup_menu(status_icon, 0, 0)

    return GtkIcon
