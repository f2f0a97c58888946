"""The log file."""

from __future__ import annotations

import faulthandler
import logging
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tray.app import log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever `log.begin` sets is set back."""
    monkeypatch.setattr(faulthandler, "enable", lambda file: file.close())
    root = logging.getLogger()
    before = list(root.handlers), root.level, sys.excepthook, threading.excepthook
    yield
    for added in [one for one in root.handlers if one not in before[0]]:
        root.removeHandler(added)
        added.close()
    root.setLevel(before[1])
    sys.excepthook, threading.excepthook = before[2:]


def test_file(tmp_path: Path) -> None:
    """It takes what our loggers say."""
    path = log.begin(tmp_path / "log")
    logging.getLogger("tray.shot").info("dumping editor")
    assert "INFO tray.shot: dumping editor" in path.read_text(encoding="utf-8")


@pytest.mark.linux
def test_folder_is_private(tmp_path: Path) -> None:
    """Nobody else reads which apps hung."""
    assert log.begin(tmp_path / "log").parent.stat().st_mode & 0o777 == 0o700


def test_thread_that_dies(tmp_path: Path, expected_warnings) -> None:
    """What a thread dies of is in the log."""
    path = log.begin(tmp_path)
    thread = threading.Thread(target=lambda: 1 / 0, name="unlucky")
    thread.start()
    thread.join()
    assert "thread unlucky died" in path.read_text(encoding="utf-8")
    assert "ZeroDivisionError" in path.read_text(encoding="utf-8")


def test_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A log that cannot be written costs the log, not the tray."""
    (tmp_path / "file").touch()
    log.begin(tmp_path / "file" / "log")
    assert "no log" in capsys.readouterr().err
