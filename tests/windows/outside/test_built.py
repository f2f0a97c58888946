"""The built Windows program, used as a person does: keys in, dumps out. Runs on Linux beside the test bed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from judges_windbg import stacks
from programs import read_line, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TESTBED = Path(__file__).parents[3] / ".ci" / "testbed"
HOME = Path(os.environ.get("HANGSHOT_TESTBED", "."))
BUILT = TESTBED.parents[1] / "dist" / "hangshot"
PATIENCE = 60.0
"""Seconds for what takes a start of Wine."""


def command(program: Path | str, *arguments: object) -> list[str]:
    """The command line that runs a Windows program in the session we are in."""
    name = str(program)
    return [
        str(TESTBED),
        "run",
        "Z:" + name.replace("/", "\\") if "/" in name else name,
        *map(str, arguments),
    ]


def told(program: Path | str, *arguments: object) -> str:
    """What a Windows program prints that ends well."""
    ended = subprocess.run(
        command(program, *arguments), check=False, capture_output=True, text=True, timeout=PATIENCE
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture
def kept() -> Path:
    """Where the program keeps logs and dumps of its only user; nothing is there yet."""
    users = HOME / "prefixes" / os.environ["HANGSHOT_WINE_SESSION"] / "drive_c" / "users"
    [user] = [path for path in users.iterdir() if path.name != "Public"]
    place = user / "AppData" / "Local" / "hangshot"
    shutil.rmtree(place, ignore_errors=True)
    return place


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Windows programs that stay."""
    started: list[subprocess.Popen[str]] = []

    def run(program: Path, *arguments: object) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command(program, *arguments), stdin=pipe, stdout=pipe, text=True))
        return started[-1]

    yield run
    for process in started:
        process.terminate()
        process.communicate(timeout=PATIENCE)


@pytest.mark.parametrize("program", ["hangshot-cli.exe", "hangshot-32/hangshot-32.exe"])
def test_command_line(program: str):
    """Both widths start."""
    assert told(BUILT / program, "--version").startswith("hangshot ")


def test_a_press_saves_a_dump(start, kept: Path):
    """The key, pressed on a program whose workers are deadlocked, saves a dump in which WinDbg sees why."""
    target = start(HOME / "targets64" / "deadlock_window.exe")
    tids = [int(word) for word in read_line(target.stdout, PATIENCE).split()[3:5]]
    start(BUILT / "hangshot.exe")
    log = kept / "Logs" / "hangshot.log"
    wait_until(lambda: log.exists() and "the hotkey is heard" in log.read_text(), "the hotkey", PATIENCE)
    subprocess.run(["xdotool", "key", "ctrl+alt+shift+d"], check=True, timeout=PATIENCE)
    wait_until(lambda: "dumped after" in log.read_text(), "the dump", PATIENCE)
    [dump] = (kept / "dumps").glob("deadlock_window_*.dmp")
    printed = told("python", "tests/judges_windbg.py", dump, "~*k")
    for tid in tids:
        names = stacks(printed)[tid]
        assert names.index("ntdll!RtlEnterCriticalSection") < names.index("deadlock_window!take_second"), (
            printed
        )
