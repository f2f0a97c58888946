"""A thread that owns a hidden window: where Windows delivers keys, session changes and timers."""

from __future__ import annotations

import ctypes
import itertools
import logging
import queue
import threading
from ctypes.wintypes import MSG
from typing import TYPE_CHECKING, Any, TypeVar

from tray.desktop.errands import run_safely
from tray.errors import Unsupported
from tray.ffi import user32
from tray.ffi.user32 import call

if TYPE_CHECKING:
    from collections.abc import Callable

    Answer = Callable[[int, int], int | None]
    """Called with the two parameters of a message; None leaves the rest to Windows."""

log = logging.getLogger(__name__)

Result = TypeVar("Result")

PATIENCE = 5.0
"""Seconds that a caller waits for the thread."""
WAKE = user32.WM_APP + 1
_names = itertools.count()


class Pump:
    """The thread, its window, and what is to be done there.

    The window is a top-level one that is never shown: those that only take
    messages are not told of the end of the session or of waking up.
    """

    def __init__(self) -> None:
        self.window = 0
        self._answers: dict[int, Answer] = {
            user32.WM_DESTROY: self._destroyed,
            user32.WM_TIMER: self._ring,
        }
        self._timers: dict[int, Callable[[], None]] = {}
        self._numbers = itertools.count(1)
        self._acts: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._began = threading.Event()
        self._failure: OSError | None = None
        self._class = f"hangshot-{next(_names)}"
        self._procedure: Any = None
        self._thread = threading.Thread(target=self._live, name="pump", daemon=True)
        self._thread.start()
        self._began.wait(PATIENCE)
        if not self.window:
            raise _lost(self._failure)

    def answer(self, message: int, answer: Answer) -> None:
        """Have ``answer`` called on the thread for each such message."""
        self._answers[message] = answer

    def every(self, milliseconds: int, act: Callable[[], None]) -> int:
        """Have ``act`` called on the thread again and again; gives a number for `forget`. On the thread only."""
        number = next(self._numbers)
        self._timers[number] = act
        call("SetTimer", self.window, number, milliseconds, None)
        return number

    def forget(self, number: int) -> None:
        """Take a timer back; one that is gone, or 0, is no mistake. On the thread only."""
        if self._timers.pop(number, None):
            call("KillTimer", self.window, number)

    def call(self, act: Callable[[], Result]) -> Result:
        """Run ``act`` on the thread, wait for it, and give or raise what it does.

        Raises:
            Unsupported: The thread has ended, or does not get to it.
        """
        if threading.current_thread() is self._thread:
            return act()
        done: queue.SimpleQueue[tuple[Result | None, BaseException | None]] = queue.SimpleQueue()

        def work() -> None:
            try:
                done.put((act(), None))
            except BaseException as error:  # noqa: BLE001  # the caller gets it
                done.put((None, error))

        self._acts.put(work)
        try:
            call("PostMessageW", self.window, WAKE, 0, 0)
            result, failure = done.get(timeout=PATIENCE)
        except (OSError, queue.Empty) as error:
            raise _lost(error) from error
        if failure is not None:
            raise failure
        return result  # type: ignore[return-value]  # no failure: it is the act's own

    def close(self) -> None:
        """Destroy the window and end the thread. Callable twice."""
        try:
            call("PostMessageW", self.window, user32.WM_CLOSE, 0, 0)
        except OSError:
            return
        if threading.current_thread() is not self._thread:
            self._thread.join(PATIENCE)

    def _live(self) -> None:
        try:
            self._create()
        except OSError as error:
            self._failure = error
            return
        finally:
            self._began.set()
        message = MSG()
        while call("GetMessageW", ctypes.byref(message), None, 0, 0) not in {0, -1}:
            call("DispatchMessageW", ctypes.byref(message))
        call("UnregisterClassW", self._class, call("GetModuleHandleW", None))

    def _create(self) -> None:
        module = call("GetModuleHandleW", None)
        self._procedure = user32.window_procedure(self._take)
        kind = user32.WNDCLASSEXW(
            cbSize=ctypes.sizeof(user32.WNDCLASSEXW),
            lpfnWndProc=user32.address(self._procedure).value,
            hInstance=module,
            lpszClassName=self._class,
        )
        call("RegisterClassExW", ctypes.byref(kind))
        self.window = call(
            "CreateWindowExW",
            *(0, self._class, "Hangshot", user32.WS_POPUP),
            *(0, 0, 0, 0),
            *(None, None, module, None),
        )

    def _take(self, window: int, message: int, first: int, second: int) -> int:
        if message == WAKE:
            self._work()
            return 0
        answer = self._answers.get(message)
        if answer is not None:
            told: list[int | None] = [None]

            def ask() -> None:
                told[0] = answer(first, second)

            run_safely(ask)
            if told[0] is not None:
                return told[0]
        return call("DefWindowProcW", window, message, first, second)

    def _work(self) -> None:
        while True:
            try:
                act = self._acts.get_nowait()
            except queue.Empty:
                return
            act()

    def _ring(self, number: int, _: int) -> int:
        if act := self._timers.get(number):
            act()
        return 0

    def _destroyed(self, _first: int, _second: int) -> int:
        call("PostQuitMessage", 0)
        return 0


def _lost(why: object) -> Unsupported:
    log.info("No window of our own: %r", why)
    return Unsupported("This session gives Hangshot no window.", hint="Start Hangshot again on your desktop.")
