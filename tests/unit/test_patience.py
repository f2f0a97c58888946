"""Files that another program holds for a moment."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tray import patience, settings
from tray.patience import patiently
from tray.settings import edit

if TYPE_CHECKING:
    from pathlib import Path


class Held:
    """A file that cannot be had the first so many times."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self) -> str:
        self.left -= 1
        if self.left >= 0:
            raise PermissionError(13, "Access denied")
        return "had"


def test_windows_waits_until_it_is_let_go(monkeypatch):
    """Whoever looks into the file is soon done."""
    monkeypatch.setattr(sys, "platform", "win32")
    assert patiently(Held(3)) == "had"


def test_windows_does_not_wait_for_ever(monkeypatch):
    """A file that one really may not touch is said to be so."""
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(patience, "SECONDS", 0.05)
    with pytest.raises(PermissionError):
        patiently(Held(10**9))


def test_elsewhere_a_refusal_is_final(monkeypatch):
    """No other system refuses because a file is open."""
    monkeypatch.setattr(sys, "platform", "linux")
    held = Held(1)
    with pytest.raises(PermissionError):
        patiently(held)
    assert held.left == 0


def test_settings_change_while_somebody_reads_them(tmp_path: Path):
    """As a virus scanner does, or our own watch."""
    path = tmp_path / "settings.toml"
    edit.create(path)
    with path.open("rb") as file:
        threading.Timer(0.1, file.close).start()
        began = time.monotonic()
        edit.change(path, "mode", "full")
    assert time.monotonic() - began < patience.SECONDS
    assert settings.load(path).mode == "full"
