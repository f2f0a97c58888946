"""Which app is in front on a real X display, and whether it still answers."""

import contextlib
import os
import signal
import threading
import time

import pytest
from screen import Screen, until
from Xlib import X
from Xlib.protocol.event import ClientMessage

from tray.desktop import wayland, x11
from tray.desktop.x11_windows import Gone
from tray.errors import NoTarget, Unsupported
from tray.model import Window

pytestmark = [pytest.mark.linux, pytest.mark.x11]


@pytest.fixture
def desktop(screen, monkeypatch):
    """Ourselves, connected to the display."""
    monkeypatch.setenv("DISPLAY", screen.name)
    desktop = x11.connect()
    yield desktop
    desktop.close()


@pytest.fixture
def show(screen):
    """Shows windows, and waits until each is in front; all are gone afterwards."""
    with contextlib.closing(screen.connect()) as display, contextlib.ExitStack() as shown:

        def show(*options, front=True):
            program = screen.show(*options)
            shown.callback(until, lambda: not _is_listed(display, program.pid), "the window to go")
            shown.callback(screen.end, program)
            if front:
                until(lambda: _front_pid(display) == program.pid, "the window to come to the front")
            return program

        yield show


def _pid(display, window) -> int:
    found = display.create_resource_object("window", window).get_full_property(
        display.get_atom("_NET_WM_PID"), X.AnyPropertyType
    )
    return found.value[0] if found else 0


def _root(display, name):
    found = display.screen().root.get_full_property(display.get_atom(name), X.AnyPropertyType)
    return list(found.value) if found else []


def _front_pid(display) -> int:
    with contextlib.suppress(Exception):
        return _pid(display, _root(display, "_NET_ACTIVE_WINDOW")[0])
    return 0


def _is_listed(display, pid) -> bool:
    try:
        return pid in [_pid(display, window) for window in _root(display, "_NET_CLIENT_LIST")]
    except Exception:  # noqa: BLE001  # a window of the list has just gone
        return True


def _window_of(display, program):
    return next(
        window for window in _root(display, "_NET_CLIENT_LIST") if _pid(display, window) == program.pid
    )


def _activate(display, program):
    message = ClientMessage(
        window=_window_of(display, program),
        client_type=display.get_atom("_NET_ACTIVE_WINDOW"),
        data=(32, [2, X.CurrentTime, 0, 0, 0]),
    )
    mask = X.SubstructureRedirectMask | X.SubstructureNotifyMask
    display.screen().root.send_event(message, event_mask=mask)
    display.sync()
    until(lambda: _front_pid(display) == program.pid, "the window to be activated")


@pytest.fixture
def other(screen):
    """Another client of the display."""
    with contextlib.closing(screen.connect()) as display:
        yield display


def test_foreground(desktop, show, other):
    """The app in front is named by pid and title, and followed when another comes to the front."""
    first = show("--title", "Zürich ☂")
    assert desktop.foreground() == Window(first.pid, "Zürich ☂")
    second = show()
    assert desktop.foreground().pid == second.pid
    _activate(other, first)
    assert desktop.foreground().pid == first.pid


def test_stopped(desktop, show):
    """A program that does not run is found as fast as one that does."""
    program = show()
    os.kill(program.pid, signal.SIGSTOP)
    begun = time.monotonic()
    assert desktop.foreground().pid == program.pid
    assert time.monotonic() - begun < 0.5


def test_nothing_in_front(desktop):
    """An empty desktop has no target."""
    with pytest.raises(NoTarget, match="No app's window"):
        desktop.foreground()


def test_own_window(desktop, show, other):
    """Our own window in front means the app that was there before, never ourselves."""
    desktop.watch(lambda _: None)
    program = show()
    ours = other.screen().root.create_window(0, 0, 100, 100, 0, X.CopyFromParent)
    ours.change_property(other.get_atom("_NET_WM_PID"), other.get_atom("CARDINAL"), 32, [1])
    ours.map()
    other.sync()
    until(lambda: _root(other, "_NET_ACTIVE_WINDOW") == [ours.id], "our window")
    assert desktop.foreground().pid == program.pid
    ours.destroy()
    other.sync()


@pytest.mark.parametrize("kind", ["desktop", "dock"])
@pytest.mark.parametrize("watching", [True, False])
def test_shell(desktop, show, other, kind, watching):
    """The desktop or a panel in front means the app before, also for a short-lived start of ours."""
    if watching:
        desktop.watch(lambda _: None)
    below, above = show(), show()
    shell = show("--type", kind, front=False)
    _activate(other, shell)
    assert desktop.foreground().pid == above.pid
    if watching:
        _activate(other, below)
        _activate(other, shell)
        assert desktop.foreground().pid == below.pid


def test_container(desktop, show):
    """A local program with another host name, as in a container, is known by what the kernel told the server."""
    program = show("--machine", "f3c1d2")
    assert desktop.foreground().pid == program.pid


def test_tunnel(desktop, show):
    """A window that came through ssh belongs to a program elsewhere, not to the local ssh."""
    show("--machine", "elsewhere.example", "--name", "ssh")
    with pytest.raises(NoTarget, match=r"on elsewhere\.example"):
        desktop.foreground()


def test_untrusted_server(desktop, show, monkeypatch):
    """Where the server's pids mean nothing, only a program of this computer is believed."""
    monkeypatch.setattr(desktop._windows, "_trusted", False)
    program = show()
    assert desktop.foreground().pid == program.pid
    show("--machine", "elsewhere.example")
    with pytest.raises(NoTarget, match=r"on elsewhere\.example"):
        desktop.foreground()


def test_pid_unknown(desktop, show, monkeypatch, other):
    """A window without any pid is no target, and the message says so."""
    monkeypatch.setattr(desktop._windows, "_trusted", False)
    program = show()
    window = other.create_resource_object("window", _window_of(other, program))
    window.delete_property(other.get_atom("_NET_WM_PID"))
    other.sync()
    with pytest.raises(NoTarget, match="does not tell"):
        desktop.foreground()
    window.change_property(other.get_atom("_NET_WM_PID"), other.get_atom("CARDINAL"), 32, [program.pid])
    other.sync()


def test_vanishing(desktop, show, monkeypatch):
    """A window that closes while it is asked about is asked for anew, and never answers for another."""
    program = show()
    real, gone = desktop._windows.active, [0x7FFFFF1, 0x7FFFFF2]
    monkeypatch.setattr(desktop._windows, "active", lambda: gone.pop() if gone else real())
    assert desktop.foreground().pid == program.pid
    gone.extend([0x7FFFFF1] * 99)
    with pytest.raises(NoTarget, match="No app's window"):
        desktop.foreground()


def test_closing_windows(desktop, screen):
    """Windows that come and go while everything is asked give answers or NoTarget, nothing else."""
    desktop.watch(lambda _: None)
    done = threading.Event()
    problems = []

    def ask():
        while not done.is_set():
            try:
                desktop.hung(desktop.foreground(), 0.05)
            except NoTarget:
                pass
            except Exception as problem:  # noqa: BLE001  # the rule of this test
                problems.append(problem)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    with contextlib.closing(screen.connect()) as display:
        for _ in range(60):
            window = display.screen().root.create_window(0, 0, 50, 50, 0, X.CopyFromParent)
            window.map()
            display.sync()
            window.destroy()
            display.sync()
    for _ in range(3):
        screen.end(screen.show())
    done.set()
    for thread in threads:
        thread.join(10)
    assert not problems
    assert not any(thread.is_alive() for thread in threads)


def test_watch(desktop, show, other):
    """Each change of the app in front is told once, the present one at once, and nothing else."""
    first = show()
    seen = []
    desktop.watch(lambda window: seen.append(window.pid))
    assert seen == [first.pid]
    second = show()
    until(lambda: seen[-1] == second.pid)
    shell = show("--type", "desktop", front=False)
    _activate(other, shell)
    _activate(other, second)
    _activate(other, first)
    until(lambda: len(seen) > 2)
    assert seen == [first.pid, second.pid, first.pid]


def test_watch_survives_callback(desktop, show, expected_warnings):
    """A callback that fails is logged; the next change is told all the same."""
    seen = []

    def fail(window):
        seen.append(window.pid)
        raise RuntimeError("on purpose")

    desktop.watch(fail)
    first = show()
    second = show()
    until(lambda: seen == [first.pid, second.pid])
    assert "A callback of the X11 desktop failed" in expected_warnings.messages


def test_approaching(desktop, show, screen):
    """The pointer is announced when it comes to a panel, whether that was there first or came later."""
    announced = []
    screen.run("xdotool", "mousemove", "1000", "700")
    first = show("--type", "dock", front=False)
    desktop.approaching(lambda: announced.append(1))
    screen.run("xdotool", "mousemove", "600", "400")
    until(lambda: len(announced) == 1)
    screen.run("xdotool", "mousemove", "610", "410", "mousemove", "1000", "700")
    screen.end(first)
    until(lambda: not desktop._events._panels)
    show("--type", "dock", front=False)
    until(lambda: desktop._events._panels)
    screen.run("xdotool", "mousemove", "600", "400")
    until(lambda: len(announced) == 2)


def test_hung(desktop, show):
    """A program that runs answers, a stopped one does not, and one that never promised to cannot be told."""
    program = show()
    window = desktop.foreground()
    assert desktop.hung(window, 5) is False
    os.kill(program.pid, signal.SIGSTOP)
    begun = time.monotonic()
    assert desktop.hung(window, 0.2) is True
    assert 0.2 <= time.monotonic() - begun < 1
    os.kill(program.pid, signal.SIGCONT)
    assert desktop.hung(window, 5) is False
    mute = show("--mute")
    os.kill(mute.pid, signal.SIGSTOP)
    assert desktop.hung(desktop.foreground(), 0.1) is None
    assert desktop.hung(Window(os.getpid()), 0.1) is None


def test_hung_and_gone(desktop, show, screen):
    """A window that closes during the ping is not called hung."""
    program = show()
    window = desktop.foreground()
    os.kill(program.pid, signal.SIGSTOP)
    ended = threading.Timer(0.1, screen.end, [program])
    ended.start()
    assert desktop.hung(window, 0.5) is None
    ended.join()


def test_pings_side_by_side(desktop, show):
    """Several hung apps are asked in the time of one."""
    windows = []
    for _ in range(4):
        os.kill(show().pid, signal.SIGSTOP)
        windows.append(desktop.foreground())
    answers = []
    threads = [
        threading.Thread(target=lambda window=window: answers.append(desktop.hung(window, 0.5)))
        for window in windows
    ]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 4
    assert time.monotonic() - begun < 1.5


@pytest.fixture
def bare():
    """A display without a window manager, and ourselves on it."""
    screen = Screen(managed=False)
    desktop = x11.X11(screen.name)
    yield screen, desktop
    desktop.close()
    screen.close()


def test_no_manager(bare):
    """Without a window manager the app with the focus is in front, or the one under the pointer."""
    screen, desktop = bare
    with pytest.raises(NoTarget):
        desktop.foreground()
    program = screen.show()
    with contextlib.closing(screen.connect()) as display:
        window = next(
            child for child in display.screen().root.query_tree().children if _pid(display, child.id)
        )
        screen.run("xdotool", "mousemove", "100", "100")
        assert desktop.foreground().pid == program.pid
        screen.run("xdotool", "mousemove", "1000", "700")
        window.set_input_focus(X.RevertToPointerRoot, X.CurrentTime)
        display.sync()
        assert desktop.foreground().pid == program.pid
    os.kill(program.pid, signal.SIGSTOP)
    assert desktop.hung(Window(program.pid), 0.1) is True


def test_manager_ends(bare):
    """The last words of a window manager that has ended are not taken for the truth."""
    screen, desktop = bare
    manager = screen.manage()
    first = screen.show()
    until(lambda: desktop.foreground().pid == first.pid)
    manager.kill()
    manager.wait()
    second = screen.show()
    screen.end(first)
    screen.run("xdotool", "mousemove", "100", "100")
    until(lambda: desktop.foreground().pid == second.pid)


def test_old_manager(bare):
    """Inside a frame that belongs to the window manager, the app's own window is found."""
    screen, desktop = bare
    program = screen.show()
    with contextlib.closing(screen.connect()) as display:
        root = display.screen().root
        client = next(child for child in root.query_tree().children if _pid(display, child.id))
        frame = root.create_window(0, 0, 500, 300, 0, X.CopyFromParent)
        client.reparent(frame, 10, 30)
        client.change_property(display.get_atom("WM_STATE"), display.get_atom("WM_STATE"), 32, [1, 0])
        frame.map()
        screen.run("xdotool", "mousemove", "100", "100")
        display.sync()
        assert desktop.foreground().pid == program.pid


def test_xwayland(show, screen, monkeypatch):
    """In a Wayland session that tells nothing, X11 programs are seen while in front, and no other is guessed."""
    monkeypatch.setenv("DISPLAY", screen.name)
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    monkeypatch.setenv("XDG_CURRENT_DESKTOP", "GNOME")
    monkeypatch.delenv("SWAYSOCK", raising=False)
    desktop = wayland.connect()
    seen = []
    desktop.watch(lambda window: seen.append(window.pid))
    program = show()
    assert desktop.foreground().pid == program.pid
    assert desktop.hung(Window(program.pid), 5) is False
    until(lambda: seen == [program.pid])
    screen.end(program)
    with pytest.raises(Unsupported, match="GNOME does not tell"):
        until(lambda: desktop.foreground().pid != program.pid)
    desktop.close()


def test_gone_is_told_apart(desktop):
    """A window that is there no more is not taken for one of another kind."""
    with pytest.raises(Gone):
        desktop._windows.app(0x7FFFFF1)
