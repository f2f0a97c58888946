"""The rules of the `Desktop` port, for the fake and for each real back end."""

from __future__ import annotations

import os
import queue
import threading

import pytest
from fakes import FakeDesktop

from tray.desktop import Health, Toast
from tray.desktop.linux import LinuxDesktop
from tray.desktop.menu import Menu, MenuItem
from tray.errors import BadHotkey, NoTarget, TrayError, Unsupported
from tray.model import Window

HOTKEY = "ctrl+alt+shift+f9"


def menu(first="Dump"):
    """A small menu."""
    return Menu(MenuItem(first, lambda: None, default=True), MenuItem("Quit", lambda: None))


def told_by(act):
    """What a method gives, or the error for the user that it raises."""
    try:
        return act()
    except TrayError as error:
        return error


class DesktopContract:
    """What the app may rely on, whatever the desktop can do."""

    @pytest.fixture
    def desktop(self):
        """The back end; subclasses make theirs."""
        raise NotImplementedError

    def test_has_a_name(self, desktop):
        """Doctor shows it."""
        assert desktop.name

    def test_foreground_is_a_window_or_a_plain_no(self, desktop):
        """Never one of our own, and no other errors than those two."""
        told = told_by(desktop.foreground)
        if isinstance(told, TrayError):
            assert isinstance(told, NoTarget | Unsupported)
        else:
            assert told.pid != os.getpid()
            assert told.hung is None

    def test_hung_can_be_asked_of_any_window(self, desktop):
        """Also of one that is gone."""
        assert desktop.hung(Window(2**22 + 1), 0.01) in {True, False, None}

    def test_seen_windows_come_on_another_thread(self, desktop):
        """The caller of `watch` is not held up by what it is told."""
        threads = queue.Queue()
        desktop.watch(lambda _: threads.put(threading.current_thread()))
        try:
            assert threads.get(timeout=0.5) is not threading.current_thread()
        except queue.Empty:
            pass  # nothing is in front, and nothing need be

    @pytest.mark.parametrize("text", ["", "ctrl+", "ctrl+nonsense", "a+b"])
    def test_a_bad_hotkey_is_told(self, desktop, text):
        """Whatever the desktop can do, the text is none."""
        with pytest.raises(BadHotkey):
            desktop.bind(text, lambda: None)

    def test_a_hotkey_can_be_bound_again_and_given_back(self, desktop):
        """Twice the same, then none, twice."""
        for _ in range(2):
            refusal = told_by(lambda: desktop.bind(HOTKEY, lambda: None))
            assert refusal is None or (isinstance(refusal, Unsupported) and refusal.hint)
        desktop.unbind()
        desktop.unbind()

    def test_no_icon_to_update(self, desktop):
        """An update before there is an icon does nothing."""
        desktop.update_icon("busy", "Dumping…", menu())

    def test_icon(self, desktop):
        """It is shown or not, as is told, and takes every look."""
        assert desktop.show_icon(menu(), "Hangshot", lambda: None) in {True, False}
        for look in ("busy", "paused", "idle"):
            desktop.update_icon(look, f"Hangshot is {look}")
        desktop.update_icon("idle", "Hangshot", menu("Dump editor"))

    def test_icon_twice(self, desktop):
        """A second time changes the one that is there."""
        first = desktop.show_icon(menu(), "Hangshot", lambda: None)
        assert desktop.show_icon(menu(), "Hangshot", lambda: None) == first

    def test_toast(self, desktop, expected_warnings):
        """It is shown or not, as is told, and can be replaced and taken away."""
        toast = Toast("Title", "Body <b>&", (("Act", lambda: None),), clicked=lambda: None)
        shown = desktop.toast(toast)
        assert shown in {True, False}
        assert desktop.toast(toast) == shown
        desktop.dismiss(toast.topic)
        desktop.dismiss(toast.topic)
        desktop.dismiss("never shown")

    def test_copy(self, desktop):
        """It works or not, as is told."""
        assert desktop.copy("text") in {True, False}

    def test_start_at_login(self, desktop):
        """What is set is read back."""
        for wanted in (True, True, False, False):
            desktop.start_at_login(wanted=wanted)
            assert desktop.starts_at_login() is wanted

    def test_nobody_to_ask(self, desktop):
        """No tray runs, and that is no error."""
        assert desktop.ask("{}") is None

    def test_claim(self, desktop):
        """The first one gets the place."""
        assert desktop.claim(lambda: None, str)

    def test_end_of_the_session(self, desktop):
        """It can be followed; nothing ends now."""
        desktop.ending(lambda: pytest.fail("the session ends"))

    def test_health_says_what_to_do(self, desktop):
        """Each line is a sentence, and what does not work comes with a way out."""
        lines = desktop.health(HOTKEY)
        assert lines
        for line in lines:
            assert isinstance(line, Health)
            assert line.found.endswith((".", "!"))
            assert line.ok or line.hint

    def test_close_twice(self, desktop):
        """Whatever was started is taken back; a second time does nothing."""
        desktop.claim(lambda: None, str)
        desktop.show_icon(menu(), "Hangshot", lambda: None)
        desktop.close()
        desktop.close()


class TestFakeDesktop(DesktopContract):
    """The fake is as good as a desktop."""

    @pytest.fixture
    def desktop(self):
        """One in memory."""
        yield (desktop := FakeDesktop())
        desktop.close()


class TestPoorFakeDesktop(DesktopContract):
    """So is one that can do next to nothing."""

    @pytest.fixture
    def desktop(self, expected_warnings):
        """One in memory, with nobody to show anything."""
        desktop = FakeDesktop()
        desktop.has_icons = desktop.has_toasts = desktop.has_clipboard = False
        yield desktop
        desktop.close()


@pytest.mark.linux
class TestBareLinux(DesktopContract):
    """No display and no bus: over ssh, in a container."""

    @pytest.fixture
    def desktop(self, homes, monkeypatch):
        """One with nothing."""
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "XDG_SESSION_TYPE"):
            monkeypatch.delenv(name, raising=False)
        yield (desktop := LinuxDesktop())
        desktop.close()


@pytest.mark.linux
@pytest.mark.desktop
class TestLinuxDesktop(DesktopContract):
    """X11 with a panel and a notification daemon."""

    @pytest.fixture
    def desktop(self, screen, panel, notifyd, monkeypatch):
        """One with everything."""
        monkeypatch.setenv("DISPLAY", screen.name)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        monkeypatch.delenv("XDG_SESSION_TYPE", raising=False)
        yield (desktop := LinuxDesktop())
        desktop.close()

    def test_everything_works_here(self, desktop, expected_warnings):
        """No line of doctor complains, and the icon and the toast are seen."""
        assert [line for line in desktop.health(HOTKEY) if not line.ok] == []
        assert desktop.show_icon(menu(), "Hangshot", lambda: None)
        assert desktop.toast(Toast("Title", "Body"))
        assert desktop.copy("text")
        assert not expected_warnings.messages


@pytest.mark.linux
@pytest.mark.desktop
class TestEmptyLinuxDesktop(DesktopContract):
    """X11 with a bus, and nobody on it."""

    @pytest.fixture
    def desktop(self, screen, bus, monkeypatch):
        """One without a panel and without toasts."""
        monkeypatch.setenv("DISPLAY", screen.name)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        monkeypatch.delenv("XDG_SESSION_TYPE", raising=False)
        yield (desktop := LinuxDesktop())
        desktop.close()
