"""A dump taken as administrator: a go-between of the user's own, and beyond it the worker that may do more.

The go-between is a worker like any other to the tray. It asks Windows to start the
second one (UAC), and passes lines on through two pipes, which only this user and
administrators may open: the request, answers and a cancel there, the events back.

What the one with more rights must not be talked into, for any program of the user's may
pose as the go-between:

- Another target than the one that the user was asked about: that is in its command line,
  which Windows shows in the prompt and nobody can change afterwards, and a request for
  another one is refused. What is never dumped (`tray.capture.windows_target`) is not
  dumped for an administrator either, and no privilege (SeDebug) is switched on.
- To write or remove what the user could not: it opens no path that it is told. The
  go-between opens the files, and lends them (see `tray.commands.lending`). A handle is
  only ever taken from the process that made the pipe. So the files are the user's too.
- To run the user's code: it is told to look at no ``PYTHON*`` variable, which a program
  of the user's may have set, and its libraries come from System32 or from beside it.
  That leaves the folder that Hangshot itself lies in: where that is the user's own, a
  program of the user's may have changed Hangshot, as any other program that he
  starts as administrator from there. The README says so.
- To lend itself: it joins the pipes such that their maker learns its name, no more.

The dump holds the memory of a program that runs as administrator, and the user's programs
may read it from then on: that is what the user has asked for.
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
from typing import TYPE_CHECKING, Any, Protocol

from tray.commands.orders import CANCEL, Orders
from tray.errors import BadUsage, Cancelled, CaptureFailed
from tray.ffi.elevation import Elevation, cancelled
from tray.program import command

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tray.commands.lending import Lender

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
    user, request = system.user(), json.loads(line)
    there = system.pipe(f"{_PIPES}{name}-in", user, inbound=False)
    back = system.pipe(f"{_PIPES}{name}-out", user, inbound=True)
    system.lend_to_administrators(user)
    process = _started(start or system.start, name, request)
    threading.Thread(target=_unblock, args=(system, process, name), daemon=True).start()
    for pipe in (there, back):
        system.connected(pipe)
    _serve(system, request, orders, there, back)
    return system.wait(process)


def _started(start: Start, name: str, request: dict[str, Any]) -> int:
    """The elevated worker's process, once the user has said yes."""
    only = str(int(request["pid"])), str(int(request["started"]))
    program, *words = command("dump", "--json", "--request", "--pipes", name, "--only", *only)
    if not getattr(sys, "frozen", False):
        words = ["-E", "-s", *words]
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


def _serve(system: Elevation, request: dict[str, Any], orders: Orders, there: int, back: int) -> None:
    """The request and a cancel there, every event back, and files for the dump."""
    from tray.commands.lending import Lender

    with (
        os.fdopen(system.descriptor(there, os.O_WRONLY), "wb", buffering=0) as worker,
        os.fdopen(system.descriptor(back, os.O_RDONLY), encoding="utf-8", errors="replace") as events,
    ):

        def say(line: str) -> None:
            with suppress(OSError):  # it has ended; whether it said a last word, the tray knows
                os.write(worker.fileno(), f"{line}\n".encode())

        with Lender(request, say) as lender:
            say(json.dumps(request))
            orders.obey(lambda: say(CANCEL))
            _listen(events, lender)


def _listen(events: Iterable[str], lender: Lender) -> None:
    """Pass on what the worker says to the tray, and serve it as long as it lives."""
    from tray.commands import dump
    from tray.worker import parsed

    for event in _lines(events):
        if not lender.serve(parsed(event)):
            print(event, end="", flush=True)
    if lender.dump:
        dump.say(dump.dumped(lender.dump, lender.removed))


def _lines(events: Iterable[str]) -> Iterator[str]:
    """All that comes; on Windows the end of a pipe may be an error."""
    with suppress(OSError):
        yield from events


def joined(name: str) -> tuple[Orders, int]:
    """The elevated worker's end: its output goes through one pipe, its orders come through the other.

    Gives who lends it files, too: the process that made the pipe. It is held from now on,
    and had the pipe open then, so that the number cannot mean another one.

    Raises:
        BadUsage: That is no name of ours.
        OSError: Nobody is there.
    """
    if not _NAME.fullmatch(name):
        raise BadUsage("There is no such pipe.")
    system = Elevation()
    there = system.join(f"{_PIPES}{name}-out", inbound=False)
    sys.stdout = os.fdopen(system.descriptor(there, os.O_WRONLY), "w", encoding="utf-8")
    back = system.join(f"{_PIPES}{name}-in", inbound=True)
    lender = system.server(back)
    system.lender(lender)
    system.see_open(back)
    return Orders(system.descriptor(back, os.O_RDONLY)), lender
