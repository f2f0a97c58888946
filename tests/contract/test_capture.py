"""The rules of the `Capture` port, for the fake and for each real back end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes import FakeCapture

from tray import reports
from tray.capture import linux_ends
from tray.capture.linux import LinuxCapture
from tray.errors import Cancelled, NoTarget, TargetGone
from tray.model import Captured, Target, Window
from tray.modes import MODES

if TYPE_CHECKING:
    from pathlib import Path

NOBODY = 2**22 + 1
"""A pid that no process can have."""


class CaptureContract:
    """What the flow may rely on, whatever the system."""

    @pytest.fixture
    def capture(self):
        """The back end; subclasses make theirs."""
        raise NotImplementedError

    @pytest.fixture
    def pid(self):
        """A process that runs and may be dumped; subclasses make theirs."""
        raise NotImplementedError

    @pytest.fixture
    def dump(self, capture, pid, tmp_path: Path):
        """Dumps the process; gives what was told of it, and the file."""

        def write(mode: str = "mini", progress=lambda _done, _total: False) -> tuple[Captured, Path]:
            path = tmp_path / f"dump{capture.suffix}"
            with path.open("w+b", buffering=0) as file:
                return capture.write(capture.target(pid), MODES[mode], file, progress), path

        return write

    def test_names_its_files(self, capture):
        """Whoever reads a dump later knows how."""
        assert capture.format in {"elf-core", "minidump"}
        assert capture.suffix.startswith(".")

    def test_target(self, capture, pid):
        """It has a name, is told apart by its start, and keeps its window."""
        window = Window(pid, "Title", hung=True)
        target = capture.target(pid, window=window)
        assert (target.pid, target.window) == (pid, window)
        assert target.name
        assert capture.target(pid, target.started).started == target.started

    def test_no_such_process(self, capture):
        """A pid that means nothing."""
        with pytest.raises(NoTarget):
            capture.target(NOBODY)

    def test_reused_pid(self, capture, pid):
        """Another start time means another process, which is never dumped in its place."""
        stranger = capture.target(pid).started + 1
        with pytest.raises(TargetGone):
            capture.target(pid, stranger)

    def test_estimates_grow_with_the_mode(self, capture, pid):
        """More kept is more written."""
        target = capture.target(pid)
        mini, heap, full = (capture.estimate(target, MODES[mode]) for mode in ("mini", "heap", "full"))
        assert 0 < mini <= heap <= full

    @pytest.mark.parametrize("mode", MODES)
    def test_write(self, dump, capture, pid, mode: str):
        """The file is a dump of that process, and what is told of it is in it."""
        captured, path = dump(mode)
        assert captured.format == capture.format
        assert captured.method
        assert captured.frozen >= 0
        assert all(gap.what and gap.why for gap in captured.gaps)
        snapshot = reports.make(path, None).snapshot
        assert snapshot.pid == pid
        assert [one.tid for one in snapshot.threads] == [one.tid for one in captured.threads]

    @pytest.mark.parametrize("mode", MODES)
    def test_all_is_in_the_file_once_that_is_said(self, capture, pid, tmp_path: Path, mode: str):
        """From then on it goes to the disk."""
        path, told = tmp_path / "dump", []
        with path.open("w+b", buffering=0) as file:
            capture.write(
                capture.target(pid),
                MODES[mode],
                file,
                lambda _done, _total: False,
                written=lambda: told.append(path.read_bytes()),
            )
        assert told in ([], [path.read_bytes()])  # not every back end says so

    def test_progress(self, dump):
        """It only grows, and never beyond the total."""
        told: list[tuple[int, int]] = []
        dump("full", lambda done, total: bool(told.append((done, total))))
        assert told == sorted(told)
        assert all(0 <= done <= total for done, total in told)

    def test_cancel(self, dump):
        """A progress that asks to stop is obeyed."""
        with pytest.raises(Cancelled):
            dump("full", lambda _done, _total: True)

    def test_target_that_has_gone(self, capture, pid, tmp_path: Path):
        """What was one process a moment ago, and is not any more."""
        target = capture.target(pid)
        stale = Target(pid, target.started + 1, target.name)
        with (tmp_path / "dump").open("w+b", buffering=0) as file, pytest.raises(TargetGone):
            capture.write(stale, MODES["mini"], file, lambda _done, _total: False)


class TestFakeCapture(CaptureContract):
    """The fake obeys."""

    @pytest.fixture
    def pid(self):
        return 70

    @pytest.fixture
    def capture(self):
        return FakeCapture(Target(70, 700, "editor"))


@pytest.mark.linux
@pytest.mark.ptrace
class TestLinuxCapture(CaptureContract):
    """The real one obeys."""

    @pytest.fixture
    def pid(self, target):
        return target("deadlock").pid

    @pytest.fixture
    def capture(self):
        return LinuxCapture()

    def test_the_file_is_on_its_way_while_others_are_looked_at(
        self, capture, pid, tmp_path: Path, monkeypatch
    ):
        """Who is at the other end of a pipe is in no core file, and there may be many processes to look at."""
        steps, told = [], linux_ends.told
        monkeypatch.setattr(linux_ends, "told", lambda *of: (steps.append("looks"), told(*of))[1])
        with (tmp_path / "dump").open("w+b", buffering=0) as file:
            found = capture.target(pid)
            capture.write(
                found,
                MODES["mini"],
                file,
                lambda _done, _total: False,
                written=lambda: steps.append("written"),
            )
        assert steps == ["written", "looks"]
