"""A socket that does not take "full" for "broken"."""

from __future__ import annotations

import errno
import select
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

    from dbus_fast.aio import MessageBus

PATIENCE = 1.0
"""Seconds that a message with open files may wait for room."""


class Patient:
    """Stands in for the socket that dbus-fast writes to.

    dbus-fast takes EAGAIN for the end of the connection (seen with 5.2.0; the same
    in dbus-next#153). A busy session is enough: a panel that asks for the icon
    three times before the bus gets to read has filled the socket, and the tray
    lost its icon and its toasts. A send of nothing makes it wait until there is room.
    """

    def __init__(self, inner: socket.socket) -> None:
        self._inner = inner

    @classmethod
    def calm(cls, connection: MessageBus) -> None:
        """Put one between a connection and its socket."""
        writer = getattr(connection, "_writer", None)
        if writer is not None and hasattr(writer, "sock"):
            writer.sock = cls(writer.sock)

    def send(self, part: memoryview) -> int:
        """How many bytes were taken; none where there is no room now."""
        try:
            return self._inner.send(part)
        except BlockingIOError:
            return 0

    def sendmsg(self, parts: Iterable[memoryview], ancillary: Iterable[tuple[int, int, Any]]) -> int:
        """The same with open files, which must go in the first piece: wait a little for room.

        Raises:
            OSError: There still is none.
        """
        if sys.platform == "win32":
            raise OSError(errno.ENOSYS, "no open files over a socket")
        select.select([], [self._inner], [], PATIENCE)
        return self._inner.sendmsg(parts, ancillary)
