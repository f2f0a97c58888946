"""The Windows desktop as a person has it: real keys and clicks, from outside of Wine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from windows_outside import Told, click, icon, menu, target, xdotool

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def tray() -> Iterator[Told]:
    """Our tray, inside."""
    told = Told("python", "-X", "utf8", "tests/windows/outside/desktop_program.py", "ctrl+alt+shift+d")
    try:
        told.wait_for("ready")
        yield told
    finally:
        told.end()


@pytest.fixture
def app(tray: Told) -> Iterator[Told]:
    """An app in front."""
    with target("deadlock_window") as (told, _):
        tray.wait_for("front Deadlocked")
        yield told


def test_key_menu_and_quit(tray: Told, app: Told) -> None:
    """A key over an app tells its window; the icon's menu opens on a click, and Quit quits."""
    xdotool("key", "ctrl+alt+shift+d")
    tray.wait_for("pressed Deadlocked ü")
    click(*icon())
    tray.wait_for("near")
    left, top, _, height = menu("python")
    click(left + 40, top + height - 12)
    tray.wait_for("closed")
