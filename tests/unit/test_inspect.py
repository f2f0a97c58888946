"""``hangshot inspect`` as a command: which report it makes, and where it goes."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import synth

from tray import cli, settings
from tray.commands import debugger
from tray.errors import CutDump
from tray.reports import page

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dump, and no desktop."""
    (tmp_path / "settings.toml").write_text(f"folder = {json.dumps(str(tmp_path))}\n")
    monkeypatch.setattr(settings, "path", lambda: tmp_path / "settings.toml")
    monkeypatch.setattr("tray.reports.reader.READERS", {})
    monkeypatch.setattr("tray.commands.inspect.shown", lambda act: pytest.fail("nothing is to be shown"))
    return synth.core_file(tmp_path / "app_70_20261122-195605_heap.core")


def inspect(*words: object) -> int:
    """Run it."""
    return cli.main(["inspect", *map(str, words)])


def test_a_page_in_a_file(core: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its path is printed and nothing shown; again, it is written anew."""
    place = tmp_path / "page.html"
    for _ in range(2):
        assert inspect(core, "--html", place) == 0
        assert capsys.readouterr().out == f"{place}\n"
    assert place.read_bytes().startswith(page.MARK)


def test_a_mistake_in_the_settings_keeps_nobody_from_a_report(
    core: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told, and the dump that was named is read."""
    (tmp_path / "settings.toml").write_text("mode = 7\n")
    assert inspect(core, "--text") == 0
    said = capsys.readouterr()
    assert "settings.toml, line 1" in said.err
    assert said.out


def test_a_page_beside_the_dump(
    core: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a file it lies there and is opened; the path is printed all the same."""
    opened = []

    class Desk:
        def open(self, path: Path) -> None:
            opened.append(path)

    monkeypatch.setattr("tray.commands.inspect.shown", lambda act: act(Desk()))
    assert inspect("--html") == 0
    place = core.with_suffix(".html")
    assert capsys.readouterr().out == f"{place}\n"
    assert opened == [place]


def test_a_page_for_the_tray(core: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json it is told where the page lies, and nothing is shown."""
    assert inspect(core, "--html", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    place = core.with_suffix(".html")
    assert told == {"schema": 1, "event": "page", "path": str(core), "page": str(place)}
    assert place.exists()


def test_a_page_without_secrets(core: Path, tmp_path: Path) -> None:
    """--redact is for pages too."""
    place = tmp_path / "page.html"
    for words, there in (((), True), (("--redact",), False)):
        assert inspect(core, "--html", place, *words) == 0
        text = place.read_text(encoding="utf-8")
        assert ("--fast" in text) is there
        assert ("/lib/" in text) is there


def test_a_page_for_a_pipe(core: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """- is standard output, and nothing is written beside the dump."""
    assert inspect(core, "--html", "-") == 0
    assert capsysbinary.readouterr().out.startswith(page.MARK)
    assert not core.with_suffix(".html").exists()


def test_json(core: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One object; redacted, without arguments."""
    assert inspect(core, "--json") == inspect(core, "--json", "--redact") == 0
    whole, redacted = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert whole["target"]["arguments"] == "/opt/app --fast"
    assert redacted["target"]["arguments"] == ""


def test_what_makes_no_sense(core: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two reports at once, and a page over the dump: told, and nothing is touched."""
    before = core.read_bytes()
    assert inspect(core, "--html", "--text") == 2
    assert inspect(core, "--html", core) == 9
    told = capsys.readouterr().err
    assert "is there already, and is no page of ours" in told
    assert "hangshot inspect --html FILE" in told
    assert core.read_bytes() == before


def test_text(core: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --html it is text: the whole, or the short one; the verdict comes first in the whole."""
    assert inspect(core) == 0
    whole = capsys.readouterr().out
    assert inspect(core, "--text") == 0
    short = capsys.readouterr().out
    assert whole.startswith("Nothing wrong seen: ")
    assert "2 modules" in whole
    assert len(short) < len(whole)


def test_a_cut_dump(core: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is left of it is told, in each form, and that it is not whole, with an exit code of its own."""
    cut = tmp_path / "cut.core"
    cut.write_bytes(core.read_bytes()[:-4096])
    for words in ((), ("--text",), ("--json",), ("--html", tmp_path / "cut.html")):
        assert inspect(cut, *words) == CutDump.exit_code == 15
        told = capsys.readouterr()
        assert told.out
        assert told.err.startswith(
            "hangshot: The dump is cut off: 4.1 kB are missing at its end. Was it copied whole?"
        )
    assert inspect(core) == 0
    assert capsys.readouterr().err == ""
    assert cli.main(["explain", str(cut)]) == CutDump.exit_code


@pytest.mark.linux
@pytest.mark.parametrize("named", ["--eval-command=shell id", "-x", "app", "/dev/null", "/opt/no such", ""])
def test_a_debugger_is_given_no_options_by_a_dump(
    named: str, core: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs commands that stand in its options, so only a program that lies here is handed on."""
    started: list[list[str]] = []
    monkeypatch.setattr("shutil.which", str)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr(debugger, "_run", lambda words: started.append(words) or 0)
    shown, contents = synth.app()
    for path in (named, sys.executable):
        mappings = tuple(replace(one, path=path) for one in shown.mappings)
        synth.core_file(core, replace(shown, mappings=mappings), contents)
        assert debugger.run(core) == 0
    assert started == [["gdb", str(core)], ["gdb", sys.executable, str(core)]]
