"""What toasts say about dumps, word for word."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath

import pytest

from tray.shot import words

DUMPED = {
    "path": "/home/ann/.local/share/hangshot/dumps/editor_70.core",
    "mode": "full",
    "size": 90_000_000,
    "allocated": 34_200_000,
    "frozen_seconds": 0.184,
    "target": {"pid": 70, "name": "editor"},
    "gaps": [],
}


def test_saved() -> None:
    """The toast says who, how big on the disk, which mode, for how long it stood still, and where."""
    assert words.saved_title(DUMPED) == "Dump saved — editor (70)"
    assert words.saved_body(DUMPED, hung=True, home=Path("/home/ann")) == (
        "34 MB · full · stood still 0.18 s · was not responding\n~/.local/share/hangshot/dumps/editor_70.core"
    )


def test_why_it_hangs() -> None:
    """The sentence comes first, as one short line."""
    verdict = {"kind": "deadlock", "sentence": "Deadlock: a\n ↔ b", "certain": True, "chain": []}
    body = words.saved_body({**DUMPED, "verdict": verdict}, hung=None, home=Path("/root"))
    assert body.splitlines()[0] == "Deadlock: a ↔ b"
    assert words.reason({**DUMPED, "verdict": None}) == ""


def test_saved_with_gaps() -> None:
    """What is missing is said, and a window that answered needs no word."""
    gaps = [
        {"what": "handles", "why": "no right", "size": 0},
        {"what": "1-2", "why": "unreadable", "size": 1},
    ]
    body = words.saved_body({**DUMPED, "gaps": gaps}, hung=None, home=Path("/root"))
    assert body.splitlines() == [
        "34 MB · full · stood still 0.18 s",
        "Missing: handles, a stretch of memory; see the sidecar",
        str(Path(DUMPED["path"])),
    ]
    assert words.missing(gaps[:1]) == "Missing: handles: no right"
    assert words.missing(gaps[1:] * 2) == "Missing: 2 stretches of memory; see the sidecar"
    assert words.missing(gaps[:1] * 5) == "Missing: handles, handles, handles, 2 more; see the sidecar"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (r"C:\Users\Ann\AppData\Local\hangshot\a.dmp", r"%LOCALAPPDATA%\hangshot\a.dmp"),
        (r"c:\users\ann\Desktop\a.dmp", r"%USERPROFILE%\Desktop\a.dmp"),
        (r"D:\a.dmp", r"D:\a.dmp"),
    ],
)
def test_paths_on_windows(path: str, said: str) -> None:
    """As they can be pasted into Explorer, whatever the case of the drive and the folders."""
    variables = {"LOCALAPPDATA": r"C:\Users\Ann\AppData\Local", "USERPROFILE": r"C:\Users\Ann"}
    assert words.by_variable(PureWindowsPath(path), variables) == said
    assert words.by_variable(PureWindowsPath(path), {}) == path


@pytest.mark.parametrize(
    ("duration", "said"),
    [
        (0.004, "0.004 s"),
        (0.0, "0.00 s"),
        (0.0098, "0.010 s"),
        (0.184, "0.18 s"),
        (0.999, "1.0 s"),
        (3.21, "3.2 s"),
        (42.4, "42 s"),
        (200, "3 min"),
    ],
)
def test_seconds(duration: float, said: str) -> None:
    """Durations have as many digits as mean something."""
    assert words.seconds(duration) == said


def test_clipped() -> None:
    """Foreign text becomes one short line: no newline, tab or control character gets through."""
    assert words.clipped("a\tb\nc\x1b[31m\u202e d") == "a b c [31m d"
    assert words.clipped("x" * 60) == "x" * 47 + "…"


def test_running() -> None:
    """A running dump says its mode and how far it is, or about how much it will be."""
    assert words.running_title("editor") == "Dumping editor…"
    assert words.running_body("full", 2_100_000_000, 0, 0) == "full · about 2.1 GB"
    assert words.running_body("full", 2_100_000_000, 10**9, 2 * 10**9) == "full · 1.0 GB of 2.0 GB"
    assert words.running_body("mini", 0, 0, 0) == "mini"
    assert words.busy("editor", 3.4) == "Already dumping editor — 3 s so far"
    assert words.percent(41, 100) == "41 %"
    assert words.percent(0, 0) == ""
