"""The store against a real disk: full, cut off, shared by two writers, not ours."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest
from stored import TAKEN, TARGET, describe

from tray.errors import StoreFull, StoreUnusable
from tray.model import Retention
from tray.modes import MODES
from tray.store import Store

pytestmark = pytest.mark.linux

ROOT = Path(__file__).parents[2]
NOBODY = 65534
WHAT = (TARGET, MODES["mini"], ".core", TAKEN)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount, and become another user")

WRITER = """
import sys
from pathlib import Path
sys.path.append("tests")
from stored import TAKEN, TARGET, describe
from tray.errors import TrayError
from tray.model import Retention
from tray.modes import MODES
from tray.store import Store

store = Store(Path(sys.argv[1]), Retention())

def begin(taken=TAKEN):
    return store.begin(TARGET, MODES["mini"], ".core", taken, need=0)

def finish(partial, taken=TAKEN):
    return partial.finish(describe(partial, taken))
"""


def writer(script: str, folder: Path, **more) -> subprocess.Popen[str]:
    """A process that writes dumps into the folder."""
    words = [sys.executable, "-c", WRITER + textwrap.dedent(script), str(folder)]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, **more)


def listed(folder: Path) -> list[str]:
    """Names in a folder."""
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 1 MiB, of which no reserve is asked."""
    where = tmp_path / "disk"
    where.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(where)]
    if subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip("linux: this container may not mount")
    yield where
    subprocess.run(["umount", str(where)], check=True)


@as_root
def test_a_disk_that_fills_up_in_the_middle(small_disk, monkeypatch):
    """The partial is removed, so the room is there again, and the error says why."""
    store = Store(small_disk / "dumps", Retention())
    with pytest.raises(StoreFull, match=r"has 1\.0 MB left"):
        store.begin(*WHAT, need=1)
    monkeypatch.setattr("tray.store.folder.RESERVE", 0)
    with pytest.raises(StoreFull, match="The disk is full"):
        fill(store)
    assert listed(store.folder) == []
    assert shutil.disk_usage(small_disk).free > 900_000


def fill(store):
    """Write 2 MiB, which is more than there is room for."""
    with store.begin(*WHAT, need=0) as partial:
        for _ in range(32):
            partial.file.write(bytes(range(256)) * 256)


@as_root
def test_a_disk_without_room_for_the_sidecar(small_disk, monkeypatch):
    """A dump that just fits and its sidecar does not: neither stays."""
    monkeypatch.setattr("tray.store.folder.RESERVE", 0)
    store = Store(small_disk / "dumps", Retention())
    with store.begin(*WHAT, need=0) as partial:
        while (free := shutil.disk_usage(small_disk).free) > 0:
            partial.file.write(b"x" * free)
        with pytest.raises(StoreFull, match="The disk is full"):
            partial.finish(describe(partial))
    assert listed(store.folder) == []


def test_a_limit_on_file_size_is_said(tmp_path):
    """RLIMIT_FSIZE, or FAT's 4 GiB: EFBIG, the partial removed."""
    script = """
    try:
        with begin() as partial:
            while True:
                partial.file.write(b"x" * 4096)
    except TrayError as error:
        print(type(error).__name__, error)
    """

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))

    with writer(script, tmp_path, preexec_fn=limit) as process:
        said = process.communicate(timeout=20)[0]
    assert said.startswith("StoreFull The file system or a limit allows no file this big")
    assert listed(tmp_path) == []


def test_a_killed_writer_leaves_a_partial_that_the_next_start_removes(tmp_path):
    """SIGKILL: no final name, one partial; it stays as long as its writer lives."""
    script = """
    with begin() as partial:
        partial.file.write(b"half a dump")
        print("ready", flush=True)
        input()
    """
    store = Store(tmp_path, Retention())
    with writer(script, tmp_path) as process:
        assert process.stdout.readline() == "ready\n"
        before = listed(tmp_path)
        assert [Path(name).suffix for name in before] == [".partial"]
        assert store.sweep() == []
        assert listed(tmp_path) == before
        process.kill()
        process.wait(10)
        assert listed(tmp_path) == before
    assert store.dumps() == []
    with store.begin(*WHAT, need=0) as partial:
        assert listed(tmp_path) == [partial.partial.name]


def test_a_cancelled_writer_leaves_nothing(tmp_path):
    """SIGINT."""
    script = """
    import signal
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with begin() as partial:
            print("ready", flush=True)
            input()
    except KeyboardInterrupt:
        print("cancelled")
    """
    with writer(script, tmp_path) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=10)[0] == "cancelled\n"
    assert listed(tmp_path) == []


def test_writers_at_once_never_meet(tmp_path):
    """Four processes, the same second, the same target: each dump has its own name and sidecar."""
    script = """
    print("ready", flush=True)
    input()
    for _ in range(25):
        with begin() as partial:
            partial.file.write(partial.partial.name.encode())
            finish(partial)
    """
    processes = [writer(script, tmp_path) for _ in range(4)]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 4
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        with process:
            process.communicate(timeout=60)
        assert process.returncode == 0
    dumps = Store(tmp_path, Retention()).dumps()
    assert len({dump.id for dump in dumps}) == 100
    assert len(listed(tmp_path)) == 200
    for dump in dumps:
        assert dump.path.read_text() == f"{dump.path.name}.partial"
        assert dump.method == ""
        assert f'"id": "{dump.id}"' in dump.sidecar.read_text()


def test_writers_and_pruners_at_once(tmp_path):
    """A prune beside writers breaks no dump and leaves no sidecar without one."""
    write = """
    from datetime import timedelta
    print("ready", flush=True)
    input()
    for number in range(40):
        taken = TAKEN + timedelta(seconds=number)
        with begin(taken) as partial:
            finish(partial, taken)
    """
    prune = """
    store.retention = Retention(count=2)
    print("ready", flush=True)
    input()
    for _ in range(150):
        store.sweep()
        store.prune()
    """
    processes = [writer(script, tmp_path) for script in (write, write, prune, prune)]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 4
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        with process:
            process.communicate(timeout=60)
        assert process.returncode == 0
    Store(tmp_path, Retention(count=2)).prune()
    assert len(listed(tmp_path)) == 4
    assert [Path(name).suffix for name in listed(tmp_path)] == [".core", ".json"] * 2


@as_root
def test_a_folder_without_write_permission(tmp_path):
    """A plain user whose folder is read-only: cause and next step, nothing changed."""
    folder = tmp_path / "dumps"
    folder.mkdir(mode=0o500)
    os.chown(folder, NOBODY, NOBODY)
    result = as_nobody(tmp_path, lambda: Store(folder, Retention()).begin(*WHAT, need=0))
    assert isinstance(result, StoreUnusable)
    assert str(result) == f"{folder} cannot be written: Permission denied."
    assert "--output" in result.hint
    assert stat.S_IMODE(folder.stat().st_mode) == 0o500


@as_root
def test_another_users_folder(tmp_path):
    """Root's folder, even one that all may write: a plain user's dumps do not go there."""
    folder = tmp_path / "dumps"
    folder.mkdir()
    folder.chmod(0o777)
    result = as_nobody(tmp_path, lambda: Store(folder, Retention()).begin(*WHAT, need=0))
    assert re.fullmatch(rf"{folder} belongs to root, who could read your dumps\.", str(result))


def as_nobody(place, act):
    """What the act raises when a plain user does it; the folders down to it are opened for that."""
    modes = {path: path.stat().st_mode for path in (place, *place.parents) if path.owner() == "root"}
    for path, mode in modes.items():
        path.chmod(stat.S_IMODE(mode) | stat.S_IXOTH | stat.S_IXGRP)  # its groups are still root's
    os.seteuid(NOBODY)
    try:
        act()
    except Exception as error:  # noqa: BLE001 - whatever it is, the test judges it
        return error
    finally:
        os.seteuid(0)
        for path, mode in modes.items():
            path.chmod(stat.S_IMODE(mode))
    return None


@as_root
def test_a_folder_made_through_sudo_belongs_to_the_caller(monkeypatch):
    """Else the dump in it would be his, and out of his reach; where he may not make one, root does."""
    monkeypatch.setenv("SUDO_UID", str(NOBODY))
    with tempfile.TemporaryDirectory() as outer:
        for rights, output, owner in ((0o777, "a/b", NOBODY), (0o755, "c", 0)):
            Path(outer).chmod(rights)
            with Store(Path("/none"), Retention()).begin(*WHAT, need=0, output=f"{outer}/{output}/"):
                pass
            made = [folder for folder in Path(outer, output).parents if folder.is_relative_to(outer)][:-1]
            assert {folder.stat().st_uid for folder in (*made, Path(outer, output))} == {owner}
        assert os.geteuid() == os.getegid() == 0


@as_root
@pytest.mark.parametrize("how", ["SUDO_UID", "PKEXEC_UID"])
def test_dump_through_sudo_belongs_to_the_caller(tmp_path, monkeypatch, how):
    """Whoever had to ask for root's rights can read the dump, and its sidecar, without them; nobody else can."""
    monkeypatch.setenv(how, str(NOBODY))
    with Store(tmp_path, Retention()).begin(*WHAT, need=0, output=tmp_path) as partial:
        dump = partial.finish(describe(partial))
    for path in (dump.path, dump.sidecar):
        assert path.stat().st_uid == NOBODY
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
