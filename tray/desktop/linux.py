"""The desktop of Linux: a window system, the session bus, and what freedesktop.org agreed on.

Each part starts when it is first needed: ``hangshot dump 4312`` touches none.
"""

from __future__ import annotations

import logging
import os
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from tray.desktop import Health, freedesktop
from tray.desktop.bus import Bus
from tray.desktop.errands import Errands
from tray.desktop.instance import Instance
from tray.desktop.toasts import Toasts
from tray.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tray.desktop import Look, Toast
    from tray.desktop.icon import LinuxIcon
    from tray.desktop.menu import Items
    from tray.model import Window

log = logging.getLogger(__name__)


class Windows(Protocol):
    """What a window system does for the `Desktop` port, in the port's own words."""

    @property
    def name(self) -> str:
        """As the port says, and so on."""

    def foreground(self) -> Window:  # noqa: D102
        ...

    def hung(self, window: Window, patience: float = 0.25, /) -> bool | None:  # noqa: D102
        ...

    def watch(self, seen: Callable[[Window], None], /) -> None:  # noqa: D102
        ...

    def approaching(self, near: Callable[[], None], /) -> None:  # noqa: D102
        ...

    def bind(self, hotkey: str, pressed: Callable[[], None], /) -> None:  # noqa: D102
        ...

    def unbind(self) -> None:  # noqa: D102
        ...

    def copy(self, text: str, /) -> bool:  # noqa: D102
        ...

    def health(self, hotkey: str, /, *, tray_runs: bool = False) -> list[Health]:
        """The lines about display and hotkey; with ``tray_runs``, another process may hold that."""

    def close(self) -> None:  # noqa: D102
        ...


class LinuxDesktop:
    """The `Desktop` port on Linux."""

    def __init__(self) -> None:
        self._errands = Errands()
        self._bus = Bus()
        self._instance = Instance(self._bus, self._errands)
        self._toasts = Toasts(self._bus, self._errands)
        self._icon: LinuxIcon | None = None
        self._starting = threading.Lock()
        self._found: Windows | None = None

    @cached_property
    def name(self) -> str:
        """As in ``X11`` or ``sway``."""
        return self._windows.name

    @property
    def _windows(self) -> Windows:
        """The window system, connected when it is first needed."""
        with self._starting:
            if self._found is None:
                self._found = window_system()
            return self._found

    def foreground(self) -> Window:
        """As the port says."""
        return self._windows.foreground()

    def hung(self, window: Window, patience: float = 0.25) -> bool | None:
        """As the port says."""
        return self._windows.hung(window, patience)

    def watch(self, seen: Callable[[Window], None]) -> None:
        """As the port says."""
        self._windows.watch(seen)

    def approaching(self, near: Callable[[], None]) -> None:
        """As the port says."""
        self._windows.approaching(near)

    def bind(self, hotkey: str, pressed: Callable[[], None]) -> None:
        """As the port says."""
        self._windows.bind(hotkey, pressed)

    def unbind(self) -> None:
        """As the port says."""
        if self._found is not None:
            self._found.unbind()

    def copy(self, text: str) -> bool:
        """As the port says."""
        return self._windows.copy(text)

    def show_icon(self, menu: Items, tooltip: str, clicked: Callable[[], None]) -> bool:
        """As the port says. Where no host is there yet, the icon appears when one starts."""
        from tray.desktop.icon import LinuxIcon

        if self._icon is None:
            self._icon = LinuxIcon(self._bus, self._errands)
        return self._icon.show(menu, tooltip, clicked)

    def update_icon(self, look: Look, tooltip: str, menu: Items | None = None) -> None:
        """As the port says."""
        if self._icon is not None:
            self._icon.update(look, tooltip, menu)

    def toast(self, toast: Toast) -> bool:
        """As the port says."""
        return self._toasts.toast(toast)

    def dismiss(self, topic: str) -> None:
        """As the port says."""
        self._toasts.dismiss(topic)

    def reveal(self, path: Path) -> None:
        """As the port says."""
        freedesktop.reveal(self._bus, path)

    def open(self, path: Path) -> None:
        """As the port says."""
        freedesktop.open_path(path)

    def starts_at_login(self) -> bool:
        """As the port says."""
        return freedesktop.starts_at_login()

    def start_at_login(self, *, wanted: bool) -> None:
        """As the port says."""
        freedesktop.start_at_login(wanted=wanted)

    def claim(self, greeted: Callable[[], None], asked: Callable[[str], str]) -> bool:
        """As the port says."""
        return self._instance.claim(greeted, asked)

    def ask(self, request: str) -> str | None:
        """As the port says."""
        return self._instance.ask(request)

    def ending(self, ending: Callable[[], None]) -> None:
        """As the port says: a signal tells."""

    def health(self, hotkey: str) -> list[Health]:
        """As the port says."""
        from tray.desktop import checkup

        tray_runs = self._instance.runs()
        found = self._windows.health(hotkey, tray_runs=tray_runs)
        return [*found, *checkup.session(self._bus, tray_runs=tray_runs)]

    def close(self) -> None:
        """As the port says."""
        self._toasts.close()
        if self._icon is not None:
            self._icon.close()
        self._instance.close()
        if self._found is not None:
            self._found.close()
        self._errands.close()
        self._bus.close()


def window_system() -> Windows:
    """The one that shows this session."""
    from tray.desktop import wayland, x11

    return wayland.connect() or x11.connect() or NoDisplay()


class NoDisplay:
    """No screen at all: over ssh, in a container, on a server."""

    name = "no display"

    def foreground(self) -> Window:
        """There is none."""
        raise self._unsupported("no window is in front")

    def hung(self, _window: Window, _patience: float = 0.25) -> bool | None:
        """It cannot be told."""
        return None

    def watch(self, seen: Callable[[Window], None]) -> None:
        """Nothing will ever be seen."""

    def approaching(self, near: Callable[[], None]) -> None:
        """No pointer will ever come."""

    def bind(self, hotkey_text: str, _pressed: Callable[[], None]) -> None:
        """No key will ever be pressed; that the text is none is said all the same."""
        from tray.desktop import hotkey

        hotkey.parse(hotkey_text)
        raise self._unsupported("no hotkey can be pressed")

    def unbind(self) -> None:
        """There is none."""

    def copy(self, _text: str) -> bool:
        """There is no clipboard."""
        return False

    def health(self, _hotkey: str, *, tray_runs: bool = False) -> list[Health]:
        """One line says it all."""
        found = self._reason() + (", though a tray runs in another." if tray_runs else ".")
        hint = "'hangshot dump PID' works all the same; for the rest start Hangshot on your desktop."
        return [Health("display", ok=False, found=found, hint=hint)]

    def close(self) -> None:
        """Nothing to give back."""

    def _unsupported(self, so: str) -> Unsupported:
        return Unsupported(f"{self._reason()}, so {so}.", hint="Name the process instead: hangshot dump PID.")

    def _reason(self) -> str:
        display = os.environ.get("DISPLAY")
        return (
            f"The display {display} does not let us in, or does not answer"
            if display
            else "This session has no screen"
        )
