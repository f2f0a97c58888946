"""What the tray says of itself, word for word."""

from __future__ import annotations

from pathlib import Path

import pytest

from tray.app import words
from tray.errors import BadHotkey, HotkeyTaken, Unsupported


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "now"),
        (4.9, "now"),
        (5, "5 s ago"),
        (59.9, "59 s ago"),
        (60, "1 min ago"),
        (150, "2 min ago"),
        (7200, "2 h ago"),
        (90_000, "1 day ago"),
        (200_000, "2 days ago"),
    ],
)
def test_ago(seconds: float, said: str) -> None:
    """Ages have one number and one unit."""
    assert words.ago(seconds) == said


def test_tooltip() -> None:
    """At rest the tooltip names the hotkey, or why there is none, and the latest dump."""
    assert words.tooltip("Ctrl+D", None, "", paused=False) == "Hangshot — Ctrl+D dumps the app in front"
    assert words.tooltip("", None, "", paused=True) == "Hangshot — hotkey paused"
    taken = words.tooltip("", HotkeyTaken("x"), "Dump saved — editor (70)", paused=False)
    assert taken == "Hangshot — hotkey taken: see the menu\nDump saved — editor (70)"
    assert words.trouble(BadHotkey("x")) == "hotkey not usable"
    assert words.trouble(Unsupported("x")) == "no hotkey here"


def test_dumping() -> None:
    """While a dump runs the tooltip says of what, and how far it is."""
    assert words.dumping("editor", "41 %", cancelled=False) == "Dumping editor… 41 %"
    assert words.dumping("editor", "", cancelled=False) == "Dumping editor…"
    assert words.dumping("editor", "41 %", cancelled=True) == "Cancelling the dump of editor…"


def test_hello() -> None:
    """The first toast names the hotkey and where the icon is, and says that dumps hold secrets."""
    assert words.hello("Ctrl+D", Path("/dumps"), icon=True) == (
        "Press Ctrl+D when an app freezes, and a dump of it is saved.\n"
        "My icon is in the tray, perhaps behind its arrow: click it.\n"
        f"Dumps hold memory, so perhaps passwords. Only you can read them:\n{Path('/dumps')}"
    )
    assert "Press" not in words.hello("", Path("/dumps"), icon=False)


def test_no_icon() -> None:
    """Without an icon, what still works is named."""
    assert "Ctrl+D and 'hangshot dump' still work." in words.no_icon("Ctrl+D")
    assert "'hangshot dump' still works." in words.no_icon("")


def test_running_already() -> None:
    """A second start is told the hotkey and where the icon is."""
    said = words.running_already("Ctrl+D", icon=True)
    assert said.startswith("Press Ctrl+D to dump the app in front.\nMy icon is in the tray")
