"""Which app is meant by the window in front. Decisions only: Windows answers through `Screen`."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from tray.errors import NoTarget
from tray.model import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

GHOST = "Ghost"
"""What Windows puts in the place of a window that stopped answering; it belongs to dwm.exe."""
FRAME = "ApplicationFrameWindow"
"""The frame around a packaged app; it belongs to ApplicationFrameHost.exe."""
CORE = "Windows.UI.Core.CoreWindow"
"""The app in such a frame. Without a frame it is the start menu, the search, the lock screen."""
SHELL = frozenset(
    {
        "#32769",  # the desktop itself
        "Progman",
        "WorkerW",
        "Shell_TrayWnd",
        "Shell_SecondaryTrayWnd",
        "NotifyIconOverflowWindow",
        "TopLevelWindowForOverflowTray",
        "XamlExplorerHostIslandWindow",
        "MultitaskingViewFrame",
        "ForegroundStaging",
        CORE,
    }
)
"""Classes of the shell's own windows. Its folder windows are not among them: those are an app."""

TRIES, PAUSE = 3, 0.02
"""While the focus moves from one window to the next, for a moment none is in front."""
KEPT = 8
"""How many windows that were in front are remembered."""


class Screen(Protocol):
    """What Windows tells about windows; a window is a number, and 0 is none. Nothing here blocks."""

    def active(self) -> int:
        """The window in front."""

    def kind(self, window: int) -> str:
        """Name of its class."""

    def title(self, window: int) -> str:
        """Its title, without asking its thread."""

    def owner(self, window: int) -> tuple[int, int]:
        """Its process and thread; zeros if it is gone."""

    def root(self, window: int) -> int:
        """The window that a dialog belongs to in the end; itself if to none."""

    def frozen_behind(self, ghost: int) -> int:
        """The window that a ghost stands for, where Windows tells."""

    def parts(self, window: int) -> Iterable[int]:
        """The windows in it, at any depth."""

    def stacked(self) -> Iterable[int]:
        """All top-level windows, the frontmost first."""

    def seen(self, window: int) -> bool:
        """Whether it is shown, on this virtual desktop."""

    def frozen(self, window: int) -> bool:
        """Whether Windows itself takes it for not responding."""

    def answers(self, window: int, patience: float) -> bool | None:
        """Whether its thread takes a message within so many seconds; None if it cannot be told."""


class Front:
    """Tells the app in front, and remembers those that were."""

    def __init__(self, screen: Screen, own: int) -> None:
        self._screen = screen
        self._own = own
        self._recent: deque[int] = deque(maxlen=KEPT)

    def now(self) -> Window:
        """The app in front, or the last one that was, if we or the shell are in front.

        Raises:
            NoTarget: There is none, or its process cannot be told.
        """
        app = self.app(self._active())
        if app is not None:
            return app
        for window in (*self._recent, *self._shown()):
            if app := self._app_if_told(window):
                return app
        raise NoTarget("No app's window is in front.", hint="Bring the app to the front first.")

    def came(self, window: int) -> Window | None:
        """Note that a window came to the front; the app, if it is one."""
        app = self._app_if_told(window)
        if app is not None:
            if window in self._recent:
                self._recent.remove(window)
            self._recent.appendleft(window)
        return app

    def app(self, window: int) -> Window | None:
        """The app that a window stands for; None if it is gone, ours or the shell's.

        Raises:
            NoTarget: It stands for an app whose process cannot be told.
        """
        kind = self._screen.kind(window) if window else ""
        if not kind or kind in SHELL:
            return None
        if kind == GHOST:
            return self._described(self._haunting(window))
        root = self._screen.root(window) or window
        if self._screen.kind(root) == FRAME:
            return self._described(self._framed(root), named=root)
        return self._described(root)

    def hung(self, window: Window, patience: float) -> bool | None:
        """Whether the app's topmost window leaves a message unanswered; None if it has none."""
        mine = []
        for shown in self._screen.stacked():
            if self._screen.kind(shown) == GHOST:
                if self._screen.owner(self._screen.frozen_behind(shown))[0] == window.pid:
                    return True
            elif self._screen.owner(shown)[0] == window.pid and self._screen.seen(shown):
                mine.append(shown)
        if not mine:
            return None
        asked = next((one for one in mine if self._screen.owner(one)[1] == window.thread), mine[0])
        if self._screen.frozen(asked):
            return True
        answers = self._screen.answers(asked, patience)
        return None if answers is None else not answers

    def _active(self) -> int:
        for _ in range(TRIES):
            if window := self._screen.active():
                return window
            time.sleep(PAUSE)
        return 0

    def _shown(self) -> Iterator[int]:
        return (window for window in self._screen.stacked() if self._screen.seen(window))

    def _app_if_told(self, window: int) -> Window | None:
        try:
            return self.app(window)
        except NoTarget:
            return None

    def _described(self, window: int, *, named: int = 0) -> Window | None:
        """The window's process, under the title of the frame around it, if it has one."""
        pid, thread = self._screen.owner(window)
        if pid in {0, self._own}:
            return None
        return Window(pid, self._screen.title(named or window), thread=thread)

    def _haunting(self, ghost: int) -> int:
        """The window that a ghost stands for, never the ghost: dumping dwm.exe helps nobody.

        Where Windows does not tell, the frozen window whose title the ghost repeats:
        it adds "(Not Responding)" in the user's language.
        """
        if behind := self._screen.frozen_behind(ghost):
            return behind
        wanted = self._screen.title(ghost)
        alike = [
            (title, window)
            for window in self._screen.stacked()
            if self._screen.kind(window) != GHOST
            and self._screen.frozen(window)
            and (title := self._screen.title(window))
            and wanted.startswith(title)
        ]
        if not alike:
            raise NoTarget(
                "Windows does not tell which app the frozen window belongs to.",
                hint="Choose the app from the menu, under 'Recent apps'.",
            )
        return max(alike, key=lambda pair: len(pair[0]))[1]

    def _framed(self, frame: int) -> int:
        """The app in a frame: a part of another process."""
        host = self._screen.owner(frame)[0]
        for part in self._screen.parts(frame):
            if self._screen.kind(part) == CORE and self._screen.owner(part)[0] not in {0, host}:
                return part
        raise NoTarget(
            "Windows does not tell which app is in the window in front.",
            hint="Choose it from the menu, under 'Recent apps', or name it: hangshot dump PID.",
        )
