"""What the menu's rows do. They are clicked on the desktop's threads and act on the loop's.

What opens a window or fills the clipboard acts on a thread of its own: the file manager may be the
very app that hangs, or whose clipboard it is, and whoever presses the key meanwhile does not wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray.app import help as help_page
from tray.model import Target, Trigger
from tray.settings import edit
from tray.shot import toasts

if TYPE_CHECKING:
    from pathlib import Path

    from tray.app.tray import App
    from tray.desktop import Desktop


class Rows:
    """The acts of one tray (`tray.app.menu.Acts`)."""

    def __init__(self, app: App, desktop: Desktop) -> None:
        self._app, self._desktop = app, desktop
        self._post, self._apart = app.loop.post, app.loop.apart

    def dump(self, target: Target) -> None:
        """Dump this process."""
        self._post(lambda: self._app.fire(target, Trigger.MENU))

    def cancel(self) -> None:
        """Stop the dump that runs."""
        self._post(self._app.shot.cancel)

    def choose(self, mode: str) -> None:
        """Use this mode from now on: write it into the settings, and read them."""
        self._post(lambda: self._choose(mode))

    def _choose(self, mode: str) -> None:
        edit.change(self._app.places.settings, "mode", mode)
        self._app.reload()

    def report(self, path: Path) -> None:
        """Show what a dump tells, as a page in the browser."""
        self._app.report(path)

    def reveal(self, path: Path) -> None:
        """Show a dump in its folder."""
        self._apart(lambda: self._desktop.reveal(path))

    def copy(self, path: Path) -> None:
        """Copy a dump's path."""
        self._apart(lambda: toasts.copy(path, self._desktop))

    def open_folder(self) -> None:
        """Open the dump folder; make it first, so that there is one to open."""
        self._apart(self._open_folder)

    def _open_folder(self) -> None:
        folder = self._app.settings.folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._desktop.open(folder)

    def toggle_login(self) -> None:
        """Start at login, or no longer."""
        self._post(self._toggle_login)

    def _toggle_login(self) -> None:
        self._desktop.start_at_login(wanted=not self._desktop.starts_at_login())
        self._app.look()

    def toggle_pause(self) -> None:
        """Pause the hotkey, or take it again."""
        self._post(self._toggle_pause)

    def _toggle_pause(self) -> None:
        keys = self._app.keys
        keys.pause(wanted=not keys.paused)
        if keys.trouble:
            self._app.say(self._app.about_settings(keys.trouble))
        self._app.show()

    def edit(self) -> None:
        """Open the settings file; make it first."""
        self._apart(self._edit)

    def _edit(self) -> None:
        edit.create(self._app.places.settings)
        self._desktop.open(self._app.places.settings)

    def help(self) -> None:
        """Open the help page, when the doctor has told what works here."""
        self._apart(self._help)

    def _help(self) -> None:
        app = self._app
        path = app.places.state / "help.txt"
        help_page.write(
            path,
            help_page.Facts(app.keys.label, app.settings.folder, app.places.settings, app.places.log),
        )
        self._desktop.open(path)

    def quit(self) -> None:
        """End the tray."""
        self._post(self._app.end)
