"""Whether the desktop is light or dark, from the desktop portal."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tray.desktop.bus import BusError, Peer

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbus_fast import Message

    from tray.desktop.bus import Bus
    from tray.desktop.picture import Theme

log = logging.getLogger(__name__)

SETTINGS = Peer(
    "org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop", "org.freedesktop.portal.Settings"
)
NAMESPACE, KEY = "org.freedesktop.appearance", "color-scheme"
PREFERS_DARK = 1


class Appearance:
    """Follows the desktop's colours. Light where they cannot be told: that is legible on both."""

    def __init__(self, bus: Bus, changed: Callable[[], None]) -> None:
        self.theme: Theme = "light"
        self._bus = bus
        self._changed = changed

    def follow(self) -> None:
        """Ask the portal, and listen to it; ``changed`` is called on the bus thread. Returns at once."""
        try:
            rule = (
                f"type='signal',interface='{SETTINGS.interface}',member='SettingChanged',arg0='{NAMESPACE}'"
            )
            self._bus.hear(rule, self._heard)
        except BusError as error:
            log.debug("Colours are not known: %s", error.strerror)
            return
        self._bus.start(self._ask())

    async def _ask(self) -> None:
        """Nobody waits for it: a portal may take seconds to start."""
        answer = await self._bus.request(SETTINGS, "Read", ("ss", [NAMESPACE, KEY]))
        self._take(answer[0])

    def _heard(self, message: Message) -> None:
        if message.member == "SettingChanged" and message.body[:2] == [NAMESPACE, KEY]:
            self._take(message.body[2])

    def _take(self, value: object) -> None:
        # ``Read`` wraps its answer twice, the signal once.
        while hasattr(value, "value"):
            value = value.value
        theme: Theme = "dark" if value == PREFERS_DARK else "light"
        if theme != self.theme:
            self.theme = theme
            self._changed()
