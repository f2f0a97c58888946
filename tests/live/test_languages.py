"""Calls of interpreters: Python's among the native ones; of others, the command that reads them from this dump."""

from __future__ import annotations

import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import dumping
import pytest

from tray import reports
from tray.reports import python_calls, reader, why
from tray.store import described

if TYPE_CHECKING:
    from pathlib import Path

    from tray.model import Report, Stack

pytestmark = [pytest.mark.linux, pytest.mark.ptrace]


def read(core: Path) -> Report:
    """The report, with what the sidecar tells."""
    return reports.make(core, described(core), reader.READERS)


def places(stack: Stack) -> list[tuple[str, int]]:
    """Python's calls on a stack, innermost first."""
    return [
        (frame.function.rpartition(".")[2], frame.line)
        for frame in stack.frames
        if frame.file.endswith(".py")
    ]


MAIN = [("inner", 13), ("<lambda>", 22), ("save", 22), ("__init__", 19), ("<module>", 34)]


def test_python_in_a_dump(target, tmp_path: Path) -> None:
    """Each call is where C made it: between it and its caller are the calls of C that led there."""
    program = target("python_calls")
    report = read(dumping.dump(program.pid, "heap", tmp_path).core)
    main, thread = sorted(report.stacks, key=lambda stack: stack.tid != program.pid)
    assert places(main) == MAIN
    assert places(thread)[0] == ("load", 26)
    functions = [frame.function for frame in main.frames]
    names = [name for name in functions if name and not name.startswith("Store")]
    assert names.index("time_sleep") < names.index("inner")
    between = functions[functions.index("<lambda>") if "<lambda>" in functions else 0 :]
    assert any("sort" in name for name in between[: between.index(functions[-1])])
    assert not any("_PyEval" in name for name in functions)


def test_python_of_a_mini_dump(target, tmp_path: Path) -> None:
    """The dump does not hold them, so the app that still hangs is asked, and the sidecar keeps it."""
    program = target("python_calls")
    core = dumping.dump(program.pid, "mini", tmp_path).core
    assert "Take one in heap mode" in " ".join(read(core).lacks)
    told = dumping.outcome(dumping.start(dumping.command("explain", core, "--json"), tmp_path)).last
    assert " in inner() sleeps" in told["verdict"]["sentence"]
    program.expect_dead = True
    program.end()
    report = read(core)
    assert places(report.stacks[0]) == MAIN
    assert "s after the dump" in " ".join(report.lacks)
    assert "inner at python_calls.py:13" in core.with_suffix(".txt").read_text()


def test_a_lock_of_python(target, tmp_path: Path) -> None:
    """A semaphore with an owner that it does not name: nobody is accused, but it is called what it is."""
    core = dumping.dump(target("waits_python").pid, "heap", tmp_path).core
    told = dumping.outcome(dumping.start(dumping.command("explain", core, "--json"), tmp_path)).last
    sentence = told["verdict"]["sentence"]
    assert sentence.endswith("in waits_python.py waits for a Python lock whose holder is not known"), sentence
    waits = why.as_json(read(core))["waits"]
    assert [wait["does"] for wait in waits] == ["waits for a Python lock whose holder is not known"] * 3


@pytest.mark.parametrize(
    ("reader_does", "cause"),
    [
        ("time.sleep(86400)", "pystack was ended after 1 s"),
        ("os.abort()", "pystack did not find the interpreter's state"),
        ("print('{')", "the interpreter has no calls"),
    ],
)
def test_a_reader_of_python_that_fails(
    target, tmp_path: Path, monkeypatch, reader_does: str, cause: str
) -> None:
    """The dump is read all the same, and why its Python is missing is said."""
    core = dumping.dump(target("python_calls").pid, "heap", tmp_path).core
    words = [sys.executable, "-c", f"import os, time; {reader_does}"]
    monkeypatch.setattr(python_calls, "our_own", lambda *_: words)
    monkeypatch.setattr(python_calls, "LIMIT", 1.0)
    report = read(core)
    assert f"Its Python calls are not shown: {cause}." in report.lacks
    assert any("_PyEval" in frame.function for frame in report.stacks[0].frames)


def test_python_that_has_ended(target, tmp_path: Path) -> None:
    """Nobody is left to be asked."""
    program = target("python_calls")
    core = dumping.dump(program.pid, "mini", tmp_path).core
    program.expect_dead = True
    program.end()
    told = dumping.outcome(dumping.start(dumping.command("explain", core, "--json"), tmp_path)).last
    assert "Take one in heap mode" in " ".join(told["lacks"])


@pytest.mark.java
@pytest.mark.parametrize("mode", ["heap", "full"])
def test_the_command_for_java(target, tmp_path: Path, mode: str) -> None:
    """It is named, and the command that is to be pasted finds the deadlock in this very dump."""
    program = target("JavaProgram")
    report = read(dumping.dump(program.pid, mode, tmp_path).core)
    [lack] = [lack for lack in report.lacks if "Java" in lack]
    command = shlex.split(lack.rpartition(": ")[2])
    done = subprocess.run(command, capture_output=True, text=True, timeout=dumping.LIMIT, check=False)
    assert "Found one Java-level deadlock" in done.stdout, done.stdout + done.stderr
    assert "JavaProgram.take" in done.stdout


@pytest.mark.java
def test_java_in_a_mini_dump(target, tmp_path: Path) -> None:
    """A JDK could not read it, and this is said."""
    report = read(dumping.dump(target("JavaProgram").pid, "mini", tmp_path).core)
    assert "a dump in heap mode has them" in " ".join(report.lacks)
