"""A tray icon as ``org.kde.StatusNotifierItem``: what panels of today ask for.

pystray's own back ends for Linux need PyGObject, which a plain ``pip install``
does not bring, or have no menu (X.org). This one needs the session bus alone.

Source: freedesktop.org, StatusNotifierItem; KDE's additions ``ItemIsMenu`` and
``Menu``.
"""

from __future__ import annotations

import html
import logging
import os
import threading
from typing import TYPE_CHECKING

from tray.desktop import picture
from tray.desktop.bus import BusError, Peer
from tray.desktop.dbusmenu import PATH as MENU_PATH
from tray.desktop.dbusmenu import DBusMenu
from tray.desktop.menu import Icon
from tray.desktop.served import Method, Property, Served

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PIL.Image import Image

    from tray.desktop.bus import Bus
    from tray.desktop.errands import Errands
    from tray.desktop.menu import Item

log = logging.getLogger(__name__)

WATCHER = Peer("org.kde.StatusNotifierWatcher", "/StatusNotifierWatcher", "org.kde.StatusNotifierWatcher")
PATH = "/StatusNotifierItem"
INTERFACE = "org.kde.StatusNotifierItem"
MARK_SIZE = 16


class SniIcon(Icon):  # type: ignore[misc]  # pystray has no types
    """A tray icon on the session bus.

    ``icon`` is a sequence of images of the same picture in several sizes, the
    panel takes the one that fits.

    Args:
        bus: The session bus.
        errands: Runs what a click does.
        name: Unique name of the program; panels remember icons by it.
        title: Shown as the tooltip; more lines are shown smaller.
        opening: Called when a panel is about to show the menu, where it tells.
        taken: Called on the bus thread when a panel that started later takes the icon.
    """

    HAS_DEFAULT_ACTION = False
    HAS_NOTIFICATION = False

    def __init__(
        self,
        bus: Bus,
        errands: Errands,
        name: str,
        opening: Callable[[], None] = lambda: None,
        taken: Callable[[], None] = lambda: None,
        **options: object,
    ) -> None:
        super().__init__(name, **options)
        self.hosted = False
        """Whether a panel took the icon."""
        self._bus = bus
        self._errands = errands
        self._taken = taken
        self._attention = False
        self._own_name = f"{INTERFACE}-{os.getpid()}-1"
        self._mark = b""
        self._pixmaps: list[list[object]] = []
        self._stopped = threading.Event()
        self._dbusmenu = DBusMenu(bus, self._clicked, lambda: errands.post(opening))
        self._served = Served(PATH, INTERFACE, self._methods(), self._properties(), _SIGNALS)
        self._exported = False

    @property
    def attention(self) -> bool:
        """Whether panels shall keep the icon in sight."""
        return self._attention

    @attention.setter
    def attention(self, wanted: bool) -> None:
        if wanted != self._attention:
            self._attention = wanted
            self._bus.emit(self._served, "NewStatus", self._status())

    def _show(self) -> None:
        """Offer the icon to the panel that runs, and to each that starts later."""
        if not self._exported:
            self._exported = True
            self._update_menu()
            self._bus.serve(self._dbusmenu.served)
            self._bus.serve(self._served)
            self._bus.hear_owner(WATCHER.name, self._watcher_changed)
        self._bus.run(self._own())
        self.hosted = self._bus.run(self._register())

    def _hide(self) -> None:
        """Leave the panel, which goes by the name alone."""
        self.hosted = False
        try:
            self._bus.run(self._disown())
        except BusError as error:
            log.debug("The icon went with the bus: %s", error.strerror)

    def _update_icon(self) -> None:
        images: Sequence[Image] = self.icon
        self._pixmaps = [picture.pixmap(image) for image in images]
        self._icon_valid = True
        self._bus.emit(self._served, "NewIcon")
        self._bus.emit(self._served, "NewAttentionIcon")

    def _update_title(self) -> None:
        self._bus.emit(self._served, "NewTitle")
        self._bus.emit(self._served, "NewToolTip")

    def _update_menu(self) -> None:
        # The first look stays: the menu does not flicker with the icon.
        images: Sequence[Image] = () if self._mark else self.icon or ()
        for image in images:
            if image.width == MARK_SIZE:
                self._mark = picture.png(image)
        self._dbusmenu.show(self.menu, self._mark)

    def _run(self) -> None:
        self._run_detached()
        self._stopped.wait()

    def _run_detached(self) -> None:
        self._mark_ready()

    def _stop(self) -> None:
        self.visible = False
        self._stopped.set()

    def _clicked(self, item: Item) -> None:
        self._errands.post(self._handler(item))

    async def _own(self) -> None:
        from dbus_fast import NameFlag

        await self._bus.connection().request_name(self._own_name, NameFlag.DO_NOT_QUEUE)

    async def _disown(self) -> None:
        await self._bus.connection().release_name(self._own_name)

    async def _register(self) -> bool:
        try:
            arguments = ("s", [self._own_name])
            await self._bus.request(WATCHER, "RegisterStatusNotifierItem", arguments, start=False)
        except BusError as error:
            log.debug("No panel takes the icon: %s", error.strerror)
            return False
        return True

    def _watcher_changed(self, owner: str) -> None:
        """A panel ended, or started: then it knows nothing of us yet. On the bus thread."""
        self.hosted = False
        if owner and self._visible:
            self._bus.start(self._register_again())

    async def _register_again(self) -> None:
        self.hosted = await self._register()
        if self.hosted:
            self._taken()

    def _status(self) -> str:
        return "NeedsAttention" if self._attention else "Active"

    def _tooltip(self) -> list[object]:
        """Icon name, icon, title, text; the text alone may hold markup."""
        title, _, text = str(self.title).partition("\n")
        return ["", [], title, html.escape(text, quote=False)]

    def _methods(self) -> dict[str, Method]:
        # A left click opens the menu in every panel that heeds ItemIsMenu. In
        # one that does not it does nothing: a stray click must not write a dump.
        def nothing(*_: object) -> None:
            return None

        return {
            "Activate": Method("ii", "", nothing),
            "SecondaryActivate": Method("ii", "", nothing),
            "ContextMenu": Method("ii", "", nothing),
            "Scroll": Method("is", "", nothing),
        }

    def _properties(self) -> dict[str, Property]:
        return {
            "Category": Property("s", lambda: "ApplicationStatus"),
            "Id": Property("s", lambda: self.name),
            "Title": Property("s", self.name.capitalize),
            "Status": Property("s", self._status),
            "WindowId": Property("i", lambda: 0),
            "IconName": Property("s", str),
            "IconPixmap": Property("a(iiay)", lambda: self._pixmaps),
            "OverlayIconName": Property("s", str),
            "OverlayIconPixmap": Property("a(iiay)", list),
            "AttentionIconName": Property("s", str),
            "AttentionIconPixmap": Property("a(iiay)", lambda: self._pixmaps),
            "AttentionMovieName": Property("s", str),
            "ToolTip": Property("(sa(iiay)ss)", self._tooltip),
            "IconThemePath": Property("s", str),
            "ItemIsMenu": Property("b", lambda: True),
            "Menu": Property("o", lambda: MENU_PATH),
        }


_SIGNALS = {
    "NewTitle": "",
    "NewIcon": "",
    "NewAttentionIcon": "",
    "NewOverlayIcon": "",
    "NewToolTip": "",
    "NewStatus": "s",
}
