"""Windows programs to dump: started, watched for harm, and ended; the twin of ``programs`` for Windows.

``.ci/testbed`` compiles ``tests/windows/targets`` for both widths before it runs anything.
"""

from __future__ import annotations

import ctypes
import os
import queue
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

import psutil

PATIENCE = 20.0
"""Seconds that a loaded machine may take for what is quick by itself."""
THREAD_SUSPEND_RESUME = 0x0002
FAILED = 0xFFFFFFFF


@dataclass
class Inside:
    """A running target.

    Attributes:
        process: What was started.
        marker: Address of the marker.
        words: What else the handshake line said.
        path: The program's file.
        expect_dead: Set by a test that ends the target itself.
    """

    process: subprocess.Popen[str]
    marker: int
    words: list[str]
    path: Path
    expect_dead: bool = False
    lines: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue)

    @property
    def pid(self) -> int:
        """Its id inside, which is not the one that Linux gave it."""
        return self.process.pid

    @property
    def tids(self) -> list[int]:
        """Ids of its threads."""
        return [thread.id for thread in psutil.Process(self.pid).threads()]

    def line(self) -> str:
        """The next line it prints; a failure if none comes."""
        try:
            line = self.lines.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError(f"{self.path.name} says nothing") from None
        assert line, f"{self.path.name} ended ({self.process.wait(PATIENCE)})"
        return line

    def harm(self) -> list[str]:
        """What is not as it was: empty if all is well."""
        if self.process.poll() is not None:
            return [] if self.expect_dead else [f"target {self.pid} is dead ({self.process.returncode})"]
        counts = {tid: suspend_count(tid) for tid in self.tids}
        return [f"thread {tid} is suspended {count} times" for tid, count in counts.items() if count]

    def assert_unharmed(self) -> None:
        """Fail unless it runs, with no thread suspended."""
        complaints = self.harm()
        assert not complaints, "\n".join(complaints)

    def end(self) -> None:
        """Kill it and see it gone."""
        self.process.kill()
        self.process.wait(PATIENCE)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream
            stream.close()


def suspend_count(tid: int) -> int:
    """How often a thread of another process is suspended; 0 when it has ended."""
    kernel = ctypes.WinDLL("kernel32")
    kernel.OpenThread.restype = ctypes.c_void_p
    kernel.SuspendThread.restype = ctypes.c_uint32
    if not (thread := ctypes.c_void_p(kernel.OpenThread(THREAD_SUSPEND_RESUME, 0, tid))):
        return 0
    try:
        # The only documented way to read the count is to raise it for a moment.
        if (before := kernel.SuspendThread(thread)) == FAILED:
            return 0
        kernel.ResumeThread(thread)
        return int(before)
    finally:
        kernel.CloseHandle(thread)


def built(name: str, bits: int) -> Path:
    """A target's program file."""
    path = Path(os.environ["HANGSHOT_TESTBED"]) / f"targets{bits}" / f"{name}.exe"
    assert path.exists(), f"{path} is missing: start the tests by .ci/testbed run"
    return path


def launch(path: Path, *arguments: str) -> Inside:
    """Start a target and wait for its handshake; it must be ended by the caller."""
    pipe = subprocess.PIPE
    process = subprocess.Popen([str(path), *arguments], stdin=pipe, stdout=pipe, text=True, bufsize=1)
    program = Inside(process, 0, [], path)
    threading.Thread(target=_read, args=(process, program.lines), daemon=True).start()
    try:
        word, pid, marker, *program.words = program.line().split()
        assert (word, int(pid)) == ("ready", process.pid)
    except BaseException:
        process.kill()
        process.wait()
        raise
    program.marker = int(marker, 16)
    return program


def _read(process: subprocess.Popen[str], lines: queue.SimpleQueue[str]) -> None:
    assert process.stdout
    for line in iter(process.stdout.readline, ""):
        lines.put(line)
    lines.put("")
