"""The app that was in front when the key went down: until its dump is done its pid means no other process."""

from __future__ import annotations

import ctypes
import threading
from typing import TYPE_CHECKING

from fakes import FakeDesktop
from windows_programs import built, launch

from tray.errors import CaptureFailed
from tray.ffi.win32 import SYNCHRONIZE, System
from tray.model import Trigger, Window
from tray.settings import Settings
from tray.shot import Shot
from tray.shot.aim import caught
from tray.shot.loop import Loop

if TYPE_CHECKING:
    from tray.capture import Hold

WIDTH = ctypes.sizeof(ctypes.c_void_p) * 8
ENOUGH = 3000
"""Wine gives the number of one that has ended to a new thread or process after some hundred others."""


def reused(pid: int) -> bool:
    """Whether a new thread or process gets this number; they share their numbers."""
    given: list[int] = []
    for _ in range(ENOUGH):
        thread = threading.Thread(target=lambda: given.append(threading.get_native_id()))
        thread.start()
        thread.join()
        if given[-1] == pid:
            return True
    return False


def ended() -> tuple[int, Hold]:
    """A process that was caught, and has ended since."""
    target = launch(built("deadlock", WIDTH))
    hold = caught(Window(target.pid))[1]
    target.end()
    target.process._handle.Close()  # as long as we have a handle ourselves nothing is reused either
    return target.pid, hold


def test_a_pid_is_not_reused_while_it_is_held():
    """Not even after the process has ended; it may be once the hold is closed."""
    pid, hold = ended()
    assert not reused(pid)
    hold.close()
    assert reused(pid), f"{pid} was not reused at all: the test tests nothing"


def test_no_handle_is_left(program):
    """After 200 presses of each kind: one that is held from then on, and one from the menu."""
    target = program("deadlock", bits=WIDTH)

    def no_worker(_told: object) -> None:
        raise CaptureFailed("There is none.")

    shot = Shot(FakeDesktop(), Loop(lambda error: None), no_worker, lambda toast: None)
    system, opened = System(), []
    for _ in range(201):
        found, hold = caught(Window(target.pid))
        shot.fire(found, "mini", Trigger.HOTKEY, Settings(), hold=hold)
        shot.fire(found, "mini", Trigger.MENU, Settings())
        opened.append(system.open_process(SYNCHRONIZE, target.pid))
        system.close(opened[-1])
    assert opened[-1] <= opened[0] + 64, "a new handle gets the lowest number that is free"
