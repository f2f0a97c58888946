"""Packed dumps: what comes out is what went in, and a damaged one says so."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import synth
from fakes import FakeCapture

from tray import flow, packed, reports
from tray.errors import BadDump, StoreFull
from tray.interrupts import Held
from tray.model import Dump, Retention, Target, Trigger
from tray.modes import MODES
from tray.store import Store, described

if TYPE_CHECKING:
    from pathlib import Path

EDITOR = Target(70, 700, "editor")


def taken(store: Store) -> Dump:
    """A packed dump of the editor."""
    now = datetime(2026, 11, 22, 19, 56, 5, tzinfo=UTC)
    with Held() as held:
        return flow.dump(
            FakeCapture(EDITOR), store, EDITOR, MODES["mini"], Trigger.HOTKEY, now,
            need=1 << 20, held=held, progress=lambda _done, _total: False, compress="zstd",
        )  # fmt: skip


def left(store: Store) -> list[Path]:
    """Files in the store."""
    return sorted(store.folder.glob("*"))


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where dumps are unpacked in these tests."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def pack(content: bytes, path: Path) -> Path:
    """A packed file with this content."""
    raw = path.with_name("raw")
    raw.write_bytes(content)
    with raw.open("rb") as source, path.open("w+b", buffering=0) as target:
        packed.pack(source, target)
    return path


@pytest.mark.parametrize(
    "content", [b"", b"x", bytes(5 << 20) + b"end", os.urandom(3 << 20) + bytes(4 << 20)]
)
def test_what_goes_in_comes_out(tmp_path: Path, content: bytes) -> None:
    """Zeros at the end and holes too; the unpacked file is ours alone, and unpacked once."""
    path = pack(content, tmp_path / "dump.core.zst")
    assert packed.is_packed(path)
    found = packed.plain(path)
    assert found.read_bytes() == content
    assert found.name == "dump.core"
    assert packed.plain(path) == found
    if os.name == "posix":
        assert found.parent.stat().st_mode & 0o777 == 0o700


def test_a_plain_file_is_left_alone(tmp_path: Path) -> None:
    """Whatever its name says, the content counts."""
    path = tmp_path / "dump.core.zst"
    path.write_bytes(b"\x7fELF")
    assert packed.plain(path) == path
    assert not packed.is_packed(tmp_path / "missing")


def test_where_an_unpacked_file_comes_from(tmp_path: Path) -> None:
    """So that what belongs to a dump is looked for beside the file that people see."""
    (tmp_path / "plain").write_bytes(b"x")
    with (tmp_path / "plain").open("rb") as source, (tmp_path / "a.core.zst").open("wb") as target:
        packed.pack(source, target)
    found = packed.plain(tmp_path / "a.core.zst")
    assert found.parent != tmp_path
    assert packed.origin(found) == tmp_path / "a.core.zst"
    assert packed.origin(tmp_path / "plain") == tmp_path / "plain"


@pytest.mark.parametrize("keep", [4, 20, 0.5, -1])
def test_a_cut_file_says_so(tmp_path: Path, keep: float) -> None:
    """A packed dump that was cut, wherever, is an error and never half a dump."""
    path = pack(os.urandom(1 << 20), tmp_path / "dump.core.zst")
    size = path.stat().st_size
    os.truncate(path, int(size * keep) if keep == 0.5 else int(keep) if keep > 0 else size - 1)
    with pytest.raises(BadDump, match=r"damaged|cut off"):
        packed.plain(path)


def test_a_damaged_file_says_so(tmp_path: Path) -> None:
    """One wrong byte is found by the checksum."""
    path = pack(b"abc" * 100_000, tmp_path / "dump.core.zst")
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadDump, match="damaged"):
        packed.plain(path)


def test_a_file_that_unpacks_to_more_than_it_says(tmp_path: Path, scratch: Path) -> None:
    """It fills nobody's disk: no more is written than was promised, and looked for."""
    path = pack(b"x" * (4 << 20), tmp_path / "dump.core.zst")
    content = bytearray(path.read_bytes())
    place = content.index((4 << 20).to_bytes(4, "little"))
    content[place : place + 4] = (1 << 20).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(BadDump, match="damaged"):
        packed.plain(path)
    assert all(left.stat().st_size <= 1 << 20 for left in scratch.rglob("*.core"))


def test_a_file_that_does_not_say_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is unpacked as long as there is room, and not a block longer."""
    machine = packed._library().ZstdCompressor()
    path = tmp_path / "dump.core.zst"
    path.write_bytes(machine.compress(b"x" * (4 << 20)) + machine.flush())
    assert packed.plain(path).read_bytes() == b"x" * (4 << 20)
    usage, looks = shutil.disk_usage(tmp_path), iter([packed._RESERVE + (1 << 20)] * 9)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=next(looks, packed._RESERVE)))
    again = path.rename(tmp_path / "again.core.zst")
    with pytest.raises(StoreFull, match="does not tell"):
        packed.plain(again)


def test_room_is_looked_for_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither the system's folder nor the dump's has room, it says how much it takes."""
    path = pack(bytes(1 << 20), tmp_path / "dump.core.zst")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=packed._RESERVE))
    with pytest.raises(StoreFull, match="takes 1"):
        packed.plain(path)


def test_a_packed_dump(tmp_path: Path) -> None:
    """A dump is packed under its own name, with its sidecar; listed with its size, read like any other, and pruned."""
    store = Store(tmp_path / "dumps", Retention(count=1))
    dump = taken(store)
    assert dump.path.name.endswith("_mini.core.zst")
    assert dump.sidecar.name == dump.id + ".json"
    assert left(store) == sorted([dump.path, dump.sidecar])
    assert described(dump.path) == dump
    [listed] = store.dumps()
    assert (listed.id, listed.size, listed.format) == (dump.id, dump.path.stat().st_size, "elf-core")
    assert dump.size < packed.plain(dump.path).stat().st_size
    report = reports.make(dump.path, dump)
    assert (report.path, report.size) == (dump.path, dump.size)
    assert report.snapshot.pid == EDITOR.pid
    again = taken(store)
    assert again.id == dump.id + "-2"
    assert store.prune() == [dump.path]
    assert left(store) == sorted([again.path, again.sidecar])
    again.sidecar.unlink()
    [bare] = store.dumps()
    assert (bare.id, bare.mode, bare.format) == (again.id, "mini", "elf-core")


def test_a_failed_packing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full while packing, neither the packed nor the plain file stays."""

    def full(_source, target) -> None:
        target.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(packed, "pack", full)
    store = Store(tmp_path / "dumps", Retention())
    with pytest.raises(StoreFull):
        taken(store)
    assert not left(store)


def test_an_unpacked_dump_is_read_by_its_content(tmp_path: Path) -> None:
    """A core file packed by hand, under any name, is inspected too."""
    path = pack(synth.core_file(tmp_path / "core").read_bytes(), tmp_path / "sent-by-mail")
    assert reports.make(path, None).snapshot.name == "app"
