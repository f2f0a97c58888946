"""Programs to dump: built once a session, started, watched for harm, and ended.

The one place that knows how ``tests/targets`` are compiled and what "unharmed"
means. `Program` is what the ``target`` fixture gives.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

SOURCES = Path(__file__).parent / "targets"
MARKER = 0x544F4853474E4148
"""What every target's ``marker`` holds: ``HANGSHOT`` in ASCII."""
PATIENCE = 20.0
"""Seconds that a loaded machine may take for what is quick by itself."""

SIGNAL_FIELDS = {"SigBlk", "SigPnd", "ShdPnd", "SigIgn", "SigCgt"}

EXTRA_FLAGS = {
    "notes": ["-g"],
    "library": ["-shared", "-fPIC"],
    "deleted_library": ["-ldl"],
    "static_pie": ["-static-pie"],
    "secrets": ["-Wl,-rpath,/home/zaphod/lib"],
}


def wait_until(true, what: str, patience: float = PATIENCE):
    """Poll ``true`` until it gives something true, and give that."""
    deadline = time.monotonic() + patience
    while not (result := true()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience} s in vain: {what}")
        time.sleep(0.002)
    return result


@dataclass(frozen=True)
class Workshop:
    """Compiles targets into a folder, each once."""

    folder: Path

    def build(self, name: str) -> list[str]:
        """The command that runs target ``name``."""
        [source] = [path for path in SOURCES.iterdir() if path.stem == name and path.suffix != ".h"]
        if source.suffix == ".py":
            return [sys.executable, str(source)]
        if source.suffix == ".java":
            # Little reserved memory, which gcore would write out: the shape of a Java process matters, not its speed.
            self._once(source, self.folder / f"{name}.class", ["javac", "-d", str(self.folder)])
            small = [
                "-Xmx32m",
                "-XX:+UseSerialGC",
                "-XX:ReservedCodeCacheSize=16m",
                "-XX:CompressedClassSpaceSize=8m",
            ]
            return ["java", *small, "-cp", str(self.folder), name]
        output = self.folder / name
        if source.suffix == ".rs":
            self._once(source, output, ["rustc", "-C", "opt-level=1", "-o", str(output)])
            return [str(output)]
        compiler = "g++" if source.suffix == ".cpp" else "gcc"
        flags = ["-O2", "-pthread", "-o", str(output), *EXTRA_FLAGS.get(name, [])]
        self._once(source, output, [compiler, *flags])
        return [str(output)]

    @staticmethod
    def _once(source: Path, output: Path, command: list[str]) -> None:
        if not output.exists():
            subprocess.run([command[0], str(source), *command[1:]], check=True, timeout=120)


def status(pid: int, tid: int | None = None) -> dict[str, str]:
    """The fields of a thread's ``/proc`` status file; empty when it is gone."""
    path = f"/proc/{pid}/task/{tid or pid}/status"
    try:
        text = Path(path).read_text()
    except OSError:
        return {}
    return {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}


def tids(pid: int) -> list[int]:
    """Ids of a process's threads, the main one first."""
    try:
        return sorted(int(path.name) for path in Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def state(pid: int, tid: int | None = None) -> str:
    """One letter of proc(5), or ``""`` when it is gone."""
    return status(pid, tid).get("State", "")[:1]


@dataclass
class Program:
    """A running target.

    Attributes:
        process: What was started; with `prefork` it is the target's parent.
        pid: The target itself.
        marker: Address of the marker, 0 where there is none.
        words: What else the handshake line said.
        executable: For a debugger.
    """

    process: subprocess.Popen[str]
    pid: int
    marker: int
    words: list[str]
    executable: str
    before: dict[int, dict[str, str]] = field(default_factory=dict)
    expect_dead: bool = False
    """Set by a test that ends the target itself."""

    @property
    def tids(self) -> list[int]:
        return tids(self.pid)

    def settle(self) -> None:
        """Wait until every thread sleeps, so that each is in the call it will stay in."""
        wait_until(lambda: all(state(self.pid, tid) in "St" for tid in self.tids), "every thread asleep")

    def remember(self, *, masks: bool = True) -> None:
        """Take the present state as the one that must be found again.

        Args:
            masks: Whether its threads rest, so that their signal masks will not
                change by themselves, as they do while a thread starts another.
        """
        kept = {"State", "TracerPid"} | (SIGNAL_FIELDS if masks else set())
        for tid in self.tids:
            now = status(self.pid, tid)
            self.before[tid] = {key: now[key] for key in kept & now.keys()}

    def harm(self) -> list[str]:
        """What is not as it was: empty if all is well."""
        if self.process.poll() is not None or state(self.pid) in ("", "Z", "X"):
            return [] if self.expect_dead else [f"target {self.pid} is dead ({self.process.poll()})"]
        complaints = []
        for tid in self.tids:
            complaints += self._changes(tid, status(self.pid, tid))
        return complaints

    def _changes(self, tid: int, now: dict[str, str]) -> list[str]:
        old = self.before.get(tid, {})
        if not now:
            return []
        complaints = []
        if now["TracerPid"] != old.get("TracerPid", "0"):
            complaints.append(f"thread {tid} is traced by {now['TracerPid']}")
        stopped, was_stopped = now["State"][0] in "tT", old.get("State", "S")[0] in "tT"
        if stopped != was_stopped:
            complaints.append(f"thread {tid} is in state {now['State']}, was in {old.get('State')}")
        changed = [key for key in SIGNAL_FIELDS & old.keys() if now[key] != old[key]]
        return complaints + [f"thread {tid}: {key} {old[key]} → {now[key]}" for key in changed]

    def assert_unharmed(self, patience: float = 2.0) -> None:
        """Fail unless the target runs as before; a thread just let go gets a moment to arrive."""
        deadline = time.monotonic() + patience
        while (complaints := self.harm()) and time.monotonic() < deadline:
            time.sleep(0.005)
        assert not complaints, "\n".join(complaints)

    def ask(self, request: str = "?") -> list[str]:
        """Send a byte and give the answer's first line, or all lines up to ``end``."""
        assert self.process.stdin is not None
        self.process.stdin.write(request)
        self.process.stdin.flush()
        lines = [read_line(self.process.stdout)]
        while lines[0].startswith("count ") and lines[-1] != "end":
            lines.append(read_line(self.process.stdout))
        return lines

    def end(self) -> None:
        """Kill what was started, and see it gone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGCONT)
        self.process.kill()
        self.process.wait(PATIENCE)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def read_line(stream: IO[str] | None, patience: float = PATIENCE) -> str:
    """One line, without its end, or a failure: never waits for ever."""
    assert stream is not None
    line = ""
    deadline = time.monotonic() + patience
    while not line.endswith("\n"):
        left = deadline - time.monotonic()
        assert select.select([stream], [], [], max(left, 0))[0], f"no line in time, only {line!r}"
        byte = os.read(stream.fileno(), 1)
        assert byte, f"the target ended after {line!r}"
        line += byte.decode(errors="replace")
    return line.rstrip("\n")


def launch(command: list[str], patience: float = PATIENCE, **settings) -> Program:
    """Start a target and wait for its handshake; it must be ended by the caller."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, **settings
    )
    try:
        word, pid, marker, *words = read_line(process.stdout, patience).split()
        assert word == "ready"
    except BaseException:
        process.kill()
        process.wait()
        raise
    program = Program(process, int(pid), int(marker, 16), words, _executable(int(pid)))
    program.remember(masks=False)
    return program


def _executable(pid: int) -> str:
    """What a process runs; its main thread may have ended before the others, and then only these tell."""
    for place in (Path(f"/proc/{pid}"), *Path(f"/proc/{pid}/task").iterdir()):
        with contextlib.suppress(FileNotFoundError):
            return str((place / "exe").readlink())
    raise FileNotFoundError(f"process {pid} has ended")


def found(*programs: str) -> str:
    """Which of these is not installed, as a reason to skip; empty if all are.

    A word with bars, as ``lldb|lldb-19``, is satisfied by any of its names.
    """
    missing = [names for names in programs if not any(shutil.which(name) for name in names.split("|"))]
    return f"not installed: {', '.join(missing)}" if missing else ""
