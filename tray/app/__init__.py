"""The tray: ``hangshot`` without arguments."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray.desktop import Desktop


def main(_arguments: Sequence[str] = ()) -> int:
    """Run the tray until the user quits it; 0 also if another one runs, which is then greeted.

    Raises:
        Unsupported: There is neither a tray icon nor a hotkey to be had here.
    """
    from tray.app import lean
    from tray.desktop import desktop

    lean.begin()
    here = desktop()
    try:
        return _serve(here)
    finally:
        here.close()


def _serve(here: Desktop) -> int:
    from platformdirs import user_log_path, user_state_path

    from tray import settings
    from tray.app import lean, log
    from tray.app.spare import Spare
    from tray.app.tray import App, Places
    from tray.worker import elevated, explain, page

    log_file = log.begin(user_log_path("hangshot", appauthor=False))
    state = user_state_path("hangshot", appauthor=False)
    spare = Spare()
    app = App(here, Places(settings.path(), state, log_file), spare.take, spare.prepare, explain, page)
    if sys.platform == "win32":
        app.shot.elevate = elevated
    try:
        if not app.start():
            print("Hangshot is running already; it has been asked to show itself.")
            return 0
        lean.settle()
        app.run()
    finally:
        app.close()
        spare.close()
    return 0
