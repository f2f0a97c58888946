"""One worker kept ready, so that a key press does not wait for an interpreter to start."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tray.errors import CaptureFailed
from tray.program import command
from tray.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tray.worker import Event

log = logging.getLogger(__name__)

_PACKAGE = Path(__file__).resolve().parent.parent

Version = frozenset[tuple[str, int, int]]
"""Path, time of last change and size of every file of a program."""


class Spare:
    """Gives workers, and keeps at most one waiting; all methods belong to one thread.

    The one that waits costs about 20 MiB and no CPU: it sleeps in a read of its
    standard input, and ends by itself when that is closed, as when the tray dies.

    Args:
        make: Starts a worker.
        version: Tells our program's files from those of an update.
    """

    def __init__(
        self, make: Callable[[], Worker] = Worker, version: Callable[[], Version] = lambda: frozenset(files())
    ) -> None:
        self._make, self._version = make, version
        self._worker: Worker | None = None
        self._made_of: Version = frozenset()

    def prepare(self) -> None:
        """Have a worker wait, unless one does. That there is none is no error: `take` starts one."""
        if self._worker and self._worker.alive:
            return
        try:
            self._made_of = self._version()
            self._worker = self._make()
        except (CaptureFailed, OSError) as error:
            log.info("no worker is kept ready: %s", error)

    def take(self, told: Callable[[Event], None]) -> Worker:
        """A worker of the program as it is now: the one that waits, or else a new one.

        Raises:
            CaptureFailed: It could not be started.
        """
        worker, self._worker = self._worker, None
        if worker and not (worker.alive and self._current()):
            worker.dismiss()
            worker = None
        worker = worker or self._make()
        worker.tell(told)
        return worker

    def close(self) -> None:
        """End the one that waits."""
        if self._worker:
            self._worker.dismiss()
            self._worker = None

    def _current(self) -> bool:
        """Whether the program has not been updated since; half an update counts as one."""
        try:
            return self._version() == self._made_of
        except OSError:
            return False


def files() -> Iterator[tuple[str, int, int]]:
    """What tells this program from an update of it: less than a millisecond for all its files."""
    program = Path(command()[0])
    yield _stamp(program.stat(), str(program))
    if not getattr(sys, "frozen", False):
        yield from _sources(str(_PACKAGE))


def _sources(folder: str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py"):
                yield _stamp(entry.stat(), entry.path)
            elif entry.is_dir() and entry.name != "__pycache__":
                yield from _sources(entry.path)


def _stamp(found: os.stat_result, path: str) -> tuple[str, int, int]:
    return path, found.st_mtime_ns, found.st_size
