"""Questions about windows on X11: which is in front, whose it is, what it says of itself."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or sys.platform != "win32":
    from Xlib import X, Xatom, error
    from Xlib.ext.res import LocalClientPIDMask

from tray.errors import NoTarget, Unsupported
from tray.model import Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from Xlib.display import Display
    from Xlib.xobject import drawable

LOST = () if sys.platform == "win32" and not TYPE_CHECKING else (error.ConnectionClosedError, OSError)
"""What python-xlib raises once the server has gone."""

_TITLE = 256
"""Longest title, in 4-byte units."""
_PATIENCE = 1.0
"""Seconds that `Windows.close` waits for a question."""
_SHELL = ("_NET_WM_WINDOW_TYPE_DESKTOP", "_NET_WM_WINDOW_TYPE_DOCK")
_TUNNELS = {"ssh", "dbclient", "x2goagent"}
"""Programs that show other computers' windows here, so that the server takes them for the client."""


class Gone(Exception):
    """The window was closed while it was asked about."""


class Windows:
    """Asks the X server about windows, over a connection of its own.

    Every method may be called from any thread, and none waits for the program
    behind a window: the server alone answers, so a stopped program is no
    different from a live one.

    Every method raises `Unsupported` once the server has gone, and those that
    take a window raise `Gone` when it is there no more.
    """

    def __init__(self, display: Display) -> None:
        display.set_error_handler(ignore)
        self._display = display
        self._root = display.screen().root
        self._lock = threading.RLock()
        self._closed = False
        self._trusted = self._shares_our_pids()

    @property
    def trusted(self) -> bool:
        """Whether the server's word on a window's pid is good: see `_shares_our_pids`."""
        return self._trusted

    def active(self) -> int:
        """The window that gets the keys, 0 for none."""
        with self._asking():
            if not self._manager():
                return self._focused()
            return self._number(self._root, "_NET_ACTIVE_WINDOW")

    def app(self, window: int) -> Window | None:
        """What an app's window is; None for our own windows, panels and the desktop itself.

        Raises:
            NoTarget: Its process is on another computer, or cannot be told.
        """
        with self._asking():
            if self._is_shell(window):
                return None
            pid = self._pid(window)
            return None if pid == os.getpid() else Window(pid, self._title(window))

    def stacking(self) -> list[int]:
        """All apps' windows, the topmost first."""
        with self._asking():
            if self._manager():
                return self._numbers(self._root, "_NET_CLIENT_LIST_STACKING")[::-1]
            return [self._client(child.id) for child in self._root.query_tree().children[::-1]]

    def hidden(self, window: int) -> bool:
        """Whether it is minimised."""
        with self._asking():
            state = self._numbers(self._window(window), "_NET_WM_STATE")
            return self._atom("_NET_WM_STATE_HIDDEN") in state

    def panels(self) -> list[int]:
        """All panels' windows."""
        with self._asking():
            return [
                window for window in self._numbers(self._root, "_NET_CLIENT_LIST") if self._is_panel(window)
            ]

    def pingable(self, pid: int) -> int | None:
        """The topmost window of a process that promises to answer pings, None if it has none."""
        promise = self._atom("_NET_WM_PING")
        with self._asking():
            windows = self.stacking()
            pids = self._local_pids(windows)
            for window in windows:
                with contextlib.suppress(Gone, NoTarget), self._asking():
                    owner = pids.get(window) or self._pid(window)
                    if owner == pid and promise in self._numbers(self._window(window), "WM_PROTOCOLS"):
                        return window
        return None

    def manager(self) -> str | None:
        """Name of the window manager, None if none runs."""
        with self._asking():
            manager = self._manager()
            return self._title(manager) or "a window manager without a name" if manager else None

    def close(self) -> None:
        """Close the connection, unless somebody waits there for a server that hangs; callable twice."""
        if not self._lock.acquire(timeout=_PATIENCE):
            return
        try:
            if not self._closed:
                self._closed = True
                self._display.close()
        except LOST:
            pass
        finally:
            self._lock.release()

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """Hold the connection, and say in our words what went wrong on it."""
        with self._lock:
            try:
                yield
            except (error.BadWindow, error.BadDrawable, error.BadMatch) as vanished:
                raise Gone from vanished
            except LOST as lost:
                raise Unsupported(
                    "The connection to the X display is lost.", hint="Start Hangshot again."
                ) from lost

    def _window(self, window: int) -> drawable.Window:
        return self._display.create_resource_object("window", window)

    def _atom(self, name: str) -> int:
        with self._lock:
            return self._display.get_atom(name)

    def _numbers(self, window: drawable.Window, name: str) -> list[int]:
        """A property that is a list of windows, atoms or numbers; empty where it is not set."""
        found = window.get_full_property(self._atom(name), X.AnyPropertyType)
        return list(found.value) if found and found.format == 32 else []  # noqa: PLR2004  # bits

    def _number(self, window: drawable.Window, name: str) -> int:
        return next(iter(self._numbers(window, name)), 0)

    def _text(self, window: int, atom: int) -> str:
        found = self._window(window).get_property(atom, X.AnyPropertyType, 0, _TITLE)
        if not found or not isinstance(found.value, bytes):
            return ""
        plain = "latin-1" if found.property_type == Xatom.STRING else "utf-8"
        return "".join(sign for sign in found.value.decode(plain, "replace") if sign.isprintable())

    def _title(self, window: int) -> str:
        return self._text(window, self._atom("_NET_WM_NAME")) or self._text(window, Xatom.WM_NAME)

    def _manager(self) -> int:
        """The window manager's own window; 0 if none runs, even if one left its traces."""
        claimed = self._number(self._root, "_NET_SUPPORTING_WM_CHECK")
        with contextlib.suppress(error.BadWindow):
            if claimed and self._number(self._window(claimed), "_NET_SUPPORTING_WM_CHECK") == claimed:
                return claimed
        return 0

    def _focused(self) -> int:
        """Without a window manager: the app's window that gets the keys, 0 for none."""
        focus: Any = self._display.get_input_focus().focus
        if focus in (X.NONE, X.PointerRoot):
            focus = self._root.query_pointer().child if focus == X.PointerRoot else X.NONE
        while focus and focus != self._root:
            parent = focus.query_tree().parent
            if parent == self._root:
                return self._client(focus.id)
            focus = parent
        return 0

    def _client(self, frame: int) -> int:
        """The app's window inside a frame that an old window manager drew, else the window itself."""
        state = self._atom("WM_STATE")
        level = [self._window(frame)]
        while level:
            for window in level:
                if window.get_property(state, X.AnyPropertyType, 0, 0):
                    return int(window.id)
            level = [child for window in level for child in window.query_tree().children]
        return frame

    def _types(self, window: int) -> list[int]:
        return self._numbers(self._window(window), "_NET_WM_WINDOW_TYPE")

    def _is_shell(self, window: int) -> bool:
        types = self._types(window)
        return any(self._atom(name) in types for name in _SHELL)

    def _is_panel(self, window: int) -> bool:
        try:
            return self._atom("_NET_WM_WINDOW_TYPE_DOCK") in self._types(window)
        except error.BadWindow:
            return False

    def _pid(self, window: int) -> int:
        """Process that owns a window, in our own pid namespace."""
        machine = self._text(window, Xatom.WM_CLIENT_MACHINE)
        foreign = bool(machine) and not _is_here(machine)
        local = self._local_pids([window]).get(window)
        if local and not (foreign and _name(local) in _TUNNELS):
            return local
        if foreign:
            raise NoTarget(
                f"The window in front belongs to a program on {machine}, not on this computer.",
                hint=f"Run 'hangshot dump' on {machine}.",
            )
        claimed = self._number(self._window(window), "_NET_WM_PID")
        if claimed and machine:
            return claimed
        raise NoTarget(
            "The window in front does not tell which process it belongs to.",
            hint="Find its pid and run 'hangshot dump PID'.",
        )

    def _local_pids(self, windows: Sequence[int]) -> dict[int, int]:
        """The pids that the server saw when the windows' programs connected to it.

        A program can claim any pid in ``_NET_WM_PID``, and inside a container it
        claims one that means another process out here. The server asked the
        kernel.

        Source: X Resource Extension 1.2, ``XResQueryClientIds``.
        """
        if not self._trusted:
            return {}
        mask = ~self._display.display.info.resource_id_mask
        pids = self._client_pids([window & mask for window in windows])
        return {window: pids[window & mask] for window in windows if window & mask in pids}

    def _client_pids(self, clients: Sequence[int]) -> dict[int, int]:
        answer = self._display.res_query_client_ids([(client, LocalClientPIDMask) for client in set(clients)])
        return {found.spec.client: found.value[0] for found in answer.ids if found.value}

    def _shares_our_pids(self) -> bool:
        """Whether the server, asked for our own pid, says what we say.

        It does not when we came over ssh or the network, or from another pid
        namespace; then its pids mean other processes here.
        """
        if not self._display.has_extension("X-Resource"):
            return False
        ours = self._display.display.info.resource_id_base
        try:
            return self._client_pids([ours]).get(ours) == os.getpid()
        except error.XError:  # a server from before version 1.2 of the extension
            return False


def _is_here(machine: str) -> bool:
    """Whether WM_CLIENT_MACHINE means this computer; either name may lack its domain."""
    here = socket.gethostname()
    if machine in {here, "localhost"}:
        return True
    return machine.partition(".")[0] == here.partition(".")[0] and ("." in machine) != ("." in here)


def _name(pid: int) -> str:
    """Short name of a process, empty if it has gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except OSError:
        return ""


def ignore(*_: object) -> None:
    """Say nothing of errors that come without a reply: a window may close at any time."""
