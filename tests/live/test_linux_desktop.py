"""The parts of the Linux desktop together: icon, colours, files, the old kind of tray."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from dbus_fast import Variant
from peers import Colours, FileManager, Folders, Notifications, Watcher, connected
from screen import until

from tray.desktop import Toast, icon, picture
from tray.desktop.linux import LinuxDesktop, NoDisplay
from tray.desktop.menu import Menu, MenuItem
from tray.errors import Unsupported

pytestmark = [pytest.mark.linux, pytest.mark.desktop]
ITEM = "org.kde.StatusNotifierItem"
SYSTEM_PACKAGES = Path("/usr/lib/python3/dist-packages")


@pytest.fixture
def peer(bus):
    """Another program on the bus."""
    yield from connected()


@pytest.fixture
def desktop(homes, monkeypatch):
    """The desktop of a session without a display."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "XDG_SESSION_TYPE"):
        monkeypatch.delenv(name, raising=False)
    yield (desktop := LinuxDesktop())
    desktop.close()


def _menu():
    return Menu(MenuItem("Quit", lambda: None))


def _pixels(peer, service):
    """The smallest picture of the icon."""
    return bytes(peer.property(service, "/StatusNotifierItem", ITEM, "IconPixmap")[0][2])


def _picture(look, theme):
    return picture.pixmap(picture.icon(look, theme, 16))[2]


def test_nothing_starts_before_it_is_needed():
    """A dump from the command line pays for no thread, no connection and no import."""
    script = (
        "import sys, threading; from tray.desktop import desktop; one = desktop(); one.close(); "
        "heavy = {'PIL', 'pystray', 'dbus_fast', 'Xlib', 'keyboard', 'desktop_notifier', 'asyncio.events'}; "
        "print(sorted(heavy & set(sys.modules)), threading.active_count())"
    )
    root = Path(__file__).parents[2]
    told = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    assert told.strip().endswith("1")
    assert "dbus_fast" not in told
    assert "PIL" not in told


def test_panel_that_starts_after_us(peer, desktop):
    """Told as not shown, and there as soon as a panel is."""
    assert not desktop.show_icon(_menu(), "Hangshot", lambda: None)
    watcher = peer.serve(Watcher())
    assert watcher.registered.get(timeout=10)


def test_each_look_is_drawn(peer, desktop):
    """What the app says is what the panel gets."""
    watcher = peer.serve(Watcher())
    assert desktop.show_icon(_menu(), "Hangshot", lambda: None)
    service = watcher.registered.get(timeout=10)
    for look in ("busy", "paused", "idle"):
        desktop.update_icon(look, f"Now {look}")
        assert _pixels(peer, service) == _picture(look, "light")
        assert peer.property(service, "/StatusNotifierItem", ITEM, "ToolTip")[2] == f"Now {look}"
        status = peer.property(service, "/StatusNotifierItem", ITEM, "Status")
        assert status == ("NeedsAttention" if look == "busy" else "Active")


def test_colours_follow_the_desktop(peer, desktop):
    """Dark when it is dark, and again light when it changes."""
    watcher, portal = peer.serve(Watcher()), peer.serve(Colours(1))
    desktop.show_icon(_menu(), "Hangshot", lambda: None)
    service = watcher.registered.get(timeout=10)
    until(lambda: _pixels(peer, service) == _picture("idle", "dark"), "the dark icon")
    change = ("org.freedesktop.appearance", "color-scheme", Variant("u", 2))
    peer.post(portal.SettingChanged, *change)
    until(lambda: _pixels(peer, service) == _picture("idle", "light"), "the light icon")
    peer.post(portal.SettingChanged, "org.freedesktop.appearance", "accent-color", Variant("u", 1))
    assert _pixels(peer, service) == _picture("idle", "light")


def test_all_is_taken_back(peer, desktop, expected_warnings):
    """After `close` neither name is ours, no thread is left, and a toast with buttons is gone."""
    peer.serve(Watcher())
    daemon = peer.serve(Notifications("actions"))
    desktop.claim(lambda: None, str)
    desktop.show_icon(_menu(), "Hangshot", lambda: None)
    desktop.toast(Toast("Title", "Body", (("Act", lambda: None),)))
    desktop.close()
    assert daemon.closed.get(timeout=10)
    names = peer.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.ListNames")[0]
    assert not [name for name in names if "hangshot" in name or name.startswith(ITEM)]
    assert not [thread for thread in threading.enumerate() if thread.name in {"bus", "errands"}]
    assert not desktop.toast(Toast("Title", "Body"))


def test_no_screen_names_the_display(monkeypatch):
    """A display that does not let us in is told apart from none."""
    monkeypatch.setenv("DISPLAY", ":4711")
    with pytest.raises(Unsupported, match=":4711"):
        NoDisplay().foreground()
    assert "The display :4711 does not let us in, or does not answer." in [
        one.found for one in NoDisplay().health("")
    ]


# Files


@pytest.fixture
def opener(tmp_path, monkeypatch):
    """An ``xdg-open`` that writes down what it was to open; its exit code is in ``code``."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "code").write_text("0")
    script = folder / "xdg-open"
    script.write_text(f'#!/bin/sh\necho "$1" >> {folder}/opened\nexit $(cat {folder}/code)\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("DISPLAY", ":4711")
    return folder


def test_reveal_selects_the_file(peer, desktop, tmp_path):
    """A file manager on the bus is told the very file, spaces and all."""
    manager = peer.serve(FileManager())
    desktop.reveal(tmp_path / "a b#.core")
    assert manager.shown.get(timeout=10) == [(tmp_path / "a b#.core").as_uri()]


def test_reveal_through_the_portal(peer, desktop, tmp_path):
    """Without a file manager on the bus the portal gets the open file."""
    portal = peer.serve(Folders())
    (tmp_path / "x.core").write_bytes(b"x")
    desktop.reveal(tmp_path / "x.core")
    assert portal.opened.get(timeout=10) == str(tmp_path / "x.core")


@pytest.mark.parametrize("session", ["bus", "homes"])
def test_reveal_opens_the_folder_at_least(request, tmp_path, opener, session):
    """Neither file manager nor portal, or no bus at all: the folder is opened."""
    request.getfixturevalue(session)
    desktop = LinuxDesktop()
    request.addfinalizer(desktop.close)
    desktop.reveal(tmp_path / "x.core")
    assert (opener / "opened").read_text().split() == [str(tmp_path)]


def test_open_tells_when_nothing_opens(desktop, tmp_path, opener):
    """xdg-open gives up: the user gets the path."""
    (opener / "code").write_text("3")
    with pytest.raises(Unsupported) as caught:
        desktop.open(tmp_path / "x.core")
    assert str(tmp_path / "x.core") in caught.value.hint


def test_open_falls_back_to_an_editor(desktop, tmp_path, opener, monkeypatch):
    """The settings open in a terminal where no program is set up for text."""
    monkeypatch.setenv("VISUAL", "ed -s")
    (opener / "code").write_text("3")
    terminal = opener / "x-terminal-emulator"
    terminal.write_text(f'#!/bin/sh\necho "$@" > {opener}/edited\n')
    terminal.chmod(0o755)
    desktop.open(tmp_path / "settings.toml")
    assert (opener / "edited").read_text().strip() == f"-e ed -s {tmp_path}/settings.toml"


def test_a_program_that_stays_is_not_waited_for(desktop, tmp_path, opener):
    """Some openers run as long as the window is open; no zombie stays behind."""
    (opener / "xdg-open").write_text(f"#!/bin/sh\necho $$ > {opener}/pid\nexec sleep 3\n")
    desktop.open(tmp_path)
    pid = int((opener / "pid").read_text())
    os.kill(pid, 15)
    until(lambda: not Path(f"/proc/{pid}").exists(), "the end of the program, taken note of")


# The old kind of tray

STOCK = """
import sys
from tray.desktop.linux import LinuxDesktop
from tray.desktop.menu import Menu, MenuItem
desktop = LinuxDesktop()
print("shown", desktop.show_icon(Menu(MenuItem("Quit", lambda: print("clicked", flush=True))), "Hangshot", int))
print("ready", flush=True)
for line in sys.stdin:
    desktop.update_icon(line.strip(), "Hangshot")
desktop.close()
"""


class OldTray:
    """An X11 tray that knows nothing of StatusNotifierItem (freedesktop.org, "System Tray Protocol")."""

    def __init__(self, display) -> None:
        from Xlib import X

        self.display = display
        screen = display.screen()
        self.window = screen.root.create_window(0, 0, 1, 1, 0, screen.root_depth)
        self.window.set_selection_owner(display.intern_atom("_NET_SYSTEM_TRAY_S0"), X.CurrentTime)
        display.sync()

    def docked(self):
        """Whether an icon has asked to be taken in."""
        opcode = self.display.intern_atom("_NET_SYSTEM_TRAY_OPCODE")
        events = [self.display.next_event() for _ in range(self.display.pending_events())]
        return any(getattr(event, "client_type", None) == opcode for event in events)


@pytest.fixture
def old_tray(screen, bus):
    """A tray of the old kind, and no panel."""
    display = screen.connect()
    yield OldTray(display)
    display.close()


def _start(script, screen):
    """Python with the packages of the system, where PyGObject lives."""
    root = Path(__file__).parents[2]
    env = {**os.environ, "DISPLAY": screen.name, "PYTHONPATH": f"{root}:{SYSTEM_PACKAGES}"}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", script], env=env, stdin=pipe, stdout=pipe, text=True)


def test_icon_in_an_old_tray(screen, old_tray, notifyd):
    """Where PyGObject is there, GTK takes the icon to a tray of the old kind; where not, there is none."""
    with _start("import gi; gi.require_version('Gtk', '3.0'); print('yes')", screen) as asked:
        has_gtk = asked.communicate()[0] == "yes\n"
    with _start(STOCK, screen) as program:
        assert program.stdout.readline() == f"shown {has_gtk}\n"
        assert program.stdout.readline() == "ready\n"
        if has_gtk:
            until(old_tray.docked, "the icon to come to the tray")
        program.stdin.write("busy\n")
        program.stdin.close()
        assert program.wait(20) == 0


def test_two_icons_would_be_one_too_many(peer, desktop, monkeypatch):
    """When a panel takes our own icon, GTK's goes."""

    class Stock:
        closed = threading.Event()

        def __init__(self, *_) -> None:
            pass

        def show(self) -> bool:
            return True

        def close(self) -> None:
            self.closed.set()

    monkeypatch.setattr(icon.stock, "usable", lambda: True)
    monkeypatch.setattr(icon.stock, "StockIcon", Stock)
    assert desktop.show_icon(_menu(), "Hangshot", lambda: None)
    peer.serve(Watcher())
    assert Stock.closed.wait(10)
