"""Tells when the settings file has changed, by the system's events and without polling."""

from __future__ import annotations

import logging
import os
import select
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray.ffi.inotify import Inotify

log = logging.getLogger(__name__)

QUIET = 0.05
"""Seconds without an event after which an editor is taken to be done.

Some truncate and write, some write beside and rename twice.
"""


class Watch:
    """Calls ``changed`` after the content of ``path`` has changed, on a thread of its own.

    The folder is watched, not the file, since most editors put a new file in its
    place; it is made if need be. If the file is a link, so is the folder it leads to.
    Where nothing can be watched (no inotify left, another system), the log says so and
    ``changed`` is never called.
    """

    def __init__(self, path: Path, changed: Callable[[], None]) -> None:
        self._path = path
        self._changed = changed
        self._content = _content(path)
        self._thread: threading.Thread | None = None
        self._asleep, self._wake = os.pipe()
        self._open = True
        if sys.platform == "linux":
            self._start()

    def close(self) -> None:
        """End the watch; callable twice, and from ``changed`` itself."""
        if not self._open:
            return
        self._open = False
        os.close(self._wake)
        if self._thread is None:
            os.close(self._asleep)
        elif self._thread is not threading.current_thread():
            self._thread.join()

    def _start(self) -> None:
        """Start watching; from here on no change is missed."""
        from tray.ffi.inotify import Inotify

        try:
            inotify = Inotify()
        except OSError as error:
            log.warning("changed settings will need a restart: %s", error.strerror)
            return
        self._add(inotify)
        self._thread = threading.Thread(target=self._run, args=(inotify,), name="settings", daemon=True)
        self._thread.start()

    def _add(self, inotify: Inotify) -> None:
        """Watch the folder of the file, and of what it links to."""
        from tray.ffi import inotify as ffi

        done = ffi.IN_CLOSE_WRITE | ffi.IN_MOVED_TO | ffi.IN_MOVED_FROM | ffi.IN_DELETE | ffi.IN_CREATE
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            for folder in {self._path.parent, Path(os.path.realpath(self._path)).parent}:
                inotify.add(folder, done | ffi.IN_ONLYDIR)
        except OSError as error:
            log.warning("changed settings will need a restart: %s", error.strerror)

    def _run(self, inotify: Inotify) -> None:
        """Wait for events until the pipe is closed."""
        with inotify:
            while self._open:
                if self._waited(inotify, None):
                    while self._waited(inotify, QUIET):
                        pass
                    self._look()
        os.close(self._asleep)

    def _waited(self, inotify: Inotify, seconds: float | None) -> bool:
        """Whether an event came within so many seconds, and nobody closed us."""
        from tray.ffi import inotify as ffi

        ready, _, _ = select.select([inotify.fileno(), self._asleep], [], [], seconds)
        if not ready or self._asleep in ready:
            return False
        events = inotify.read()
        if self._path.is_symlink() or any(event.mask & ffi.IN_IGNORED for event in events):
            self._add(inotify)  # the folder was replaced, or the link leads elsewhere now
            return True
        # A file just made is still empty, and told again when it is closed.
        return any(event.mask != ffi.IN_CREATE for event in events)

    def _look(self) -> None:
        """Tell of the change, if the content is another; a mere touch is none."""
        content = _content(self._path)
        if content != self._content:
            self._content = content
            self._changed()


def _content(path: Path) -> bytes | None:
    """What the file holds; None if there is none to read."""
    try:
        return path.read_bytes()
    except OSError:
        return None
