"""The mapped files that a dump of ours lists."""

from __future__ import annotations

import pytest

from tray.capture import linux_maps
from tray.capture.linux_notes import FileMappings
from tray.capture.linux_triage import _Placeless
from tray.formats import core_write
from tray.formats.file_note import FileList
from tray.model import Region, Snapshot, Thread

MAPS = b"""\
1000-2000 r--p 00000000 fe:01 7 /lib/one.so
2000-3000 r-xp 00001000 fe:01 7 /lib/one.so
3000-4000 rw-p 00000000 00:00 0
4000-5000 r-xp 00000000 fe:01 8 /home/me/app
5000-6000 rw-s 00000000 00:01 9 /memfd:cache (deleted)
6000-7000 r--p 00000000 fe:01 10 /lib/two.so (deleted)
"""
FOUND = [
    Region(0x4000, 0x5000, "", 0, "/home/me/app"),
    Region(0x1000, 0x2000, "", 0, "/lib/one.so"),
    Region(0x2000, 0x3000, "", 0x1000, "/lib/one.so"),
    Region(0x6000, 0x7000, "", 0, "/lib/two.so"),
]


@pytest.fixture
def files() -> FileMappings:
    """Those of a process with all kinds of mappings."""
    return FileMappings(linux_maps.listed([MAPS]), "/home/me/app")


def test_the_executable_comes_first(files: FileMappings) -> None:
    """Then what is on a disk, or was; each can be had by its number, too."""
    assert [*files] == FOUND
    assert [files[place] for place in range(len(files))] == FOUND
    assert (files[-1], files[1:3]) == (FOUND[-1], FOUND[1:3])
    with pytest.raises(IndexError):
        files.made(len(FOUND))


@pytest.mark.parametrize("shown", [lambda files: files, _Placeless], ids=["as they are", "for strangers"])
def test_no_dump_asks_for_one_of_them(files: FileMappings, monkeypatch: pytest.MonkeyPatch, shown) -> None:
    """That makes them all, so writing a list of 65,000 one by one would take hours, while the app stands still."""
    snapshot = Snapshot(pid=1, threads=(Thread(1, registers=bytes(216)),), mappings=shown(files))
    before = b"".join(core_write.notes(snapshot, lambda _thread: (b"", b"")))
    for kind in (FileMappings, FileList, _Placeless):
        monkeypatch.delattr(kind, "made")
    assert b"".join(core_write.notes(snapshot, lambda _thread: (b"", b""))) == before
    assert b"/lib/one.so\0" in before
