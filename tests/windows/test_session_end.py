"""The end of a session: the worker outlives the tray, which waits for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LEVEL = """
import ctypes
from tray.cli import main
assert main(["dump", "--request"]) == 0  # nobody asks it for anything
level, flags = ctypes.c_uint32(), ctypes.c_uint32()
assert ctypes.windll.kernel32.GetProcessShutdownParameters(ctypes.byref(level), ctypes.byref(flags))
print(level.value)
"""


def test_the_worker_is_asked_after_the_tray():
    """Windows ends programs from the high levels to the low; the tray has the one that all have."""
    told = subprocess.run(
        [sys.executable, "-c", LEVEL],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert 0x100 <= int(told.stdout) < 0x280
