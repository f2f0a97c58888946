"""The event loop of a program that mostly sleeps: one queue, and no timer unless one is asked for."""

from __future__ import annotations

import heapq
import itertools
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Act = Callable[[], None]
APART = "apart"
"""Name of the threads for what may take its time."""


class Loop:
    """Runs acts one after the other on the thread that calls `run`.

    Without timers it blocks in the kernel until something happens, so a quiet
    minute costs no wake-up.

    ``failed`` gets whatever an act raises; it is the barrier behind which
    nothing ends the program.
    """

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self._failed = failed
        self._acts: queue.SimpleQueue[Act | None] = queue.SimpleQueue()
        self._timers: list[tuple[float, int, Act]] = []
        self._numbers = itertools.count()

    def post(self, act: Act) -> None:
        """Have ``act`` run soon; may be called from any thread and from signal handlers."""
        self._acts.put(act)

    def apart(self, act: Act) -> None:
        """Run ``act`` on a thread of its own, since it may wait for another program; what it raises is told here.

        May be called from any thread.
        """

        def work() -> None:
            try:
                act()
            except Exception as error:  # noqa: BLE001 - handed to the barrier
                problem = error
                self.post(lambda: self._failed(problem))

        threading.Thread(target=work, name=APART, daemon=True).start()

    def after(self, seconds: float, act: Act) -> int:
        """Have ``act`` run once, later; on the loop's own thread. Gives a number for `forget`."""
        number = next(self._numbers)
        heapq.heappush(self._timers, (time.monotonic() + seconds, number, act))
        return number

    def forget(self, number: int) -> None:
        """Take a timer back; one that has run or was never set is no mistake."""
        self._timers = [timer for timer in self._timers if timer[1] != number]
        heapq.heapify(self._timers)

    def stop(self) -> None:
        """End `run` after what was posted before; may be called from any thread."""
        self._acts.put(None)

    def run(self) -> None:
        """Run acts until `stop`."""
        with self._signals_wake():
            self._serve()

    def _serve(self) -> None:
        while True:
            try:
                act = self._acts.get(timeout=self._patience())
            except queue.Empty:
                self._ring()
                continue
            if act is None:
                return
            self._do(act)
            self._ring()

    def stop_on_signals(self, act: Act) -> None:
        """Run ``act`` on Ctrl+C, on SIGTERM and when the terminal is closed."""
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), lambda *_: self.post(act))

    @contextmanager
    def _signals_wake(self) -> Iterator[None]:
        """On Windows no signal ends a wait for the queue: have each send a byte too, and that end it."""
        if sys.platform != "win32" or threading.current_thread() is not threading.main_thread():
            yield
            return
        import socket

        heard, sender = socket.socketpair()
        sender.setblocking(False)

        def listen() -> None:
            with heard:
                while heard.recv(1):
                    self.post(lambda: None)

        listener = threading.Thread(target=listen, name="signals", daemon=True)
        listener.start()
        before = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            sender.close()
            listener.join()

    def _patience(self) -> float | None:
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    def _ring(self) -> None:
        """Run the timers that are due."""
        while self._timers and self._timers[0][0] <= time.monotonic():
            self._do(heapq.heappop(self._timers)[2])

    def _do(self, act: Act) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - the barrier
            self._failed(error)
