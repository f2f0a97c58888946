"""A dump for strangers: all calls are in it, in every debugger, and nothing that its owner wrote."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import dumping
import judges
import pytest
from programs import launch

if TYPE_CHECKING:
    from pathlib import Path

    from programs import Workshop

pytestmark = [pytest.mark.linux, pytest.mark.ptrace, pytest.mark.gdb]

PERSON, LETTER, WORD = b"zaphod", b"beeblebrox", b"BEEBLEBROX"


@pytest.mark.parametrize("name", ["threads", "deadlock", "cpp_program", "many_threads"])
def test_every_call_is_there(target, tmp_path: Path, name: str) -> None:
    """Debuggers name the frames that they name in a mini dump."""
    program = target(name)
    seen, expected = (
        judges.judge(program.executable, dumping.dump(program.pid, mode, tmp_path).core)
        for mode in ("triage", "mini")
    )
    for judge, stacks in expected.everywhere().items():
        assert judges.named(seen.everywhere()[judge]) == judges.named(stacks), judge


def test_nothing_personal(workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not of a stack, the heap, a global, the command line, the environment, or the place of a file."""
    folder = tmp_path / PERSON.decode()
    folder.mkdir()
    path = shutil.copy(workshop.build("secrets")[0], folder)
    monkeypatch.setenv("LETTER", LETTER.decode())
    program = launch([str(path), LETTER.decode()])
    try:
        mini = dumping.dump(program.pid, "mini", tmp_path).core.read_bytes()
        assert all(text in mini for text in (PERSON, LETTER, WORD)), (
            "mini has none of it: the test tests nothing"
        )
        core = dumping.dump(program.pid, "triage", tmp_path).core
        program.assert_unharmed()
    finally:
        program.end()
    content = core.read_bytes()
    assert [text for text in (PERSON, LETTER, WORD, os.fsencode(tmp_path)) if text in content] == []
    sidecar = json.loads(core.with_suffix(".json").read_text())
    assert sidecar["target"]["executable"] is None
    assert PERSON.decode() not in json.dumps({**sidecar, "path": "", "sidecar": ""})
    calls = judges.named(judges.judge(str(path), core).eu_stack)
    assert any("keep" in names and "writer" in names for names in calls.values()), calls
