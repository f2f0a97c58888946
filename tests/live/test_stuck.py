"""Programs that nothing can stop, for the kernel holds them: there is a dump all the same, and it says why."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import dumping
import pytest
from programs import state, wait_until

from tray import reports
from tray.reports import reader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.linux, pytest.mark.ptrace]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own; thawed at the end whatever happens."""
    image, where = tmp_path / "image", tmp_path / "disk"
    where.mkdir()
    with image.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    if subprocess.run(
        ["mount", "-o", "loop", str(image), str(where)], check=False, capture_output=True
    ).returncode:
        pytest.skip("linux: this container may not mount")
    yield where
    subprocess.run(["fsfreeze", "--unfreeze", str(where)], check=False, capture_output=True)
    wait_until(lambda: not subprocess.run(["umount", str(where)], check=False).returncode, "an unused disk")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
@pytest.mark.parametrize("mode", ["mini", "heap"])
def test_a_disk_that_does_not_answer(target, tmp_path: Path, disk: Path, mode: str) -> None:
    """The verdict names the file, and where it is; the stack leads to the call."""
    path = disk / "notes"
    program = target("waits_ends", "disk", path)
    subprocess.run(["fsfreeze", "--freeze", str(disk)], check=True)
    try:
        program.process.stdin.write("\n")
        program.process.stdin.flush()
        wait_until(lambda: state(program.pid) == "D", "a write that nothing interrupts")
        dump = dumping.dump(program.pid, mode, tmp_path)
    finally:
        subprocess.run(["fsfreeze", "--unfreeze", str(disk)], check=True)
        program.expect_dead = True  # its write is done
    said = dump.last["verdict"]
    assert said["sentence"].startswith(f"Waiting outside: main writes to {path} (ext4 on /dev/loop")
    assert ") and cannot be interrupted" in said["sentence"]  # "(for 5 s)" may follow on a slow machine
    assert said["certain"]
    [stack] = reports.make(dump.core, None, reader.READERS).stacks
    assert any("write" in frame.function for frame in stack.frames)
    assert len(stack.frames) > 5


def test_a_parent_in_vfork(target, tmp_path: Path) -> None:
    """Its one thread cannot be stopped; its calls are in the dump, and a gap says what is not."""
    program = target("waits", "vfork", settle=False)
    wait_until(lambda: state(program.pid) == "D", "a parent in vfork")
    dump = dumping.dump(program.pid, "mini", tmp_path)
    assert "uninterruptible" in dump.gaps()
    [stack] = reports.make(dump.core, None, reader.READERS).stacks
    functions = [frame.function for frame in stack.frames]
    assert functions[-3:] == ["__libc_start_call_main", "__libc_start_main_impl", "_start"]
    assert "main" in functions
