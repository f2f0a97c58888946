"""An app that hangs stands still at once, however long it takes to find out what it has mapped."""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from programs import PATIENCE, state

from tray.capture import linux_facts, linux_files
from tray.capture.linux import LinuxCapture
from tray.ffi.linux import Kernel
from tray.model import Window
from tray.modes import MODES, How

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.linux, pytest.mark.ptrace]


class Slow(Kernel):
    """One that takes as long to tell of a target's mappings as it is given.

    Attributes:
        seconds: How long that is, at most; it ends when the target stands still.
        seen: State of the target in the end.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds, self.seen = seconds, ""

    def blocks(self, path: str) -> Iterator[bytes]:
        """The blocks of a file; before those of the first one come many that are empty."""
        if not self.seen:
            pid, deadline = int(path.split("/")[2]), time.monotonic() + self.seconds
            while (seen := state(pid)) != "t" and time.monotonic() < deadline:
                yield b""
            self.seen = seen
        yield from super().blocks(path)


LONG = 4 * linux_facts.SAMPLE


class Endless(Kernel):
    """One that tells of a million mappings."""

    def blocks(self, path: str) -> Iterator[bytes]:
        """A file's own blocks, then the last of them over and over."""
        block = b""
        for block in super().blocks(path):
            yield block
        yield from itertools.repeat(block, 10_000)
        raise AssertionError("all of it was read")


@pytest.mark.parametrize(
    ("how", "mode", "hung", "seconds", "seen"),
    [
        (How.AUTO, "mini", True, PATIENCE, "t"),
        (How.AUTO, "heap", True, PATIENCE, "t"),
        (How.STOP, "heap", True, PATIENCE, "t"),
        (How.AUTO, "mini", False, LONG, "S"),
        (How.AUTO, "heap", False, LONG, "S"),
        (How.SNAPSHOT, "heap", True, LONG, "S"),
    ],
)
def test_what_hangs_is_stopped_first(  # noqa: PLR0913 - what decides, and what is seen
    target, how: How, mode: str, *, hung: bool, seconds: float, seen: str
) -> None:
    """And looked at then; what is alive, or cloned, stands still only when all is known, and so for a moment."""
    program, kernel = target("big_heap", 64), Slow(seconds)
    capture = LinuxCapture(how, kernel, hung=lambda: hung)
    found = capture.target(program.pid, window=Window(program.pid, ""))
    with tempfile.TemporaryFile() as file:
        captured = capture.write(found, MODES[mode], file, lambda done, total: False)
    assert kernel.seen == seen
    assert captured.gaps == ()
    program.assert_unharmed()


@pytest.mark.parametrize("mode", MODES)
def test_an_estimate_is_made_at_once(target, mode: str) -> None:
    """Also of a program with very many mappings, of which only some are counted."""
    capture = LinuxCapture(kernel=Endless())
    assert capture.estimate(capture.target(target("threads").pid), MODES[mode]) > 0


def test_a_file_system_is_not_stopped_first() -> None:
    """Its own files could not be opened then: it would have to open them."""
    if not Path("/dev/fuse").exists():
        pytest.skip("this system has no FUSE")
    assert not linux_files.serves(os.getpid())
    with Path("/dev/fuse").open("rb"):
        assert linux_files.serves(os.getpid())
