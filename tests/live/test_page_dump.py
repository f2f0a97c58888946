"""Reports of real dumps: the page shows what happened, and what is private can be left out of all of them."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import dumping
import pytest
from browser import Browser
from programs import Program, Workshop, launch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.linux, pytest.mark.ptrace]

VERDICT = "Deadlock: autosave ↔ sync, in Library::refresh() and Document::repaint()"
BOXES = """
[...document.querySelectorAll('.graph')].map(one => [...one.querySelectorAll('.name')].map(text => text.textContent))
"""


def inspected(core: Path, folder: Path, *words: object) -> str:
    """What ``hangshot inspect`` prints."""
    process = dumping.start(dumping.command("inspect", core, *words), folder)
    said, talk = process.communicate(timeout=dumping.LIMIT)
    assert process.returncode == 0, talk
    return said


@pytest.mark.chromium
def test_the_page_of_a_deadlock(target: Callable[..., Program], tmp_path: Path) -> None:
    """The sentence, the ring, the main thread behind it, the pool folded, and each call's line."""
    core = dumping.dump(target("notes").pid, "mini", tmp_path).core
    place = tmp_path / "notes.html"
    assert inspected(core, tmp_path, "--html", place) == f"{place}\n"
    browser = Browser(tmp_path / "profile")
    try:
        browser.open(place)
        assert browser.complaints() == []
        assert browser.run("document.querySelector('h1').textContent").startswith(VERDICT)
        assert sorted(map(sorted, browser.run(BOXES))) == [
            ["6 threads", "condition variable"],
            ["autosave", "notes", "sync"],
        ]
        ring = "[...document.querySelectorAll('.in-ring .name')].map(text => text.textContent)"
        assert sorted(browser.run(ring)) == ["autosave", "sync"]
        heads = browser.run("[...document.querySelectorAll('#threads .who')].map(one => one.textContent)")
        assert [head.split()[0] for head in heads] == ["autosave", "sync", "notes", "thumbnail"]
        assert heads[3].endswith("6 threads like this")
        calls = browser.run("document.querySelector('#threads .calls').textContent")
        assert "notes::Document::save(notes::Library&)" in calls
        assert "notes.cpp:25 · notes" in calls
    finally:
        browser.close()


@pytest.fixture
def private(tmp_path: Path, workshop: Workshop) -> Iterator[Program]:
    """A program in somebody's home, started with what nobody else should read."""
    folder = tmp_path / "home" / "anna kowalski" / "My Apps"
    folder.mkdir(parents=True)
    program = folder / "notes"
    shutil.copy(workshop.build("notes")[0], program)
    running = launch(["notes", "--password", "hunter2", str(folder / "diary.txt")], executable=str(program))
    try:
        running.settle()
        yield running
    finally:
        running.end()


@pytest.mark.parametrize(
    "words", [("--text",), (), ("--json",), ("--html", "-")], ids=["text", "whole", "json", "page"]
)
def test_nothing_private(private: Program, tmp_path: Path, words: tuple[str, ...]) -> None:
    """No name, path or argument in any redacted report; why it hangs and where stays."""
    core = dumping.dump(private.pid, "heap", tmp_path).core
    told = inspected(core, tmp_path, *words, "--redact")
    secrets = ("anna", "kowalski", "My Apps", "hunter2", "password", "diary", str(tmp_path), "/home")
    assert [secret for secret in secrets if secret in told] == []
    assert "Document::repaint()" in (json.loads(told)["verdict"]["sentence"] if "--json" in words else told)
    assert "notes.cpp" in told
    assert "hunter2" in inspected(core, tmp_path, "--json"), "the test must be able to fail"


def test_the_short_text_is_short(target: Callable[..., Program], tmp_path: Path) -> None:
    """500 threads fit into the 65,536 signs that issue trackers take, with room to spare."""
    core = dumping.dump(target("many_threads", 500).pid, "mini", tmp_path).core
    told = inspected(core, tmp_path, "--text", "--redact")
    assert len(told) < 6000
    assert "500 threads like this" in told
