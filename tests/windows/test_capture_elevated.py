"""A dump taken as administrator: asked for through pipes, written into a file that is lent, and the user's own.

Wine knows no second account and never asks; what Windows' rights would do with a file made by the
user is seen by who makes it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import psutil
import pytest
from judges_windbg import accepted
from windows_worker import ROOT, STALLED, Asked, files, python32

from tray import flow, packed
from tray.ffi.elevation import Elevation
from tray.ffi.win32 import Check, Libraries, System, table
from tray.worker import LAST

WIDTH = ctypes.sizeof(ctypes.c_void_p) * 8


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is started finds our package."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


UAC = """
import subprocess, sys
from tray import cli
from tray.ffi import elevation, win32
def start(self, program, parameters, folder):
    if {answer}:
        nothing = subprocess.DEVNULL
        words = f'"{{program}}" {{parameters}}'{change}
        return subprocess.Popen(words, cwd=folder, stdin=nothing, stdout=nothing, stderr=nothing)._handle.Detach()
    raise win32.failure(win32.ERROR_CANCELLED, "ShellExecuteExW")
elevation.Elevation.start = start
sys.exit(cli.main(sys.argv[1:]))
"""
"""Our program on a Windows that asks before it starts something as administrator; Wine never asks."""
WATCHED = """
import os, sys
sys.path[:] = {places!r}
log = open({log!r}, "w", encoding="utf-8")
print(os.getpid(), file=log, flush=True)
def hear(event, words):
    if event.startswith(("open", "os.", "shutil.", "tempfile.", "glob.")):
        print(event, *map(ascii, words), file=log, flush=True)
sys.addaudithook(hear)
from tray import cli, program
program.narrow = lambda: {narrow!r}
{more}
sys.exit(cli.main(sys.argv[1:]))
"""
"""The worker with more rights, which tells what paths it has anything to do with."""


def as_administrator(answer: str = "True", change: str = "") -> list[str]:
    """A worker that has the work done by one with more rights, if the user says yes."""
    code = UAC.format(answer=answer, change=change)
    return [sys.executable, "-c", code, "dump", "--json", "--request", "--as-administrator"]


class Watched:
    """The same, and what the one with more rights has opened is told."""

    def __init__(self, folder: Path, narrow: list[str] | None = None, more: str = "") -> None:
        self.log, script = folder / "log", folder / "watched.py"
        code = WATCHED.format(
            places=[str(ROOT), *sys.path], log=str(self.log), narrow=narrow or [], more=more
        )
        script.write_text(code, encoding="utf-8")
        self.words = as_administrator(change=f".replace('-m tray', {str(script)!r})")

    @property
    def pid(self) -> int:
        """Its process id."""
        return int(self.log.read_text(encoding="utf-8").split("\n", 1)[0])

    def assert_opened_nothing(self, folder: Path) -> None:
        """Fail if it has touched a path in a folder; any other it must have, or nobody watched."""
        lines = self.log.read_text(encoding="utf-8").splitlines()[1:]
        assert any(str(ROOT / "tray").replace("\\", "\\\\") in line for line in lines), lines
        assert not [line for line in lines if folder.name in line]


def rules(path: Path) -> tuple[str, str]:
    """Owner of a file, and who may do what with it, as Windows tells: in SDDL."""
    system, found, text = Libraries(SECURITY), ctypes.c_void_p(), ctypes.c_void_p()
    system("GetNamedSecurityInfoW", str(path), 1, 5, None, None, None, None, ctypes.byref(found))
    told = []
    for part in (1, 4):  # owner, DACL
        system(
            "ConvertSecurityDescriptorToStringSecurityDescriptorW",
            found, 1, part, ctypes.byref(text), None,
        )  # fmt: skip
        told.append(ctypes.wstring_at(text.value))
    return told[0], told[1]


POINTER, NUMBER = ctypes.c_void_p, ctypes.c_uint32
SECURITY = {
    **table(
        "advapi32", Check.CODE, NUMBER,
        GetNamedSecurityInfoW=(ctypes.c_wchar_p, ctypes.c_int32, NUMBER, *(POINTER,) * 5),
    ),
    **table(
        "advapi32", Check.TRUE, ctypes.c_int32,
        ConvertSecurityDescriptorToStringSecurityDescriptorW=(POINTER, NUMBER, NUMBER, POINTER, POINTER),
    ),
}  # fmt: skip


@pytest.mark.parametrize("bits", [WIDTH, 32] if WIDTH > 32 else [32])
def test_an_administrators_worker_opens_nothing_of_the_users(program, tmp_path: Path, bits: int):
    """The user's folder may lead anywhere: the files are made there by the user, and lent; so they are the user's."""
    target = program("deadlock", bits=bits)
    watched = Watched(tmp_path, [python32(), "-m", "tray"] if bits < WIDTH else None)
    asked = Asked(tmp_path / "dumps", watched.words)
    asked.ask(target.pid, "mini")
    path = Path(asked.until("dumped")["path"])
    assert set(accepted(path)) == set(target.tids)
    watched.assert_opened_nothing(asked.folder)
    flow.explain(path)  # as the tray does then
    mine = tmp_path / "mine.txt"
    mine.touch()
    assert len(files(asked.folder)) == 3
    for name in files(asked.folder):
        owner, who = rules(asked.folder / name)
        assert owner == rules(mine)[0] == f"O:{Elevation().user()}"
        assert who == rules(mine)[1]


def test_an_administrators_worker_packs(program, tmp_path: Path):
    """The second file that this takes is lent too, and gone afterwards."""
    target = program("deadlock", bits=WIDTH)
    watched = Watched(tmp_path)
    asked = Asked(tmp_path / "dumps", watched.words)
    asked.ask(target.pid, "heap", compress="zstd")
    path = Path(asked.until("dumped")["path"])
    assert files(asked.folder) == sorted([path.name, path.name.replace(".dmp.zst", ".json")])
    watched.assert_opened_nothing(asked.folder)
    with path.open("rb") as file:
        assert file.read(4) == packed.MAGIC


def test_another_target_than_the_user_was_asked_about(program, tmp_path: Path):
    """Whatever comes through the pipe: the prompt showed one process."""
    target, other = program("deadlock", bits=WIDTH), program("deadlock", bits=WIDTH)
    change = f".replace('--only {target.pid}', '--only {other.pid}')"
    asked = Asked(tmp_path / "dumps", as_administrator(change=change))
    asked.ask(target.pid, "mini")
    event = asked.until(*LAST)
    assert (event["error"], event["message"]) == ("BadUsage", "The user was asked about another app.")
    assert files(asked.folder) == []


def test_an_administrator_may_not_dump_what_nobody_may(tmp_path: Path):
    """More rights are no reason."""
    services = next(pid for pid, name in System().processes().items() if name == "services.exe")
    asked = Asked(tmp_path / "dumps", as_administrator())
    asked.ask(services, "mini")
    assert asked.until(*LAST)["error"] == "Refused"
    assert files(asked.folder) == []


def test_only_files_are_lent():
    """No other kind of handle is taken from who asks, nor one that is not there."""
    system, user = Elevation(), Elevation().user()
    lender = system.lender(os.getpid())
    pipe = system.pipe("\\\\.\\pipe\\hangshot-test", user, inbound=True)
    for handle in (pipe, lender, 0x7FFFFFF0):
        with pytest.raises(OSError, match=r"GetFileType|DuplicateHandle"):
            system.borrowed(lender, handle)
    system.lend_to_administrators(user)
    system.close(pipe)
    system.close(lender)


def test_the_maker_of_a_pipe_is_known():
    """From it, and no other, are handles taken; one that is gone is noticed."""
    system, name = Elevation(), "\\\\.\\pipe\\hangshot-made"
    pipe = system.pipe(name, system.user(), inbound=False)
    other = system.join(name, inbound=True)
    assert system.server(other) == os.getpid()
    system.see_open(other)
    system.close(pipe)
    with pytest.raises(OSError, match="PeekNamedPipe"):
        system.see_open(other)
    system.close(other)


def test_an_administrators_worker_that_is_killed(program, tmp_path: Path, expected_warnings):
    """In the midst of a dump: it is told, and no unfinished file is left."""
    target = program("big_heap", 512, bits=WIDTH)
    watched = Watched(tmp_path)
    asked = Asked(tmp_path / "dumps", watched.words)
    asked.ask(target.pid, "full")
    asked.until("progress")
    psutil.Process(watched.pid).kill()
    assert asked.until(*LAST)["error"] == "CaptureFailed"
    assert files(asked.folder) == []
    target.assert_unharmed()


def test_an_administrators_dump_that_hangs(program, tmp_path: Path):
    """The second try has a file lent anew, and the first one is gone."""
    target = program("deadlock", bits=WIDTH)
    watched = Watched(tmp_path, more=STALLED.rpartition("sys.exit")[0])
    asked = Asked(tmp_path / "dumps", watched.words)
    asked.ask(target.pid, "mini")
    event = asked.until("dumped")
    assert [gap["what"] for gap in event["gaps"]] == ["handles"]
    assert len(files(asked.folder)) == 2
    watched.assert_opened_nothing(asked.folder)


def test_wine_starts_as_administrator(program, tmp_path: Path):
    """``runas`` itself: Wine does it without asking."""
    target = program("deadlock", bits=WIDTH)
    words = [sys.executable, "-m", "tray", "dump", "--json", "--request", "--as-administrator"]
    asked = Asked(tmp_path / "dumps", words)
    asked.ask(target.pid, "mini")
    assert accepted(Path(asked.until("dumped")["path"]))


def test_cancel_as_administrator(program, tmp_path: Path):
    """It is passed on, and obeyed as by any worker."""
    target = program("big_heap", 512, bits=WIDTH)
    asked = Asked(tmp_path / "dumps", as_administrator())
    asked.assert_cancelled(target)


def test_not_as_administrator(program, tmp_path: Path):
    """A no is no failure."""
    asked = Asked(tmp_path / "dumps", as_administrator("False"))
    asked.ask(program("deadlock", bits=WIDTH).pid, "mini")
    event = asked.until(*LAST)
    assert (event["error"], event["message"]) == (
        "Cancelled",
        "Windows was not allowed to start Hangshot as administrator.",
    )
    assert files(asked.folder) == []


def test_a_worker_that_never_opens_its_pipes(program, tmp_path: Path, expected_warnings):
    """As when an antivirus ends it: it is said, and nobody waits for ever."""
    words = as_administrator()
    words[2] = words[2].replace("{parameters}", "-c pass")
    asked = Asked(tmp_path / "dumps", words)
    asked.ask(program("deadlock", bits=WIDTH).pid, "mini")
    assert asked.until(*LAST)["error"] == "CaptureFailed"
