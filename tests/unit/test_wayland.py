"""Wayland without a compositor: what is said, what is asked, what is done with odd answers."""

import json
import os
import socket
import struct
import threading

import pytest
from screen import until

from tray.desktop import wayland, wayland_ipc
from tray.errors import BadHotkey, NoTarget, Unsupported
from tray.model import Window

pytestmark = pytest.mark.linux

VARIABLES = (
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XDG_SESSION_TYPE",
    "XDG_CURRENT_DESKTOP",
    "SWAYSOCK",
    "I3SOCK",
    "HYPRLAND_INSTANCE_SIGNATURE",
)


@pytest.fixture(autouse=True)
def session(monkeypatch, tmp_path):
    """A Wayland session of no known desktop; gives the environment to change."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-1")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return monkeypatch


class Server:
    """Answers on a socket as it is told, and tells what it was asked."""

    def __init__(self, path, answer):
        self.asked = []
        self.connections = []
        self._answer = answer
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections.append(connection)
            self._answer(self, connection)

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for connection in self.connections:
            connection.close()
        self._socket.close()


@pytest.fixture
def serve():
    """Starts servers."""
    servers = []

    def serve(path, answer):
        servers.append(Server(path, answer))
        return servers[-1]

    yield serve
    for server in servers:
        server.close()


@pytest.fixture
def hyprland(serve, session, tmp_path):
    """A Hyprland with one window in front, which the test can change."""
    folder = tmp_path / "hypr" / "abc"
    folder.mkdir(parents=True)
    session.setenv("HYPRLAND_INSTANCE_SIGNATURE", "abc")
    front = {"pid": 4312, "title": "Editor", "xwayland": False}

    def answer(server, connection):
        server.asked.append(connection.recv(100))
        connection.sendall(json.dumps(front).encode())
        connection.close()

    serve(folder / ".socket.sock", answer)
    events = serve(folder / ".socket2.sock", lambda server, connection: None)
    return front, events


def test_hyprland(hyprland):
    """Hyprland is asked for its active window."""
    front, _ = hyprland
    desktop = wayland.connect()
    assert desktop.name == "Hyprland"
    assert desktop.foreground() == Window(4312, "Editor")
    front.clear()
    with pytest.raises(NoTarget, match="No app's window"):
        desktop.foreground()
    desktop.close()


def test_hyprland_watch(hyprland):
    """Each change is told once; what leaves the app in front the same is not."""
    front, events = hyprland
    desktop = wayland.connect()
    seen = []
    desktop.watch(seen.append)
    until(lambda: seen == [Window(4312, "Editor")])
    connection = until(lambda: events.connections)[0]
    connection.sendall(b"workspace>>2\nactivewindow>>editor,Editor\n")
    front.update(pid=99, title="Other")
    connection.sendall(b"activewindow>>other,Other\nactivewindowv2>>55\n")
    until(lambda: seen[-1].pid == 99)
    assert seen == [Window(4312, "Editor"), Window(99, "Other")]
    front.update(pid=os.getpid())
    with pytest.raises(NoTarget):
        desktop.foreground()
    desktop.close()
    desktop.close()


def test_hyprland_of_old(session, tmp_path, monkeypatch):
    """Where the runtime folder has no sockets, they are looked for in /tmp."""
    monkeypatch.setenv("HYPRLAND_INSTANCE_SIGNATURE", "no such instance")
    with pytest.raises(NoTarget, match="Hyprland gives no answer"):
        wayland.connect().foreground()
    assert str(wayland_ipc.compositor()._folder) == "/tmp/hypr/no such instance"


def _sway(reply):
    def answer(server, connection):
        server.asked.append(connection.recv(100))
        connection.sendall(reply)
        connection.close()

    return answer


def _message(content, magic=b"i3-ipc"):
    payload = json.dumps(content).encode()
    return struct.pack("=6sII", magic, len(payload), 4) + payload


TREE = {
    "focused": False,
    "nodes": [
        {"focused": False, "nodes": [{"focused": False, "pid": 1, "name": "behind"}]},
        {"focused": False, "nodes": [], "floating_nodes": [{"focused": True, "pid": 77, "name": "floats"}]},
    ],
}


def test_sway(serve, session, tmp_path):
    """The focus is found anywhere in the tree, floating windows too."""
    server = serve(tmp_path / "sway", _sway(_message(TREE)))
    session.setenv("SWAYSOCK", str(tmp_path / "sway"))
    desktop = wayland.connect()
    assert (desktop.name, desktop.foreground()) == ("sway", Window(77, "floats"))
    assert server.asked == [struct.pack("=6sII", b"i3-ipc", 0, 4)]


@pytest.mark.parametrize(
    "reply",
    [b"", b"i3-ipc", _message({})[:-1], _message({}, magic=b"HTTP/1"), b"i3-ipc\x03\0\0\0\4\0\0\0{{{"],
)
def test_sway_talks_nonsense(serve, session, tmp_path, reply):
    """An answer that is cut off or makes no sense is an error that says who gave it."""
    serve(tmp_path / "sway", _sway(reply))
    session.setenv("SWAYSOCK", str(tmp_path / "sway"))
    with pytest.raises(NoTarget, match="sway gives no answer") as caught:
        wayland.connect().foreground()
    assert "hangshot dump PID" in caught.value.hint


def test_silent_compositor(serve, session, tmp_path, monkeypatch):
    """A compositor that hangs does not take us with it."""
    monkeypatch.setattr(wayland_ipc, "PATIENCE", 0.05)
    serve(tmp_path / "sway", lambda server, connection: None)
    session.setenv("SWAYSOCK", str(tmp_path / "sway"))
    with pytest.raises(NoTarget, match="timed out"):
        wayland.connect().foreground()


def test_no_compositor_to_listen_to(session, expected_warnings):
    """Where the socket is gone, watching says so once and does no harm."""
    session.setenv("SWAYSOCK", "/no/such/socket")
    desktop = wayland.connect()
    desktop.watch(print)
    assert "sway does not tell" in expected_warnings.messages[0]
    desktop.close()


def test_other_session(session):
    """A session that is not Wayland is left to others; one whose display is not named is Wayland all the same."""
    session.delenv("WAYLAND_DISPLAY")
    assert wayland.connect() is None
    session.setenv("XDG_SESSION_TYPE", "x11")
    assert wayland.connect() is None
    session.setenv("XDG_SESSION_TYPE", "wayland")
    assert wayland.connect() is not None


@pytest.mark.parametrize(
    ("said", "name", "where"),
    [
        ("ubuntu:GNOME", "GNOME", "Custom Shortcuts"),
        ("KDE", "KDE", "Command or Script"),
        ("niri", "Wayland", "keyboard settings"),
    ],
)
def test_desktop_that_tells_nothing(session, said, name, where):
    """Where nothing can be seen or bound, the message says what works instead."""
    session.setenv("XDG_CURRENT_DESKTOP", said)
    desktop = wayland.connect()
    assert desktop.name == name
    with pytest.raises(Unsupported, match=f"{name} does not tell") as caught:
        desktop.foreground()
    assert "hangshot dump PID" in caught.value.hint
    with pytest.raises(Unsupported, match=f"{name} gives no program a global hotkey") as caught:
        desktop.bind("ctrl+alt+shift+d", print)
    assert "hangshot dump --foreground" in caught.value.hint
    assert where in caught.value.hint
    assert "Ctrl+Alt+Shift+D" in caught.value.hint
    with pytest.raises(BadHotkey):
        desktop.bind("ctrl+nonsense", print)
    assert desktop.hung(Window(1)) is None
    desktop.watch(print)
    desktop.approaching(print)
    desktop.unbind()
    assert [line.ok for line in desktop.health("ctrl+alt+shift+d")] == [True, False, False]
    desktop.close()


def test_recipes(session):
    """Compositors that are set up by a file get the very line for it."""
    session.setenv("SWAYSOCK", "somewhere")
    assert wayland.recipe("super+plus").endswith(": bindsym Mod4+U002B exec hangshot dump --foreground")
    assert "bindsym Ctrl+Mod1+Shift+d exec" in wayland.recipe("nonsense")
    session.delenv("SWAYSOCK")
    session.setenv("HYPRLAND_INSTANCE_SIGNATURE", "abc")
    assert "bind = CTRL SHIFT, Page_Up, exec, hangshot" in wayland.recipe("ctrl+shift+page up")
    assert "bind = , F9, exec" in wayland.recipe("f9")
