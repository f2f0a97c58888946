"""Progress of a dump, told by a thread that nothing ever waits for.

The target may be the very terminal that shows the progress: while it stands
still its buffer fills, and whoever prints then waits for ever. So the thread
that copies only leaves two numbers here, and another one prints them.
"""

from __future__ import annotations

import sys
import threading
import time

from tray.lean import TYPE_CHECKING, dumps

if TYPE_CHECKING:
    from typing import Any, Self

    from rich.progress import Progress, TaskID

INTERVAL = 0.1
_SHORT = 0.5
"""Seconds that pass before a bar comes: most dumps are done by then."""
_PATIENCE = 1.0
"""Seconds that the end waits for an output that takes nothing."""


class Reporter:
    """A `tray.capture.Progress`: prints JSON lines, or a bar on a terminal, until its ``with`` ends."""

    def __init__(self, name: str, *, as_json: bool) -> None:
        self._name = name
        self._numbers = (0, 0)
        self._ended = threading.Event()
        self._as_json = as_json
        self._thread = threading.Thread(target=self._report, name="progress", daemon=True)

    def __call__(self, done: int, total: int) -> bool:
        """Take note; never asks to stop, Ctrl+C does that in its own way."""
        self._numbers = (done, total)
        return False

    def __enter__(self) -> Self:
        if self._as_json or sys.stderr.isatty():
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread.ident:
            self._thread.join(_PATIENCE)

    def _report(self) -> None:
        try:
            if self._as_json:
                self._lines()
            elif not self._ended.wait(_SHORT):
                self._bar()
        except OSError:
            pass  # whoever listened has gone; the dump goes on

    def _lines(self) -> None:
        told = (0, 0)
        while not self._ended.wait(INTERVAL):
            numbers = self._numbers
            if numbers != told:
                told = numbers
                done, total = numbers
                print(dumps({"schema": 1, "event": "progress", "done": done, "total": total}), flush=True)

    def _bar(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

        columns: list[Any] = [
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
        ]
        with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as progress:
            task = progress.add_task(f"Dumping {self._name}", total=None)
            while not self._ended.is_set():
                self._draw(progress, task)
                time.sleep(INTERVAL)

    def _draw(self, progress: Progress, task: TaskID) -> None:
        done, total = self._numbers
        progress.update(task, completed=done, total=total or None, refresh=True)
