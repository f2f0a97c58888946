"""What /proc tells at length: read in few requests, whole, and for a dump ahead of it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tray.capture import linux_maps
from tray.capture.linux import LinuxCapture
from tray.capture.linux_ahead import Ahead
from tray.ffi.linux import Kernel
from tray.modes import MODES

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.linux, pytest.mark.ptrace]

MAPS_A_LONG_PATH = """
import mmap, os, sys
for _ in range(15):
    os.mkdir("d" * 250)
    os.chdir("d" * 250)
with open("file", "wb+") as file:
    file.write(b"x" * 4096)
    file.flush()
    kept = [mmap.mmap(file.fileno(), 4096, mmap.MAP_PRIVATE) for _ in range(50)]
    print("ready", flush=True)
    sys.stdin.read()
"""


class Watched(Kernel):
    """One that keeps the names of files that were read block by block."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []

    def blocks(self, path: str) -> Iterator[bytes]:
        self.read.append(path.rpartition("/")[2])
        return super().blocks(path)


def test_long_files_take_few_requests(target) -> None:
    """A page each would be hundreds, while a target stands still."""
    program = target("many_threads", 300)
    path = f"/proc/{program.pid}/maps"
    assert b"".join(Kernel().blocks(path)) == Path(path).read_bytes()
    blocks = [*Kernel().blocks(f"/proc/{program.pid}/smaps")]
    assert sum(map(len, blocks)) > 600 * 600
    assert len(blocks) <= sum(map(len, blocks)) / 50_000


def test_entries_as_long_as_a_page_are_read_whole(tmp_path: Path) -> None:
    """Those do not fit into what is asked for at once."""
    with subprocess.Popen(
        [sys.executable, "-c", MAPS_A_LONG_PATH], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as program:
        assert program.stdout.readline() == b"ready\n"
        path = f"/proc/{program.pid}/maps"
        content = b"".join(Kernel().blocks(path))
        assert content == Path(path).read_bytes()
        assert content.count(b"d" * 250 + b"/file") == 50
        program.stdin.close()


def test_a_dump_of_many_mappings_has_them_read_ahead(target) -> None:
    """And is whole; what it takes of them is what it would have read itself."""
    program, kernel = target("many_threads", 300), Watched()
    capture = LinuxCapture(kernel=kernel)
    found = capture.target(program.pid)
    ahead = linux_maps.flagged(Ahead(kernel, found, 1000).blocks())
    assert kernel.read == []
    now = linux_maps.flagged(Kernel().blocks(f"/proc/{program.pid}/smaps"))
    assert ahead.fingerprint == now.fingerprint
    assert [one.flags for one in ahead] == [one.flags for one in now]
    with tempfile.TemporaryFile() as file:
        assert capture.estimate(found, MODES["heap"]) > 0
        assert capture.write(found, MODES["heap"], file, lambda done, total: False).gaps == ()
    assert "smaps" not in kernel.read
    with tempfile.TemporaryFile() as file:  # what was read is of another moment now
        assert capture.write(found, MODES["heap"], file, lambda done, total: False).gaps == ()
    assert "smaps" in kernel.read
    program.assert_unharmed()
