"""The C library's heap, as the tray wants it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.linux]

THREADS = """
import ctypes, sys, threading
from tray.ffi import malloc
if sys.argv[1:]:
    malloc.one_arena()
meet = threading.Barrier(5)
def work():
    bytes(100_000)
    meet.wait()
    meet.wait()
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
meet.wait()
ctypes.CDLL(None).malloc_stats()
meet.wait()
malloc.trim()
"""


def heaps(*words: str) -> int:
    """How many a program with five threads has."""
    command = [sys.executable, "-c", THREADS, *words]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=60, cwd=Path(__file__).parents[2]
    )
    return done.stderr.count("Arena ")


def test_threads_share_one_heap() -> None:
    """Where it is asked for; else there are several."""
    assert heaps("one") == 1
    assert heaps() > 1
