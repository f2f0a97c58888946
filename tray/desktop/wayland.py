"""Wayland: what a compositor lets a program know, and what to do where that is nothing."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import socket
import subprocess
import threading
from typing import TYPE_CHECKING

from tray.desktop import Health, hotkey, x11
from tray.desktop.wayland_ipc import PATIENCE, Hyprland, Sway, compositor
from tray.desktop.x11_windows import Gone
from tray.errors import BadHotkey, NoTarget, TrayError, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray.model import Window

_log = logging.getLogger(__name__)

COMMAND = "hangshot dump --foreground"
_PROCESS = "Name the process instead: hangshot dump PID."


def connect() -> Wayland | None:
    """The Wayland session that we are in, None if it is of another kind."""
    if os.environ.get("WAYLAND_DISPLAY") or os.environ.get("XDG_SESSION_TYPE") == "wayland":
        return Wayland(compositor())
    return None


def desktop_name() -> str:
    """What the user knows this session by: ``sway``, ``GNOME``, else ``Wayland``."""
    if own := compositor():
        return own.name
    said = os.environ.get("XDG_CURRENT_DESKTOP", "").upper().split(":")
    return next((name for name in ("GNOME", "KDE") if name in said), "Wayland")


def recipe(text: str = "ctrl+alt+shift+d") -> str:
    """How to give the command a shortcut in this desktop's own settings."""
    try:
        wanted = hotkey.parse(text)
    except BadHotkey:
        wanted = hotkey.parse("ctrl+alt+shift+d")
    return {
        "sway": f"Add to ~/.config/sway/config: bindsym {_sway_keys(wanted)} exec {COMMAND}",
        "Hyprland": f"Add to ~/.config/hypr/hyprland.conf: bind = {_hyprland_keys(wanted)}, exec, {COMMAND}",
        "GNOME": "In Settings > Keyboard > View and Customize Shortcuts > Custom Shortcuts, add"
        f" {wanted.label} with the command: {COMMAND}",
        "KDE": "In System Settings > Shortcuts > Add New > Command or Script, add"
        f" {wanted.label} with the command: {COMMAND}",
    }.get(desktop_name(), f"In your desktop's keyboard settings, give {wanted.label} the command: {COMMAND}")


class Wayland:
    """A Wayland session, for the parts of the `Desktop` port that a window system serves.

    Where the compositor tells nothing, the windows of X11 programs are still
    found through Xwayland. With a compositor that does tell, no connection to
    X11 is made, for it would start an Xwayland that nobody else needs.
    """

    def __init__(self, own: Sway | Hyprland | None) -> None:
        self.name = desktop_name()
        self._compositor = own
        self._x11 = None if own else x11.connect()
        self._last: Window | None = None
        self._following: list[tuple[socket.socket, threading.Thread]] = []

    def foreground(self) -> Window:
        """The app in front now.

        Raises:
            NoTarget: There is none, or the compositor gives no answer.
            Unsupported: The compositor does not tell.
        """
        window = self._in_front()
        if window is None or window.pid == os.getpid():
            raise NoTarget("No app's window is in front.", hint="Bring the app to the front first.")
        return window

    def hung(self, window: Window, patience: float = 0.25) -> bool | None:
        """Whether an X11 program answers; of the others only the compositor knows."""
        return self._x11.hung(window, patience) if self._x11 else None

    def watch(self, seen: Callable[[Window], None]) -> None:
        """Call ``seen`` with the app in front now and after each change, if the compositor tells."""
        if self._compositor is None:
            if self._x11:
                self._x11.watch(seen)
            return
        try:
            connection = self._compositor.listen()
        except OSError as why:
            _log.warning("%s does not tell which window has the focus: %s", self.name, why)
            return
        thread = threading.Thread(target=self._follow, args=(connection, seen), name="wayland", daemon=True)
        self._following.append((connection, thread))
        thread.start()

    def approaching(self, near: Callable[[], None]) -> None:
        """Nothing: no program is told of the pointer over another one's surface."""

    def bind(self, hotkey_text: str, pressed: Callable[[], None]) -> None:  # noqa: ARG002  # the port's
        """Always raise, with how to bind the command in the desktop's own settings.

        Raises:
            BadHotkey: It is no combination at all.
            Unsupported: Always, otherwise.
        """
        hotkey.parse(hotkey_text)
        raise Unsupported(f"{self.name} gives no program a global hotkey.", hint=recipe(hotkey_text))

    def unbind(self) -> None:
        """Nothing: there is no hotkey."""

    def copy(self, text: str) -> bool:
        """Put text on the clipboard, by wl-copy or through Xwayland."""
        if tool := shutil.which("wl-copy"):
            quiet = subprocess.DEVNULL
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                subprocess.run(
                    [tool], input=text.encode(), stdout=quiet, stderr=quiet, timeout=PATIENCE, check=True
                )
                return True
        return self._x11.copy(text) if self._x11 else False

    def health(self, hotkey_text: str, *, tray_runs: bool = False) -> list[Health]:  # noqa: ARG002  # as X11's
        """The state of display, foreground and hotkey."""
        return [
            Health("display", ok=True, found=f"Wayland, {self.name}."),
            self._foreground_health(),
            Health(
                "hotkey",
                ok=False,
                found=f"{self.name} gives no program a global hotkey.",
                hint=recipe(hotkey_text),
            ),
        ]

    def close(self) -> None:
        """End the thread; callable twice."""
        for connection, thread in self._following:
            with contextlib.suppress(OSError):  # it has ended already
                connection.shutdown(socket.SHUT_RDWR)
            if thread is not threading.current_thread():
                thread.join(PATIENCE)
        if self._x11:
            self._x11.close()

    def _in_front(self) -> Window | None:
        if self._compositor is None:
            return self._x11_window()
        try:
            return self._compositor.focused()
        except OSError as why:
            raise NoTarget(f"{self.name} gives no answer: {why}.", hint=_PROCESS) from why

    def _x11_window(self) -> Window:
        """The X11 program in front.

        Never the last one that was: if the focus is not with X11, it is with a
        Wayland program, and that one is meant.
        """
        with contextlib.suppress(Gone):
            if self._x11 and (window := self._x11.active()):
                return window
        raise Unsupported(f"{self.name} does not tell which window is in front.", hint=_PROCESS)

    def _follow(self, connection: socket.socket, seen: Callable[[Window], None]) -> None:
        """Tell of each change until the connection ends."""
        assert self._compositor  # noqa: S101  # else nobody calls this
        with connection:
            self._note(seen)
            for _ in self._compositor.changes(connection):
                self._note(seen)

    def _note(self, seen: Callable[[Window], None]) -> None:
        """Tell which app is in front, if it is another one."""
        with contextlib.suppress(TrayError):
            window = self._in_front()
            if window is None or window == self._last or window.pid == os.getpid():
                return
            self._last = window
            try:
                seen(window)
            except Exception:  # noqa: BLE001  # it is logged, and must not end our thread
                _log.exception("A callback of the Wayland desktop failed")

    def _foreground_health(self) -> Health:
        try:
            self._in_front()
        except TrayError as why:
            hint = (
                why.hint if self._compositor else f"X11 programs are seen when they are in front. {_PROCESS}"
            )
            return Health("foreground app", ok=False, found=str(why), hint=hint)
        return Health("foreground app", ok=True, found=f"{self.name} tells which one it is.")


def _sway_keys(wanted: hotkey.Hotkey) -> str:
    names = {"ctrl": "Ctrl", "alt": "Mod1", "shift": "Shift", "windows": "Mod4"}
    return "+".join(
        [*(names[name] for name in hotkey.MODIFIERS if name in wanted.modifiers), _keysym(wanted.key)]
    )


def _hyprland_keys(wanted: hotkey.Hotkey) -> str:
    names = {"ctrl": "CTRL", "alt": "ALT", "shift": "SHIFT", "windows": "SUPER"}
    held = " ".join(names[name] for name in hotkey.MODIFIERS if name in wanted.modifiers)
    return f"{held}, {_keysym(wanted.key)}"


def _keysym(key: str) -> str:
    """What xkbcommon calls a key."""
    return hotkey.KEYS.get(key) or (key if key.isascii() and key.isalnum() else f"U{ord(key):04X}")
