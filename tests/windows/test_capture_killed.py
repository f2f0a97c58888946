"""A worker that is killed at any moment leaves no thread suspended, once its caller has noticed."""

from __future__ import annotations

import ctypes
import random
import subprocess
import sys
import time
from pathlib import Path

from tray import capture

WIDTH = ctypes.sizeof(ctypes.c_void_p) * 8
ROOT = Path(__file__).parents[2]
DUMPER = """
import sys
from tray.capture.windows import WindowsCapture
from tray.modes import MODES
here = WindowsCapture()
target = here.target(int(sys.argv[1]))
with open(sys.argv[2], "w+b", buffering=0) as file:
    print("go", flush=True)
    here.write(target, MODES["full"], file, lambda done, total: False)
"""


def killed(pid: int, path: Path, seconds: float) -> None:
    """Start a dump in a process of its own, and kill that after so long."""
    words = [sys.executable, "-c", DUMPER, str(pid), str(path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, cwd=ROOT) as dumper:
        assert dumper.stdout.readline().strip() == b"go"
        time.sleep(seconds)  # the moment is what the test is about
        dumper.kill()
        dumper.wait()


def test_killed_at_random(program, tmp_path: Path):
    """At ten moments of a dump that takes half a second; at some the threads were suspended."""
    target = program("big_heap", 64, bits=WIDTH)
    chance = random.Random(70)
    let_go = 0
    for _ in range(10):
        undo = capture.remembered(target.pid)
        killed(target.pid, tmp_path / "dmp", chance.uniform(0, 0.4))
        let_go += undo()
        target.assert_unharmed()
    assert let_go, "no kill came while the target stood still: the test tests nothing"
