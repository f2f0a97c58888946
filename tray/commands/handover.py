"""A dump that another Hangshot takes in our place: the 32-bit one, or a fresh one.

dbghelp writes a dump in its own width, and debuggers show a 32-bit program's threads
best in a 32-bit dump; only the built program for Windows has both. And a process in
which dbghelp hangs can call it no more.
"""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager, suppress

from tray import capture, program
from tray.commands.orders import CANCEL
from tray.ffi import win32
from tray.lean import TYPE_CHECKING, logger

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence
    from typing import Any

    from tray.commands.orders import Orders
    from tray.model import Target

log = logger(__name__)

WITHOUT_HANDLES = "--without-handles"


def narrow(request: dict[str, Any], target: Target, orders: Orders | None, *, as_json: bool) -> int | None:
    """Have a 32-bit target dumped by the 32-bit Hangshot; gives its exit code, or None if we should do it."""
    other = program.narrow()
    if not other or not capture.needs_32_bit(target.pid):
        return None
    return _dumped(other, request, target, orders, as_json=as_json)


def again(request: dict[str, Any], target: Target, orders: Orders | None, *, as_json: bool) -> None:
    """Have it tried once more, without handles, and end as that ended; returns only if that cannot be."""
    ourselves = [sys.executable] if getattr(sys, "frozen", False) else program.command()
    code = _dumped(ourselves, {**request, "handles": False}, target, orders, as_json=as_json)
    if code is not None:
        sys.stdout.flush()
        win32.System().end_ourselves(code)  # a thread of ours hangs in dbghelp and may keep us from ending


def _dumped(
    other: list[str], request: dict[str, Any], target: Target, orders: Orders | None, *, as_json: bool
) -> int | None:
    """Run another Hangshot for it; its output is ours. None if it does not start."""
    import subprocess

    words = ["dump", "--json", "--request"] if orders else _words(request, target, as_json=as_json)
    undo = capture.remembered(target.pid)
    try:
        stdin = subprocess.PIPE if orders else None
        process = subprocess.Popen([*other, *words], stdin=stdin, stdout=sys.stdout)
    except OSError as error:
        log.warning("Another Hangshot could not be started: %s", error)
        return None
    with process, _bound(process.pid), _told(process, request, orders):
        code = _ended(process)
    if code:  # whoever ended it has chosen that number, so none tells that it ended in peace
        undo()
    return code


def _words(request: dict[str, Any], target: Target, *, as_json: bool) -> Sequence[str]:
    """The request as a command line."""
    words = ["dump", str(target.pid), "--started", str(target.started), "--mode", request["mode"]]
    output = request.get("output")
    words += ["--output", output] if output else []
    words += ["--compress", request["compress"]] if request.get("compress") else []
    words += ["--json"] if as_json else []
    return words if request.get("handles", True) else [*words, WITHOUT_HANDLES]


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
def _told(process: subprocess.Popen[bytes], request: dict[str, Any], orders: Orders | None) -> Iterator[None]:
    """Hand over the request, and pass on a cancel."""
    if orders:
        _write(process, json.dumps(request))
        orders.obey(lambda: _write(process, CANCEL), lambda line: _answer(process, line))
    yield
    with suppress(OSError):
        if process.stdin:
            process.stdin.close()


def _answer(process: subprocess.Popen[bytes], line: str) -> None:
    """Pass on what is no cancel; empty is the end."""
    if line:
        _write(process, line)
    elif process.stdin:
        with suppress(OSError):
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
