"""The store, on a folder of its own."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from stored import TAKEN, describe

from tray import patience
from tray.errors import NoDump, StoreFull, StoreUnusable
from tray.model import Retention, Target
from tray.modes import MODES
from tray.store import Store, described, folder, names
from tray.store import partial as partials

MINI = MODES["mini"]
TARGET = Target(42, 7, "my app")

posix = pytest.mark.linux  # modes and links


@pytest.fixture
def store(tmp_path):
    """A store whose folder is not there yet."""
    return Store(tmp_path / "state" / "dumps", Retention(count=20))


def begin(store, taken=TAKEN, target=TARGET, suffix=".core", **more):
    """A dump begun with little to say."""
    return store.begin(target, MINI, suffix, taken, need=0, **more)


def take(store, taken=TAKEN, target=TARGET, content=b"x", **more):
    """A finished dump."""
    with begin(store, taken, target, **more) as partial:
        partial.file.write(content)
        return partial.finish(describe(partial, taken, target))


def listed(where):
    """Names in a folder."""
    return sorted(path.name for path in where.iterdir())


def test_a_finished_dump_has_its_name_and_sidecar(store):
    """Both files have their final names, nothing else is there, and sizes are true."""
    dump = take(store, content=b"12345")
    stem = names.stem(TARGET, "mini", TAKEN)
    assert listed(store.folder) == [f"{stem}.core", f"{stem}.json"]
    assert dump.path.read_bytes() == b"12345"
    assert (dump.id, dump.size) == (stem, 5)
    assert json.loads(dump.sidecar.read_bytes())["schema"] == 1


def test_until_it_is_finished_no_final_name_is_there(store):
    """Whoever looks meanwhile sees a partial only."""
    with begin(store) as partial:
        partial.file.write(b"half")
        assert listed(store.folder) == [f"{names.stem(TARGET, 'mini', TAKEN)}.core.partial"]
        assert store.dumps() == []
    assert listed(store.folder) == []


def test_an_abandoned_dump_leaves_nothing(store):
    """Also when the block ends by an error, and when abandoned twice."""
    with pytest.raises(KeyboardInterrupt), begin(store) as partial:
        raise KeyboardInterrupt
    partial.abandon()
    assert listed(store.folder) == []
    assert partial.file.closed


def test_a_failing_description_leaves_nothing(store):
    """Whatever goes wrong in finish, no file stays."""

    def fail(size, allocated):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), begin(store) as partial:
        partial.finish(fail)
    assert listed(store.folder) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_in_the_middle_is_said(store, number):
    """The partial is removed and the error says why."""
    with pytest.raises(StoreFull) as caught, begin(store):
        raise OSError(number, os.strerror(number))
    assert folder.FULL[number] in str(caught.value)
    assert listed(store.folder) == []


def test_another_failure_while_writing_stays_what_it_is(store):
    """Only what means full is turned into StoreFull."""
    with pytest.raises(OSError, match="Input/output") as caught, begin(store):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    assert caught.value.errno == errno.EIO


@pytest.mark.parametrize(("number", "error"), [(errno.ENOSPC, StoreFull), (errno.EIO, StoreUnusable)])
def test_a_failing_sync_is_said(store, monkeypatch, number, error):
    """Some disks tell only at the sync that they are full."""

    def fail(descriptor):
        raise OSError(number, os.strerror(number))

    with begin(store) as partial:
        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(error):
            partial.finish(describe(partial, target=TARGET))
    assert listed(store.folder) == []
    with begin(store) as partial:
        partial.begin_sync()
        partial.tell(describe(partial, target=TARGET)(0, 0))
        with pytest.raises(error):
            partial.sync()
    assert listed(store.folder) == []


def test_a_sync_under_way_keeps_the_file_open(store, monkeypatch):
    """An abandoned dump waits for it: the number of a closed file may be another file's by then."""
    going, seen = threading.Event(), []
    monkeypatch.setattr(os, "fsync", lambda _number: seen.append((going.wait(60), partial.file.closed)))
    with begin(store) as partial:
        partial.begin_sync()
        partial.tell(describe(partial, target=TARGET)(0, 0))
        threading.Timer(0.05, going.set).start()
    assert seen == [(True, False)]
    assert listed(store.folder) == []


def test_a_dump_is_synced_where_no_thread_can_be_started(store, monkeypatch):
    """As in a container that has used up its processes."""
    synced = []

    def refuse(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(partials, "start_new_thread", refuse)
    monkeypatch.setattr(os, "fsync", synced.append)
    with begin(store) as partial:
        partial.begin_sync()
        assert synced == [partial.file.fileno()]
        partial.sync()
        partial.finish(describe(partial, target=TARGET))
    assert len(listed(store.folder)) == 2


@pytest.mark.parametrize("failing", range(1, 5))
def test_a_file_system_call_that_fails_in_finish_leaves_nothing(store, monkeypatch, failing):
    """Link and unlink of both files: each may fail, and nothing half-named stays."""
    calls = 0
    link, unlink, rename = os.link, Path.unlink, Path.rename

    def counted(call):
        def wrapped(*arguments, **more):
            nonlocal calls
            calls += 1
            if calls == failing:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return call(*arguments, **more)

        return wrapped

    def refuse(*arguments):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with begin(store) as partial:
        monkeypatch.setattr(os, "link", counted(link))
        monkeypatch.setattr(Path, "unlink", counted(unlink))
        monkeypatch.setattr(Path, "rename", refuse)
        with pytest.raises(StoreUnusable):
            partial.finish(describe(partial, target=TARGET))
    monkeypatch.setattr(Path, "rename", rename)
    assert listed(store.folder) == []


@pytest.fixture
def no_links(monkeypatch):
    """A file system without hard links, and nobody who waits for one."""

    def refuse(*arguments, **more):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(patience, "SECONDS", 0.02)


@pytest.mark.usefixtures("no_links")
def test_a_file_system_without_links_gets_a_rename(store):
    """FAT has no hard links; the dump still gets its name."""
    assert take(store).path.exists()
    assert len(listed(store.folder)) == 2


@pytest.mark.parametrize("links", [True, False])
def test_a_name_taken_meanwhile_is_never_overwritten(store, tmp_path, request, links):
    """A stranger's file that appears while the dump is written survives it."""
    if not links:
        request.getfixturevalue("no_links")
    where = tmp_path / "mine.core"
    with begin(store, output=where) as partial:
        where.write_bytes(b"precious")
        with pytest.raises(StoreUnusable):
            partial.finish(describe(partial, target=TARGET))
    assert where.read_bytes() == b"precious"
    assert listed(tmp_path) == ["mine.core"]


@posix
def test_modes_are_private_whatever_the_umask(store):
    """Folder 0700, files 0600: umask 0 gives others nothing, umask 0777 takes us nothing."""
    for umask, pid in ((0, 1), (0o777, 2)):
        before = os.umask(umask)
        try:
            dump = take(store, target=Target(pid, 1, "app"))
        finally:
            os.umask(before)
        assert stat.S_IMODE(dump.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(dump.sidecar.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700


@posix
def test_an_open_folder_of_ours_is_tightened(store):
    """A wider mode is taken back when only dumps lie in it."""
    store.folder.mkdir(parents=True)
    (store.folder / "a_1_20261122-195605_mini.core").touch()
    (store.folder / "a_1_20261122-195605_mini.json.partial").touch()
    store.folder.chmod(0o777)
    take(store)
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700


@posix
def test_a_folder_with_other_things_keeps_its_mode(store, expected_warnings):
    """Somebody who sets folder to /home must not find it closed; it is said, and dumps are 0600."""
    store.folder.mkdir(parents=True)
    (store.folder / "letters.txt").touch()
    store.folder.chmod(0o755)
    dump = take(store)
    assert "others may look into" in expected_warnings.messages[0]
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o755
    assert stat.S_IMODE(dump.path.stat().st_mode) == 0o600


@posix
def test_a_folder_that_others_may_write_is_refused(store):
    """There others could swap a dump or plant one."""
    store.folder.mkdir(parents=True)
    (store.folder / "letters.txt").touch()
    store.folder.chmod(0o775)
    with pytest.raises(StoreUnusable, match="Other users may write") as caught:
        begin(store)
    assert f"chmod go-w {store.folder}" in caught.value.hint


@posix
def test_a_folder_of_another_user_is_refused(store, monkeypatch):
    """Its owner could read every dump."""
    store.folder.mkdir(parents=True)
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    with pytest.raises(StoreUnusable, match="belongs to"):
        begin(store)


@posix
def test_an_owner_without_a_name_is_told_by_number():
    """A removed account, or one from a container."""
    assert folder.owner(4_000_000_000) == "user 4000000000"


@posix
def test_a_file_system_without_modes_is_accepted(store, monkeypatch, expected_warnings):
    """FAT cannot be tightened; if only reading is open, the dump is taken and it is said."""
    store.folder.mkdir(parents=True)
    store.folder.chmod(0o755)

    def refuse(*arguments):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "chmod", refuse)
    take(store)
    assert "others may look into" in expected_warnings.messages[0]


def test_a_file_in_place_of_the_folder_is_said(store):
    """Cause and next step."""
    store.folder.parent.mkdir()
    store.folder.touch()
    with pytest.raises(StoreUnusable, match="is a file, not a folder") as caught:
        begin(store)
    assert "--output" in caught.value.hint
    with pytest.raises(StoreUnusable, match="cannot be read"):
        store.dumps()


def test_a_folder_under_a_file_is_said(tmp_path):
    """No folder can be made there."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnusable, match=r"cannot be written: Not a directory|is a file, not a folder"):
        begin(Store(tmp_path / "file" / "dumps", Retention()))


def test_a_refusing_disk_is_said(store, monkeypatch):
    """A read-only file system, at the moment the file is made."""
    store.make()

    def refuse(*arguments):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(StoreUnusable, match="Read-only file system"):
        begin(store)


def test_dumps_of_one_second_get_a_number(store):
    """A counter tells them apart; a lone sidecar also takes a name."""
    stem = names.stem(TARGET, "mini", TAKEN)
    first, second = take(store), take(store)
    assert (first.id, second.id) == (stem, f"{stem}-2")
    (store.folder / f"{stem}-3.json").touch()
    assert take(store).id == f"{stem}-4"


@pytest.mark.linux
def test_a_link_to_nowhere_takes_a_name(store):
    """Nothing is written where a link leads."""
    stem = names.stem(TARGET, "mini", TAKEN)
    store.make()
    (store.folder / f"{stem}.core").symlink_to("nowhere")
    (store.folder / f"{stem}-2.core.partial").symlink_to("nowhere")
    assert take(store).id == f"{stem}-3"


def test_a_thousand_dumps_a_second_are_too_many(store, monkeypatch):
    """The search for a free name ends."""
    monkeypatch.setattr("tray.store.partial.ATTEMPTS", 2)
    take(store)
    with pytest.raises(StoreUnusable, match="too many dumps"):
        begin(store)


def test_too_little_space_is_said_before_anything_is_written(store, monkeypatch):
    """The estimate and the reserve must both fit."""
    monkeypatch.setattr(folder, "room", lambda path: folder.Room(10**9, 10**8 + folder.RESERVE))
    store.begin(TARGET, MINI, ".core", TAKEN, need=10**8).abandon()
    with pytest.raises(StoreFull, match=r"may need 100 MB and 67 MB to spare; .* has 167 MB left"):
        store.begin(TARGET, MINI, ".core", TAKEN, need=10**8 + 1)
    assert listed(store.folder) == []


def test_a_small_dump_leaves_as_much_as_it_takes(store, monkeypatch):
    """A disk that is nearly full has room for the stacks of an app that hangs now; a little is left to others."""
    monkeypatch.setattr(folder, "room", lambda path: folder.Room(10**9, 4 * 10**6))
    store.begin(TARGET, MINI, ".core", TAKEN, need=2 * 10**6).abandon()
    with pytest.raises(StoreFull, match=r"may need 2\.0 MB and 2\.0 MB to spare"):
        store.begin(TARGET, MINI, ".core", TAKEN, need=2 * 10**6 + 1)
    monkeypatch.setattr(folder, "room", lambda path: folder.Room(10**9, 10**6))
    with pytest.raises(StoreFull, match=r"1\.0 MB to spare"):
        store.begin(TARGET, MINI, ".core", TAKEN, need=1)


@pytest.mark.parametrize("known", [False, True])
def test_unknown_free_space_is_no_objection(store, monkeypatch, known):
    """Some network file systems cannot tell, or tell 0 of 0."""

    def tell(path):
        if known:
            return folder.Room(0, 0)
        raise OSError(errno.ENOSYS, "")

    monkeypatch.setattr(folder, "room", tell)
    store.begin(TARGET, MINI, ".core", TAKEN, need=10**15).abandon()


def test_stale_partials_go_and_live_ones_stay(store):
    """The next start removes what a killed writer left, strangers' files excepted."""
    store.make()
    stale = ["a_1_20261122-195605_mini.core.partial", "a_1_20261122-195605_mini.json.partial"]
    for name in (*stale, "firefox.tar.xz.partial"):
        (store.folder / name).touch()
    (store.folder / "b_1_20261122-195605_mini.core.partial").mkdir()
    with begin(store) as live:
        kept = {"firefox.tar.xz.partial", "b_1_20261122-195605_mini.core.partial", live.partial.name}
        assert set(listed(store.folder)) == kept
        assert store.sweep() == []
        assert live.partial.exists()


def test_a_sweep_without_a_folder_finds_nothing(store):
    """Nor does it make one."""
    assert store.sweep() == []
    assert not store.folder.exists()


@posix
def test_a_live_sidecar_is_not_swept(store):
    """The unfinished sidecar is locked like the dump, until both have their names."""
    swept = []

    def describe_and_sweep(path, identity=None):
        swept.extend(store.sweep())
        return os_link(path, identity)

    os_link = os.link
    with begin(store) as partial, pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "link", describe_and_sweep)
        partial.finish(describe(partial, target=TARGET))
    assert swept == []
    assert len(listed(store.folder)) == 2


@posix
def test_a_partial_swept_while_it_was_made_is_made_again(store, monkeypatch):
    """Between making and locking a sweep may come first; the dump takes another file."""
    real, calls = folder.lock, []

    def slow(descriptor, *, wait):
        calls.append(descriptor)
        if len(calls) == 1:
            assert len(store.sweep()) == 1
        return real(descriptor, wait=wait)

    monkeypatch.setattr("tray.store.partial.lock", slow)
    assert take(store).path.exists()
    assert len(listed(store.folder)) == 2


@posix
def test_a_partial_whose_lock_somebody_keeps_is_left_to_him(store, monkeypatch):
    """As a sweep that is stopped in the midst, or a backup: the dump takes another name, and nobody waits for ever."""
    monkeypatch.setattr(folder, "PATIENCE", 0.02)
    real, kept = partials._create, []

    def create(path):
        file = real(path)
        if not kept:
            kept.append(path.open("rb"))
            assert folder.lock(kept[0].fileno())
        return file

    monkeypatch.setattr(partials, "_create", create)
    assert take(store).path.stem == names.stem(TARGET, "mini", TAKEN, 2)
    kept[0].close()
    assert len(store.sweep()) == 1


@posix
def test_a_sweep_that_came_late_leaves_the_next_writers_file(store, monkeypatch):
    """The writer that it saw has finished, and another one has its unfinished name, before it has the lock."""
    store.make()
    partial = store.folder / "a_1_20261122-195605_mini.core.partial"
    partial.write_text("the one that it saw")
    real = folder.lock

    def late(descriptor):
        partial.rename(partial.with_suffix(""))
        partial.write_text("the next")
        return real(descriptor)

    monkeypatch.setattr("tray.store.folder.lock", late)
    assert store.sweep() == []
    assert partial.read_text() == "the next"


@posix
def test_a_writer_waits_for_a_sweep_that_has_its_lock(store, monkeypatch):
    """Were it to take its file away by its name, and make another, the sweep would remove that."""
    asked, real = [], folder.lock

    def seen(descriptor, *, wait):
        asked.append(wait)
        return real(descriptor, wait=wait)

    monkeypatch.setattr("tray.store.partial.lock", seen)
    take(store)
    assert asked == [True, True]


@posix
def test_a_file_system_without_locks_still_takes_dumps(store, monkeypatch):
    """And is not swept: nobody can tell which writers live."""

    def refuse(descriptor, *, wait=False):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("tray.store.folder.lock", refuse)
    monkeypatch.setattr("tray.store.partial.lock", refuse)
    store.make()
    (store.folder / "a_1_20261122-195605_mini.core.partial").touch()
    assert take(store).path.exists()
    assert "a_1_20261122-195605_mini.core.partial" in listed(store.folder)


def test_output_may_be_a_folder(store, tmp_path):
    """The name is ours, the folder and its mode the user's; the store stays untouched."""
    where = tmp_path / "here"
    where.mkdir(mode=0o755)
    where.chmod(0o755)
    dump = take(store, output=str(where))
    assert dump.path == where / f"{names.stem(TARGET, 'mini', TAKEN)}.core"
    assert not store.folder.exists()
    assert where.stat().st_mode & 0o777 in (0o755, 0o777)


def test_output_that_ends_in_a_slash_is_made(store, tmp_path):
    """A folder that the user clearly means, private like ours."""
    dump = take(store, output=f"{tmp_path}/new/deep/")
    assert dump.path.parent == tmp_path / "new" / "deep"


def test_output_may_be_a_file(store, tmp_path, monkeypatch):
    """Its name is the user's, and relative to where the user is."""
    monkeypatch.chdir(tmp_path)
    dump = take(store, output="mine.core")
    assert dump.path == tmp_path / "mine.core"
    assert listed(tmp_path) == ["mine.core", "mine.json"]
    assert dump.id == "mine"


@pytest.mark.parametrize("output", ["mine.core", "mine.core.zst"])
def test_output_of_a_packed_dump_says_that_it_is_packed(store, tmp_path, output):
    """Also where the user left it out: ``unzstd`` goes by the name, and so do people. No name is taken that way."""
    dump = take(store, suffix=".core.zst", output=tmp_path / output)
    assert listed(tmp_path) == ["mine.core.zst", "mine.json"]
    assert (dump.id, described(dump.path)) == ("mine", dump)
    with pytest.raises(StoreUnusable, match=r"mine\.core\.zst exists already"):
        begin(store, suffix=".core.zst", output=tmp_path / output)


@pytest.mark.parametrize("taken", ["mine.core", "mine.json"])
def test_output_never_overwrites(store, tmp_path, taken):
    """Neither the dump's nor the sidecar's name may be taken."""
    (tmp_path / taken).write_text("precious")
    with pytest.raises(StoreUnusable, match=f"{taken} exists already"):
        begin(store, output=tmp_path / "mine.core")


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        ("nowhere/mine.core", "There is no folder"),
        ("mine.json", "its own sidecar"),
        ("mine.core.zst", "the name of a packed dump"),
        ("file/", "is a file, not a folder"),
        ("file/x/", "Not a directory|is a file, not a folder"),
    ],
)
def test_output_that_cannot_be_is_said(store, tmp_path, output, cause):
    """Each with its cause and what to do."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnusable, match=cause) as caught:
        begin(store, output=f"{tmp_path}/{output}")
    assert caught.value.hint


@pytest.mark.linux  # Windows says of such a path that it is not there
@pytest.mark.parametrize("output", ["a" * 5000, "a" * 5000 + "/b.core"])
def test_output_that_nobody_may_look_at_is_said(store, tmp_path, output):
    """As of another user's folder; here the name is too long."""
    with pytest.raises(StoreUnusable, match="cannot be written: File name too long"):
        begin(store, output=tmp_path / output)


def test_output_that_names_nothing_is_said(store):
    """As of a variable that a script forgot to set: not every folder wants a dump."""
    with pytest.raises(StoreUnusable, match="names nothing") as caught:
        begin(store, output="")
    assert caught.value.hint


def test_a_folder_is_no_dump(store, tmp_path):
    """Said so, not that there is no such file."""
    with pytest.raises(NoDump, match="is a folder"):
        store.find(str(tmp_path))


def test_the_list_is_newest_first(store):
    """By when the key went down, not by file times."""
    old = take(store, TAKEN - timedelta(days=1))
    new = take(store, TAKEN)
    os.utime(old.path)
    assert store.dumps() == [new, old]


def test_no_folder_is_an_empty_list(store):
    """And is not made by looking."""
    assert store.dumps() == []
    assert not store.folder.exists()


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"schema": 9}', b"\xff"])
def test_a_dump_with_a_bad_sidecar_is_still_listed(store, content):
    """With what its name tells."""
    dump = take(store)
    dump.sidecar.unlink()
    if content is not None:
        dump.sidecar.write_bytes(content)
    (found,) = store.dumps()
    assert (found.path, found.target.name, found.taken) == (dump.path, "my_app", TAKEN)


def test_strangers_in_the_folder_are_not_listed(store):
    """A file that we did not name and that has no sidecar is not ours."""
    take(store)
    for name in ("holiday.core", "notes.txt", "x_1_20261122-195605_mini.zip", "dump.dmp"):
        (store.folder / name).touch()
    assert len(store.dumps()) == 1


def test_a_renamed_dump_is_listed_and_never_expires(store):
    """Whoever renames a dump with its sidecar wants to keep it."""
    dump = take(store, TAKEN - timedelta(days=99))
    dump.path.rename(store.folder / "the bug.core")
    dump.sidecar.rename(store.folder / "the bug.json")
    take(store)
    store.retention = Retention(1, 1, 1)
    assert [found.id for found in store.dumps()] == [names.stem(TARGET, "mini", TAKEN), "the bug"]
    assert store.prune() == []


def test_prune_takes_a_dump_and_what_lies_beside_it(store):
    """Dump, sidecar, report; not the newest, not a stranger's, not one being written."""
    old, new = take(store, TAKEN - timedelta(days=1)), take(store)
    old.path.with_suffix(".txt").touch()
    (store.folder / "holiday.core").touch()
    store.retention = Retention(count=1)
    with begin(store, TAKEN - timedelta(days=2)) as live:
        assert store.prune() == [old.path]
        assert set(listed(store.folder)) == {
            new.path.name,
            new.sidecar.name,
            "holiday.core",
            live.partial.name,
        }


def test_prune_reads_no_more_of_a_sidecar_than_when_it_was(store):
    """Of two dumps of one second the older goes, though its sidecar is cut off among its threads."""
    times = [TAKEN.replace(microsecond=part) for part in (900, 100, 500)]
    last, first, middle = (take(store, taken) for taken in times)
    for dump in (last, first):
        text = dump.sidecar.read_bytes()
        dump.sidecar.write_bytes(text[: text.index(b"threads") + 8])
    text = json.loads(middle.sidecar.read_bytes())
    middle.sidecar.write_text(json.dumps(text))  # in one line, as another program may have written it
    store.retention = Retention(count=2)
    assert store.prune() == [first.path]
    store.retention = Retention(count=1)
    assert store.prune() == [middle.path]


@pytest.mark.parametrize(
    "before", [("sync",), ("begin_sync", "tell", "sync"), ("begin_sync",), ("tell",), ()]
)
def test_finish_brings_each_to_the_disk_once(store, monkeypatch, before):
    """The dump, its sidecar, then both names: in this order, each with one sync, whenever the dump's began."""
    order = []
    fsync, link = os.fsync, os.link
    monkeypatch.setattr(os, "fsync", lambda number: (order.append(os.fstat(number).st_ino), fsync(number)))
    monkeypatch.setattr(os, "link", lambda old, new: (order.append(Path(new).suffix), link(old, new)))
    with begin(store) as partial:
        partial.file.write(b"x")
        for step in before:
            getattr(partial, step)(*[describe(partial, target=TARGET)(0, 0)] * (step == "tell"))
        dump = partial.finish(describe(partial, target=TARGET))
    assert store.dumps() == [dump]
    inodes = [path.stat().st_ino for path in (dump.path, dump.sidecar, store.folder)]
    synced = inodes[:2] if os.name == "nt" else inodes
    assert [one for one in order if isinstance(one, int)] == synced
    assert order[:4] == [*inodes[:2], dump.path.suffix, ".json"]


@posix
def test_a_dump_between_its_renames_is_not_pruned(store):
    """It is listed already, but its writer is not done: the sidecar would be left alone."""
    take(store)
    store.retention = Retention(count=1)
    with begin(store, TAKEN - timedelta(days=9)) as partial:
        os.link(partial.partial, partial.path)
        assert [dump.path for dump in store.expired()] == [partial.path]
        assert store.prune() == []
        partial.path.unlink()


def test_a_dump_that_cannot_be_removed_does_not_stop_the_others(store, monkeypatch, expected_warnings):
    """It is said, and the rest goes."""
    ages = [take(store, TAKEN - timedelta(days=days)) for days in range(3)]
    real = Path.unlink

    def stubborn(path, **more):
        if path == ages[1].path:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        real(path, **more)

    monkeypatch.setattr(Path, "unlink", stubborn)
    store.retention = Retention(count=1)
    assert store.prune() == [ages[2].path]
    assert "could not be removed" in expected_warnings.messages[0]


def test_a_dump_that_is_gone_was_not_removed_by_us(store):
    """Two prunes at once tell of it once."""
    dump = take(store)
    dump.path.unlink()
    from tray.store import _remove

    assert _remove(dump.path) is False


def test_a_dump_removed_during_the_listing_is_left_out(store, monkeypatch):
    """Another process may prune at any moment."""
    take(store)
    real = os.scandir

    class Gone:
        def __init__(self, entry):
            self.name, self.path, self.is_file = entry.name, entry.path, entry.is_file

        def stat(self, **more):
            raise FileNotFoundError

    @contextlib.contextmanager
    def scandir(path):
        with real(path) as entries:
            yield [Gone(entry) for entry in entries]

    monkeypatch.setattr(os, "scandir", scandir)
    assert store.dumps() == []


def test_find_by_last_id_prefix_name_and_path(store, tmp_path):
    """Each way a user may name a dump."""
    old = take(store, TAKEN - timedelta(days=1), Target(1, 1, "older"))
    new = take(store)
    assert store.find("last") == new.path
    assert store.find(old.id) == old.path
    assert store.find(old.path.name) == old.path
    assert store.find("older") == old.path
    elsewhere = tmp_path / "some.core"
    elsewhere.touch()
    assert store.find(str(elsewhere)) == elsewhere


def test_find_says_what_is_wrong(store):
    """Nothing there, no such, more than one."""
    with pytest.raises(NoDump, match="There is no dump in"):
        store.find("last")
    for minute in range(7):
        take(store, TAKEN + timedelta(minutes=minute))
    with pytest.raises(NoDump, match="no dump called 'nope'"):
        store.find("nope")
    with pytest.raises(NoDump, match=r"7 dumps start with 'my_app': .*, …\.$"):
        store.find("my_app")
    with pytest.raises(NoDump, match="no dump called ''"):
        store.find("")


def test_an_id_that_starts_another_is_found(store):
    """Exact beats prefix: the first of two dumps of one second can be named."""
    first, _second = take(store), take(store)
    assert store.find(first.id) == first.path


@pytest.mark.linux
def test_a_sidecar_without_end(tmp_path, monkeypatch):
    """One that came with somebody's dump and is a pipe, a device or huge, is none: nobody waits, or gives it memory."""
    core = tmp_path / "app_70_20261122-195605_heap.core"
    core.write_bytes(b"x")
    beside = core.with_suffix(".json")
    os.mkfifo(beside)
    assert described(core) is None
    beside.unlink()
    beside.symlink_to("/dev/zero")
    assert described(core) is None
    beside.unlink()
    monkeypatch.setattr("tray.store._LARGEST", 100)
    beside.write_bytes(b" " * 101)
    monkeypatch.setattr("tray.store.sidecar.read", lambda *_: pytest.fail("it was read"))
    assert described(core) is None
