"""The tray icon on Linux: ours on the session bus, or GTK's where only that is seen."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tray.desktop import picture, stock
from tray.desktop.appearance import Appearance
from tray.desktop.bus import BusError
from tray.desktop.sni import SniIcon

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image

    from tray.desktop import Look
    from tray.desktop.bus import Bus
    from tray.desktop.errands import Errands
    from tray.desktop.menu import Items

log = logging.getLogger(__name__)

STOCK_SIZE = 24
"""GTK takes one picture and scales it to what the tray wants, which is nearly always 22 or 24."""


class LinuxIcon:
    """Shows the icon wherever it can be seen, and keeps what it shows."""

    def __init__(self, bus: Bus, errands: Errands) -> None:
        self._bus = bus
        self._errands = errands
        self._look: Look = "idle"
        self._sni: SniIcon | None = None
        self._stock: stock.StockIcon | None = None
        self._appearance = Appearance(bus, lambda: errands.post(self._repaint))

    def show(self, menu: Items, tooltip: str, opening: Callable[[], None]) -> bool:
        """Show it; False where no panel takes it yet. One that starts later will."""
        if self._sni is not None:
            self.update(self._look, tooltip, menu)
            return self._seen()
        if not self._bus.reachable:
            return False
        self._sni = SniIcon(
            self._bus,
            self._errands,
            "hangshot",
            opening,
            lambda: self._errands.post(self._retire_stock),
            icon=self._images(),
            title=tooltip,
            menu=menu,
        )
        self._appearance.follow()
        return self._appear(self._sni)

    def update(self, look: Look, tooltip: str, menu: Items | None = None) -> None:
        """Change the icon, its tooltip and, if given, its menu."""
        if self._sni is None:
            return
        if menu is not None:
            self._sni.menu = menu
        self._sni.title = tooltip
        if look != self._look:
            self._look = look
            self._sni.icon = self._images()
            self._sni.attention = look == "busy"
        if self._stock is not None:
            self._stock.update(self._image(), tooltip, self._sni.menu)

    def close(self) -> None:
        """Take it away."""
        sni, self._sni = self._sni, None
        if sni is not None:
            sni.visible = False
        self._retire_stock()

    def _appear(self, sni: SniIcon) -> bool:
        try:
            sni.visible = True
        except BusError as error:
            log.info("No icon: %s", error.strerror)
            return False
        if not sni.hosted and stock.usable():
            old = stock.StockIcon(self._image(), str(sni.title), sni.menu)
            self._stock = old if old.show() else None
        return self._seen()

    def _seen(self) -> bool:
        return self._stock is not None or (self._sni is not None and self._sni.hosted)

    def _retire_stock(self) -> None:
        """A panel has taken our own icon: two would be one too many."""
        old, self._stock = self._stock, None
        if old is not None:
            old.close()

    def _repaint(self) -> None:
        if self._sni is not None:
            self._sni.icon = self._images()

    def _images(self) -> tuple[Image, ...]:
        theme = self._appearance.theme
        return tuple(picture.icon(self._look, theme, size) for size in picture.SIZES)

    def _image(self) -> Image:
        return picture.icon(self._look, self._appearance.theme, STOCK_SIZE)
