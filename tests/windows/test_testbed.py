"""The test bed itself: its judges see what is there, and its watch over targets sees harm."""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING

import pytest
from judges_windbg import accepted, stacks, windbg

if TYPE_CHECKING:
    from pathlib import Path

FULL, NORMAL = 0x2, 0x0
HANDLE_ALL = 0x1FFFFF


def dumped(pid: int, path: Path, kind: int) -> Path:
    """A dump by the bare call, with no code of ours in between."""
    import msvcrt

    kernel, dbghelp = ctypes.WinDLL("kernel32"), ctypes.WinDLL("dbghelp", use_last_error=True)
    kernel.OpenProcess.restype = ctypes.c_void_p
    process = ctypes.c_void_p(kernel.OpenProcess(HANDLE_ALL, 0, pid))
    with path.open("wb") as file:
        handle = ctypes.c_void_p(msvcrt.get_osfhandle(file.fileno()))
        assert dbghelp.MiniDumpWriteDump(process, pid, handle, kind, None, None, None), (
            ctypes.get_last_error()
        )
    kernel.CloseHandle(process)
    return path


def test_this_is_windows():
    """The tests in this folder run where the program will."""
    assert sys.platform == "win32"
    assert sys.version_info[:2] == (3, 11)


@pytest.mark.parametrize("kind", [NORMAL, FULL])
def test_windbg_names_the_deadlock(program, tmp_path: Path, kind: int):
    """The judge names the lock call and the program's own frames on both threads, in small dumps too."""
    bits = ctypes.sizeof(ctypes.c_void_p) * 8
    target = program("deadlock", bits=bits)
    printed = windbg(dumped(target.pid, tmp_path / "a.dmp", kind), "~*k")
    for tid in map(int, target.words):
        names = stacks(printed)[tid]
        assert names.index("ntdll!RtlEnterCriticalSection") < names.index("deadlock!take_second"), printed


def test_second_judge(program, tmp_path: Path):
    """udmp-parser finds every thread, none of them left suspended."""
    target = program("deadlock", bits=ctypes.sizeof(ctypes.c_void_p) * 8)
    threads = accepted(dumped(target.pid, tmp_path / "a.dmp", NORMAL))
    assert set(threads) == set(target.tids)


def test_windbg_refuses_what_is_no_dump(tmp_path: Path):
    """A judge that accepts everything judges nothing."""
    (tmp_path / "a.dmp").write_bytes(b"MDMP" + bytes(1000))
    with pytest.raises(AssertionError, match="refuses"):
        windbg(tmp_path / "a.dmp", "lm")


def test_harm_is_seen(program):
    """A thread left suspended fails the test that left it so."""
    target = program("deadlock")
    kernel = ctypes.WinDLL("kernel32")
    kernel.OpenThread.restype = ctypes.c_void_p
    thread = ctypes.c_void_p(kernel.OpenThread(HANDLE_ALL, 0, int(target.words[0])))
    kernel.SuspendThread(thread)
    assert target.harm() == [f"thread {target.words[0]} is suspended 1 times"]
    kernel.ResumeThread(thread)
    kernel.CloseHandle(thread)
    assert not target.harm()


def test_a_window_comes_to_the_front(program):
    """The display has a window manager that gives programs the foreground."""
    target = program("deadlock_window")
    user = ctypes.WinDLL("user32")
    pid = ctypes.c_ulong()
    user.GetWindowThreadProcessId(user.GetForegroundWindow(), ctypes.byref(pid))
    assert pid.value == target.pid
