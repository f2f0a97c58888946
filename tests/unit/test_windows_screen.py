"""What Windows' answers about windows mean: those that the test bed's Wine cannot give."""

from __future__ import annotations

import ctypes
from ctypes import wintypes

import pytest

from tray.desktop import windows_screen
from tray.desktop.windows_screen import WindowsScreen
from tray.ffi import user32

E_NOTIMPL = -0x7FFFBFFF


def refusal(number: int) -> OSError:
    """A foreign call that failed with this number."""
    error = OSError(22, "refused")
    error.winerror = number
    return error


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch):
    """Has each function of Windows answer by a function of the test's, and no other be called."""

    def answer(**functions) -> WindowsScreen:
        monkeypatch.setattr(windows_screen, "call", lambda name, *words: functions[name](*words))
        return WindowsScreen()

    return answer


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (user32.ERROR_TIMEOUT, False),
        (0, False),  # Windows before 8 says nothing when the time is over
        (user32.ERROR_ACCESS_DENIED, None),  # a window of an administrator's: no message of ours gets in
        (user32.ERROR_INVALID_WINDOW_HANDLE, None),
    ],
)
def test_a_message_that_is_not_taken(answered, number: int, told):
    """Only time that ran out is a hang; where we may not ask, it cannot be told."""

    def refuse(*_: object):
        raise refusal(number)

    assert answered(SendMessageTimeoutW=refuse).answers(1, 0.25) is told


def test_a_message_that_is_taken(answered):
    """It waits no longer than asked for, and not at all for what Windows knows to be hung."""
    asked = []
    assert answered(SendMessageTimeoutW=lambda *words: asked.append(words) or 1).answers(7, 0.25) is True
    [(window, message, _, _, flags, patience, _)] = asked
    assert (window, message, patience) == (7, user32.WM_NULL, 250)
    assert flags & user32.SMTO_ABORTIFHUNG


def test_a_title_is_never_asked_of_the_app(answered):
    """The system's own copy is read: a hung app would keep us waiting."""

    def text(_window: int, buffer: ctypes.Array, _size: int) -> int:
        buffer.value = "letter"
        return 6

    assert answered(InternalGetWindowText=text).title(7) == "letter"


@pytest.mark.parametrize(("behind", "told"), [(lambda _: 42, 42), (None, 0)])
def test_what_a_ghost_stands_for(answered, behind, told: int):
    """Windows tells, or it lacks the function, which nobody documents."""

    def lacking(_: int):
        raise refusal(user32.ERROR_PROC_NOT_FOUND)

    assert answered(HungWindowFromGhostWindow=behind or lacking).frozen_behind(7) == told


@pytest.mark.parametrize(
    ("visible", "result", "cloak", "seen"),
    [(1, 0, 0, True), (1, 0, 2, False), (0, 0, 0, False), (1, E_NOTIMPL, 2, True)],
)
def test_a_window_of_another_desktop_is_not_seen(
    answered, visible: int, result: int, cloak: int, *, seen: bool
):
    """It is visible, says Windows, but cloaked; where there are no cloaks, visible is enough."""

    def attribute(_window: int, which: int, told: object, _size: int) -> int:
        assert which == user32.DWMWA_CLOAKED
        ctypes.cast(told, ctypes.POINTER(wintypes.DWORD))[0] = cloak
        return result

    screen = answered(IsWindowVisible=lambda _: visible, DwmGetWindowAttribute=attribute)
    assert screen.seen(7) is seen


def test_a_windows_without_cloaks(answered):
    """As Windows 7 with its composition switched off."""

    def lacking(*_: object):
        raise refusal(user32.ERROR_PROC_NOT_FOUND)

    assert answered(IsWindowVisible=lambda _: 1, DwmGetWindowAttribute=lacking).seen(7) is True
