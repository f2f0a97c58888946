"""The built Windows program, used as a person does: keys and clicks in, dumps out. Runs on Linux beside Wine."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from judges_windbg import stacks
from programs import wait_until
from windows_outside import (
    PATIENCE,
    PREFIX,
    RIGHT,
    ROOT,
    Told,
    balloons,
    boxes,
    click,
    command,
    ended,
    icon,
    menu,
    processes,
    screenshot,
    target,
    told,
    xdotool,
)

from tray import __version__
from tray.formats import minidump

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUILT = ROOT / "dist" / "hangshot"
HALF_ROW = 12
"""Pixels from the edge of a menu to the middle of its first and last rows."""
ROW, LAST_DUMPS = 17, 4.6
"""Pixels of a row, and how many lie above the middle of "Last dumps"."""


@dataclass
class Tray:
    """The built tray, running.

    Attributes:
        process: What was started.
        kept: Its folder of logs and dumps.
    """

    process: subprocess.Popen[str]
    kept: Path

    @property
    def log(self) -> str:
        """What it has logged so far."""
        path = self.kept / "Logs" / "hangshot.log"
        return path.read_text() if path.exists() else ""

    def dump(self) -> Path:
        """The one dump, when it is there."""
        wait_until(lambda: "dumped after" in self.log, "the dump", PATIENCE)
        [dump] = (self.kept / "dumps").glob("deadlock_window_*.dmp")
        return dump

    def open_menu(self) -> tuple[int, int, int, int]:
        """Right click the icon; the menu."""
        click(*icon(), RIGHT)
        return menu("hangshot")

    def quit(self) -> int:
        """Click the menu's last row; the exit code."""
        left, top, _, height = self.open_menu()
        click(left + 40, top + height - HALF_ROW)
        return self.process.wait(PATIENCE)


@pytest.fixture
def tray(tmp_path: Path) -> Iterator[Tray]:
    """The built tray of a user who has been greeted; nothing else is kept yet, and all is given back."""
    [user] = [path for path in (PREFIX / "drive_c" / "users").iterdir() if path.name != "Public"]
    kept = user / "AppData" / "Local" / "hangshot"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    (kept / "greeted").touch()
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        command(BUILT / "hangshot.exe"), stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=ROOT
    )
    tray = Tray(process, kept)
    try:
        wait_until(lambda: "the hotkey is heard" in tray.log, "the hotkey", PATIENCE)
        yield tray
    finally:
        screenshot(tmp_path / "at_the_end.png")  # pytest keeps the folders of the last runs
        print(tray.log)
        process.terminate()
        process.communicate(timeout=PATIENCE)
        wait_until(lambda: not processes("hangshot.exe"), "the tray's end", PATIENCE)


def assert_deadlock(dump: Path, tids: list[int]) -> None:
    """WinDbg's engine finds the lock call and the program's own frames on both threads; and so does the program."""
    printed = told("python", "tests/judges_windbg.py", dump, "~*k")
    for tid in tids:
        names = stacks(printed)[tid]
        assert names.index("ntdll!RtlEnterCriticalSection") < names.index("deadlock_window!take_second"), (
            printed
        )
    report = json.loads(told(BUILT / "hangshot-cli.exe", "inspect", dump, "--json"))
    calls = {one["tid"]: [frame["function"] for frame in one["frames"]] for one in report["threads"]}
    for tid in tids:
        assert calls[tid].index("RtlEnterCriticalSection") < calls[tid].index("take_second"), calls


@pytest.mark.parametrize("program", ["hangshot-cli.exe", "hangshot.com", "hangshot-32/hangshot-32.exe"])
def test_command_line(program: str):
    """Both widths start; and by the name that is typed."""
    assert told(BUILT / program, "--version").startswith("hangshot ")


@pytest.mark.parametrize("bits", [32, 64])
def test_each_app_in_its_own_width(tmp_path: Path, bits: int):
    """A 32-bit app gets a 32-bit dump: the command line hands it over to the small program beside it."""
    with target("deadlock", bits=bits) as (_, ready):
        lines = told(BUILT / "hangshot-cli.exe", "dump", ready[1], "--output", f"{tmp_path}/", "--json")
    last = json.loads(lines.splitlines()[-1])
    assert (last["event"], last["gaps"]) == ("dumped", [])
    [dump] = tmp_path.glob("*.dmp")
    with minidump.read(dump) as held:
        assert held.pointer * 8 == bits


def test_packed(tmp_path: Path):
    """Packing and unpacking need a library that only the packed ask for."""
    with target("deadlock") as (_, ready):
        words = "--compress", "zstd", "--output", f"{tmp_path}/", "--json"
        lines = told(BUILT / "hangshot-cli.exe", "dump", ready[1], *words)
    assert json.loads(lines.splitlines()[-1])["path"].endswith("_mini.dmp.zst")
    [dump] = tmp_path.glob("*.dmp.zst")
    assert "RtlEnterCriticalSection" in told(BUILT / "hangshot-cli.exe", "inspect", dump)


def test_calls_of_python(tmp_path: Path):
    """It brings along what asks an app for them."""
    app = Told("python", "tests/targets/python_calls.py")
    try:
        pid = app.wait_for("ready").split()[1]
        told(BUILT / "hangshot-cli.exe", "dump", pid, "--output", f"{tmp_path}/", "--json")
        [dump] = tmp_path.glob("*.dmp")
        told(BUILT / "hangshot-cli.exe", "explain", dump, "--json")
    finally:
        app.end(0)
    assert "<module> at python_calls.py:34" in dump.with_suffix(".txt").read_text()


@pytest.fixture(scope="module")
def files() -> dict[str, dict[str, Any]]:
    """What is in each of the built files, by its path."""
    return json.loads(told("python", "tests/windows/outside/built_files.py", BUILT))


def test_nothing_is_missing_on_a_bare_windows(files):
    """Every DLL that is asked for is in the folder or Windows' own: nobody needs to install a runtime."""
    assert {path: found["missing"] for path, found in files.items() if found["missing"]} == {}
    assert len(files) > 40
    assert not any("UPX0" in found["sections"] for found in files.values())


@pytest.mark.parametrize(
    ("path", "console"),
    [
        ("hangshot.exe", False),
        ("hangshot.com", True),
        ("hangshot-cli.exe", True),
        ("hangshot-32/hangshot-32.exe", True),
    ],
)
def test_what_windows_is_told_of_a_program(files, path: str, *, console: bool):
    """Who made it; sharp everywhere, with long paths and the user's own rights; only the tray without a console."""
    found = files[path]
    assert found["console"] is console
    assert found["strings"]["ProductName"] == "Hangshot"
    assert found["strings"]["FileVersion"] == __version__
    for wish in ("PerMonitorV2", "<longPathAware", 'level="asInvoker" uiAccess="false"'):
        assert wish in found["manifest"]


def test_a_press_saves_a_dump(tray: Tray):
    """An icon; the key, pressed on a program whose workers are deadlocked; a balloon, and a dump that tells why."""
    icon()
    with target("deadlock_window") as (_, ready):
        assert not balloons()
        xdotool("key", "ctrl+alt+shift+d")
        dump = tray.dump()
        wait_until(balloons, "the balloon", PATIENCE)
        assert_deadlock(dump, [int(word) for word in ready[3:5]])
    sidecar = json.loads(dump.with_suffix(".json").read_text())
    assert (sidecar["trigger"], sidecar["window"]["title"]) == ("hotkey", "Deadlocked ü")


def test_the_balloon_tells_why(tray: Tray, tmp_path: Path):
    """A second or so later it is brought up to date by a process of its own, with the functions' names."""
    with target("deadlock_window"):
        xdotool("key", "ctrl+alt+shift+d")
        dump = tray.dump()
        wait_until(lambda: "explained after" in tray.log, "what the stacks tell", PATIENCE)
        wait_until(balloons, "the balloon", PATIENCE)
        screenshot(tmp_path / "balloon.png")
    verdict = json.loads(dump.with_suffix(".json").read_text())["verdict"]
    assert verdict["kind"] == "deadlock"
    assert "take_second()" in verdict["sentence"]
    assert verdict["sentence"] in dump.with_suffix(".txt").read_text()


def test_the_demo(tray: Tray):
    """README's first command: the tray hears the key over the hung window, and both tell the deadlock."""
    demo = Told("Z:" + str(BUILT / "hangshot-cli.exe").replace("/", "\\"), "demo", "--seconds", "60")
    try:
        demo.wait_for("The tray that runs takes the key.")
        demo.wait_for("Its window is frozen")
        told("python", "tests/windows/outside/press.py")
        saved = demo.wait_for("Saved: ")
        assert "hangshot-cli_" in saved
        demo.wait_for("Deadlock: worker-1 <-> worker-2")
        demo.wait_for("  worker-2 waits for a critical section")
        assert demo.process.wait(PATIENCE) == 0
    finally:
        demo.end(0)
    assert [path.name for path in (tray.kept / "dumps").glob("*.dmp")] == [saved.rpartition("\\")[2]]


@pytest.fixture
def opened() -> Iterator[Path]:
    """Where a browser of ours leaves the page that it was asked to show."""
    page = PREFIX / "drive_c" / "opened.html"
    page.unlink(missing_ok=True)
    kind, extension = r"HKCR\hangshot-test-page", r"HKCR\.html"
    told("reg", "add", extension, "/f", "/ve", "/d", "hangshot-test-page")
    told("reg", "add", rf"{kind}\shell\open\command", "/f", "/ve", "/d", f'cmd /c copy "%1" C:\\{page.name}')
    yield page
    for key in (extension, kind):
        told("reg", "delete", key, "/f")


def hover(x: int, y: int) -> tuple[int, int]:
    """Rest on a row of a menu; where its submenu has its first row."""
    before = set(boxes("hangshot"))
    xdotool("mousemove", x, y)
    fresh = wait_until(
        lambda: [box for box in boxes("hangshot") if box not in before and box[3] > ROW], "a menu", PATIENCE
    )
    return fresh[0][0] + 40, fresh[0][1] + HALF_ROW


def test_the_menu_shows_a_report(tray: Tray, opened: Path):
    """Last dumps, the newest, Show report: a page is made and handed to the browser."""
    with target("deadlock") as (_, ready):  # not by the key: its balloon would lie over the menu
        told(BUILT / "hangshot-cli.exe", "dump", ready[1], "--json")
    left, top, *_ = tray.open_menu()
    click(*hover(*hover(left + 40, top + int(LAST_DUMPS * ROW))))
    wait_until(opened.exists, "the page in the browser", PATIENCE)
    [page] = (tray.kept / "dumps").glob("deadlock_*.html")
    assert "take_second" in page.read_text()


def test_the_menu_dumps_and_quits(tray: Tray):
    """A right click opens it; its first row dumps the app that was in front, its last leaves no process."""
    with target("deadlock_window") as (_, ready):
        left, top, *_ = tray.open_menu()
        click(left + 40, top + HALF_ROW)
        dump = tray.dump()
        assert_deadlock(dump, [int(word) for word in ready[3:5]])
    assert json.loads(dump.with_suffix(".json").read_text())["trigger"] == "menu"
    assert processes("hangshot.exe")
    assert tray.quit() == 0
    assert not processes("hangshot.exe")
    assert not processes("hangshot-cli.exe")


def test_a_second_start_greets(tray: Tray):
    """It ends well at once, and the first one shows itself."""
    assert not balloons()
    assert ended(BUILT / "hangshot.exe").returncode == 0
    wait_until(balloons, "the greeting", PATIENCE)
    assert len(processes("hangshot.exe")) == 1
