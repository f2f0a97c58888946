"""Compositors that tell which window has the focus, each over a socket of its own kind."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tray.model import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 2.0
"""Seconds that a compositor has for an answer."""

_HEAD = struct.Struct("=6sII")
_MAGIC = b"i3-ipc"
_SUBSCRIBE = 2
_GET_TREE = 4
_LINE = 65536


class Sway:
    """sway, and others that speak the protocol of i3.

    Source: sway-ipc(7).
    """

    name = "sway"

    def __init__(self, path: str) -> None:
        self._path = path

    def focused(self) -> Window | None:
        """The window that has the focus, None for none.

        Raises:
            OSError: The compositor gives no answer, or one that makes no sense.
        """
        with _connected(self._path) as connection:
            tree = _ask(connection, _GET_TREE)
        node = next((node for node in _nodes(tree) if node.get("focused")), {})
        return _window(node.get("pid"), node.get("name"))

    def listen(self) -> socket.socket:
        """A connection that tells of each change; the caller closes it."""
        with contextlib.ExitStack() as on_failure:
            connection = on_failure.enter_context(_connected(self._path))
            _ask(connection, _SUBSCRIBE, b'["window"]')
            on_failure.pop_all()
        connection.settimeout(None)
        return connection

    def changes(self, connection: socket.socket) -> Iterator[None]:
        """Comes back each time that another window may have the focus; ends with the connection."""
        with contextlib.suppress(OSError):
            while event := _receive(connection):
                if event.get("change") in {"focus", "close"}:
                    yield


class Hyprland:
    """Hyprland.

    Source: https://wiki.hypr.land/IPC/
    """

    name = "Hyprland"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def focused(self) -> Window | None:
        """The window that has the focus, None for none.

        Raises:
            OSError: The compositor gives no answer, or one that makes no sense.
        """
        with _connected(self._folder / ".socket.sock") as connection:
            connection.sendall(b"j/activewindow")
            with connection.makefile("rb") as answer:
                found = _decoded(answer.read())
        return _window(found.get("pid"), found.get("title"))

    def listen(self) -> socket.socket:
        """A connection that tells of each change; the caller closes it."""
        connection = _connected(self._folder / ".socket2.sock")
        connection.settimeout(None)
        return connection

    def changes(self, connection: socket.socket) -> Iterator[None]:
        """Comes back each time that another window may have the focus; ends with the connection."""
        with contextlib.suppress(OSError), connection.makefile("rb") as lines:
            while line := lines.readline(_LINE):
                if line.startswith(b"activewindow>>"):
                    yield


def compositor() -> Sway | Hyprland | None:
    """The one of this session, None if it is of another kind."""
    if path := os.environ.get("SWAYSOCK") or os.environ.get("I3SOCK"):
        return Sway(path)
    if instance := os.environ.get("HYPRLAND_INSTANCE_SIGNATURE"):
        runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp", "hypr", instance)  # noqa: S108
        # Versions before 0.40 had their sockets in /tmp, whatever the runtime folder.
        return Hyprland(runtime if runtime.is_dir() else Path("/tmp/hypr", instance))  # noqa: S108
    return None


def _connected(path: str | Path) -> socket.socket:
    if sys.platform == "win32":
        raise OSError("no compositors on Windows")
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(PATIENCE)
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return connection


def _ask(connection: socket.socket, kind: int, payload: bytes = b"") -> dict[str, Any]:
    connection.sendall(_HEAD.pack(_MAGIC, len(payload), kind) + payload)
    return _receive(connection)


def _receive(connection: socket.socket) -> dict[str, Any]:
    """The next message."""
    magic, length, _ = _HEAD.unpack(_exactly(connection, _HEAD.size))
    if magic != _MAGIC:
        raise OSError("no answer of a compositor")
    return _decoded(_exactly(connection, length))


def _exactly(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = connection.recv(size - len(found))
        if not part:
            raise ConnectionError("the compositor ended in the middle of an answer")
        found += part
    return found


def _decoded(answer: bytes) -> dict[str, Any]:
    try:
        found = json.loads(answer)
    except ValueError as why:
        raise OSError("an answer that makes no sense") from why
    return found if isinstance(found, dict) else {}


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A node of sway's tree and all below it."""
    pending = [node]
    while pending:
        node = pending.pop()
        yield node
        pending += [*node.get("nodes", ()), *node.get("floating_nodes", ())]


def _window(pid: object, title: object) -> Window | None:
    """What a compositor says of a window; an empty workspace has no pid."""
    return Window(pid, str(title or "")) if isinstance(pid, int) and pid > 0 else None
