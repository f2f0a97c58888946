"""Requests to the real Windows made to fail once: a dump, or an error in words, and a target that runs on.

Here each kind of request fails when it is made first and last; all of them, one after the other, do so in
``unit/test_windows_capture.py``, where a dump takes no time.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import pytest

from tray.capture import windows_run
from tray.capture.windows import WindowsCapture
from tray.errors import TrayError
from tray.ffi.win32 import ERROR_ACCESS_DENIED, SYNCHRONIZE, System, failure
from tray.formats import minidump
from tray.modes import MODES

if TYPE_CHECKING:
    from pathlib import Path

WIDTH = ctypes.sizeof(ctypes.c_void_p) * 8
LEFT_ALONE = {"close", "is_64_bit", "ourselves", "end_ourselves"}
"""Those that cannot fail, or that are the cure."""


class Failing(System):
    """A Windows that takes note of what it is asked, and refuses one request.

    Attributes:
        asked: Names of the requests, in order.
    """

    def __init__(self, refused: int | None = None) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.refused = refused


def _wrapped(name: str):
    original = getattr(System, name)

    def request(self: Failing, *arguments: object):
        self.asked.append(name)
        if len(self.asked) - 1 == self.refused:
            raise failure(ERROR_ACCESS_DENIED, name)
        return original(self, *arguments)

    return request


for _name in {name for name in vars(System) if not name.startswith("_")} - LEFT_ALONE:
    setattr(Failing, _name, _wrapped(_name))


def dumped(pid: int, mode: str, path: Path, system: System) -> bool:
    """Dump; False if it came to an error that can be told."""
    try:
        capture = WindowsCapture(system=system)
        with path.open("w+b", buffering=0) as file:
            captured = capture.write(capture.target(pid), MODES[mode], file, lambda _done, _total: False)
        with path.open("rb") as file:
            minidump.verify(file, len(captured.threads))
    except (TrayError, OSError):
        return False
    return True


@pytest.mark.parametrize("mode", ["triage", "heap"])
def test_a_request_fails(
    program, tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch, expected_warnings
):
    """Nothing stays suspended, and no handle open."""
    monkeypatch.setattr(windows_run, "LARGE", 1 << 20)  # so that writing is ours, and can fail too
    target = program("deadlock", bits=WIDTH)
    whole = Failing()
    assert dumped(target.pid, mode, tmp_path / "dmp", whole)
    before, saved = lowest_free(target.pid), set()
    for name in dict.fromkeys(whole.asked):
        for number in {whole.asked.index(name), len(whole.asked) - 1 - whole.asked[::-1].index(name)}:
            if dumped(target.pid, mode, tmp_path / "dmp", Failing(number)):
                saved.add(name)
            target.assert_unharmed()
    assert lowest_free(target.pid) <= before + 64, "handles stay open"
    assert {"write_dump", "open_process", "open_thread", "suspend_count"} <= set(whole.asked)
    assert {"open_thread", "suspend_count", "thread_name", "protection", "waits"} & saved, saved


def lowest_free(pid: int) -> int:
    """The number that the next handle gets."""
    system = System()
    handle = system.open_process(SYNCHRONIZE, pid)
    system.close(handle)
    return handle
