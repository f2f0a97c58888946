"""The tray's log file. It never holds window titles."""

from __future__ import annotations

import faulthandler
import logging
import logging.handlers
import sys
import threading
from typing import TYPE_CHECKING, Any

import tray

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

log = logging.getLogger("tray")

NAME = "hangshot.log"
_MOST = 1_000_000
_OLD = 3


def begin(folder: Path) -> Path:
    """Log to a file in ``folder``, also what threads die of; gives its path.

    A folder that cannot be written costs the log, not the tray.
    """
    path = folder / NAME
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        to_file = logging.handlers.RotatingFileHandler(
            path, maxBytes=_MOST, backupCount=_OLD, encoding="utf-8"
        )
    except OSError as error:
        if sys.stderr:  # None in a windowed program
            print(f"hangshot: no log: {error}", file=sys.stderr)
        return path
    to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(to_file)
    root.setLevel(logging.INFO)
    faulthandler.enable((folder / "crash.log").open("a", encoding="utf-8"))
    threading.excepthook = _thread_died
    sys.excepthook = _died
    log.info("Hangshot %s", tray.__version__)
    return path


def _thread_died(what: threading.ExceptHookArgs) -> None:
    name = what.thread.name if what.thread else "?"
    cause: Any = (what.exc_type, what.exc_value, what.exc_traceback)
    log.error("thread %s died", name, exc_info=cause)


def _died(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("the tray died", exc_info=(kind, error, trace))
    sys.__excepthook__(kind, error, trace)
