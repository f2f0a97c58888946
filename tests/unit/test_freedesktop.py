"""Start at login, and what opens a file."""

from __future__ import annotations

import sys

import pytest

from tray.desktop import freedesktop
from tray.errors import Unsupported


@pytest.fixture
def autostart(tmp_path, monkeypatch):
    """The file that has us started, not there yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "config" / "autostart" / freedesktop.AUTOSTART


def test_on_and_off(autostart):
    """What was switched on reads back as on, and off as off, twice as well."""
    assert not freedesktop.starts_at_login()
    freedesktop.start_at_login(wanted=True)
    freedesktop.start_at_login(wanted=True)
    assert freedesktop.starts_at_login()
    assert [path.name for path in autostart.parent.iterdir()] == [autostart.name]
    freedesktop.start_at_login(wanted=False)
    freedesktop.start_at_login(wanted=False)
    assert not freedesktop.starts_at_login()
    assert not autostart.exists()


@pytest.mark.parametrize("line", ["Hidden=true", "X-GNOME-Autostart-enabled=false", "Hidden = True"])
def test_switched_off_by_the_desktop(autostart, line):
    """Desktops switch us off in the file, and that is what we tell."""
    freedesktop.start_at_login(wanted=True)
    text = autostart.read_text().replace("X-GNOME-Autostart-enabled=true\n", "")
    autostart.write_text(text + line + "\n")
    assert not freedesktop.starts_at_login()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[Desktop Entry]\nType=Application\n",
        '[Desktop Entry]\nExec="/gone/hangshot"\n',
        "\xff",
    ],
)
def test_what_would_not_start_us_reads_as_off(autostart, text):
    """A damaged file, or one whose program is gone, starts nothing."""
    autostart.parent.mkdir(parents=True)
    autostart.write_text(text, "latin-1")
    assert not freedesktop.starts_at_login()


def test_program_is_absolute(autostart):
    """At login nobody knows our PATH."""
    assert freedesktop.program()[0].startswith("/")


def test_program_of_a_frozen_build(monkeypatch):
    """It is the executable itself."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert freedesktop.program() == [sys.executable]


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("plain", '"plain"'),
        ("with space", '"with space"'),
        ('quote"d', r'"quote\\"d"'),
        ("$HOME", r'"\\$HOME"'),
        ("back`tick", r'"back\\`tick"'),
        ("back\\slash", r'"back\\\\slash"'),
        ("100%", '"100%%"'),
    ],
)
def test_quoting(word, value):
    """A word survives both rules of the Desktop Entry Specification, there and back."""
    assert freedesktop.quoted(word) == value
    assert freedesktop.first_word(f"{value} --background") == word


def test_first_word_of_what_others_write():
    """Hand-written commands have no quotes."""
    assert freedesktop.first_word("hangshot --x") == "hangshot"
    assert freedesktop.first_word("") == ""


def test_nothing_opens_without_a_screen(tmp_path, monkeypatch):
    """It is said at once, with the path."""
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(Unsupported) as caught:
        freedesktop.open_path(tmp_path)
    assert str(tmp_path) in caught.value.hint


@pytest.mark.linux
def test_editor_of_the_user(tmp_path, monkeypatch):
    """$VISUAL, with its options, in a terminal."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("VISUAL", "vim -R")
    assert freedesktop.editor(tmp_path / "a b") is None
    terminal = tmp_path / "xterm"
    terminal.write_text("#!/bin/sh\n")
    terminal.chmod(0o755)
    assert freedesktop.editor(tmp_path / "a b") == ["xterm", "-e", "vim", "-R", str(tmp_path / "a b")]


def test_no_program_for_a_file(tmp_path, monkeypatch):
    """Neither xdg-open nor an editor: the path is told."""
    monkeypatch.setenv("DISPLAY", ":99")
    monkeypatch.setenv("PATH", str(tmp_path))
    file = tmp_path / "settings.toml"
    with pytest.raises(Unsupported) as caught:
        freedesktop.open_path(file)
    assert str(file) in caught.value.hint
