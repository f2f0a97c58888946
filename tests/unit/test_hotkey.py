"""A hotkey as users write it."""

import pytest

from tray.desktop import hotkey
from tray.errors import BadHotkey


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("ctrl+alt+shift+d", "ctrl+alt+shift+d"),
        (" Shift + CONTROL + D ", "ctrl+shift+d"),
        ("strg+alt+d", "ctrl+alt+d"),
        ("super+d", "windows+d"),
        ("cmd+option+x", "alt+windows+x"),
        ("ctrl+pgup", "ctrl+page up"),
        ("ctrl+Return", "ctrl+enter"),
        ("ctrl+minus", "ctrl+-"),
        ("ctrl+plus", "ctrl++"),
        ("ctrl++", "ctrl++"),
        ("ctrl + +", "ctrl++"),
        ("ctrl+,", "ctrl+,"),
        ("ctrl+ö", "ctrl+ö"),
        ("ctrl+Ö", "ctrl+ö"),
        ("ctrl+space", "ctrl+space"),
        ("ctrl+_", "ctrl+_"),
        ("F9", "f9"),
        ("shift+f9", "shift+f9"),
        ("pause", "pause"),
        ("pause/break", "pause"),
        ("PrtSc", "print screen"),
        ("ctrl+ctrl+d", "ctrl+d"),
    ],
)
def test_spellings(text, normal):
    """However a combination is written, it has one normal form, which parses to itself."""
    parsed = hotkey.parse(text)
    assert str(parsed) == normal
    assert hotkey.parse(normal) == parsed


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("ctrl+", "nothing between"),
        ("ctrl++d", "nothing between"),
        ("ctrl+alt", "no key beside ctrl and alt"),
        ("a", "away from typing"),
        ("shift+a", "away from typing"),
        ("+", "away from typing"),
        ("space", "away from typing"),
        ("ctrl+a+b", "2 keys, a and b"),
        ("ctrl+k, ctrl+d", "is no key"),
        ("left ctrl+d", "write ctrl"),
        ("altgr+d", "write ctrl\\+alt"),
        ("ctrl+caps lock", "is no key"),
        ("ctrl+\x07", "is no key"),
    ],
)
def test_refusals(text, cause):
    """What cannot be a hotkey is refused with its cause and with how to write one."""
    with pytest.raises(BadHotkey, match=cause) as caught:
        hotkey.parse(text)
    assert "ctrl+alt+shift+d" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "near"), [("crtl+d", "ctrl"), ("ctrl+pagup", "page up"), ("ctrl+bakspace", "backspace")]
)
def test_suggestion(text, near):
    """A slip of the finger is answered with the name that was meant."""
    with pytest.raises(BadHotkey, match=f"did you mean '{near}'"):
        hotkey.parse(text)


@pytest.mark.parametrize(
    ("text", "label", "shortcut"),
    [
        ("ctrl+alt+shift+d", "Ctrl+Alt+Shift+D", ["Control", "Alt", "Shift", "D"]),
        ("f9", "F9", ["F9"]),
        ("ctrl+page up", "Ctrl+Page Up", ["Control", "Page_Up"]),
        ("ctrl+;", "Ctrl+;", ["Control", ";"]),
    ],
)
def test_shown(text, label, shortcut):
    """People see capitals in a fixed order; a menu gets the names that GTK knows."""
    parsed = hotkey.parse(text)
    assert parsed.label == label
    assert parsed.shortcut == shortcut


def test_windows_key(monkeypatch):
    """The key with the flag is called as its owner knows it."""
    monkeypatch.setattr("sys.platform", "linux")
    assert hotkey.parse("win+d").label == "Super+D"
    assert hotkey.parse("win+d").shortcut == ["Super", "D"]
    monkeypatch.setattr("sys.platform", "win32")
    assert hotkey.parse("win+d").label == "Win+D"
