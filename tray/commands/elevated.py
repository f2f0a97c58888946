"""A dump taken as administrator: a go-between of the user's own, and beyond it the worker that may do more.

The go-between is a worker like any other to the tray. It asks Windows to start the
second one (UAC), and passes lines on through two pipes, which only this user and
administrators may open: the request and a cancel there, the events back.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tray.commands.orders import CANCEL, Orders
from tray.errors import BadUsage, Cancelled, CaptureFailed
from tray.ffi.elevation import Elevation, cancelled
from tray.program import command

if TYPE_CHECKING:
    from tray.model import Dump

log = logging.getLogger(__name__)

_PATIENCE = 20.0
"""Seconds between two signs of life while the user is being asked."""
_PIPES = "\\\\.\\pipe\\"
_NAME = re.compile(r"hangshot-[0-9a-f]{32}")
_ROOT = Path(__file__).parents[2]


class Start(Protocol):
    """Starts a program as administrator, as `Elevation.start` does; a test has another."""

    def __call__(self, program: str, parameters: str, folder: str) -> int:
        """Gives its process."""


def go_between(orders: Orders, start: Start | None = None) -> int:
    """Have the request dumped by an elevated worker, and tell its events as ours; gives its exit code.

    Raises:
        Cancelled: The user said no.
        CaptureFailed: There is no elevated worker to be had.
    """
    line = orders.line()
    if not line or line == CANCEL:
        raise Cancelled("The dump was cancelled.")
    system, name = Elevation(), f"hangshot-{secrets.token_hex(16)}"
    user = system.user()
    request = {**json.loads(line), "owner": user}
    Path(request["folder"]).mkdir(mode=0o700, parents=True, exist_ok=True)  # so that it is the user's own
    there = system.pipe(f"{_PIPES}{name}-in", user, inbound=False)
    back = system.pipe(f"{_PIPES}{name}-out", user, inbound=True)
    process = _started(start or system.start, name)
    threading.Thread(target=_unblock, args=(system, process, name), daemon=True).start()
    for pipe in (there, back):
        system.connected(pipe)
    _pass_on(system, request, orders, there, back)
    return system.wait(process)


def _started(start: Start, name: str) -> int:
    """The elevated worker's process, once the user has said yes."""
    program, *words = command("dump", "--json", "--request", "--pipes", name)
    answered = threading.Event()
    threading.Thread(target=_wait, args=(answered,), daemon=True).start()
    try:
        return start(program, subprocess.list2cmdline(words), str(_ROOT))
    except OSError as error:
        if cancelled(error):
            raise Cancelled("Windows was not allowed to start Hangshot as administrator.") from error
        raise CaptureFailed(
            f"Windows does not start Hangshot as administrator: {error.strerror}.",
            hint="Try it in a terminal opened as administrator.",
        ) from error
    finally:
        answered.set()


def _wait(answered: threading.Event) -> None:
    """Give signs of life, for a person who reads a prompt takes time."""
    while not answered.wait(_PATIENCE):
        print(json.dumps({"schema": 1, "event": "asking"}), flush=True)


def _unblock(system: Elevation, process: int, name: str) -> None:
    """When the worker ends without having opened its pipes, open them, so that nobody waits for it."""
    system.wait(process)
    for end, flags in (("in", os.O_RDONLY), ("out", os.O_WRONLY)):
        with suppress(OSError):
            os.close(os.open(f"{_PIPES}{name}-{end}", flags))


def _pass_on(system: Elevation, request: dict[str, object], orders: Orders, there: int, back: int) -> None:
    """The request and a cancel there, every event back."""
    with (
        os.fdopen(system.descriptor(there, os.O_WRONLY), "wb", buffering=0) as worker,
        os.fdopen(system.descriptor(back, os.O_RDONLY), encoding="utf-8", errors="replace") as events,
        suppress(OSError),  # it has ended; whether it said a last word, the tray knows
    ):
        worker.write(json.dumps(request).encode() + b"\n")
        orders.obey(lambda: _cancel(worker.fileno()))
        for event in events:
            print(event, end="", flush=True)


def _cancel(worker: int) -> None:
    with suppress(OSError):
        os.write(worker, f"{CANCEL}\n".encode())


def opened(name: str) -> Orders:
    """The elevated worker's end: its output goes through one pipe, its orders come through the other.

    Raises:
        BadUsage: That is no name of ours.
    """
    if not _NAME.fullmatch(name):
        raise BadUsage("There is no such pipe.")
    sys.stdout = os.fdopen(os.open(f"{_PIPES}{name}-out", os.O_WRONLY), "w", encoding="utf-8")
    return Orders(os.open(f"{_PIPES}{name}-in", os.O_RDONLY))


def give(dump: Dump, owner: str) -> None:
    """Make a dump and what lies beside it the property of the user who asked for it."""
    for path in (dump.path, dump.sidecar):
        try:
            Elevation().set_owner(str(path), owner)
        except OSError as error:
            log.warning("%s belongs to the administrators: %s", path, error)
