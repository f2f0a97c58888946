"""The tray icon on Windows: pystray's, with a menu that is as fresh as the click that opens it."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from tray.desktop import picture
from tray.desktop.windows_picture import fitted
from tray.desktop.windows_registry import taskbar_theme
from tray.ffi import user32
from tray.ffi.user32 import call

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image

    from tray.desktop import Look
    from tray.desktop.errands import Errands
    from tray.desktop.menu import Items

log = logging.getLogger(__name__)

TOOLTIP, BALLOON, BALLOON_TITLE = 127, 255, 63
"""What the shell takes, in UTF-16 units; pystray raises ValueError above it."""
STARTING = 5.0


class WindowsIcon:
    """Shows the icon, on a thread of its own with pystray's loop."""

    def __init__(self, errands: Errands, near: Callable[[], None]) -> None:
        self._errands = errands
        self._near = near
        self._look: Look = "idle"
        self._icon: Any = None
        self._begun = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._clicked: Callable[[], None] | None = None
        self._gone: Callable[[], None] = lambda: None

    @property
    def shown(self) -> bool:
        """Whether it is there to be seen."""
        return self._icon is not None

    def show(self, menu: Items, tooltip: str) -> bool:
        """Show it; False where no taskbar takes it."""
        with self._lock:
            if self._icon is None and _taskbar():
                self._start(menu, tooltip)
        self.update(self._look, tooltip, menu)
        return self.shown

    def update(self, look: Look, tooltip: str, menu: Items | None = None) -> None:
        """Change the icon, its tooltip and, if given, its menu, which is seen when it next opens."""
        icon = self._icon
        if icon is None:
            return
        if menu is not None:
            icon.menu = menu
        with self._lock:
            icon.title = fitted(tooltip, TOOLTIP)
            if look != self._look:
                self._look = look
                icon.icon = self._image()

    def balloon(
        self, title: str, body: str, clicked: Callable[[], None] | None, gone: Callable[[], None]
    ) -> bool:
        """Show a balloon, in the place of one before; False without an icon to hang it on.

        ``gone`` is called when it has been used or closed, or its time is over.
        """
        icon = self._icon
        if icon is None:
            return False
        self._clicked, self._gone = clicked, gone
        icon.notify(fitted(body, BALLOON) or " ", fitted(title, BALLOON_TITLE))
        return True

    def remove_balloon(self) -> None:
        """Take the balloon away."""
        self._clicked = None
        if self._icon is not None:
            self._icon.remove_notification()

    def close(self) -> None:
        """Take the icon away and end its thread."""
        with self._lock:
            icon, self._icon = self._icon, None
        if icon is not None and self._thread is not None:
            icon.stop()
            if self._thread is not threading.current_thread():
                self._thread.join(STARTING)

    def _start(self, menu: Items, tooltip: str) -> None:
        self._begun.clear()
        self._thread = threading.Thread(target=self._live, args=(menu, tooltip), name="icon", daemon=True)
        self._thread.start()
        self._begun.wait(STARTING)

    def _live(self, menu: Items, tooltip: str) -> None:
        def ready(icon: Any) -> None:  # noqa: ANN401  # pystray has no types
            try:
                icon.visible = True
                self._icon = icon
            finally:
                self._begun.set()

        try:
            _see_every_pixel()
            from tray.desktop.windows_pystray import Icon

            icon = Icon("hangshot", self._image(), fitted(tooltip, TOOLTIP), menu)
            icon.told = self._told
            icon.repaint = self._image
            icon.run(ready)
        except OSError as error:
            log.info("No icon: %s", error)
        finally:
            self._begun.set()

    def _told(self, what: str) -> None:
        """On the icon's thread: the pointer came, the menu opens, or the balloon was clicked or went."""
        if what in {"near", "opening"}:
            self._errands.post(self._near)
            return
        self._errands.post(self._gone)
        clicked, self._clicked = self._clicked, None
        if what == "balloon" and clicked is not None:
            self._errands.post(clicked)

    def _image(self) -> Image:
        """The icon for the size and colours that the taskbar has now."""
        return picture.icon(self._look, taskbar_theme(), small())


def small() -> int:
    """Pixels of a small icon, on the monitor that has the taskbar."""
    try:
        dots = call("GetDpiForWindow", call("FindWindowW", "Shell_TrayWnd", None))
        return call("GetSystemMetricsForDpi", user32.SM_CXSMICON, dots)
    except OSError:  # there is no taskbar, or this is Windows before 1607
        return call("GetSystemMetrics", user32.SM_CXSMICON)


def _see_every_pixel() -> None:
    """Have the menu drawn sharp also under a Python whose own manifest does not ask for it."""
    try:
        call("SetThreadDpiAwarenessContext", user32.DPI_AWARENESS_CONTEXT_PER_MONITOR_AWARE_V2)
    except OSError as error:
        log.debug("Windows draws us as it likes: %s", error)


def _taskbar() -> bool:
    """Whether a taskbar runs; under Wine, whether the desktop shows icons of Windows programs."""
    return bool(call("FindWindowW", "Shell_TrayWnd", None))
