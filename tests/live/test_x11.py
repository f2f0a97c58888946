"""The connection to a real X display: clipboard, beginning, end and loss."""

import contextlib
import threading

import pytest
from screen import Screen, until
from Xlib.display import Display

from tray.desktop import x11, x11_loop
from tray.errors import Unsupported
from tray.model import Window

pytestmark = [
    pytest.mark.linux,
    pytest.mark.x11,
    # python-xlib leaves the socket of a connection that failed to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture
def desktop(screen):
    """Ourselves, connected to the display."""
    desktop = x11.X11(screen.name)
    yield desktop
    desktop.close()


def _paste(screen, target, **more):
    return screen.run("xclip", "-selection", "clipboard", "-o", "-t", target, **more)


@pytest.mark.desktop
@pytest.mark.parametrize("target", ["UTF8_STRING", "STRING", "TEXT", "text/plain;charset=utf-8"])
def test_copy(desktop, screen, target):
    """What was copied is pasted by other programs, in each form that they ask for."""
    assert desktop.copy("/tmp/dumps/Füße_1.core")
    encoding = "latin-1" if target == "STRING" else "utf-8"
    assert _paste(screen, target, encoding=encoding) == "/tmp/dumps/Füße_1.core"


@pytest.mark.desktop
def test_copy_tells_its_forms(desktop, screen):
    """A program that asks which forms there are is told."""
    assert desktop.copy("text")
    forms = _paste(screen, "TARGETS").split()
    assert {"TARGETS", "UTF8_STRING", "STRING", "TEXT", "text/plain;charset=utf-8"} <= set(forms)


@pytest.mark.desktop
def test_copy_again(desktop, screen):
    """The last copy wins, whoever made it, and a long one arrives whole."""
    assert desktop.copy("first")
    assert desktop.copy("x" * 90_000)
    assert _paste(screen, "UTF8_STRING") == "x" * 90_000
    owner = screen.start("xclip", "-selection", "clipboard", "-quiet", stdin=-1)
    owner.stdin.write("theirs")
    owner.stdin.close()
    until(lambda: desktop._events._clipboard._text == "")
    assert _paste(screen, "UTF8_STRING") == "theirs"
    assert not desktop.copy("x" * 200_000)
    assert _paste(screen, "UTF8_STRING") == "theirs"


def test_no_display(monkeypatch):
    """Without a display, or with one that is not there, there is no back end."""
    monkeypatch.delenv("DISPLAY", raising=False)
    assert x11.connect() is None
    for name in ("", "nonsense", ":54321", "unix:54321", "127.0.0.1:54"):
        monkeypatch.setenv("DISPLAY", name)
        assert x11.connect() is None


def test_a_server_that_a_program_keeps_for_itself(screen, monkeypatch):
    """No start, hotkey or end waits for ever for one that answers nobody, as when the program hangs then."""
    monkeypatch.setenv("DISPLAY", screen.name)
    monkeypatch.setattr(x11, "PATIENCE", 0.2)
    monkeypatch.setattr(x11_loop, "PATIENCE", 0.2)
    desktop = x11.X11(screen.name)
    desktop.watch(lambda _: None)
    with contextlib.closing(Display(screen.name)) as other:
        other.grab_server()
        other.sync()
        assert x11.connect() is None
        with pytest.raises(Unsupported, match="does not answer"):
            desktop.bind("ctrl+alt+shift+f9", lambda: None)
        desktop.close()
    until(lambda: not {x11.STARTING, "x11"} & {one.name for one in threading.enumerate()})


def test_one_question_needs_no_thread(desktop):
    """A start that only asks pays for no events and no thread."""
    before = threading.active_count()
    assert desktop.hung(Window(1), 0.1) is None
    assert threading.active_count() == before
    desktop.close()


def test_close(screen):
    """The end ends the thread; it may be told twice, by several threads, and from a callback."""
    desktop = x11.X11(screen.name)
    desktop.watch(lambda _: None)
    thread = desktop._events.loop._thread
    desktop._events.loop.call(desktop.close)
    closers = [threading.Thread(target=desktop.close) for _ in range(3)]
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join(5)
    thread.join(5)
    assert not thread.is_alive()
    assert not desktop.copy("text")
    with pytest.raises(Unsupported):
        desktop.foreground()
    with pytest.raises(Unsupported):
        desktop.watch(lambda _: None)
    desktop.unbind()


@pytest.mark.parametrize("listening", [True, False])
def test_server_ends(listening, expected_warnings):
    """A display that goes away is told once; after that everything says so, and nothing hangs or crashes."""
    screen = Screen(managed=False)
    desktop = x11.X11(screen.name)
    if listening:
        desktop.bind("ctrl+alt+shift+d", lambda: None)
        thread = desktop._events.loop._thread
    screen.close()
    if listening:
        thread.join(5)
        assert not thread.is_alive()
    assert len(expected_warnings.messages) == listening
    for act in (desktop.foreground, lambda: desktop.watch(print), lambda: desktop.bind("ctrl+F9", print)):
        with pytest.raises(Unsupported, match="lost"):
            act()
    assert desktop.hung(Window(1)) is None
    assert not desktop.copy("text")
    assert [line.ok for line in desktop.health("ctrl+F9")] == [False]
    desktop.unbind()
    desktop.close()
    assert len(expected_warnings.messages) == listening


def test_server_ends_under_way(expected_warnings):
    """A display that goes away while many ask leaves none of them waiting."""
    screen = Screen()
    desktop = x11.X11(screen.name)
    desktop.watch(lambda _: None)
    program = screen.show()
    until(lambda: desktop.foreground().pid == program.pid)
    started = threading.Barrier(5)

    def ask():
        started.wait()
        with contextlib.suppress(Unsupported):
            while True:
                desktop.foreground()
                desktop.hung(Window(program.pid), 0.1)
                desktop.approaching(lambda: None)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    started.wait()
    screen.server.kill()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    until(lambda: desktop._events.loop.lost)
    desktop.close()
    screen.close()
    assert len(expected_warnings.messages) == 1
