"""Work on a thread of its own, and an interrupt while it is waited for."""

from __future__ import annotations

import _thread
import signal
import threading

import pytest

from tray.capture.apart import Apart


def interrupted(work: Apart) -> None:
    """Wait for it, and have Ctrl+C pressed meanwhile, also where whoever runs the tests has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.05, _thread.interrupt_main).start()
    try:
        while not work.ended(0.1):
            pass
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interrupt_does_not_end_it() -> None:
    """After Ctrl+C it is still known to run, and can be waited for."""
    go, going = threading.Event(), threading.Event()

    def act() -> None:
        going.set()
        go.wait(20)

    work = Apart(act, "act")
    assert going.wait(20)
    with pytest.raises(KeyboardInterrupt):
        interrupted(work)
    assert not work.ended(0)
    go.set()
    assert work.ended(20)


def test_what_raises_has_ended() -> None:
    """Nobody waits for it in vain."""
    assert Apart(threading.Event, "act").ended(20)
