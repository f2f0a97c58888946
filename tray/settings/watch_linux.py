"""Changes in the folder of the settings, told by inotify."""

from __future__ import annotations

import logging
import os
import select
from pathlib import Path

from tray.ffi import inotify as ffi
from tray.ffi.inotify import Inotify

log = logging.getLogger(__name__)

DONE = ffi.IN_CLOSE_WRITE | ffi.IN_MOVED_TO | ffi.IN_MOVED_FROM | ffi.IN_DELETE | ffi.IN_CREATE


class Folders:
    """The folder of a file, and that of what it links to (`tray.settings.watch.Events`)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inotify = Inotify()
        self._asleep, self._wake = os.pipe()
        self._add()

    def wait(self, seconds: float | None) -> bool:
        """As the protocol says."""
        ready, _, _ = select.select([self._inotify.fileno(), self._asleep], [], [], seconds)
        if not ready or self._asleep in ready:
            return False
        events = self._inotify.read()
        if self._path.is_symlink() or any(event.mask & ffi.IN_IGNORED for event in events):
            self._add()  # the folder was replaced, or the link leads elsewhere now
            return True
        # A file just made is still empty, and told again when it is closed.
        return any(event.mask != ffi.IN_CREATE for event in events)

    def stop(self) -> None:
        """As the protocol says."""
        os.close(self._wake)

    def close(self) -> None:
        """As the protocol says."""
        self._inotify.close()
        os.close(self._asleep)

    def _add(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            for folder in {self._path.parent, Path(os.path.realpath(self._path)).parent}:
                self._inotify.add(folder, DONE | ffi.IN_ONLYDIR)
        except OSError as error:
            log.warning("changed settings will need a restart: %s", error.strerror)
