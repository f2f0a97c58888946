"""Progress that nobody waits for."""

from __future__ import annotations

import io
import json
import sys
import threading
import time

import pytest

from tray.commands import progress
from tray.commands.progress import Reporter


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here waits for a person's eyes."""
    monkeypatch.setattr(progress, "INTERVAL", 0.005)
    monkeypatch.setattr(progress, "_SHORT", 0.01)


class Stuck(io.StringIO):
    """An output that takes nothing, as a terminal that stands still."""

    def __init__(self) -> None:
        super().__init__()
        self.tried = threading.Event()
        self.go = threading.Event()

    def write(self, text: str) -> int:
        self.tried.set()
        self.go.wait(10)
        return len(text)


def _wait_for(there) -> None:
    deadline = time.monotonic() + 5
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_output_that_is_stuck_holds_nobody_up(monkeypatch):
    """While the reporter hangs in a write, taking note of progress costs nothing, and the end comes."""
    stuck = Stuck()
    monkeypatch.setattr(sys, "stdout", stuck)
    monkeypatch.setattr(progress, "_PATIENCE", 0.05)
    with Reporter("app", as_json=True) as reporter:
        reporter(1, 100)
        assert stuck.tried.wait(5)
        begun = time.monotonic()
        for done in range(10_000):
            assert reporter(done, 10_000) is False
        assert time.monotonic() - begun < 1
    assert reporter._thread.is_alive(), "the end waited for the output"
    stuck.go.set()
    reporter._thread.join(5)


def test_lines(monkeypatch):
    """Progress comes as JSON lines, the same numbers only once."""
    said = io.StringIO()
    monkeypatch.setattr(sys, "stdout", said)
    with Reporter("app", as_json=True) as reporter:
        reporter(1, 100)
        _wait_for(lambda: said.getvalue().endswith("\n"))
        reporter(1, 100)
        reporter(2, 100)
        _wait_for(lambda: said.getvalue().count("\n") == 2)
    lines = [json.loads(line) for line in said.getvalue().splitlines()]
    assert lines == [{"schema": 1, "event": "progress", "done": done, "total": 100} for done in (1, 2)]


def test_listener_that_went_away(monkeypatch):
    """A closed pipe ends the reporting, not the dump."""

    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Closed())
    with Reporter("app", as_json=True) as reporter:
        reporter(1, 2)
        _wait_for(lambda: not reporter._thread.is_alive())
        assert reporter(2, 2) is False


def test_bar_on_a_terminal(monkeypatch):
    """On a terminal a bar comes for a dump that takes its time; it names the app and goes away."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    said = Terminal()
    monkeypatch.setattr(sys, "stderr", said)
    monkeypatch.setenv("TERM", "xterm")
    with Reporter("ledger", as_json=False) as reporter:
        reporter(50 << 20, 100 << 20)
        _wait_for(lambda: "ledger" in said.getvalue())
    assert "Dumping" in said.getvalue()
