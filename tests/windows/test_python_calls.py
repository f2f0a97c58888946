"""Calls of Python programs on Windows: told by the app that hangs, through py-spy, and put among the native ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from windows_programs import launch

from tray import reports
from tray.reports import py_spy, reader
from tray.store import described

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from windows_programs import Inside

    from tray.model import Report

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "tests/targets/python_calls.py"
PATIENCE = 60.0
"""Seconds that a loaded machine may take for what is quick by itself."""
MAIN = [("inner", 13), ("<lambda>", 22), ("save", 22), ("__init__", 19), ("<module>", 34)]
pytestmark = pytest.mark.wide


@pytest.fixture
def python() -> Iterator[Callable[..., Inside]]:
    """Starts the program in Python; afterwards it must be unharmed."""
    started: list[Inside] = []

    def start(bits: int = 64) -> Inside:
        started.append(launch(python_of(bits), str(PROGRAM)))
        return started[-1]

    try:
        yield start
        for program in started:
            program.assert_unharmed()
    finally:
        for program in started:
            program.end()


def python_of(bits: int) -> Path:
    """The Python of a width."""
    return Path(os.environ["HANGSHOT_TESTBED"]) / f"python{bits}" / "python.exe"


def ours(*words: object, bits: int = 64) -> str:
    """What our own command line prints, which must end well."""
    ended = subprocess.run(
        [python_of(bits), "-m", "tray", *map(str, words)],
        check=False,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        timeout=PATIENCE,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def dumped(target: Inside, mode: str, tmp_path: Path, bits: int = 64) -> Path:
    """A dump of it, in its own width."""
    told = ours("dump", target.pid, "--mode", mode, "--output", tmp_path / "a.dmp", "--json", bits=bits)
    return Path(json.loads(told.splitlines()[-1])["path"])


def read(dump: Path) -> Report:
    """The report, with what the sidecar tells."""
    return reports.make(dump, described(dump), reader.READERS)


@pytest.mark.parametrize("mode", ["mini", "heap"])
def test_python_in_a_dump(python, tmp_path: Path, mode: str) -> None:
    """Each call is where C made it; the sidecar keeps them when the app has gone."""
    target = python()
    dump = dumped(target, mode, tmp_path)
    told = json.loads(ours("explain", dump, "--json"))
    assert "in inner()" in told["verdict"]["sentence"] + dump.with_suffix(".txt").read_text("utf-8")
    target.expect_dead = True
    target.end()
    report = read(dump)
    main = next(stack for stack in report.stacks if stack.tid == int(target.words[0]))
    calls = [frame for frame in main.frames if frame.file.endswith(".py")]
    assert [(frame.function.rpartition(".")[2], frame.line) for frame in calls] == MAIN
    functions = [frame.function for frame in main.frames]
    assert not any("EvalFrame" in name for name in functions), functions
    begin, end = functions.index(calls[1].function), functions.index(calls[2].function)
    assert functions.index("inner") < begin < end < functions.index("<module>") < functions.index("Py_Main")
    assert "told" in " ".join(report.lacks)
    assert "s after the dump" in " ".join(report.lacks)
    assert "py-spy" not in " ".join(report.lacks)


def test_python_that_cannot_be_asked(python, tmp_path: Path) -> None:
    """A 32-bit one py-spy does not know; the report says so, and nothing is lost."""
    dump = dumped(python(bits=32), "mini", tmp_path, bits=32)
    told = json.loads(ours("explain", dump, "--json"))
    [lack] = [lack for lack in told["lacks"] if "Python" in lack]
    assert "py-spy could not read them" in lack


def test_python_that_has_ended(python, tmp_path: Path) -> None:
    """Nobody is left to be asked; how it is done while it hangs is said."""
    target = python()
    dump = dumped(target, "mini", tmp_path)
    target.expect_dead = True
    target.end()
    told = json.loads(ours("explain", dump, "--json"))
    assert f"py-spy dump --nonblocking --pid {target.pid}" in " ".join(told["lacks"])


def test_a_reader_that_hangs_or_fails() -> None:
    """It is ended in time, and why there are no calls is said."""
    hangs = [sys.executable, "-c", "import time; time.sleep(86400)"]
    assert py_spy.of_process(1, limit=0.5, command=hangs) == ((), "py-spy was ended after 0.5 s")
    fails = [sys.executable, "-c", "import sys; sys.exit('Error: no such thing.')"]
    assert py_spy.of_process(1, command=fails) == ((), "py-spy could not read them (no such thing)")
    assert py_spy.of_process(1, command=["no such program"])[0] == ()
