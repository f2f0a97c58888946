"""Show report: a process of its own makes the page, then the browser opens it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from tray.desktop import Toast
from tray.shot import toasts

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray.desktop import Desktop
    from tray.shot import Event, Explain
    from tray.shot.loop import Loop

log = logging.getLogger(__name__)

TOPIC = "report"
PATIENCE = 1.0
"""Seconds after which a person who has clicked wants to know that something is going on."""


class Pages:
    """Makes pages and shows them; all methods belong to the loop's thread.

    Args:
        desktop: Opens the page.
        loop: Whose thread this lives on.
        say: Shows a toast, or says it in another way.
        make: Has a page made, and tells the event ``page`` or ``error``, on any thread.
    """

    def __init__(self, desktop: Desktop, loop: Loop, say: Callable[[Toast], object], make: Explain) -> None:
        self._desktop, self._loop, self._say, self._make = desktop, loop, say, make
        self._making: dict[Path, int] = {}

    def show(self, path: Path) -> None:
        """Show the report of a dump; a second click while it is made changes nothing."""
        if path in self._making:
            return
        self._making[path] = self._loop.after(PATIENCE, self._still)
        self._make(str(path), lambda event: self._loop.post(lambda: self._made(path, event)))

    def _still(self) -> None:
        self._say(Toast("Reading the dump…", "Its report opens when it is ready.", topic=TOPIC))

    def _made(self, path: Path, event: Event) -> None:
        self._loop.forget(self._making.pop(path))
        self._desktop.dismiss(TOPIC)
        if event["event"] != "page":
            log.info("no report: %s", event.get("message"))
            self._say(toasts.failure(event))
            return
        self._loop.apart(lambda: self._desktop.open(Path(event["page"])))
