"""pystray's words for icons and menus, imported so that no display is touched.

``import pystray`` chooses a back end and, on Linux, connects to the X server
while it does so. Its dummy back end chooses nothing and works everywhere; ours
are made from its base class. So pystray is imported here and nowhere else.
"""

from __future__ import annotations

import os
from typing import Any

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

__all__ = ["Icon", "Menu", "MenuItem"]
