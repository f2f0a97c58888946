"""From a name to the one process it means."""

from __future__ import annotations

import os

import psutil
import pytest

from tray import capture
from tray.capture import named
from tray.errors import NoTarget


class Process:
    """What psutil tells of a process."""

    def __init__(
        self, pid: int, name: str, exe: str = "", line: list[str] | None = None, since: float = 0
    ) -> None:
        self.pid = pid
        self.info = {
            "pid": pid, "name": name, "exe": exe, "cmdline": line, "username": "me", "create_time": since
        }  # fmt: skip
        self.failure: Exception | None = None

    def as_dict(self, attrs: list[str]) -> dict[str, object]:
        """As the real one, which gives what was asked for and nothing else."""
        if self.failure:
            raise self.failure
        return {name: self.info[name] for name in attrs}


@pytest.fixture
def processes(monkeypatch):
    """Puts processes in place of the system's own."""
    running: list[Process] = []
    monkeypatch.setattr("psutil.process_iter", lambda: iter(running))
    monkeypatch.setattr(capture, "started", lambda pid: pid * 10)
    return running


@pytest.mark.parametrize("asked", ["editor", "EDITOR", "Editor.bin", "run.py", "run", "python3.11", "setup"])
def test_a_process_has_several_names(processes, asked: str):
    """Its own, its executable's, its script's; letter case and usual endings do not matter."""
    processes += [
        Process(1, "init"),
        Process(70, "editor", "/opt/Editor.bin", ["python3.11", "/home/me/run.py", "file.txt"])
        if asked != "setup"
        else Process(70, "Setup.exe"),
    ]
    assert named.process(asked) == (70, 700)


@pytest.mark.parametrize("asked", ["edit", "file.txt", "--run", "", "opt"])
def test_parts_and_arguments_are_no_names(processes, asked: str):
    """A guess could dump a stranger."""
    processes.append(Process(70, "editor", "/opt/editor", ["editor", "--run", "file.txt"]))
    with pytest.raises(NoTarget, match="No process is called"):
        named.process(asked)


def test_hidden_processes(processes):
    """Of another user's process the system may tell only the name."""
    processes.append(Process(70, "daemon"))
    processes[0].info.update(exe=None, cmdline=None)
    assert named.process("daemon") == (70, 700)


@pytest.mark.parametrize("failure", [psutil.NoSuchProcess(1), OSError(22, "Invalid handle")])
def test_processes_that_end_meanwhile(processes, failure: Exception):
    """They are passed over; psutil has no error of its own for all that comes of it."""
    processes += [Process(1, "editor"), Process(70, "editor")]
    processes[0].failure = failure
    assert named.process("editor") == (70, 700)


def test_ourselves(processes):
    """We are never meant: our own command line has the name in it."""
    processes += [Process(os.getpid(), "editor"), Process(70, "editor")]
    assert named.process("editor") == (70, 700)


def test_several_are_listed(processes):
    """The newest first, with what tells them apart; too many are only counted."""
    processes += [Process(100 + n, "editor", line=["editor", f"file{n}"], since=1e9 + n) for n in range(15)]
    processes[14].info.update(cmdline=None, username=None)
    processes[13].info["cmdline"][1] += "\n\x1b[2J"
    with pytest.raises(NoTarget) as caught:
        named.process("editor")
    assert str(caught.value) == "15 processes are called 'editor'."
    lines = caught.value.hint.splitlines()
    assert lines[0].split()[0] == "114"
    assert lines[0].endswith(" editor")
    assert lines[1].split()[0] == "113"
    assert lines[1].endswith("editor file13??[2J")
    assert lines[-2:] == ["  … and 3 more", "  Give one of the PIDs: hangshot dump 114"]
    assert len(lines) == 14
    del processes[2:]
    with pytest.raises(NoTarget, match=r"^2 processes (?!.*more)"):
        named.process("editor")
