"""A core file or a running process → the calls of its Python interpreter, through pystack: a program of its own.

Writes one JSON object a line: ``{"missing": why}`` without pystack; else
``{"tid", "frames": [[function, file, line, entry], …]}``, the innermost call
first, and ``{"done": true}``. ``entry`` says that C called it: as many native
frames of the interpreter's loop are on the stack as there are entries.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from tray.reports.drgn_reader import MOST_FRAMES, restrain, tell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def main(what: str) -> None:
    """Read ``PID``, or ``EXECUTABLE:CORE``."""
    restrain()
    logging.disable()
    try:
        from pystack import engine
    except ImportError as error:
        tell({"missing": str(error)})
        return
    executable, _, core = what.partition("\n")
    if core:
        threads = engine.get_process_threads_for_core(
            core, executable, native_mode=engine.NativeReportingMode.OFF
        )
    else:
        threads = engine.get_process_threads(int(what), stop_process=False)
    for thread in threads:
        tell({"tid": thread.tid, "frames": list(_frames(thread.all_frames))[::-1][:MOST_FRAMES]})
    tell({"done": True})


def _frames(frames: Iterable[Any]) -> Iterator[list[Any]]:
    """The outermost first."""
    for frame in frames:
        if not frame.is_shim:
            code = frame.code
            yield [code.scope, code.filename, code.location.lineno, bool(frame.is_entry)]
