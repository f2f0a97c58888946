"""The event loop that mostly sleeps."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import pytest

from tray.shot.loop import Loop


@pytest.fixture
def _handlers():
    """Signals as they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def ctrl_c() -> None:
    """As a terminal does it: Windows runs the handler on another thread than the main one."""
    if sys.platform == "win32":
        signal.raise_signal(signal.SIGINT)
    else:
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.usefixtures("_handlers")
def test_a_signal_ends_the_wait():
    """Ctrl+C acts at once while nothing else happens, also on Windows, which ends no wait for a lock."""
    errors: list[Exception] = []
    loop = Loop(errors.append)
    loop.stop_on_signals(loop.stop)
    loop.after(20, loop.stop)
    loop.post(lambda: threading.Timer(0.1, ctrl_c).start())
    began = time.monotonic()
    loop.run()
    assert time.monotonic() - began < 10
    assert not errors
    assert "signals" not in {thread.name for thread in threading.enumerate()}
