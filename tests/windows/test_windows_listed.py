"""All windows, as the search for whom a window's message waits for lists them."""

from __future__ import annotations

import threading
from ctypes import c_int, c_uint, c_void_p, c_wchar_p
from typing import TYPE_CHECKING

import pytest
from windows_keys import user32

from tray.ffi.windows_waits import Waits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MESSAGE_ONLY = c_void_p(-3)
CHILD = 0x40000000
CHURNING, ROUNDS = 3, 100


@pytest.fixture
def window() -> Iterator[Callable[..., int]]:
    """Makes windows: ``window(parent, style)``; a thread destroys its own before it ends."""
    user32.CreateWindowExW.argtypes = (c_uint, c_wchar_p, c_wchar_p, c_uint, *(c_int,) * 4, *(c_void_p,) * 4)
    user32.CreateWindowExW.restype = c_void_p
    user32.DestroyWindow.argtypes = (c_void_p,)
    mine = []

    def made(parent: object, style: int = 0) -> int:
        mine.append(user32.CreateWindowExW(0, "STATIC", "", style, 0, 0, 0, 0, parent, None, None, None))
        return mine[-1]

    yield made
    for one in mine:
        user32.DestroyWindow(one)


def test_those_that_only_take_messages(window) -> None:
    """COM's own are among them; each is there once, and so is what is in it."""
    alone = window(MESSAGE_ONLY)
    inside = window(alone, CHILD)
    listed = Waits().windows()
    assert (listed.count(alone), listed.count(inside)) == (1, 1)


def test_windows_that_go_meanwhile(window) -> None:
    """They lead nobody in circles."""
    ended = threading.Event()

    def churn() -> None:
        while not ended.is_set():
            for one in [window(MESSAGE_ONLY) for _ in range(20)]:
                user32.DestroyWindow(one)

    threads = [threading.Thread(target=churn) for _ in range(CHURNING)]
    for thread in threads:
        thread.start()
    try:
        stays = window(MESSAGE_ONLY)
        assert all(stays in Waits().windows() for _ in range(ROUNDS))
    finally:
        ended.set()
        for thread in threads:
            thread.join()
