"""From a target to a dump: verified, described, renamed; or an error and no file."""

from __future__ import annotations

import errno
import gc
import os
import signal
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fakes import FakeCapture

from tray import __version__, flow
from tray.capture import nothing
from tray.errors import BadDump, Cancelled, CaptureFailed, StoreFull, StoreUnusable, TargetGone
from tray.interrupts import Held
from tray.model import Gap, Retention, Target, Trigger, Window
from tray.modes import MODES
from tray.store import Store, described
from tray.store.partial import Partial

TAKEN = datetime(2026, 11, 22, 19, 56, 5, tzinfo=UTC)
EDITOR = Target(70, 700, "editor", Path("/usr/bin/editor"), Window(70, "Title", hung=True))


@pytest.fixture
def capture() -> FakeCapture:
    return FakeCapture(EDITOR)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "dumps", Retention())


def taken(capture: FakeCapture, store: Store, progress=lambda _done, _total: False, **settings: object):
    """Take a mini dump of the editor."""
    mode = MODES["mini"]
    with Held() as held:
        return flow.dump(
            capture,
            store,
            EDITOR,
            mode,
            Trigger.HOTKEY,
            TAKEN,
            need=1 << 20,
            held=held,
            progress=progress,
            **settings,
        )


def left(store: Store) -> list[Path]:
    """Files in the store."""
    return sorted(store.folder.glob("*")) if store.folder.exists() else []


def test_a_dump(capture: FakeCapture, store: Store):
    """The file has its name, and its sidecar says what was told."""
    capture.gaps = (Gap("thread 9", "gone"),)
    dump = taken(capture, store)
    assert left(store) == sorted([dump.path, dump.sidecar])
    assert (dump.mode, dump.trigger, dump.target, dump.taken) == ("mini", Trigger.HOTKEY, EDITOR, TAKEN)
    assert (dump.format, dump.method, dump.frozen) == ("elf-core", "stop and copy", 0.01)
    assert (dump.gaps, dump.version) == (capture.gaps, __version__)
    assert [thread.name for thread in dump.threads] == ["editor"]
    assert dump.size == dump.path.stat().st_size
    assert dump.seconds >= 0
    assert dump.system
    assert described(dump.path) == dump


def test_nobody_looks_for_garbage_meanwhile(capture: FakeCapture, store: Store):
    """It would find none, and whoever waits for the dump would wait for it; afterwards it is as before."""
    collects: list[bool] = []
    taken(capture, store, lambda _done, _total: bool(collects.append(gc.isenabled())))
    assert not any(collects)
    assert collects
    assert gc.isenabled()


def test_another_place(capture: FakeCapture, store: Store, tmp_path: Path):
    """The store's own folder is then not even made."""
    dump = taken(capture, store, output=tmp_path / "mine.core")
    assert dump.path == tmp_path / "mine.core"
    assert not store.folder.exists()


def test_progress_is_told(capture: FakeCapture, store: Store):
    """By whoever takes the dump."""
    told: list[int] = []
    taken(capture, store, lambda done, _total: bool(told.append(done)))
    assert told[-1] == len(capture.contents)


class Spoiled(FakeCapture):
    """Writes a dump, then spoils the file.

    Attributes:
        size: What is left of it.
    """

    size = 100

    def write(self, target, mode, file, progress, trigger=None, *, written=nothing):  # noqa: PLR0913 - as the port
        captured = super().write(target, mode, file, progress)
        file.truncate(self.size)
        return captured


@pytest.mark.parametrize("size", [0, 100, 1500, 5000])
def test_a_damaged_file_is_removed(store: Store, size: int):
    """Better no dump than half a one: it is read back before it gets its name."""
    capture = Spoiled(EDITOR)
    capture.size = size
    with pytest.raises(CaptureFailed, match="damaged and was removed"):
        taken(capture, store)
    assert left(store) == []


class Searching(FakeCapture):
    """Looks for something, once all is in the file, until that is on the disk; or gives up."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.synced = threading.Event()

    def write(self, target, mode, file, progress, trigger=None, *, written=nothing):  # noqa: PLR0913 - as the port
        captured = super().write(target, mode, file, progress, written=written)
        assert self.synced.wait(60)
        return captured


def test_a_dump_goes_to_the_disk_while_its_capture_still_searches(store: Store, monkeypatch):
    """Whatever that looks for is not in the file, and the file is brought to the disk but once."""
    capture, fsync, files = Searching(EDITOR), os.fsync, []

    def seen(number: int) -> None:
        fsync(number)
        files.append(os.fstat(number).st_ino)
        capture.synced.set()

    monkeypatch.setattr(os, "fsync", seen)
    dump = taken(capture, store)
    assert files.count(dump.path.stat().st_ino) == 1


@pytest.mark.parametrize("failure", [CaptureFailed("no"), TargetGone("gone"), ValueError("a mistake")])
def test_a_failed_capture_leaves_nothing(capture: FakeCapture, store: Store, failure: Exception):
    """Whatever it was, the error comes through as it is."""
    capture.failure = failure
    with pytest.raises(type(failure)) as caught:
        taken(capture, store)
    assert caught.value is failure
    assert left(store) == []


def test_a_full_disk(capture: FakeCapture, store: Store):
    """Is told in the store's words."""
    capture.failure = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(StoreFull):
        taken(capture, store)
    assert left(store) == []


class Pressed(Store):
    """A store where Ctrl+C comes at the worst moment: the file is there, and nobody knows of it yet."""

    def begin(self, *arguments, **more):
        partial = super().begin(*arguments, **more)
        signal.raise_signal(signal.SIGINT)
        return partial


def test_ctrl_c_as_soon_as_there_is_a_file(capture: FakeCapture, tmp_path: Path):
    """It is heeded, and the file goes."""
    store = Pressed(tmp_path / "dumps", Retention())
    with pytest.raises(KeyboardInterrupt):
        taken(capture, store)
    assert left(store) == []


def test_ctrl_c_once_more_while_it_is_removed(capture: FakeCapture, store: Store, monkeypatch):
    """The second one finds the clean-up at work and lets it."""
    abandon = Partial.abandon

    def disturbed(partial: Partial) -> None:
        signal.raise_signal(signal.SIGINT)
        abandon(partial)

    monkeypatch.setattr(Partial, "abandon", disturbed)
    with pytest.raises(KeyboardInterrupt):
        taken(capture, store, lambda _done, _total: signal.raise_signal(signal.SIGINT))
    assert left(store) == []


def test_ctrl_c_when_the_dump_is_whole(capture: FakeCapture, store: Store, monkeypatch):
    """It comes too late: there is a dump, and it is told."""
    finish = Partial.finish

    def disturbed(partial: Partial, describe):
        signal.raise_signal(signal.SIGINT)
        return finish(partial, describe)

    monkeypatch.setattr(Partial, "finish", disturbed)
    dump = taken(capture, store)
    assert left(store) == sorted([dump.path, dump.sidecar])


@pytest.mark.linux  # Windows has no signal for one thread
# Where it comes between the opening of a file and its "with", nobody closes that but the end of the process.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_while_it_goes_to_the_disk(capture: FakeCapture, store: Store, monkeypatch):
    """It is heeded at once or when that is done, and both files go."""
    fsync, main = os.fsync, threading.main_thread().ident

    def disturbed(number: int) -> None:
        signal.pthread_kill(main, signal.SIGINT)
        fsync(number)

    monkeypatch.setattr(os, "fsync", disturbed)
    with pytest.raises(KeyboardInterrupt):
        taken(capture, store)
    assert left(store) == []


def test_ctrl_c_works_as_before_afterwards(capture: FakeCapture, store: Store):
    """What held it back is gone with the dump."""
    taken(capture, store)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_cancelled_dump_leaves_nothing(capture: FakeCapture, store: Store):
    """Nor does one that the user stopped."""
    with pytest.raises(Cancelled):
        taken(capture, store, lambda _done, _total: True)
    assert left(store) == []


class Unprunable(Store):
    """A store that cannot be pruned.

    Attributes:
        failure: Why.
    """

    failure: Exception = OSError(errno.EIO, "Input/output error")

    def prune(self, now: datetime | None = None) -> list[Path]:
        raise self.failure


@pytest.mark.parametrize("failure", [OSError(errno.EIO, "broken"), StoreUnusable("broken")])
def test_pruning_may_fail(tmp_path: Path, expected_warnings, failure: Exception):
    """The dump is good all the same: it is a warning."""
    store = Unprunable(tmp_path, Retention(count=1))
    store.failure = failure
    assert flow.prune(store) == []
    assert len(expected_warnings.messages) == 1
    assert "broken" in expected_warnings.messages[0]


def test_pruning(capture: FakeCapture, tmp_path: Path):
    """Gives what was removed."""
    store = Store(tmp_path / "dumps", Retention(count=1))
    first = taken(capture, store)
    second = taken(capture, store)
    assert flow.prune(store) == [first.path]
    assert left(store) == sorted([second.path, second.sidecar])


@pytest.mark.parametrize("kind", [FakeCapture.format, "minidump"])
def test_every_format_is_verified(kind: str, tmp_path: Path):
    """A back end whose files nobody checks would be a mistake: rubbish is seen, whatever it should be."""
    path = tmp_path / "dump"
    path.write_bytes(b"rubbish" * 100)
    with path.open("rb") as file, pytest.raises(BadDump):
        flow.verified(kind)(file, 1)
