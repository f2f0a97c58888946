"""A hotkey recorded by pressing it, and the command that shows and sets it."""

from __future__ import annotations

import sys
import threading

import pytest

from tray import cli, settings
from tray.desktop import record
from tray.desktop.hotkey import parse
from tray.errors import BadHotkey, Cancelled, Unsupported


@pytest.fixture
def file(tmp_path, monkeypatch):
    """The settings file."""
    path = tmp_path / "settings.toml"
    monkeypatch.setattr(settings, "path", lambda: path)
    return path


def test_recorded():
    """What was pressed, in our words."""
    assert record.recorded(lambda: "ctrl+alt+F9") == parse("alt+ctrl+f9")


def test_keys_that_are_no_hotkey():
    """A letter alone would be taken from typing."""
    with pytest.raises(BadHotkey, match="typing"):
        record.recorded(lambda: "d")


def test_keys_without_a_name():
    """It is said, and why."""

    def read() -> str:
        raise ValueError("scan code 541")

    with pytest.raises(BadHotkey, match="541"):
        record.recorded(read)


def test_nothing_pressed():
    """Nobody waits for ever."""
    done = threading.Event()
    with pytest.raises(Cancelled):
        record.recorded(lambda: str(done.wait(10)), patience=0.01)
    done.set()


def test_linux_lets_nobody_listen(monkeypatch):
    """The hint says what to do instead."""
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(Unsupported) as told:
        record.reader()
    assert "settings" in told.value.hint


def test_shown(file, capsys):
    """The one of the settings, as people write it."""
    file.write_text('hotkey = "ctrl+alt+x"\n')
    assert cli.main(["hotkey"]) == 0
    assert capsys.readouterr().out == "Ctrl+Alt+X\n"


@pytest.mark.linux  # on Windows one may press
def test_nobody_is_asked_to_press_what_nobody_hears(file, capsys):
    """That it cannot be is said first."""
    assert cli.main(["hotkey", "--record"]) == Unsupported.exit_code
    assert "Press" not in capsys.readouterr().err


def test_record_goes_into_the_settings(file, capsys, monkeypatch):
    """And nothing else in the file changes."""
    file.write_text('# mine\nhotkey = "ctrl+alt+x"\n')
    monkeypatch.setattr(record, "reader", lambda: lambda: "ctrl+shift+f8")
    assert cli.main(["hotkey", "--record"]) == 0
    assert capsys.readouterr().out == "Ctrl+Shift+F8\n"
    assert file.read_text() == '# mine\nhotkey = "ctrl+shift+f8"\n'
