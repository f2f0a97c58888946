"""The desktop of Windows. Each part starts when it is first needed."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING

from tray.desktop import Health, windows_registry, windows_shell
from tray.desktop.errands import Errands
from tray.desktop.windows_front import Front
from tray.desktop.windows_hotkeys import Hotkeys
from tray.desktop.windows_icon import WindowsIcon
from tray.desktop.windows_instance import Instance
from tray.desktop.windows_pump import Pump
from tray.desktop.windows_screen import WindowsScreen
from tray.desktop.windows_session import Session, Watch
from tray.desktop.windows_toasts import Toasts
from tray.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tray.desktop import Look, Toast
    from tray.desktop.menu import Items
    from tray.model import Window

log = logging.getLogger(__name__)


class WindowsDesktop:
    """The `Desktop` port on Windows."""

    name = "Windows"

    def __init__(self) -> None:
        self._errands = Errands()
        self._front = Front(WindowsScreen(), os.getpid())
        self._icon = WindowsIcon(self._errands, self._approached)
        self._toasts = Toasts(self._errands, lambda: self._icon if self._icon.shown else None)
        self._instance = Instance(self._errands)
        self._starting = threading.Lock()
        self._pump: Pump | None = None
        self._hotkeys: Hotkeys | None = None
        self._session: Session | None = None
        self._watch: Watch | None = None
        self._near: list[Callable[[], None]] = []
        self._ending: Callable[[], None] | None = None
        self._closed = False

    def foreground(self) -> Window:
        """As the port says."""
        return self._front.now()

    def hung(self, window: Window, patience: float = 0.25) -> bool | None:
        """As the port says."""
        return self._front.hung(window, patience)

    def watch(self, seen: Callable[[Window], None]) -> None:
        """As the port says."""
        pump = self._pumping()
        self._watch = self._watch or Watch(pump, self._front)
        self._watch.follow(seen)

    def approaching(self, near: Callable[[], None]) -> None:
        """As the port says: the pointer comes over our icon."""
        self._near.append(near)

    def bind(self, hotkey: str, pressed: Callable[[], None]) -> None:
        """As the port says. What another program has taken is heard by the keyboard hook."""
        self._keys().bind(hotkey, pressed)

    def unbind(self) -> None:
        """As the port says."""
        if self._hotkeys is not None:
            self._hotkeys.unbind()

    def show_icon(self, menu: Items, tooltip: str, clicked: Callable[[], None]) -> bool:
        """As the port says."""
        if clicked not in self._near:
            self._near.append(clicked)
        return self._icon.show(menu, self._with_engine(tooltip))

    def update_icon(self, look: Look, tooltip: str, menu: Items | None = None) -> None:
        """As the port says."""
        self._icon.update(look, self._with_engine(tooltip), menu)

    def toast(self, toast: Toast) -> bool:
        """As the port says."""
        return self._toasts.toast(toast)

    def dismiss(self, topic: str) -> None:
        """As the port says."""
        self._toasts.dismiss(topic)

    def reveal(self, path: Path) -> None:
        """As the port says."""
        windows_shell.reveal(path)

    def open(self, path: Path) -> None:
        """As the port says."""
        windows_shell.open_path(path)

    def copy(self, text: str) -> bool:
        """As the port says."""
        return windows_shell.copy(text)

    def starts_at_login(self) -> bool:
        """As the port says."""
        return windows_registry.starts_at_login()

    def start_at_login(self, *, wanted: bool) -> None:
        """As the port says."""
        windows_registry.start_at_login(wanted=wanted)

    def claim(self, greeted: Callable[[], None], asked: Callable[[str], str]) -> bool:
        """As the port says."""
        return self._instance.claim(greeted, asked)

    def ask(self, request: str) -> str | None:
        """As the port says."""
        return self._instance.ask(request)

    def ending(self, ending: Callable[[], None]) -> None:
        """As the port says. Windows waits for `close`, or ends us after a few seconds."""
        self._ending = ending
        self._pumping()

    def health(self, hotkey: str) -> list[Health]:
        """As the port says."""
        from tray.desktop import windows_checkup

        try:
            keys = self._keys().health(hotkey, tray_runs=self._instance.runs())
        except Unsupported as lost:
            keys = Health("hotkey", ok=False, found=str(lost), hint=lost.hint)
        return [windows_checkup.display(), keys, *windows_checkup.session()]

    def close(self) -> None:
        """As the port says."""
        self._toasts.close()
        self._icon.close()
        self._instance.close()
        with self._starting:
            self._closed = True
            pump, self._pump = self._pump, None
        if self._session is not None:
            self._session.ended.set()
        if pump is not None:
            self._stop(pump)
        self._errands.close()

    def _stop(self, pump: Pump) -> None:
        try:
            if self._hotkeys is not None:
                self._hotkeys.unbind()
            if self._watch is not None:
                self._watch.close()
            if self._session is not None:
                self._session.close()
        except (Unsupported, OSError) as error:
            log.info("Windows takes back the rest: %s", error)
        pump.close()

    def _keys(self) -> Hotkeys:
        self._pumping()
        if self._hotkeys is None:
            raise Unsupported("Hangshot is being closed.", hint="Start it again.")
        return self._hotkeys

    def _pumping(self) -> Pump:
        """The window that events go to, made when it is first wanted."""
        with self._starting:
            if self._closed:
                raise Unsupported("Hangshot is being closed.", hint="Start it again.")
            if self._pump is None:
                self._pump = Pump()
                self._hotkeys = Hotkeys(self._pump)
                self._session = Session(self._pump, self._hotkeys.forget, self._end)
            return self._pump

    def _end(self) -> None:
        if self._ending is not None:
            self._ending()
        elif self._session is not None:
            self._session.ended.set()

    def _approached(self) -> None:
        for near in self._near:
            near()

    def _with_engine(self, tooltip: str) -> str:
        """The tooltip, with who hears the hotkey where that is not the system alone."""
        bound = self._hotkeys.bound if self._hotkeys else None
        return f"{tooltip}\n{bound.aside}" if bound and bound.aside else tooltip
