"""The Windows back end with real windows, keys and messages."""

from __future__ import annotations

import ctypes
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import windows_keys
from windows_keys import ALT, CTRL, ESCAPE, F9, F10, SHIFT, hold, release, until

from tray.desktop import Toast, windows_icon, windows_instance, windows_pump, windows_registry, windows_shell
from tray.desktop.menu import Menu, MenuItem
from tray.desktop.windows import WindowsDesktop
from tray.desktop.windows_instance import Instance
from tray.desktop.windows_screen import WindowsScreen
from tray.errors import CaptureFailed, Unsupported
from tray.ffi import user32

if TYPE_CHECKING:
    from collections.abc import Iterator

HOTKEY, KEYS = "ctrl+alt+shift+f9", (CTRL, ALT, SHIFT, F9)
ROOT = Path(__file__).parents[2]
HOLDER = """
import ctypes, sys
print(ctypes.windll.user32.RegisterHotKey(None, 1, 7, 0x78), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def desktop(taskbar) -> Iterator[WindowsDesktop]:
    """The desktop of this session."""
    yield (made := WindowsDesktop())
    made.close()


# ---- windows


def test_window_in_front(desktop, program):
    """Its process, thread and title, as Windows keeps them; and it answers."""
    target = program("deadlock_window")
    window = until(lambda: (told := desktop.foreground()).pid == target.pid and told, "the window")
    assert window.title == "Deadlocked ü"
    assert window.thread
    assert desktop.hung(window) is False


def test_hung_window(desktop, program):
    """It is told as fast as we are patient, and so is its title."""
    target = program("deadlock_window", "hung")
    window = until(lambda: (told := desktop.foreground()).pid == target.pid and told, "the window")
    began = time.monotonic()
    assert until(lambda: desktop.hung(window, 0.2), "the hang") is True
    assert window.title == "Deadlocked ü"
    assert time.monotonic() - began < 2


def test_process_without_a_window(desktop, program):
    """Whether it hangs cannot be told."""
    from tray.model import Window

    assert desktop.hung(Window(program("deadlock").pid)) is None


def test_windows_that_come_to_the_front(desktop, program):
    """Each is told, the one that is there first."""
    seen: queue.Queue[int] = queue.Queue()
    first = program("deadlock_window")
    until(lambda: desktop.foreground().pid == first.pid, "the first window")
    desktop.watch(lambda window: seen.put(window.pid))
    assert seen.get(timeout=5) == first.pid
    second = program("deadlock_window")
    assert seen.get(timeout=5) == second.pid


# ---- the hotkey


class Presses:
    """Counts presses, whichever thread they come on."""

    def __init__(self) -> None:
        self._heard = threading.Semaphore(0)

    def __call__(self) -> None:
        self._heard.release()

    def one(self) -> bool:
        """Whether one comes."""
        return self._heard.acquire(timeout=5)

    def none(self) -> bool:
        """Whether none is there, once those that are on their way have come."""
        return not self._heard.acquire(timeout=0.3)


@pytest.fixture
def taken() -> Iterator[None]:
    """Another program has the hotkey."""
    program = subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with program:
        assert program.stdout.readline().strip() == "1"
        yield
        program.stdin.close()


def press_twice(presses: Presses) -> None:
    """Two presses, the first one held, are two."""
    for repeats in (4, 0):
        hold(*KEYS, repeats=repeats)
        heard = presses.one(), presses.none()
        release(*KEYS)
        assert heard == (True, True)
        time.sleep(0.1)  # nobody is told when the key is seen to be up


def test_hotkey(desktop, program):
    """The system hears it, once for each press, while another program is in front."""
    program("deadlock_window")
    presses = Presses()
    desktop.bind(HOTKEY, presses)
    assert "by the system" in desktop.health(HOTKEY)[1].found
    press_twice(presses)
    desktop.unbind()
    hold(*KEYS)
    release(*KEYS)
    assert presses.none()


def test_other_keys_are_not_the_hotkey(desktop):
    """Fewer modifiers, or another key."""
    presses = Presses()
    desktop.bind(HOTKEY, presses)
    for keys in ((CTRL, ALT, F9), (CTRL, ALT, SHIFT, F10)):
        hold(*keys)
        release(*keys)
    assert presses.none()


def test_taken_hotkey(desktop, taken, program):
    """The hook hears it all the same, and it is told."""
    program("deadlock_window")
    assert "Another program" in desktop.health(HOTKEY)[1].found
    presses = Presses()
    desktop.bind(HOTKEY, presses)
    assert desktop.health(HOTKEY)[1].found.endswith("by the keyboard hook, for another program has it too.")
    press_twice(presses)


def test_hook_that_windows_dropped(desktop, taken, program):
    """The watchdog hooks again; after the lock screen too."""
    program("deadlock_window")
    presses = Presses()
    desktop.bind(HOTKEY, presses)
    press_twice(presses)
    hook = desktop._hotkeys.bound.engine
    first = hook._thread
    windows_keys.user32.PostThreadMessageW(first.native_id, user32.WM_QUIT, 0, 0)
    first.join(5)
    windows_keys.send(desktop._pump.window, user32.WM_TIMER, hook._watchdog)
    second = hook._thread
    assert second is not first
    press_twice(presses)
    windows_keys.send(desktop._pump.window, user32.WM_WTSSESSION_CHANGE, user32.WTS_SESSION_UNLOCK)
    assert hook._thread is not second
    assert not second.is_alive()
    press_twice(presses)


def test_unlocking_forgets_held_keys(desktop, taken, program):
    """A key whose release the lock screen swallowed is not held for ever."""
    program("deadlock_window")
    presses = Presses()
    desktop.bind(HOTKEY, presses)
    hold(*KEYS)
    assert presses.one()
    windows_keys.send(desktop._pump.window, user32.WM_POWERBROADCAST, user32.PBT_APMRESUMEAUTOMATIC)
    release(*KEYS)
    press_twice(presses)


# ---- the end of the session


def test_end_of_the_session_waits_for_us(desktop):
    """Nobody vetoes it; the app is told, and Windows waits until all is given back."""
    told = threading.Event()
    desktop.ending(told.set)
    desktop.show_icon(Menu(MenuItem("Quit", lambda: None)), "Hangshot", lambda: None)
    for window in (desktop._pump.window, desktop._icon._icon._hwnd):
        assert windows_keys.send(window, user32.WM_QUERYENDSESSION) == 1
    window = desktop._pump.window
    ending = threading.Thread(target=lambda: windows_keys.send(window, user32.WM_ENDSESSION, 1))
    ending.start()
    assert told.wait(5)
    assert ending.is_alive()
    desktop.close()
    ending.join(5)
    assert not ending.is_alive()


# ---- the icon


def test_menu_is_made_when_it_opens(desktop):
    """So the newest one is shown, with its ampersands; and the pointer over the icon is told before."""
    near = queue.Queue()
    desktop.show_icon(Menu(MenuItem("Old", lambda: None)), "x" * 300, lambda: near.put("near"))
    desktop.update_icon("busy", "Dumping…", Menu(MenuItem("Dump R&D\tCtrl+F9", lambda: None)))
    icon = desktop._icon._icon
    notify = 0x400 + 11
    windows_keys.post(icon._hwnd, notify, 0, user32.WM_MOUSEMOVE)
    assert near.get(timeout=5)
    windows_keys.post(icon._hwnd, notify, 0, user32.WM_LBUTTONUP)
    assert near.get(timeout=5)
    until(lambda: windows_keys.user32.FindWindowW("#32768", None), "the menu")
    assert windows_keys.rows(icon._menu_handle[0]) == ["Dump R&&D\tCtrl+F9"]
    desktop.update_icon("idle", "Hangshot", Menu(MenuItem("New", lambda: None)))
    assert windows_keys.rows(icon._menu_handle[0]) == ["Dump R&&D\tCtrl+F9"]
    hold(ESCAPE)
    release(ESCAPE)
    until(lambda: not icon._open, "the menu to close")


def test_balloon(desktop):
    """A click on it does what the toast is for."""
    clicked = threading.Event()
    desktop.show_icon(Menu(MenuItem("Quit", lambda: None)), "Hangshot", lambda: None)
    assert desktop.toast(Toast("x" * 300, "y" * 300, clicked=clicked.set))
    assert desktop._toasts.kind == "balloons"  # the test bed has no shell for the other kind
    windows_keys.post(desktop._icon._icon._hwnd, 0x400 + 11, 0, user32.NIN_BALLOONUSERCLICK)
    assert clicked.wait(5)


@pytest.fixture
def icon(desktop):
    """Our icon, shown; pystray's own object."""
    assert desktop.show_icon(Menu(MenuItem("Quit", lambda: None)), "Hangshot", lambda: None)
    return desktop._icon._icon


def is_shown(icon) -> bool:
    """Whether the taskbar knows our icon: it takes changes only of those that it has."""
    from pystray._util import win32

    about = win32.NOTIFYICONDATAW(cbSize=ctypes.sizeof(win32.NOTIFYICONDATAW), hWnd=icon._hwnd, hID=id(icon))
    return bool(win32.Shell_NotifyIcon(win32.NIM_MODIFY, about))


def test_the_taskbar_starts_anew(icon):
    """Explorer has crashed and comes back without icons: ours is put there again."""
    from pystray._util import win32

    icon._message(win32.NIM_DELETE, 0)
    assert not is_shown(icon)
    windows_keys.send(icon._hwnd, win32.WM_TASKBARCREATED)
    assert is_shown(icon)


def test_the_icon_has_the_taskbars_size(icon):
    """What Windows was given is no larger than what it shows, or it would be scaled to a blur."""
    small = windows_keys.user32.GetSystemMetrics(user32.SM_CXSMICON)
    assert windows_icon.small() == small
    assert windows_keys.icon_size(icon._icon_handle) == (small, small)


def test_the_icon_follows_the_colours_of_the_taskbar(desktop, icon):
    """Another theme, and the icon is drawn for it at once."""
    before = icon.icon
    windows_registry.delete(windows_registry.COLOURS, "SystemUsesLightTheme")
    try:
        for light, same in ((1, False), (0, True)):
            set_number(windows_registry.COLOURS, "SystemUsesLightTheme", light)
            windows_keys.send(icon._hwnd, user32.WM_SETTINGCHANGE)
            assert (icon.icon == before) is same
    finally:
        windows_registry.delete(windows_registry.COLOURS, "SystemUsesLightTheme")


def set_number(key: str, name: str, value: int) -> None:
    """Set a number of the user's, as Windows' settings do."""
    import winreg

    with winreg.CreateKey(winreg.HKEY_CURRENT_USER, key) as opened:
        winreg.SetValueEx(opened, name, 0, winreg.REG_DWORD, value)


def test_who_hears_the_hotkey_is_told_at_the_icon(desktop, taken, icon):
    """The tooltip says that both programs act."""
    desktop.bind(HOTKEY, lambda: None)
    desktop.update_icon("idle", "Hangshot")
    assert icon.title == "Hangshot\nCtrl+Alt+Shift+F9 is shared with another program (the keyboard hook)"


# ---- the rest


@pytest.mark.parametrize("text", ["C:\\dumps\\a.dmp", "ü😀", ""])
def test_copy(desktop, text):
    """All of it, as it is; and it stays when we end."""
    assert desktop.copy(text)
    desktop.close()
    assert windows_keys.clipboard() == text


@pytest.fixture
def hung_owner() -> Iterator[None]:
    """The clipboard was filled by a window that takes no message any more."""
    owns, released = threading.Event(), threading.Event()

    def own() -> None:
        window = user32.call(
            "CreateWindowExW", 0, "STATIC", "", 0, 0, 0, 0, 0, user32.HWND_MESSAGE, None, None, None
        )
        with windows_shell._clipboard(window):
            user32.call("EmptyClipboard")
        owns.set()
        released.wait(60)
        user32.call("DestroyWindow", window)

    thread = threading.Thread(target=own)
    thread.start()
    assert owns.wait(20)
    yield
    released.set()
    thread.join()


@pytest.mark.usefixtures("hung_owner")
def test_copy_over_an_app_that_hangs(desktop, monkeypatch):
    """Windows asks the one who filled the clipboard, whoever copies; our keys are heard all the while."""
    monkeypatch.setattr(windows_shell, "OPENING", 0.2)
    monkeypatch.setattr(windows_pump, "PATIENCE", 1.0)
    assert not desktop.copy("path")
    desktop.bind(HOTKEY, lambda: None)


def test_explorer_that_hangs(desktop, tmp_path, monkeypatch):
    """Nobody waits for it for ever; where the file is, is said."""
    answers = threading.Event()
    monkeypatch.setattr(windows_shell, "OPENING", 0.2)
    monkeypatch.setattr(windows_shell.os, "startfile", lambda *_, **__: answers.wait(60))
    with pytest.raises(Unsupported, match="Explorer may hang") as caught:
        desktop.open(tmp_path)
    assert str(tmp_path) in caught.value.hint
    answers.set()


def test_login(desktop):
    """What Task Manager says counts, until the user wants it anew."""
    import winreg

    desktop.start_at_login(wanted=True)
    with winreg.CreateKey(winreg.HKEY_CURRENT_USER, windows_registry.APPROVED) as key:
        winreg.SetValueEx(key, windows_registry.NAME, 0, winreg.REG_BINARY, bytes([3, 0, 0, 0, *range(8)]))
    assert not desktop.starts_at_login()
    desktop.start_at_login(wanted=True)
    assert desktop.starts_at_login()
    desktop.start_at_login(wanted=False)
    assert not desktop.starts_at_login()


SECOND = """
from tray.desktop import desktop
here = desktop()
print(here.claim(lambda: None, str))
print(here.ask("what?"))
here.close()
"""


def test_second_start(desktop):
    """It is told that one runs, which is greeted, and gets its answers through the pipe."""
    greeted = threading.Event()
    assert desktop.claim(greeted.set, lambda request: request.upper())
    second = subprocess.run(
        [sys.executable, "-c", SECOND], capture_output=True, text=True, cwd=ROOT, timeout=30, check=True
    )
    assert second.stdout.split() == ["False", "WHAT?"]
    assert greeted.wait(5)
    assert desktop._instance.runs()
    desktop.close()
    assert not desktop._instance.runs()


def test_tray_that_goes_away(desktop):
    """The one who asked is told, and waits no longer."""
    from multiprocessing.connection import Listener

    other = Instance(desktop._errands, pipe=r"\\.\pipe\hangshot-test")
    with Listener(r"\\.\pipe\hangshot-test", family="AF_PIPE") as listener:
        thread = threading.Thread(target=lambda: listener.accept().close())
        thread.start()
        with pytest.raises(CaptureFailed, match="went away"):
            other.ask("what?")
        thread.join()


def test_tray_that_is_stopped(desktop, monkeypatch, expected_warnings):
    """Nobody waits for it: the command line does the work alone, and a second start ends."""
    from multiprocessing.connection import Listener

    monkeypatch.setattr(windows_instance, "PATIENCE", 0.2)
    assert desktop.claim(lambda: None, str)
    other = Instance(desktop._errands, pipe=r"\\.\pipe\hangshot-test")
    for act, outcome in ((lambda: other.ask("what?"), None), (lambda: other.claim(print, str), False)):
        with Listener(r"\\.\pipe\hangshot-test", family="AF_PIPE"):
            assert act() is outcome
    assert "does not answer" in expected_warnings.messages[0]


def explorers() -> set[int]:
    """Explorer's windows that show folders.

    Not by FindWindowExW from one to the next: from one that is just being
    destroyed, Wine's server looks for the next in circles, for ever.
    """
    screen = WindowsScreen()
    return {
        window for window in screen.stacked() if screen.kind(window) in {"CabinetWClass", "ExplorerWClass"}
    }


def test_reveal(desktop, tmp_path):
    """Explorer opens with the folder; where the file has gone too."""
    file = tmp_path / "a b.dmp"
    before = explorers()

    def closed() -> bool:
        for window in explorers() - before:
            windows_keys.user32.PostMessageW(window, user32.WM_CLOSE, 0, 0)
        return explorers() == before

    for there in (True, False):
        if there:
            file.touch()
        else:
            file.unlink()
        desktop.reveal(file)
        until(lambda: explorers() - before, "Explorer", seconds=30)
        until(closed, "Explorer's end", seconds=30)


RECORD = """
from tray.desktop.record import reader, recorded
read = reader()
print("press", flush=True)
print(recorded(read).label, flush=True)
"""


def test_recorded_hotkey(program):
    """What is pressed over another app, once it is let go."""
    program("deadlock_window")
    with subprocess.Popen(
        [sys.executable, "-c", RECORD], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as recorder:
        assert recorder.stdout.readline().strip() == "press"
        said: queue.Queue[str] = queue.Queue()
        threading.Thread(target=lambda: said.put(recorder.stdout.readline().strip()), daemon=True).start()

        def pressed() -> bool:
            """Press it, as one does who sees that nothing came of it: the hook takes its time."""
            hold(CTRL, SHIFT, F10)
            release(CTRL, SHIFT, F10)
            time.sleep(0.3)
            return not said.empty()

        until(pressed, "the recorded hotkey", seconds=25)
        assert said.get() == "Ctrl+Shift+F10"
