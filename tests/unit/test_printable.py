"""Text of strangers cannot do anything to a terminal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import synth

from tray.model import Region, Report
from tray.printable import LONGEST, printable
from tray.reports import brief, redact, render

EVIL = "\x1b[31m\x9b1m\u202e\u200b\x07\n\r\t\udcff\x7f"


def test_what_does_not_show_is_marked() -> None:
    """Escapes, controls, signs that turn the line or hide, line ends, bytes; letters and spaces of any kind stay."""
    assert printable(f"a{EVIL}b") == "a?[31m?1m????????b"
    assert printable("é 漢\u202f字 ↔ 🐍") == "é 漢\u202f字 ↔ 🐍"
    assert printable("x\udcff\x1b", bytes_too=True) == "x\udcff?"


def test_it_has_an_end() -> None:
    """A window's title may be of any length."""
    assert len(printable("x" * 10_000_000)) == LONGEST


@pytest.mark.parametrize("text", [render.text, brief.text])
def test_reports(text) -> None:
    """Whatever the target calls its files, threads and arguments, each line stays the line that we wrote."""
    path = f"/home/alice/my work{EVIL}/app"
    region = Region(0x1000, 0x2000, "r-xp", 0, path)
    thread = replace(synth.thread(70), name=EVIL)
    snapshot = synth.snapshot(thread, mappings=(region,), name=EVIL, arguments=EVIL)
    report = Report(Path(f"/tmp/{EVIL}.core"), 1, 1, snapshot, (), lacks=(f"{path}: missing",))
    told = text(report)
    assert all(sign.isprintable() or sign == "\n" for sign in told)
    calm = replace(report, snapshot=replace(snapshot, name="app", arguments="app"), lacks=("missing",))
    assert len(told.splitlines()) == len(text(calm).splitlines())
    hidden = redact.words(report)(told)
    assert "alice" not in hidden
    assert "my work" not in hidden


def test_what_is_lacking_is_told_to_its_end() -> None:
    """A long call is cut in the short report; advice is not, for it ends in what to do."""
    lack = f"Not found: {'lib ' * 60}; set DEBUGINFOD_URLS=https://debuginfod.debian.net."
    report = Report(Path("/tmp/a.core"), 1, 1, synth.snapshot(), (), lacks=(lack,))
    assert lack in brief.text(report)
