"""Whether the program behind an X11 window still answers."""

from __future__ import annotations

import contextlib
import secrets
import select
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING or sys.platform != "win32":
    from Xlib import X
    from Xlib.display import Display
    from Xlib.error import BadWindow, CatchError
    from Xlib.protocol.event import ClientMessage

if TYPE_CHECKING:
    from Xlib.protocol import rq


def unanswered(display_name: str, window: int, patience: float) -> bool:
    """Whether ``window`` leaves a ping without an answer for ``patience`` seconds.

    The answer goes to the root window, where any client may see it. A random
    stamp keeps the window manager from taking our ping for one of its own.
    A connection for each ping lets several wait side by side.

    Raises:
        Xlib.error.BadWindow: It was closed meanwhile.

    Source: Extended Window Manager Hints, ``_NET_WM_PING``.
    """
    with contextlib.closing(Display(display_name)) as display:
        root = display.screen().root
        root.change_attributes(event_mask=X.SubstructureNotifyMask)
        stamp = secrets.randbits(31)
        ping = display.get_atom("_NET_WM_PING")
        message = ClientMessage(
            window=window,
            client_type=display.get_atom("WM_PROTOCOLS"),
            data=(32, [ping, stamp, window, 0, 0]),
        )
        target = display.create_resource_object("window", window)
        target.send_event(message, onerror=CatchError(BadWindow))
        deadline = time.monotonic() + patience
        while event := _next(display, deadline):
            if event.type == X.ClientMessage and list(event.data[1][:2]) == [ping, stamp]:
                return False
        target.get_attributes()  # raises if it was closed meanwhile
        return True


def _next(display: Display, deadline: float) -> rq.Event | None:
    """The next event, None if there is none before the deadline."""
    while not display.pending_events():
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        select.select([display.fileno()], [], [], left)
    return display.next_event()
