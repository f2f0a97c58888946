"""Person ↔ program: the port, and which back end serves this desktop."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tray.desktop.menu import Items
    from tray.model import Window

Look = Literal["idle", "busy", "paused"]
"""How the icon looks: at rest, while a dump runs, while the hotkey is paused."""


@dataclass(frozen=True, slots=True)
class Health:
    """One line of ``hangshot doctor``.

    Attributes:
        part: What was looked at, as ``hotkey``.
        ok: False where something the user wants does not work.
        found: What was found, one sentence.
        hint: What to do about it; empty if all is well.
    """

    part: str
    ok: bool
    found: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Toast:
    """A notification.

    Attributes:
        title: A few words.
        body: Plain text; markup is escaped by the back end.
        buttons: Label and what a click does; at most three.
        clicked: What a click on the body does, where the desktop can tell.
        topic: A later toast of the same topic replaces this one.
        urgent: Whether it should pass a do-not-disturb setting.
        seconds: How long it stays; None for the desktop's own choice.
        update: Whether it only adds to the one before it: it is not shown if the user has closed that.
    """

    title: str
    body: str
    buttons: tuple[tuple[str, Callable[[], None]], ...] = ()
    clicked: Callable[[], None] | None = None
    topic: str = "dump"
    urgent: bool = False
    seconds: int | None = None
    update: bool = False


class Desktop(Protocol):
    """The person's desktop: what is in front, keys, icon, toasts, files.

    Callbacks come on threads of the back end and must return at once. Every
    method may be called from any thread.
    """

    @property
    def name(self) -> str:
        """As in ``X11`` or ``sway``; shown by ``doctor``."""

    def foreground(self) -> Window:
        """The window in front now, never one of our own; `hung` is not looked at.

        Raises:
            NoTarget: Nothing is in front, or its process cannot be told; the text says which.
            Unsupported: This desktop does not tell.
        """

    def hung(self, window: Window, patience: float = 0.25) -> bool | None:
        """Whether the process's front window leaves a ping unanswered for ``patience`` seconds."""

    def watch(self, seen: Callable[[Window], None]) -> None:
        """Call ``seen`` with the window in front now and after each change, by events only."""

    def approaching(self, near: Callable[[], None]) -> None:
        """Call ``near`` when the pointer comes to a panel, so that a menu can be fresh when it opens."""

    def bind(self, hotkey: str, pressed: Callable[[], None]) -> None:
        """Make ``hotkey`` call ``pressed`` once for each press, held or not, until `unbind`.

        Raises:
            BadHotkey: The text is no combination, or one that this desktop cannot deliver.
            HotkeyTaken: Another program has it.
            Unsupported: This desktop gives no program a global hotkey; the hint says what works.
        """

    def unbind(self) -> None:
        """Give the hotkey back, if there is one."""

    def show_icon(self, menu: Items, tooltip: str, clicked: Callable[[], None]) -> bool:
        """Show the tray icon with a ``pystray.Menu``; False where no host shows icons.

        ``clicked`` is called when the menu is about to open, where the host tells.
        """

    def update_icon(self, look: Look, tooltip: str, menu: Items | None = None) -> None:
        """Change the icon, its tooltip and, if given, its menu; nothing without an icon."""

    def toast(self, toast: Toast) -> bool:
        """Show a toast; False (and a log line) where nobody shows toasts. An update that is not wanted is True."""

    def dismiss(self, topic: str) -> None:
        """Take the toast of this topic away, if it is still there."""

    def reveal(self, path: Path) -> None:
        """Show the file in a file manager, selected where that can be done."""

    def open(self, path: Path) -> None:
        """Open a file or folder with the user's own program for it."""

    def copy(self, text: str) -> bool:
        """Put text on the clipboard; False where there is none."""

    def starts_at_login(self) -> bool:
        """Whether the system would start us at login, read back from the system itself."""

    def start_at_login(self, *, wanted: bool) -> None:
        """Have the system start us at login, or not."""

    def claim(self, greeted: Callable[[], None], asked: Callable[[str], str]) -> bool:
        """Become the one running tray; False if there is one, which is then greeted.

        Args:
            greeted: Called when a second start greets us.
            asked: Called, on a thread of its own, with a request of ``hangshot dump
                --foreground`` (JSON); gives the answer (JSON), when the dump is done.
        """

    def ask(self, request: str) -> str | None:
        """The running tray's answer to a request, or None when no tray runs."""

    def ending(self, ending: Callable[[], None]) -> None:
        """Call ``ending`` when the session ends, where the system waits for `close` then.

        Where it does not, the process is told by a signal.
        """

    def health(self, hotkey: str) -> list[Health]:
        """What works here and what does not, for ``doctor``; changes nothing."""

    def close(self) -> None:
        """Take everything back: icon, hotkey, toasts in flight, threads. Callable twice."""


def desktop() -> Desktop:
    """The back end for this session; one with little to offer where there is no display."""
    if sys.platform == "win32":
        from tray.desktop.windows import WindowsDesktop

        return WindowsDesktop()
    from tray.desktop.linux import LinuxDesktop

    return LinuxDesktop()
