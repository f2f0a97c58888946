"""The thread that reads the X server's events."""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import sys
import threading
from collections import deque
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING or sys.platform != "win32":
    from Xlib import error

from tray.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

    from Xlib.display import Display
    from Xlib.protocol import rq

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")

PATIENCE = 5.0
"""Seconds that a caller waits for the server, which a program that hangs may have grabbed."""


class Loop:
    """One connection to the server, and the one thread that uses it.

    python-xlib's connections cannot be shared between threads, so whoever wants
    something of this one has the thread do it with `call`. The thread sleeps
    until the server or a caller has something for it.
    """

    def __init__(self, display: Display, serve: Callable[[rq.Event], None]) -> None:
        """Start the thread; it calls ``serve`` with each event."""
        self.lost = False
        self._display = display
        self._serve = serve
        self._wanted: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._lock = threading.Lock()
        self._closing = False
        self._waker, self._wake = socket.socketpair()
        self._waker.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="x11", daemon=True)
        self._thread.start()

    def call(self, act: Callable[[], _Result]) -> _Result:
        """What ``act`` gives or raises, done on the thread; also from within a callback.

        Raises:
            Unsupported: The connection is lost or closed, or the server does not answer.
        """
        if threading.current_thread() is self._thread:
            return act()
        result: Future[_Result] = Future()
        with self._lock:
            if self._closing or self.lost:
                raise _no_connection()
            self._wanted.append((act, result))
        self._nudge()
        try:
            return result.result(PATIENCE)
        except TooLate:
            raise Unsupported("The X display does not answer.", hint="Try again when it does.") from None

    def close(self) -> None:
        """End the thread and the connection, and with it all grabs; callable twice."""
        with self._lock:
            self._closing = True
        self._nudge()
        if threading.current_thread() is not self._thread:
            self._thread.join(PATIENCE)

    def _nudge(self) -> None:
        with contextlib.suppress(OSError):  # the thread has ended already
            self._wake.send(b"!")

    def _run(self) -> None:
        try:
            while not self._closing:
                self._work()
            self._display.close()
        except (error.ConnectionClosedError, OSError):
            if not self._closing:
                _log.warning("The X server has closed the connection: hotkey and clipboard no longer work.")
        finally:
            self._end()

    def _work(self) -> None:
        """Do what there is to do, then sleep until there is more."""
        while self._wanted:
            act, result = self._wanted.popleft()
            _settle(result, act)
        while not self._wanted and not self._closing and self._display.pending_events():
            self._serve(self._display.next_event())
        if not self._wanted and not self._closing:
            select.select([self._display.fileno(), self._waker.fileno()], [], [])
            with contextlib.suppress(BlockingIOError):
                self._waker.recv(64)

    def _end(self) -> None:
        """Turn away whoever still waits."""
        with self._lock:
            self.lost = not self._closing
            self._closing = True
            waiting = list(self._wanted)
            self._wanted.clear()
        for _, result in waiting:
            result.set_exception(_no_connection())
        self._wake.close()
        self._waker.close()


def _settle(result: Future[_Result], act: Callable[[], _Result]) -> None:
    """Do it, and hand over what comes of it."""
    try:
        result.set_result(act())
    except (error.ConnectionClosedError, OSError):
        result.set_exception(_no_connection())
        raise
    except Exception as problem:  # noqa: BLE001  # it belongs to the caller, whatever it is
        result.set_exception(problem)


def _no_connection() -> Unsupported:
    return Unsupported("The connection to the X display is lost.", hint="Start Hangshot again.")
