"""Dumps by the real dbghelp, judged by WinDbg's engine and udmp-parser; the target runs on after each."""

from __future__ import annotations

import ctypes
import os
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from judges_windbg import accepted, stacks, windbg
from windows_programs import built, launch

from tray.capture.windows import WindowsCapture
from tray.capture.windows_threads import Suspensions
from tray.errors import Cancelled, NoTarget, Refused, TargetGone
from tray.ffi import elevation, win32
from tray.ffi.win32 import PROTOTYPES, Libraries, System
from tray.formats import minidump
from tray.model import Trigger, Window
from tray.modes import MODES

WIDTH = ctypes.sizeof(ctypes.c_void_p) * 8
NOT_IN_WINE = {"PssCaptureSnapshot", "PssQuerySnapshot", "PssFreeSnapshot"}


@pytest.fixture
def dump(tmp_path: Path):
    """Dumps a process; gives what was told of it, and the file."""

    def dump(pid: int, mode: str = "mini", progress=lambda _done, _total: False, **window: object):
        capture, path = WindowsCapture(), tmp_path / f"{mode}.dmp"
        target = capture.target(pid, None, Window(pid, **window) if window else None)
        with path.open("w+b", buffering=0) as file:
            captured = capture.write(target, MODES[mode], file, progress, Trigger.HOTKEY)
        with path.open("rb") as file:
            minidump.verify(file, len(captured.threads))
        return captured, path

    return dump


@pytest.mark.parametrize("name", sorted({**PROTOTYPES, **elevation.PROTOTYPES}.keys() - NOT_IN_WINE))
def test_every_function_exists(name: str):
    """No name of the tables is misspelt."""
    assert Libraries({**PROTOTYPES, **elevation.PROTOTYPES}).has(name)


def test_dbghelp_is_the_systems():
    """Never one that lies beside a program."""
    System()._call.has("MiniDumpWriteDump")
    assert "\\windows\\system32\\dbghelp.dll" in System().dbghelp_path().casefold()


def found_in(folder: Path) -> tuple[str, str]:
    """Commands by which the engine looks there for programs whose folder a dump does not tell."""
    return f".exepath {os.environ['SYSTEMROOT']}\\system32;{folder}", ".reload"


@pytest.mark.parametrize("mode", MODES)
def test_windbg_names_the_deadlock(program, dump, mode: str):
    """On both threads: the lock call, and above it the program's own frame."""
    target = program("deadlock", bits=WIDTH)
    captured, path = dump(target.pid, mode)
    assert captured.gaps == ()
    printed = windbg(path, *found_in(target.path.parent), "~*k")
    for tid in map(int, target.words):
        names = stacks(printed)[tid]
        assert names.index("ntdll!RtlEnterCriticalSection") < names.index("deadlock!take_second"), printed


@pytest.mark.parametrize("mode", MODES)
def test_the_second_judge(program, dump, mode: str):
    """udmp-parser finds every thread; none was suspended but by the dump itself."""
    target = program("deadlock", bits=WIDTH)
    captured, path = dump(target.pid, mode)
    assert {thread.tid for thread in captured.threads} == set(accepted(path)) == set(target.tids)


def test_windbg_shows_the_comment(program, dump):
    """Whoever opens the dump reads what it is."""
    target = program("deadlock", bits=WIDTH)
    _, path = dump(target.pid, title="Report.docx", hung=True)
    printed = windbg(path, "||")
    assert "Hangshot" in printed + windbg(path, ".dumpdebug"), printed
    with minidump.read(path) as read:
        assert read.comment.endswith("mode mini; taken by hotkey; window 'Report.docx', not responding")


@pytest.mark.parametrize(("mode", "held"), [("mini", False), ("heap", True), ("full", True)])
def test_what_a_mode_holds(program, dump, mode: str, held: bool):  # noqa: FBT001
    """The heap is in the larger ones, every page of it, as WinDbg's engine sees it too."""
    target = program("big_heap", 4, bits=WIDTH)
    heap = int(target.words[0], 16)
    _, path = dump(target.pid, mode)
    with minidump.read(path) as read:
        for page in (300, 500, 700):
            text = f"page {page} of the heap".encode()
            assert (read.memory(heap + 4096 * page, len(text)) == text) == held
    printed = windbg(path, f"da {heap + 4096 * 500:x}")
    assert ("page 500 of the heap" in printed) == held


@pytest.mark.parametrize(
    ("mode", "held"), [("mini", ()), ("heap", ("memory",)), ("full", ("memory", "file"))]
)
def test_shared_memory(program, dump, tmp_path: Path, mode: str, held: tuple[str, ...]):
    """What is shared with other programs is in a heap dump, unless it is a file's; WinDbg's engine sees it too."""
    target = program("shared", 4, tmp_path / "mapped", bits=WIDTH)
    captured, path = dump(target.pid, mode)
    assert captured.gaps == ()
    places = [int(word, 16) + 4096 * 200 for word in target.words[:2]]
    printed = windbg(path, *(f"da {place:x}" for place in places))
    for what, place in zip(("memory", "file"), places, strict=True):
        text = f"page 200 of the shared {what}"
        assert (text in printed) == (what in held), printed
        with minidump.read(path) as read:
            assert (read.memory(place, len(text)) == text.encode()) == (what in held)


def test_very_much_shared_memory(program, dump, tmp_path: Path):
    """A heap dump leaves it out, and says so."""
    target = program("shared", 300, tmp_path / "mapped", bits=WIDTH)
    captured, path = dump(target.pid, "heap")
    assert [(gap.what, gap.size) for gap in captured.gaps] == [("shared memory", 300 << 20)]
    assert path.stat().st_size < 100 << 20


@pytest.mark.parametrize("mode", MODES)
def test_inspect_agrees(program, dump, mode: str):
    """What our reader says of the dump: who, which modules, and nothing missing."""
    target = program("deadlock", bits=WIDTH)
    _, path = dump(target.pid, mode)
    with minidump.read(path) as read:
        assert (read.snapshot.pid, read.snapshot.name, read.missing) == (target.pid, "deadlock.exe", 0)
        names = {module.path.rpartition("\\")[2].casefold() for module in read.modules()}
        assert {"deadlock.exe", "ntdll.dll", "kernel32.dll"} <= names
        assert all(thread.registers for thread in read.snapshot.threads)
        assert WIDTH == 32 or ("deadlock.exe" in read.snapshot.arguments) == (mode != "triage")


@pytest.mark.parametrize("mode", ["mini", "triage"])
def test_nothing_personal_for_strangers(dump, tmp_path: Path, mode: str):
    """A dump for sharing has the calls, and nothing that its owner wrote, nor the folder of a file."""
    person, letter, word = "zaphod", "beeblebrox", "BEEBLEBROX"
    folder = tmp_path / person
    folder.mkdir()
    target = launch(Path(shutil.copy(built("secrets", WIDTH), folder)), letter)
    try:
        _, path = dump(target.pid, mode, title=letter)
        target.assert_unharmed()
    finally:
        target.end()
    content = path.read_bytes()
    found = [
        text
        for text in (person, letter, word)
        if text.encode() in content or text.encode("utf-16-le") in content
    ]
    assert found == ([person, letter, word] if mode == "mini" else [])
    printed = windbg(path, *found_in(folder), "~*k")
    assert "secrets!keep" in stacks(printed)[int(target.words[0])], printed


def test_progress_is_real(program, dump):
    """Many words while a large dump is written, ever growing."""
    target = program("big_heap", 256, bits=WIDTH)
    told: list[tuple[int, int]] = []
    dump(target.pid, "full", lambda done, total: bool(told.append((done, total))))
    assert told == sorted(told)
    assert len({done for done, _ in told}) > 3
    assert told[-1][0] == told[-1][1]


@pytest.mark.parametrize("mode", MODES)
def test_the_estimate_is_enough(program, dump, mode: str):
    """The store asks the disk for as much; three times as much would refuse dumps that fit."""
    target = program("big_heap", 32, bits=WIDTH)
    capture = WindowsCapture()
    estimate = capture.estimate(capture.target(target.pid), MODES[mode])
    _, path = dump(target.pid, mode)
    assert path.stat().st_size <= estimate < 3 * path.stat().st_size + (4 << 20)


@pytest.mark.parametrize("mode", MODES)
def test_cancel(program, dump, mode: str):
    """At the first question, and the target runs on."""
    target = program("big_heap", 32, bits=WIDTH)
    with pytest.raises(Cancelled):
        dump(target.pid, mode, lambda _done, _total: True)
    target.assert_unharmed()


def test_cancel_halfway(program, dump):
    """Within the memory of a large one."""
    target = program("big_heap", 256, bits=WIDTH)
    with pytest.raises(Cancelled):
        dump(target.pid, "full", lambda done, _total: done > 8 << 20)
    target.assert_unharmed()


def test_refusals():
    """Ourselves, and what keeps Windows up; in Wine too there is a services.exe."""
    capture = WindowsCapture()
    with pytest.raises(Refused):
        capture.target(os.getpid())
    services = [pid for pid, name in System().processes().items() if name == "services.exe"]
    for pid in services:
        with pytest.raises(Refused):
            capture.target(pid)
    assert services


def test_a_process_that_has_ended(program, dump, tmp_path: Path):
    """Before it is chosen, and after."""
    target = program("deadlock", bits=WIDTH)
    capture = WindowsCapture()
    found = capture.target(target.pid)
    target.expect_dead = True
    target.process.kill()
    target.process.wait()
    with (tmp_path / "dmp").open("w+b", buffering=0) as file, pytest.raises(TargetGone):
        capture.write(found, MODES["mini"], file, lambda _done, _total: False)
    with pytest.raises((NoTarget, TargetGone)):
        capture.target(target.pid)


def test_another_start_is_another_process(program, tmp_path: Path):
    """A pid that has changed hands is never dumped."""
    target = program("deadlock", bits=WIDTH)
    capture = WindowsCapture()
    found = capture.target(target.pid)
    with (tmp_path / "dmp").open("w+b", buffering=0) as file, pytest.raises(TargetGone):
        capture.write(
            replace(found, started=found.started + 1), MODES["mini"], file, lambda _done, _total: False
        )


def test_suspensions_are_undone(program):
    """As after a worker that was killed; what the app had suspended itself stays so."""
    target = program("deadlock", bits=WIDTH)
    system = System()
    first, second = map(int, target.words)
    kernel = ctypes.WinDLL("kernel32")
    handles = [system.open_thread(win32.THREAD_SUSPEND_RESUME, tid) for tid in (first, second)]
    kernel.SuspendThread(ctypes.c_void_p(handles[0]))
    before = Suspensions(system, target.pid)
    for handle in handles:
        kernel.SuspendThread(ctypes.c_void_p(handle))
    assert before.undo() == 2
    assert [system.resume(handle) for handle in handles] == [1, 0]
    for handle in handles:
        system.close(handle)


def test_the_threads_stand_still_only_within(program, dump):
    """The pause that is told is not shorter than what a watcher sees."""
    target = program("big_heap", 64, bits=WIDTH)
    captured, _ = dump(target.pid, "full")
    assert 0 < captured.frozen < 30
    assert threading.active_count() < 10


@pytest.mark.wide  # is about the 64-bit program
def test_bits(program):
    """Which of our two workers is the right one."""
    from tray.capture import windows_target

    system = System()
    for bits in (32, 64):
        handle = system.open_process(windows_target.LEAST, program("deadlock", bits=bits).pid)
        assert windows_target.bits(system, handle) == bits
        system.close(handle)


def test_what_threads_are_at(program):
    """Every thread of a process, and of each what Windows knows: the layouts are right in both widths."""
    target = program("deadlock", bits=WIDTH)
    found = System().thread_states(target.pid)
    assert set(found) == set(target.tids)
    assert all(0 <= state <= 9 and 0 <= why < 64 for state, why in found.values()), found
