"""Takes dumps as a user would: through the public command line, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIMIT = 120

# A small parent: a child's peak memory counts what its parent had at the fork, and pytest has a lot.
MEASURED = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[2:]).returncode
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024))
sys.exit(code)
"""


@dataclass(frozen=True)
class Outcome:
    """What one ``hangshot`` command left behind.

    Attributes:
        code: Its exit code.
        lines: Its JSON lines.
        talk: What it said on standard error.
    """

    code: int
    lines: list[dict[str, Any]]
    talk: str

    @property
    def last(self) -> dict[str, Any]:
        """The last line, which tells how it went."""
        assert self.lines, f"no JSON line; exit code {self.code}\n{self.talk}"
        return self.lines[-1]

    @property
    def core(self) -> Path:
        """The dump, seen to be there."""
        assert self.last["event"] == "dumped", f"{self.last}\n{self.talk}"
        assert self.code == 0
        return Path(self.last["path"])

    def gaps(self) -> str:
        """All gaps as text."""
        return "\n".join(f"{gap['what']}: {gap['why']}" for gap in self.last["gaps"])

    def error(self) -> str:
        """Name of the error, seen to be told in full: cause, next step and exit code."""
        assert self.last["event"] == "error", self.last
        assert self.last["message"], "an error without its cause"
        assert self.last["hint"], "an error without the next step"
        assert self.last["exit_code"] == self.code != 0
        assert "Traceback" not in self.talk
        return self.last["error"]


def command(*words: object) -> list[str]:
    """A command line of ours."""
    return [sys.executable, "-m", "tray", *map(str, words)]


def dump_command(pid: int, mode: str, output: Path, how: str = "stop", *more: str) -> list[str]:
    """The command that dumps a process; ``how`` it reads memory, and ``more`` words."""
    return command("dump", pid, "--mode", mode, "--capture", how, "--output", output, "--json", *more)


def environment(folder: Path) -> dict[str, str]:
    """Ours, but with every user's folder inside ``folder``."""
    kinds = ("CONFIG_HOME", "CACHE_HOME", "DATA_HOME", "STATE_HOME")
    return {
        **os.environ,
        "HOME": str(folder),
        **{f"XDG_{kind}": str(folder / kind.lower()) for kind in kinds},
    }


def start(words: list[str], folder: Path, **settings: Any) -> subprocess.Popen[str]:
    """Start a command of ours; the caller ends it."""
    return subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(folder),
        cwd=Path(__file__).parent.parent,
        **settings,
    )


def outcome(process: subprocess.Popen[str]) -> Outcome:
    """Wait for a command of ours and read what it said."""
    said, talk = process.communicate(timeout=LIMIT)
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    return Outcome(process.returncode, lines, talk)


def dump(pid: int, mode: str, folder: Path, how: str = "stop") -> Outcome:
    """Dump a process into ``folder``."""
    output = folder / f"{mode}.core"
    for old in (output, output.with_suffix(".json")):
        old.unlink(missing_ok=True)
    return outcome(start(dump_command(pid, mode, output, how), folder))


def dump_measured(pid: int, mode: str, folder: Path, how: str = "stop", *more: str) -> tuple[Outcome, int]:
    """Dump a process, and the peak of resident memory that took, in bytes; ``more`` words for the command."""
    peak = folder / "peak"
    words = [sys.executable, "-I", "-S", "-c", MEASURED, str(peak)]
    result = outcome(start([*words, *dump_command(pid, mode, folder / f"{mode}.core", how, *more)], folder))
    return result, int(peak.read_text())
