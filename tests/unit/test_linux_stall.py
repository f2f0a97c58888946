"""A capture in which nothing moves any more: the kernel, or a disk, does not answer."""

from __future__ import annotations

import io
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from tray.capture import linux, linux_target
from tray.capture.apart import Apart
from tray.capture.linux import LinuxCapture
from tray.errors import CaptureFailed
from tray.ffi.linux import Kernel
from tray.model import Target
from tray.modes import MODES
from tray.patience import within

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.linux

TARGET = Target(7, 70, "app")


class Locked(Kernel):
    """A kernel that answers nothing that needs the memory map of a process, until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = threading.Event()

    def text(self, path: str) -> str:
        """``status`` is answered all the same."""
        if path.endswith("/cmdline"):
            self.answers.wait(30)
        return "7 (app) Z" if path.endswith("/stat") else "Threads: 1\n"

    def blocks(self, path: str) -> Iterator[bytes]:
        """``maps`` and ``smaps`` are not."""
        self.answers.wait(30)
        yield path.encode()

    def open(self, path: str) -> int:
        """Nor are ``mem`` and ``exe``."""
        self.answers.wait(30)
        raise FileNotFoundError(path)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Locked]:
    """Such a kernel, for whom nobody has patience; and nobody is ended for it."""
    monkeypatch.setattr(linux, "_ANSWER", 0.05)
    monkeypatch.setattr(linux, "SILENCE", 0.0)
    monkeypatch.setattr(linux, "_LOOK", 0.01)
    monkeypatch.setattr(linux, "_GRACE", 0.01)
    monkeypatch.setattr(linux, "_end_ourselves", lambda: None)
    monkeypatch.setattr(linux_target, "_LOCKED", 0.05)
    yield (locked := Locked())
    locked.answers.set()


def test_a_memory_map_that_is_locked(kernel: Locked) -> None:
    """Neither the look at the target nor its capture waits for ever; the user is told what it waits for."""
    capture = LinuxCapture(kernel=kernel)
    with pytest.raises(CaptureFailed, match="not let Hangshot look into app for") as caught:
        capture.estimate(TARGET, MODES["heap"])
    assert "dead disk or network share" in caught.value.hint
    with pytest.raises(CaptureFailed, match="not let Hangshot look into app for"):
        capture.write(TARGET, MODES["mini"], Unnumbered(), lambda *_: False)
    assert linux_target._known_as(kernel, 7, "fifteen-letters") == "fifteen-letters"


def test_a_program_on_a_share_that_is_dead(kernel: Locked) -> None:
    """It may hang for that very reason: its file is not waited for."""
    linux_target._check_width(kernel, TARGET)
    assert not kernel.answers.is_set()


class Unnumbered(io.BytesIO):
    """A file with a number that is nobody's."""

    def fileno(self) -> int:
        """Never used."""
        return -1


def test_a_disk_that_hangs(kernel: Locked, monkeypatch: pytest.MonkeyPatch, expected_warnings) -> None:
    """What was to be written tells it from a kernel that does; an app that runs again is nobody's hurry."""
    monkeypatch.setattr(linux, "STALL", 0.0)
    run = SimpleNamespace(
        moved=5, looked=1, plan=SimpleNamespace(size=9), freeze=SimpleNamespace(seconds=0.0), target=TARGET
    )
    with pytest.raises(CaptureFailed, match="Nothing could be written"):
        linux._join(Apart(lambda: kernel.answers.wait(30), "stuck"), run)
    assert "app is let go" in expected_warnings.messages[0]
    run.freeze.seconds, left = 0.1, iter([False] * 5 + [True])
    linux._join(SimpleNamespace(ended=lambda _: next(left)), run)


def test_what_is_done_in_time() -> None:
    """Its result, or what it raised."""
    assert within(20, lambda: 4) == 4
    with pytest.raises(ZeroDivisionError):
        within(20, lambda: 1 // 0)
