"""Changes in the folder of the settings, told by ``ReadDirectoryChangesW``."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from tray.ffi import folders as ffi
from tray.ffi.folders import Changes
from tray.ffi.user32 import call

log = logging.getLogger(__name__)


class Folders:
    """The folder of a file, and that of what it links to (`tray.settings.watch.Events`)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stopped = ffi.new_event()
        self._watched: dict[Path, Changes] = {}
        self._add()

    def wait(self, seconds: float | None) -> bool:
        """As the protocol says."""
        watched = list(self._watched.items())
        index = ffi.waited([self._stopped, *(changes.event for _, changes in watched)], seconds)
        if not index:
            return False
        folder, changes = watched[index - 1]
        try:
            changes.renew()
        except OSError as error:
            log.debug("%s is gone: %s", folder, error)
            changes.close()
            del self._watched[folder]
        self._add()
        return True

    def stop(self) -> None:
        """As the protocol says."""
        call("SetEvent", self._stopped)

    def close(self) -> None:
        """As the protocol says."""
        for changes in self._watched.values():
            changes.close()
        call("CloseHandle", self._stopped)

    def _add(self) -> None:
        """Watch what is not watched yet: the link may lead elsewhere now, the folder may be a new one."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            for folder in {self._path.parent, Path(os.path.realpath(self._path)).parent}:
                if folder not in self._watched:
                    self._watched[folder] = Changes(folder)
        except OSError as error:
            log.warning("changed settings will need a restart: %s", error.strerror or error)
