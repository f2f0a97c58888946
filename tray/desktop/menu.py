"""pystray's words for icons and menus, imported so that no display is touched.

``import pystray`` chooses a back end and, on Linux, connects to the X server
while it does so. Its dummy back end chooses nothing and works everywhere; ours
are made from its base class. So pystray is imported here and nowhere else.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

_asked = os.environ.get("PYSTRAY_BACKEND")
os.environ["PYSTRAY_BACKEND"] = "dummy"
try:
    import pystray
finally:
    if _asked is None:
        del os.environ["PYSTRAY_BACKEND"]
    else:
        os.environ["PYSTRAY_BACKEND"] = _asked

Icon: Any = pystray.Icon
"""The base class of all tray icons."""
Menu: Any = pystray.Menu
MenuItem: Any = pystray.MenuItem


class Item(Protocol):
    """What a back end reads of a ``MenuItem``: snapshots, each asked for anew."""

    text: str
    checked: bool | None
    radio: bool
    default: bool
    enabled: bool
    submenu: Items | None


class Items(Protocol):
    """What a back end reads of a ``Menu``: its visible items."""

    def __iter__(self) -> Iterator[Item]:
        """The items, without those that are not visible."""


__all__ = ["Icon", "Item", "Items", "Menu", "MenuItem"]
