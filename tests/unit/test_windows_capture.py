"""Capturing on Windows, with a Windows in memory: what is refused, tried, told, and never left behind."""

from __future__ import annotations

import errno
import itertools
import os
import threading
import time
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from fake_system import ALL_RIGHTS, APP, LSASS, PROTECTED, STARTED, FakeSystem
from programs import wait_until

from tray.capture import windows, windows_run, windows_target
from tray.capture.windows import WindowsCapture
from tray.capture.windows_memory import sizes
from tray.errors import (
    AccessDenied,
    Cancelled,
    CaptureFailed,
    NoTarget,
    Refused,
    Stalled,
    TargetGone,
    TrayError,
    Unsupported,
)
from tray.ffi import dbghelp, win32
from tray.ffi.win32 import failure
from tray.formats import minidump
from tray.model import Mode, Target, Trigger, Window
from tray.modes import MODES, How

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def system() -> FakeSystem:
    return FakeSystem()


@pytest.fixture(autouse=True)
def _large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is more than a mini dump counts as large, so that its writing is ours."""
    capture = WindowsCapture(system=FakeSystem())
    monkeypatch.setattr(windows_run, "LARGE", capture.estimate(capture.target(APP), MODES["mini"]))


@pytest.fixture
def dump(system: FakeSystem, tmp_path: Path):
    """Dumps the app; afterwards no handle is open, and no thread suspended that was not."""
    path = tmp_path / "app.dmp"

    def dump(
        mode: str | Mode = "mini",
        progress=lambda _done, _total: False,
        window: Window | None = None,
        how: How = How.AUTO,
    ):
        capture = WindowsCapture(how, system, stall=0.3)
        with path.open("w+b", buffering=0) as file:
            target = capture.target(APP, None, window)
            chosen = MODES[mode] if isinstance(mode, str) else mode
            return capture.write(target, chosen, file, progress, Trigger.HOTKEY)

    dump.path = path
    yield dump
    assert system.handles == {}
    assert system.listed[APP].threads == {71: 0, 72: 0, 73: 1}


# ---- the target


def test_target(system: FakeSystem):
    """Its name without the ending that all have, and its creation time."""
    found = WindowsCapture(system=system).target(APP)
    assert (found.pid, found.started, found.name) == (APP, STARTED, "app")
    assert str(found.executable).endswith("app.exe")
    assert not system.handles


@pytest.mark.parametrize("pid", [0, 4, LSASS])
def test_what_keeps_windows_up_is_refused_unopened(system: FakeSystem, pid: int):
    """Even an open handle to these would be an alarm."""
    system.open_process = None
    with pytest.raises(Refused):
        WindowsCapture(system=system).target(pid)


@pytest.mark.parametrize("name", sorted(windows_target.KEEPERS))
def test_keepers_are_refused_by_name(system: FakeSystem, name: str):
    """However it is written, and whatever its pid; no handle is opened."""
    system.open_process = None
    system.listed[LSASS].name = name.title()
    with pytest.raises(Refused, match="keeps passwords"):
        WindowsCapture(system=system).target(LSASS)


def test_ourselves(system: FakeSystem):
    """It would suspend the thread that calls it."""
    system.open_process = None
    with pytest.raises(Refused, match="itself"):
        WindowsCapture(system=system).target(os.getpid())


def test_protected_processes_are_refused_with_the_least_of_handles(system: FakeSystem):
    """No handle that can read one is ever asked for."""
    rights = []
    original = system.open_process
    system.open_process = lambda wanted, pid: rights.append(wanted) or original(wanted, pid)
    with pytest.raises(Refused, match="protected"):
        WindowsCapture(system=system).target(PROTECTED)
    assert rights == [windows_target.LEAST]
    assert not system.handles


def test_no_such_process(system: FakeSystem):
    """A pid that means nothing."""
    with pytest.raises(NoTarget):
        WindowsCapture(system=system).target(12345)
    with pytest.raises(NoTarget):
        windows_target.started(system, 12345)


def test_one_that_has_ended(system: FakeSystem):
    """Windows lists it as long as anybody has a handle."""
    system.listed[APP].ended = True
    with pytest.raises(NoTarget):
        WindowsCapture(system=system).target(APP)


def test_a_reused_pid(system: FakeSystem):
    """Another creation time is another process."""
    with pytest.raises(TargetGone):
        WindowsCapture(system=system).target(APP, STARTED - 1)
    with pytest.raises(TargetGone):
        windows_target.opened(system, Target(APP, STARTED - 1, "app"))
    assert not system.handles


@pytest.mark.parametrize("rights", [0, windows_target.LEAST])
def test_no_rights(system: FakeSystem, rights: int):
    """It is said, with the way out."""
    system.listed[APP].rights = rights
    with pytest.raises(AccessDenied) as caught:
        WindowsCapture(system=system).target(APP)
    assert "administrator" in caught.value.hint
    assert not system.handles


def test_fewer_rights_are_enough(system: FakeSystem, dump):
    """Without the right to list handles the dump lacks them, and no more."""
    system.listed[APP].rights = windows_target.READ | windows_target.LEAST
    captured = dump()
    assert [gap.what for gap in captured.gaps] == ["handles"]
    assert not system.dumped[0] & dbghelp.MiniDumpWithHandleData


def test_no_more_rights_than_needed():
    """No handle that could change the target; what a clone needs is the most."""
    for rights in windows_target.RIGHTS:
        assert not rights & (0x0001 | 0x0002 | 0x0008 | 0x0020 | 0x0200 | 0x0800)
        assert rights != ALL_RIGHTS


# ---- the dump


@pytest.mark.parametrize("mode", MODES)
def test_write(system: FakeSystem, dump, mode: str):
    """The file is whole, its threads are told by name, and there is a comment in it."""
    captured = dump(mode, window=Window(APP, "Report.docx", hung=True))
    with dump.path.open("rb") as file:
        minidump.verify(file, 3)
    assert [(one.tid, one.name) for one in captured.threads] == [
        (tid, f"thread-{tid}") for tid in (71, 72, 73)
    ]
    assert {(one.state, one.waits_in) for one in captured.threads} == {("S", "UserRequest")}
    assert (captured.format, captured.method, captured.gaps) == ("minidump", "stop and copy", ())
    assert "mode " + mode in system.comments[0]
    assert "taken by hotkey" in system.comments[0]
    assert ("'Report.docx', not responding" in system.comments[0]) == (mode != "triage")


def test_a_dump_for_strangers_has_no_title(system: FakeSystem, dump):
    """What a window is called may be private."""
    dump("triage", window=Window(APP, "Report.docx"))
    assert "Report" not in system.comments[0]


@pytest.mark.parametrize("mode", MODES)
def test_a_dump_for_strangers_does_not_say_who_built_it(dump, mode: str):
    """The linker writes the whole path of its PDB, by whose name alone servers and debuggers find it."""
    dump(mode)
    assert (b"zaphod" in dump.path.read_bytes()) == (mode != "triage")
    with minidump.read(dump.path) as found:
        assert {path.rpartition("\\")[2] for _, path in found.pdbs()} == {"app.pdb"}


def test_every_question_is_answered_with_true(system: FakeSystem, dump):
    """FALSE would leave threads and modules out."""
    dump("full")
    assert set(system.answered) == {1}


def test_progress(dump):
    """It only grows, ends at its total, and never goes beyond it."""
    told: list[tuple[int, int]] = []
    dump("full", lambda done, total: bool(told.append((done, total))))
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]
    assert all(0 <= done <= total for done, total in told)


@pytest.mark.parametrize("mode", MODES)
def test_cancel(dump, mode: str):
    """By the progress, whether the writing is dbghelp's or ours."""
    with pytest.raises(Cancelled):
        dump(mode, lambda _done, _total: True)


def test_an_interrupt_in_the_progress(dump):
    """What is raised inside the callback comes out of `write`."""

    def progress(_done: int, _total: int) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dump("full", progress)


def test_a_full_disk(system: FakeSystem, dump):
    """It is an OSError with the errno that the store knows, and nothing smaller is tried."""

    def write_at(*_: object) -> None:
        raise failure(win32.ERROR_DISK_FULL, "WriteFile")

    system.write_at = write_at
    with pytest.raises(OSError, match="WriteFile") as caught:
        dump("full")
    assert caught.value.errno == errno.ENOSPC
    assert len(system.dumped) == 1


def test_dbghelp_finds_the_disk_full(system: FakeSystem, dump):
    """The same where dbghelp writes."""
    system.fails = {0x21964: 0x80070070}
    with pytest.raises(OSError) as caught:  # noqa: PT011 - its errno is looked at
        dump("mini")
    assert caught.value.errno == errno.ENOSPC


def test_a_failed_full_dump_becomes_smaller(system: FakeSystem, dump):
    """Each step is a gap; the file has nothing of the failed tries."""
    system.fails = {0x21826: 0x800703E6, 0x21822: 0x800703E6}
    captured = dump("full")
    assert [gap.what for gap in captured.gaps] == ["handles", "code and mapped files"]
    assert len(system.dumped) == 3
    with dump.path.open("rb") as file:
        minidump.verify(file, 3)


def test_progress_of_what_dbghelp_writes_itself(system: FakeSystem, dump, monkeypatch: pytest.MonkeyPatch):
    """It is seen in the file's length, and may end it too."""
    monkeypatch.setattr(windows_run, "LARGE", 1 << 40)
    wait, told = threading.Event(), []
    original = system._dump

    def slow(pid: int, file: int, *rest: object) -> None:
        os.write(file, bytes(70_000))
        wait.wait(10)
        original(pid, file, *rest)

    def progress(done: int, _total: int) -> bool:
        told.append(done)
        if done == 70_000:
            wait.set()
        return done == 70_000

    system._dump = slow
    with pytest.raises(Cancelled):
        dump("full", progress)
    assert told[0] == 70_000


def test_progress_does_not_go_back_for_a_smaller_dump(system: FakeSystem, dump):
    """A bar that jumps back looks broken."""
    system.fails = {0x21826: 0x800703E6}
    told: list[tuple[int, int]] = []
    dump("full", lambda done, total: bool(told.append((done, total))))
    assert told == sorted(told)


def test_an_old_dbghelp(system: FakeSystem, dump):
    """What it refuses is left out, and told."""
    system.refuses = 0x20000
    captured = dump("mini")
    assert system.dumped == [0x21964, 0x01964]
    assert len(captured.gaps) == 1


def test_nothing_works(system: FakeSystem, dump):
    """When the least fails too there is no dump, and it is said in a sentence."""
    system.refuses = 0xFFFFFFFF
    system.fails = {0: 0x80004005}
    with pytest.raises(CaptureFailed, match="app could not be dumped"):
        dump("full")


def test_it_ends_meanwhile(system: FakeSystem, dump):
    """That is another thing than a failure."""
    original = system.write_dump

    def write_dump(*arguments: object) -> None:
        system.listed[APP].ended = True
        system.listed[APP].started += 1
        system.fails = {0x21964: 0x8007012B}
        original(*arguments)

    system.write_dump = write_dump
    with pytest.raises(TargetGone):
        dump("mini")


def test_unreadable_memory(system: FakeSystem, dump):
    """It is left out and counted; neighbours are one gap, very many are a sum."""
    system.unreadable = [(0x1000, 0x1000), (0x2000, 0x1000), (0x9000, 0x1000)]
    gaps = dump("full").gaps
    assert [(gap.what, gap.size) for gap in gaps] == [("1000-3000", 0x2000), ("9000-a000", 0x1000)]
    system.unreadable = [(0x10000 * number, 16) for number in range(1, 61)]
    gaps = dump("full").gaps
    assert (len(gaps), gaps[-1].what, gaps[-1].size) == (51, "10 more stretches of memory", 160)


def test_32_bit_targets(system: FakeSystem, dump):
    """A 64-bit dump of one comes with the word for its reader."""
    system.listed[APP].machine = win32.IMAGE_FILE_MACHINE_I386
    gaps = dump("mini").gaps
    assert "wow64exts" in gaps[0].what
    system.width = 32
    assert dump("mini").gaps == ()


def test_a_32_bit_program_cannot_dump_a_64_bit_one(system: FakeSystem, dump):
    """It would write rubbish."""
    system.width = 32
    with pytest.raises(Unsupported):
        dump("mini")


@pytest.fixture
def _long_hang(system: FakeSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on dbghelp hangs; once it does, minutes go by from each look at the clock to the next."""
    system.hangs, minutes = threading.Event(), itertools.count(0, 600)

    def monotonic() -> float:
        return next(minutes) if system.hanging.is_set() else 0

    monkeypatch.setattr(windows, "time", SimpleNamespace(monotonic=monotonic, sleep=time.sleep))
    monkeypatch.setattr(windows, "_TICK", 0.01)


@pytest.mark.usefixtures("_long_hang")
def test_handles_may_be_why_dbghelp_hangs(system: FakeSystem, tmp_path: Path):
    """Then it can be tried without them, in another process; that is told, and that they are missing."""
    capture = WindowsCapture(system=system)
    with (tmp_path / "dmp").open("w+b", buffering=0) as file, pytest.raises(Stalled, match="let go"):
        capture.write(capture.target(APP), MODES["mini"], file, lambda _done, _total: False)
    assert system.listed[APP].threads == {71: 0, 72: 0, 73: 1}
    assert not system.ended_ourselves
    system.listed[APP].threads.update({71: 1, 72: 1, 73: 2})  # for the fake dbghelp, which resumes after all
    hung, system.hangs = system.hangs, None
    hung.set()
    finish("capture")
    capture = WindowsCapture(system=system, handles=False)
    with (tmp_path / "dmp").open("w+b", buffering=0) as file:
        captured = capture.write(capture.target(APP), MODES["mini"], file, lambda _done, _total: False)
    assert [(gap.what, gap.why) for gap in captured.gaps] == [
        ("handles", "listing them made Windows' dbghelp hang")
    ]


def finish(name: str) -> None:
    """Wait for the threads of this name."""
    for thread in threading.enumerate():
        if thread.name == name:
            thread.join(10)


@pytest.mark.usefixtures("_long_hang")
def test_dbghelp_hangs(system: FakeSystem, dump, monkeypatch: pytest.MonkeyPatch):
    """The target's threads are let go, but the one that the app itself suspended; then we end."""
    monkeypatch.setattr(windows, "_LAST_RESORT", 0.0)
    with pytest.raises(CaptureFailed, match="let go") as caught:
        dump("triage")
    assert not isinstance(caught.value, Stalled)
    assert system.listed[APP].threads == {71: 0, 72: 0, 73: 1}
    system.listed[APP].threads.update({71: 1, 72: 1, 73: 2})  # for the fake dbghelp, which resumes after all
    system.hangs.set()
    finish("capture")
    wait_until(lambda: system.ended_ourselves, "our end")


def test_dbghelp_crashes(system: FakeSystem, dump):
    """What it left suspended runs again before the next try, as often as it was; those too that are new since."""
    system.crashes = True
    threads, write_dump = system.listed[APP].threads, system.write_dump
    between = []

    def meets_new_threads(*arguments: object) -> None:
        between.append(dict(threads))
        threads.setdefault(74, 0)
        threads.setdefault(75, 1)  # the app has yet to let it begin
        write_dump(*arguments)

    system.write_dump = meets_new_threads
    assert not dump("full").gaps
    assert between == [{71: 0, 72: 0, 73: 1}, {71: 0, 72: 0, 73: 1, 74: 0, 75: 1}]
    assert threads == between[1]
    del threads[74], threads[75]


def test_dbghelp_fails_in_order(system: FakeSystem, dump):
    """It has resumed all by itself: what is suspended of the new ones is so by the app's own will."""
    system.fails = {0x21826: 0x800703E6}
    threads, write_dump = system.listed[APP].threads, system.write_dump

    def meets_new_threads(*arguments: object) -> None:
        threads.setdefault(75, 1)
        write_dump(*arguments)

    system.write_dump = meets_new_threads
    dump("full")
    assert threads.pop(75) == 1


# ---- snapshots


def test_a_snapshot(system: FakeSystem, dump):
    """The clone is dumped, not the process; it is freed, and what it lacks is told."""
    system.pss = True
    captured = dump("heap")
    assert captured.method == "snapshot"
    assert system.sources[0] in system.snapshots
    assert system.freed == system.sources
    assert [(gap.what, gap.size) for gap in captured.gaps] == [("shared memory", 0x2000)]


@pytest.mark.parametrize(
    "change",
    [
        lambda system: setattr(system, "pss", False),
        lambda system: setattr(system, "commit", 1 << 20),
        lambda system: setattr(system.listed[APP], "modules", ("App.exe", "CoreCLR.dll")),
        lambda system: setattr(system.listed[APP], "rights", windows_target.HANDLES | windows_target.LEAST),
        lambda system: setattr(system.listed[APP], "machine", win32.IMAGE_FILE_MACHINE_I386),
    ],
    ids=["old Windows", "short of memory", ".NET", "no right", "32 bit"],
)
def test_where_a_snapshot_is_wrong(system: FakeSystem, dump, change):
    """The process itself is dumped."""
    system.pss = True
    change(system)
    assert dump("heap").method == "stop and copy"
    assert not system.snapshots


def test_no_snapshot_is_wanted(system: FakeSystem, dump):
    """The settings may say so."""
    system.pss = True
    assert dump("heap", how=How.STOP).method == "stop and copy"


def test_a_small_dump_needs_no_snapshot(system: FakeSystem, dump):
    """It is written faster than a clone is made."""
    system.pss = True
    assert dump("mini").method == "stop and copy"


def test_a_snapshot_that_fails(system: FakeSystem, dump):
    """The process itself is dumped, and nothing is missing."""
    system.pss = True

    def snapshot(*_: object) -> int:
        raise failure(1455, "PssCaptureSnapshot")

    system.snapshot = snapshot
    captured = dump("heap")
    assert (captured.method, captured.gaps) == ("stop and copy", ())


def test_a_cancelled_snapshot_is_freed(system: FakeSystem, dump):
    """Whatever happens."""
    system.pss = True
    with pytest.raises(Cancelled):
        dump("full", lambda _done, _total: True)
    assert len(system.freed) == 1


# ---- any request may fail

REQUESTS = [name for name in vars(FakeSystem) if not name.startswith("_")]
NOT_OURS = {"close", "is_64_bit", "ourselves", "end_ourselves", "elevated"}


@pytest.mark.parametrize("code", [5, 87, 299, 0x80004005])
@pytest.mark.parametrize("mode", MODES)
def test_every_request_fails_once(tmp_path: Path, mode: str, code: int, expected_warnings):
    """A dump, with gaps or without, or an error in words; nothing is left open, suspended or cloned."""
    for number in itertools.count():
        system, failed = failing(number, code)
        system.pss, tids = True, []
        with suppress(TrayError, OSError), (tmp_path / "dmp").open("w+b", buffering=0) as file:
            capture = WindowsCapture(system=system)
            captured = capture.write(capture.target(APP), MODES[mode], file, lambda _done, _total: False)
            tids = [thread.tid for thread in captured.threads]
        if tids:
            with (tmp_path / "dmp").open("rb") as file:
                minidump.verify(file, len(tids))
        assert system.listed[APP].threads == {71: 0, 72: 0, 73: 1}, failed
        left = {kind for kind, _, _ in system.handles.values()}
        assert not left & {"process", "thread"}, failed
        assert not left or set(failed) <= {"clone", "terminate", "free_snapshot"}, failed
        if not failed:
            return


def failing(number: int, code: int) -> tuple[FakeSystem, list[str]]:
    """A system whose request ``number`` fails, and a list that says which that was."""
    failed: list[str] = []
    counter = itertools.count()

    def wrap(name: str):
        original = getattr(FakeSystem, name)

        def request(self, *arguments: object):
            if next(counter) == number:
                failed.append(name)
                raise failure(code, name)
            return original(self, *arguments)

        return request

    names = set(REQUESTS) - NOT_OURS
    return type("Failing", (FakeSystem,), {name: wrap(name) for name in names})(), failed


# ---- the rest


def test_sizes(system: FakeSystem):
    """What can be read counts, by who owns it."""
    found = sizes(system.stretches(0))
    assert tuple(found) == (6, 0x1000, 0x4000, 0x2000, 0xF000)


def test_estimates_grow_with_the_mode(system: FakeSystem):
    """More kept is more written."""
    capture = WindowsCapture(system=system)
    target = capture.target(APP)
    estimates = [capture.estimate(target, MODES[mode]) for mode in ("mini", "heap", "full")]
    assert 0 < estimates[0] <= estimates[1] <= estimates[2]
    assert not system.handles


def test_health(system: FakeSystem):
    """What may be dumped, and with which dbghelp."""
    system.dbghelp_path = lambda: r"C:\Windows\System32\dbghelp.dll"
    rights, library = windows_target.health(system)
    assert rights[:2] == ("rights", True)
    assert library == ("dbghelp", True, r"C:\Windows\System32\dbghelp.dll", "")
