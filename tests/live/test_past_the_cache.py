"""Large dumps are written past the page cache: the same bytes whichever way they go, and others first if asked."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import dumping
import judges
import pytest
from programs import Program, state

from tray.capture.linux import LinuxCapture
from tray.ffi.linux import Kernel
from tray.modes import MODES, How

pytestmark = [pytest.mark.linux, pytest.mark.ptrace]

MIB = 1 << 20


class Noting(Kernel):
    """Takes note of the ways into the file, and of when we began to give way.

    Attributes:
        refuses: Whether there is but one way.
        direct: Descriptors past the page cache.
        past: Bytes that went there.
        gave_way: Thread, and state of the target.
    """

    def __init__(self, pid: int, *, refuses: bool = False) -> None:
        super().__init__()
        self.pid, self.refuses = pid, refuses
        self.direct: set[int] = set()
        self.past = 0
        self.gave_way: list[tuple[str, str]] = []

    def open_direct(self, descriptor: int) -> int:
        if self.refuses:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        made = super().open_direct(descriptor)
        self.direct.add(made)
        return made

    def write(self, descriptor: int, view: memoryview, place: int) -> int:
        count = super().write(descriptor, view, place)
        self.past += count * (descriptor in self.direct)
        return count

    def give_way(self) -> None:  # never for real: these tests would not get it back
        self.gave_way.append((threading.current_thread().name, state(self.pid)))


def memory(program: Program, size: int) -> bytes:
    """The random bytes of targets/big_heap.c."""
    with Path(f"/proc/{program.pid}/mem").open("rb") as file:
        file.seek(int(program.words[0], 16))
        return file.read(size)


def write(program: Program, path: Path, kernel: Kernel, how: How, *, low_impact: bool = False) -> None:
    """One heap dump, in this process."""
    capture = LinuxCapture(how, kernel, low_impact=low_impact)
    with path.open("w+b", buffering=0) as file:
        capture.write(capture.target(program.pid), MODES["heap"], file, lambda done, total: False)


@pytest.mark.parametrize("how", [How.STOP, How.SNAPSHOT])
def test_the_same_bytes_whichever_way(target, tmp_path: Path, how: How) -> None:
    """Past the page cache, and through it where that is refused; stopped or cloned."""
    program = target("big_heap", 160, 8)
    address, expected = int(program.words[0], 16), memory(program, 160 * MIB)
    past, through = Noting(program.pid), Noting(program.pid, refuses=True)
    for kernel in (past, through):
        write(program, tmp_path / "core", kernel, how)
        assert judges.stored(tmp_path / "core", address, 160 * MIB) == expected
    assert through.past == 0
    if past.direct:  # else the disk under the tests' folder knows no way past the cache
        least = 30 * MIB if how is How.STOP else 150 * MIB  # in a hurry both ways are tried first
        assert past.past >= least


def test_low_impact_gives_way_only_once_the_app_runs(target, tmp_path: Path) -> None:
    """Whoever stands still waits for us: so not before it runs again, then on every thread that works on."""
    program = target("big_heap", 32)
    kernel = Noting(program.pid)
    write(program, tmp_path / "core", kernel, How.SNAPSHOT, low_impact=True)
    assert [name for name, _ in kernel.gave_way] == ["capture", threading.current_thread().name]
    assert {was for _, was in kernel.gave_way} <= {"S", "R"}
    kernel = Noting(program.pid)
    write(program, tmp_path / "core", kernel, How.STOP, low_impact=True)
    assert [name for name, _ in kernel.gave_way] == [threading.current_thread().name]


@pytest.mark.parametrize("folder", ["disk", "memory"])
def test_the_command(target, tmp_path: Path, folder: str) -> None:
    """``--low-impact`` makes the same dump, also where nothing goes past the page cache."""
    program = target("big_heap", 64)
    place = tmp_path if folder == "disk" else Path("/dev/shm") / tmp_path.name
    place.mkdir(exist_ok=True)
    output = place / "app.core"
    try:
        words = [*dumping.dump_command(program.pid, "heap", output, "snapshot"), "--low-impact"]
        outcome = dumping.outcome(dumping.start(words, tmp_path))
        assert outcome.last["method"] == "snapshot"
        content = judges.stored(outcome.core, int(program.words[0], 16), 64 * MIB)
        assert content == memory(program, 64 * MIB)
    finally:
        for left in place.glob("app.*"):
            left.unlink()
        if folder == "memory":
            place.rmdir()


def test_it_is_the_class_that_waits(target) -> None:
    """The kernel knows a thread that gave way as nicest, and as one that the disk serves last."""
    found: list[tuple[int, int]] = []

    def act() -> None:
        kernel = Kernel()
        kernel.give_way()
        found.append((os.getpriority(os.PRIO_PROCESS, 0), kernel._library.syscall(252, 1, 0) >> 13))

    thread = threading.Thread(target=act)
    thread.start()
    thread.join()
    assert found == [(19, 3)]
