"""A hotkey recorded by pressing it."""

from __future__ import annotations

import queue
import sys
import threading
import time
from typing import TYPE_CHECKING

from tray.desktop.hotkey import parse
from tray.errors import BadHotkey, Cancelled, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray.desktop.hotkey import Hotkey

PATIENCE = 30.0
"""Seconds that the user may think about it."""
LOOK = 0.2
"""Windows interrupts no wait for a thread, so Ctrl+C would do nothing during a longer one."""


def recorded(read: Callable[[], str], patience: float = PATIENCE) -> Hotkey:
    """The combination that is pressed next, once it is let go.

    Args:
        read: Waits for it and gives its name, as from `reader`.
        patience: Seconds to wait for it.

    Raises:
        BadHotkey: It can be no hotkey.
        Cancelled: Nothing was pressed.
    """
    told: queue.SimpleQueue[str | Exception] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(read, told), name="record", daemon=True).start()
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            answer = told.get(timeout=min(LOOK, patience))
        except queue.Empty:
            continue
        if isinstance(answer, Exception):
            raise BadHotkey(f"The keys that were pressed have no name: {answer}.") from answer
        return parse(answer)
    raise Cancelled(f"Nothing was pressed for {patience:.0f} seconds.")


def _listen(read: Callable[[], str], told: queue.SimpleQueue[str | Exception]) -> None:
    try:
        told.put(read())
    except Exception as error:  # noqa: BLE001  # the one who waits is told
        told.put(error)


def reader() -> Callable[[], str]:
    """What waits for a combination and gives its name.

    Raises:
        Unsupported: This system lets no ordinary program listen.
    """
    if sys.platform != "win32":
        raise Unsupported(
            "Only Windows lets an ordinary program listen to all keys.",
            hint="Write the hotkey into the settings, like ctrl+alt+shift+d: 'Edit settings…' in the menu.",
        )
    import keyboard

    return lambda: str(keyboard.read_hotkey(suppress=False))
