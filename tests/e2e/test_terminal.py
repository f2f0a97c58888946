"""Without a tray, from a terminal: also when the target is that very terminal."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from screen import until

if TYPE_CHECKING:
    from screen import Screen

pytestmark = [pytest.mark.linux, pytest.mark.x11, pytest.mark.desktop, pytest.mark.ptrace]

ROOT = Path(__file__).parents[2]


def test_terminal_that_shows_its_own_dump(screen: Screen, homes: Path, tmp_path: Path):
    """While the terminal stands still nobody empties what is printed to it; the dump must not wait for that."""
    code = tmp_path / "code"
    ours = shlex.join([sys.executable, "-m", "tray"])
    flood = "sh -c 'while :; do echo a line to fill the terminal; done'"  # so that its buffer is always full
    line = f"{flood} & {ours} dump $PPID --mode full --output {tmp_path}/; echo $? > {code}; kill $!"
    screen.start("xterm", "-e", "sh", "-c", line, cwd=ROOT, env={**os.environ, "DISPLAY": screen.name})
    until(lambda: code.exists() and code.read_text().strip(), "the dump")
    assert code.read_text().strip() == "0"
    assert list(tmp_path.glob("xterm_*_full.core"))
