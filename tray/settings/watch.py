"""Tells when the settings file has changed, by the system's events and without polling."""

from __future__ import annotations

import sys
import threading

from tray.lean import TYPE_CHECKING, Protocol, logger
from tray.settings.content import content

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logger(__name__)

QUIET = 0.05
"""Seconds without an event after which an editor is taken to be done.

Some truncate and write, some write beside and rename twice.
"""
PATIENCE = 5.0
"""Seconds that `Watch.close` waits: the thread may look at a file whose disk does not answer."""
_LONGEST = 20
"""Events after which we look all the same: a link may lead to a folder where something always changes."""


class Events(Protocol):
    """What a system tells about the folders that matter; made on one thread, waited for on another."""

    def wait(self, seconds: float | None) -> bool:
        """Whether something changed within so many seconds; False at once after `stop`."""

    def stop(self) -> None:
        """End the wait, from any thread."""

    def close(self) -> None:
        """Give everything back, when nobody waits any more."""


class Watch:
    """Calls ``changed`` after the content of ``path`` has changed, on a thread of its own.

    The folder is watched, not the file, since most editors put a new file in its
    place; it is made if need be. If the file is a link, so is the folder it leads to.
    Where nothing can be watched (no inotify left), the log says so and ``changed``
    is never called.
    """

    def __init__(self, path: Path, changed: Callable[[], None]) -> None:
        self._path = path
        self._changed = changed
        self._content = _content(path)
        self._thread: threading.Thread | None = None
        self._open = True
        self._events = _events(path)  # from here on no change is missed
        if self._events is not None:
            self._thread = threading.Thread(
                target=self._run, args=(self._events,), name="settings", daemon=True
            )
            self._thread.start()

    def close(self) -> None:
        """End the watch; callable twice, and from ``changed`` itself."""
        if not self._open:
            return
        self._open = False
        if self._events is not None:
            self._events.stop()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(PATIENCE)

    def _run(self, events: Events) -> None:
        """Wait for events until we are closed."""
        while self._open:
            if events.wait(None):
                for _ in range(_LONGEST):
                    if not events.wait(QUIET):
                        break
                self._look()
        events.close()

    def _look(self) -> None:
        """Tell of the change, if the content is another; a mere touch is none."""
        found = _content(self._path)
        if found != self._content:
            self._content = found
            self._changed()


def _events(path: Path) -> Events | None:
    """What this system tells of changes; None where it tells nothing."""
    try:
        if sys.platform == "win32":
            from tray.settings import watch_windows

            return watch_windows.Folders(path)
        from tray.settings import watch_linux

        return watch_linux.Folders(path)
    except OSError as error:
        log.warning("changed settings will need a restart: %s", error.strerror)
        return None


def _content(path: Path) -> bytes | None:
    """What the file holds; None if there is none to read."""
    try:
        return content(path)
    except OSError:
        return None
