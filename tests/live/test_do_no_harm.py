"""The watch over targets sees each kind of harm: else its silence would mean nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from programs import state, status, wait_until

pytestmark = [pytest.mark.linux, pytest.mark.ptrace]

TRACER = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
assert libc.ptrace(0x4206, int(sys.argv[1]), None, None) == 0  # PTRACE_SEIZE
print("traced", flush=True)
sys.stdin.read()
"""


def test_a_stop_is_harm(target) -> None:
    """A target left stopped is a complaint, until it runs again."""
    program = target("threads")
    assert program.harm() == []
    os.kill(program.pid, signal.SIGSTOP)
    wait_until(lambda: state(program.pid) == "T", "the target stopped")
    assert any("is in state T" in complaint for complaint in program.harm())
    os.kill(program.pid, signal.SIGCONT)


def test_a_tracer_is_harm(target) -> None:
    """One thread that is still traced is a complaint."""
    program = target("threads")
    last = program.tids[-1]
    words = [sys.executable, "-c", TRACER, str(last)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as tracer:
        assert tracer.stdout.readline() == b"traced\n"
        assert program.harm() == [f"thread {last} is traced by {tracer.pid}"]
    wait_until(lambda: status(program.pid, last)["TracerPid"] == "0", "the tracer gone")


def test_a_stray_signal_is_counted(target) -> None:
    """The program that counts signals counts one that nobody should have sent."""
    program = target("signals", settle=False)
    os.kill(program.pid, signal.SIGUSR1)
    assert program.ask()[0].endswith("stray 1")


def test_death_is_harm(target) -> None:
    """A target that died is a complaint, but for a test that killed it."""
    program = target("threads")
    os.kill(program.pid, signal.SIGKILL)
    wait_until(lambda: program.process.poll() is not None, "the target dead")
    assert "is dead" in program.harm()[0]
    program.expect_dead = True
    assert program.harm() == []
