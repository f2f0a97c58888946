"""The help page."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tray.app import help as help_page

FACTS = help_page.Facts("Ctrl+F9", Path("dumps"), Path("settings.toml"), Path("log"))


@pytest.mark.parametrize(("system", "opener"), [("linux", "gdb PROGRAM"), ("win32", "WinDbg")])
def test_how_to_open_a_dump(monkeypatch: pytest.MonkeyPatch, system: str, opener: str):
    """With what this system's people have."""
    monkeypatch.setattr(sys, "platform", system)
    page = help_page.page(FACTS, "all is well\n")
    assert opener in page
    assert ("gdb" in page) == ("Wayland" in page) == (system == "linux")
    assert ("--record" in page) == (system == "win32")
    assert page.endswith("(hangshot doctor)\nall is well\n")


def test_findings_come_through_any_encoding():
    """They are read as JSON, and shown as the doctor shows them."""
    found = {"part": "dumps", "ok": False, "found": "C:\\Bücher is full", "hint": "Prune → room"}
    lines = json.dumps(found).encode("ascii").decode()
    assert list(help_page.told(lines)) == ["BAD  dumps: C:\\Bücher is full", "     → Prune → room"]
