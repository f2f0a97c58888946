"""What a balloon of Windows takes of each toast: 255 UTF-16 units, and 63 above them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tray.app import words
from tray.desktop.windows_icon import BALLOON, BALLOON_TITLE, TOOLTIP
from tray.desktop.windows_picture import fitted, length
from tray.errors import HotkeyTaken
from tray.shot import words as shot_words

LABEL = "Ctrl+Alt+Shift+Win+Scroll Lock"
"""The longest there is."""
FOLDER = Path(r"%LOCALAPPDATA%\hangshot\dumps")
NAME = "AcmeWorkstationForEngineersAndArchitects2026.exe"
WAITING = "Deadlock: background autosave ↔ index writer, in acme::Document::save() and acme::Index::refresh()"


def dumped(name: str, *gaps: dict[str, str]) -> dict[str, object]:
    """What a worker tells of a dump."""
    return {
        "target": {"name": name, "pid": 4_000_000},
        "path": rf"%LOCALAPPDATA%\hangshot\dumps\{name}_4000000_20261122-101500_triage.dmp",
        "mode": "triage",
        "size": 1_230_000_000,
        "allocated": 1_230_000_000,
        "frozen_seconds": 12.34,
        "gaps": list(gaps),
        "verdict": {"sentence": WAITING},
    }


@pytest.mark.parametrize(
    "body",
    [
        words.hello(LABEL, FOLDER, icon=True),
        words.running_already(LABEL, icon=True),
        words.no_icon(LABEL),
        shot_words.saved_body(dumped("notepad.exe"), hung=True, home=Path("nowhere")),
    ],
)
def test_usual_texts_are_not_cut(body: str):
    """Not even with the longest hotkey, or a long verdict."""
    assert fitted(body, BALLOON) == body


def test_a_long_text_keeps_its_ends():
    """The verdict's beginning, every fact, what is missing and the file's own name are there."""
    event = dumped(NAME, {"what": "handles", "why": "the system has refused to list them"})
    shown = fitted(shot_words.saved_body(event, hung=True, home=Path("nowhere")), BALLOON)
    assert length(shown) <= BALLOON
    verdict, facts, missing, path = shown.split("\n")
    assert verdict.startswith("Deadlock: background")
    assert facts == "1.2 GB · triage · stood still 12 s · was not responding"
    assert missing.startswith("Missing: handles")
    assert path.endswith("_20261122-101500_triage.dmp")


def test_titles_and_tooltips_keep_their_ends():
    """The process id behind a long name, and the word behind a long head."""
    title = fitted(shot_words.saved_title(dumped(NAME)), BALLOON_TITLE)
    assert title.startswith("Dump saved — Acme")
    assert title.endswith(" (4000000)")
    tooltip = words.tooltip(LABEL, HotkeyTaken("x"), shot_words.saved_title(dumped(NAME)), paused=False)
    assert fitted(tooltip, TOOLTIP) == tooltip
    shared = f"{tooltip}\n{LABEL} is shared with another program (the keyboard hook)"
    assert length(fitted(shared, TOOLTIP)) <= TOOLTIP
