"""Files of a dump that a worker with more rights writes: made and named here, with the asker's rights, and lent.

The folder belongs to the user, and every program of the user's may put links into it or
swap it for another. An administrator's process that opens a path there can be led to any
file of the system. So that process opens none: it is lent the handle of a file that the
asker has opened, and takes it from the asker alone. What it writes lands where the asker
himself could have written, and the files are his, with the rights that his folder gives.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from tray.errors import CaptureFailed
from tray.ffi.win32 import System
from tray.lean import TYPE_CHECKING, replace
from tray.model import Retention, Target
from tray.modes import MODES
from tray.store import Store, from_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Self

    from tray.model import Dump
    from tray.store import Partial

BEGIN, SCRATCH, FINISH = "begin", "scratch", "finish"
"""What a worker asks for: a file for the dump, one for what is to be packed, and names for the finished dump."""


class Lender:
    """Does for one worker what a `Store` does for others; as a context manager it leaves no unfinished file.

    Attributes:
        dump: The finished dump.
        removed: Old dumps that had to go for it.
    """

    def __init__(self, request: Mapping[str, Any], answer: Callable[[str], object]) -> None:
        """
        Args:
            request: As the tray has asked: the folder is taken from there, never from the worker.
            answer: Sends the worker a line.
        """  # noqa: D205, D212 - the class says what it is
        self._store = Store(Path(request["folder"]), Retention(**request["retention"]))
        self._output, self._answer = request.get("output"), answer
        self._partial: Partial | None = None
        self._files = ExitStack()
        self.dump: Dump | None = None
        self.removed: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def serve(self, event: Mapping[str, Any] | None) -> bool:
        """Do what a worker's event asks for; False if that is nothing of ours.

        Raises:
            TrayError: It cannot be done; the worker had better end.
        """
        acts = {BEGIN: self._begin, SCRATCH: self._scratch, FINISH: self._finish}
        act = acts.get(event["event"]) if event else None
        if act is None or event is None:
            return False
        try:
            act(event)
        except (KeyError, ValueError, TypeError) as error:
            raise CaptureFailed(f"The worker asked for nonsense: {error!r}.") from error
        return True

    def _begin(self, event: Mapping[str, Any]) -> None:
        self._files.close()  # a second try, after one that hung
        target = Target(int(event["pid"]), int(event["started"]), str(event["name"]))
        self._partial = self._files.enter_context(
            self._store.begin(
                target, MODES[event["mode"]], event["suffix"], datetime.fromisoformat(event["taken"]),
                need=int(event["need"]), output=self._output,
            )
        )  # fmt: skip
        self._lend(self._partial.file.fileno(), id=self._partial.id, path=str(self._partial.path))

    def _scratch(self, _event: Mapping[str, Any]) -> None:
        if self._partial is None:
            raise ValueError("no dump")
        self._lend(self._files.enter_context(self._partial.scratch()).fileno())

    def _lend(self, descriptor: int, **told: str) -> None:
        self._answer(json.dumps({"file": System().file_handle(descriptor), **told}))

    def _finish(self, event: Mapping[str, Any]) -> None:
        if self._partial is None:
            raise ValueError("no dump")
        known = from_json(event, self._partial.path)
        self.dump = self._partial.finish(
            lambda size, allocated: replace(known, size=size, allocated=allocated)
        )
        if not self._output:
            from tray import flow

            self.removed = flow.prune(self._store)
