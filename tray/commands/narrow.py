"""A 32-bit program is dumped by the 32-bit Hangshot beside this one, where there is one.

dbghelp writes a dump in its own width, and debuggers show a 32-bit program's threads
best in a 32-bit dump. Only the built program for Windows has both.
"""

from __future__ import annotations

import json
import logging
import subprocess
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from tray import capture, worker
from tray.commands.orders import CANCEL
from tray.ffi import win32

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tray.commands.orders import Orders

log = logging.getLogger(__name__)

_SANE = 255
"""Exit codes above it are those of a program that Windows ended."""


def dumped(
    pid: int, words: Sequence[str], request: dict[str, Any] | None = None, orders: Orders | None = None
) -> int | None:
    """Have the other Hangshot do it, if it should and can; gives its exit code, or None.

    Args:
        pid: The process to dump.
        words: The command, as for `worker.command`.
        request: What to hand it on its standard input; None lets it have ours.
        orders: Hears of a cancel, which is passed on.
    """
    program = worker.narrow()
    if not program or not capture.needs_32_bit(pid):
        return None
    undo = capture.remembered(pid)
    try:
        process = subprocess.Popen([*program, *words], stdin=subprocess.PIPE if request else None)
    except OSError as error:
        log.warning("The 32-bit Hangshot could not be started: %s", error)
        return None
    with process, _bound(process.pid), _told(process, request, orders):
        code = _ended(process)
    if not 0 <= code <= _SANE:
        undo()
    return code


@contextmanager
def _bound(pid: int) -> Iterator[None]:
    """Have a process end when we do, however we end."""
    system, job = win32.System(), 0
    try:
        job = system.job()
        system.join_job(job, pid)
    except OSError as error:
        log.debug("the other Hangshot would outlive us: %s", error)
    try:
        yield
    finally:
        if job:
            system.close(job)


@contextmanager
def _told(
    process: subprocess.Popen[bytes], request: dict[str, Any] | None, orders: Orders | None
) -> Iterator[None]:
    """Hand over the request, and pass on a cancel."""
    if request:
        _write(process, json.dumps(request))
    if orders:
        orders.obey(lambda: _write(process, CANCEL))
    yield
    with suppress(OSError):
        if process.stdin:
            process.stdin.close()


def _write(process: subprocess.Popen[bytes], line: str) -> None:
    with suppress(OSError, ValueError):  # it has ended, and its exit code tells
        if process.stdin:
            process.stdin.write(f"{line}\n".encode())
            process.stdin.flush()


def _ended(process: subprocess.Popen[bytes]) -> int:
    """Its exit code; a Ctrl+C reaches it without us."""
    while True:
        with suppress(KeyboardInterrupt):
            return process.wait()
