"""What Windows takes and keeps: texts, icons, values of the registry, words through the pipe, toasts."""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tray.desktop import Toast, windows_registry
from tray.desktop.errands import Errands
from tray.desktop.windows_instance import answered
from tray.desktop.windows_picture import clipped, fitted, icon_bits, length, menu_text
from tray.desktop.windows_registry import APPROVED, NAME, RUN, approved, command
from tray.desktop.windows_toasts import Toasts
from tray.ffi import user32

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OFF = bytes([3, 0, 0, 0]) + bytes(range(1, 9))


@pytest.mark.parametrize(
    ("text", "units", "shown"),
    [
        ("short", 5, "short"),
        ("longer", 5, "long…"),
        ("a bc", 3, "a…"),
        ("😀😀", 4, "😀😀"),
        ("😀😀x", 4, "😀…"),
    ],
)
def test_clipped(text: str, units: int, shown: str):
    """Whole characters, in the units that Windows counts, with an ellipsis."""
    assert clipped(text, units) == shown
    assert length(shown) <= units


@pytest.mark.parametrize("room", [255, 127, 63])
def test_fitted(room: int):
    """What is too long loses its middle: every line is still known by both of its ends."""
    lines = [f"{number}{'😀x' * many}{number}" for number, many in enumerate((70, 3, 90))]
    shown = fitted("\n".join(lines), room)
    assert length(shown) <= room
    assert room - length(shown) < 3
    if room > 100:
        assert [(line[0], line[-1]) for line in shown.split("\n")] == [("0", "0"), ("1", "1"), ("2", "2")]
        assert shown.split("\n")[1] == lines[1]


def test_what_fits_is_left_alone():
    """Nothing is cut without need."""
    assert fitted("x" * 30 + "\n" + "y" * 32, 63) == "x" * 30 + "\n" + "y" * 32


def test_menu_text():
    """An ampersand is shown as one, and the shortcut stays whole."""
    assert menu_text("Dump R&D\tCtrl+D") == "Dump R&&D\tCtrl+D"
    assert menu_text("x" * 100 + "\tCtrl+D") == "x" * 79 + "…\tCtrl+D"


def test_icon_bits():
    """A header with twice the height, the last row first in BGRA, and an empty mask of whole words."""
    image = Image.new("RGBA", (2, 2), (1, 2, 3, 4))
    image.putpixel((0, 1), (5, 6, 7, 8))
    bits = icon_bits(image)
    assert struct.unpack_from("<IiiHH", bits) == (40, 2, 4, 1, 32)
    assert bits[40:48] == bytes([7, 6, 5, 8, 3, 2, 1, 4])
    assert bits[56:] == bytes(8)


@pytest.mark.parametrize(
    ("value", "starts"),
    [
        (None, True),
        (b"", True),
        (bytes([2]) + bytes(11), True),
        (bytes([6]) + bytes(11), True),
        (bytes(12), True),
        (bytes([3]) + bytes(11), False),
        (OFF, False),
        (bytes([2]) + bytes(10) + b"\1", False),
        ("text", True),
    ],
)
def test_approved(value: object, *, starts: bool):
    """An odd state, or a time since when it is switched off, keeps us from starting."""
    assert approved(value) is starts


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], object]:
    """A registry in memory."""
    values: dict[tuple[str, str], object] = {}
    monkeypatch.setattr(windows_registry, "read", lambda key, name: values.get((key, name)))
    monkeypatch.setattr(
        windows_registry, "write", lambda key, name, value: values.__setitem__((key, name), value)
    )
    monkeypatch.setattr(windows_registry, "delete", lambda key, name: values.pop((key, name), None))
    return values


def test_switched_off_in_the_task_manager(registry: dict[tuple[str, str], object]):
    """It is read back as off, and switched on again by wanting it."""
    windows_registry.start_at_login(wanted=True)
    assert windows_registry.starts_at_login()
    registry[APPROVED, NAME] = OFF
    assert not windows_registry.starts_at_login()
    windows_registry.start_at_login(wanted=True)
    assert windows_registry.starts_at_login()


def test_another_program_of_our_name(registry: dict[tuple[str, str], object]):
    """A copy that lies elsewhere would start, not this one."""
    registry[RUN, NAME] = r"C:\old\hangshot.exe"
    assert not windows_registry.starts_at_login()


def test_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The built program by itself; from Python the interpreter without a console, if it is there."""
    program = tmp_path / "a folder" / "python.exe"
    program.parent.mkdir()
    monkeypatch.setattr(sys, "executable", str(program))
    assert command() == f'"{program}" -m tray'
    program.with_name("pythonw.exe").touch()
    assert command() == f'"{program.with_name("pythonw.exe")}" -m tray'
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert command() == f'"{program.with_name("hangshot.exe")}"'


@pytest.mark.parametrize(("value", "theme"), [(1, "light"), (0, "dark"), (None, "dark")])
def test_taskbar_theme(registry: dict[tuple[str, str], object], value: object, theme: str):
    """Old Windows says nothing and has a dark taskbar."""
    registry[windows_registry.COLOURS, "SystemUsesLightTheme"] = value
    assert windows_registry.taskbar_theme() == theme


def test_answered(expected_warnings):
    """A request gets the answer or the failure; anything else just a word that we are here."""
    assert answered(b"ask:{}", lambda request: request + "ö") == "ok:{}ö".encode()
    assert answered(b"greet", str) == b"ok:"
    assert answered(b"ask:x", lambda _: {}["x"]) == b"failed:'x'"


@pytest.mark.linux
def test_foreign_calls_fail_plainly_elsewhere():
    """Where there is no Windows every call is an OSError, and none is made at import."""
    with pytest.raises(OSError, match="no GetForegroundWindow"):
        user32.call("GetForegroundWindow")


class FakeNotifier:
    """desktop-notifier's back end, in memory.

    Attributes:
        allowed: Whether the user lets us show toasts.
        failure: What sending raises.
    """

    def __init__(self) -> None:
        self.allowed = True
        self.failure: Exception | None = None
        self._notification_cache: dict[str, object] = {}
        self.showing: list[object] = []

    async def has_authorisation(self) -> bool:
        return self.allowed

    async def _send(self, notification: object) -> None:
        if self.failure:
            raise self.failure
        self.showing.append(notification)

    async def clear(self, identifier: str) -> None:
        self.showing = [one for one in self.showing if one.identifier != identifier]


class FakeBalloons:
    """An icon's balloon."""

    def __init__(self) -> None:
        self.balloons: list[tuple[str, str]] = []
        self.clicked = None
        self.gone = None
        self.removed = 0

    def balloon(self, title: str, body: str, clicked: object, gone: object) -> bool:
        self.balloons.append((title, body))
        self.clicked, self.gone = clicked, gone
        return True

    def remove_balloon(self) -> None:
        self.removed += 1


class Shown:
    """Toasts with all their fakes."""

    def __init__(self) -> None:
        self.errands, self.notifier = Errands(), FakeNotifier()
        self.icon: FakeBalloons | None = FakeBalloons()
        self.toasts = Toasts(self.errands, lambda: self.icon, lambda: self.notifier)

    @property
    def titles(self) -> list[str]:
        """What Windows shows."""
        return [one.title for one in self.notifier.showing]


@pytest.fixture
def shown() -> Iterator[Shown]:
    made = Shown()
    yield made
    made.toasts.close()
    made.errands.close()


def test_toast_of_the_same_topic_replaces(shown: Shown):
    """Topics stand side by side."""
    for title, topic in (("one", "a"), ("two", "b"), ("three", "a")):
        assert shown.toasts.toast(Toast(title, "", topic=topic))
    assert shown.titles == ["two", "three"]
    shown.toasts.dismiss("b")
    shown.toasts.dismiss("b")
    assert shown.titles == ["three"]
    assert shown.icon is not None
    assert not shown.icon.balloons


def test_buttons(shown: Shown):
    """They act on the thread for errands."""
    did: list[str] = []
    toast = Toast("t", "b", (("Do", lambda: did.append("button")),), clicked=lambda: did.append("body"))
    shown.toasts.toast(toast)
    sent = shown.notifier.showing[0]
    sent.buttons[0].on_pressed()
    sent.on_clicked()
    shown.errands.close()
    assert did == ["button", "body"]


def test_balloon_where_windows_refuses(shown: Shown):
    """And Windows is not asked again."""
    shown.notifier.failure = OSError("class not registered")
    did: list[str] = []
    assert shown.toasts.toast(Toast("t", "b", (("Do", lambda: did.append("button")),)))
    shown.notifier.failure = None
    assert shown.toasts.toast(Toast("u", "b", clicked=lambda: did.append("body")))
    assert shown.icon is not None
    assert shown.icon.balloons == [("t", "b"), ("u", "b")]
    assert shown.titles == []
    shown.icon.clicked()
    assert did == ["body"]
    shown.toasts.dismiss("dump")
    shown.toasts.dismiss("dump")
    assert shown.icon.removed == 1


def test_a_balloon_is_brought_up_to_date(shown: Shown):
    """As long as it is there and nothing else is: who has closed or used it is not told again."""
    shown.notifier.failure = OSError("class not registered")
    shown.toasts.toast(Toast("saved", ""))
    shown.toasts.toast(Toast("saved", "Deadlock", update=True))
    shown.icon.gone()
    assert shown.toasts.toast(Toast("saved", "and more", update=True))
    shown.toasts.toast(Toast("saved", ""))
    shown.toasts.toast(Toast("hello", "", topic="hello"))
    assert shown.toasts.toast(Toast("saved", "Deadlock", update=True))
    assert shown.icon.balloons == [("saved", ""), ("saved", "Deadlock"), ("saved", ""), ("hello", "")]


def test_neither(shown: Shown, expected_warnings):
    """It is said once, to the caller each time."""
    shown.icon = None
    shown.notifier.failure = RuntimeError("no manager")
    assert not shown.toasts.toast(Toast("t", "b"))
    assert not shown.toasts.toast(Toast("t", "b"))
    assert len(expected_warnings.messages) == 1


def test_toasts_switched_off(shown: Shown):
    """A user who wants none may still see the icon's balloon, where Windows shows those."""
    shown.notifier.allowed = False
    assert shown.toasts.toast(Toast("t", "b"))
    assert shown.titles == []


def test_what_needs_us_goes_with_us(shown: Shown):
    """A button that would do nothing is taken away; a plain word stays."""
    shown.toasts.toast(Toast("acts", "b", (("Do", lambda: None),), topic="a"))
    shown.toasts.toast(Toast("tells", "b", topic="b"))
    shown.toasts.close()
    assert shown.titles == ["tells"]
