"""What is written beside a finished dump."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tray.errors import NotWritten, StoreUnusable
from tray.model import Dump, Retention, Target, Trigger
from tray.store import Store, beside, described, names, sidecar
from tray.verdicts import Verdict, VerdictKind

if TYPE_CHECKING:
    from pathlib import Path

POSIX = [pytest.param(kind, marks=pytest.mark.linux) for kind in ("link", "dangling", "fifo")]
SAID = Verdict(VerdictKind.DEADLOCK, "Deadlock: a ↔ b, in save() and load()", certain=True)


@pytest.fixture
def dump(tmp_path: Path) -> Dump:
    """A dump with its sidecar."""
    path = tmp_path / "app_70_20261122-195605_mini.core"
    path.touch()
    taken = datetime(2026, 11, 22, tzinfo=UTC)
    made = Dump(
        path.stem, path, "elf-core", "mini", Trigger.CLI, Target(70, 1, "app"), taken, 0.1, 0.1, "", 0, 0
    )
    made.sidecar.write_text(sidecar.text(made))
    return made


def test_both_are_written_and_written_again(dump: Dump) -> None:
    """The sidecar has what is known now, the text says whose it is, both are private, nothing else is left."""
    for words in ("first", "second"):
        report = beside.update(dump.path, replace(dump, verdict=SAID), words)
        assert report.read_text() == f"{beside.HEAD}\n{words}\n"
    found = described(dump.path)
    assert found is not None
    assert found.verdict == SAID
    files = sorted(dump.path.parent.iterdir())
    assert [file.suffix for file in files] == [".core", ".json", ".txt"]
    assert os.name == "nt" or all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files[1:])


def test_a_dump_without_a_sidecar_gets_none(dump: Dump) -> None:
    """As another tool's: only the report is written."""
    dump.sidecar.unlink()
    assert beside.update(dump.path, None, "x").exists()
    assert not dump.sidecar.exists()


@pytest.mark.parametrize("kind", ["file", "folder", *POSIX])
def test_what_others_wrote_stays(dump: Dump, kind: str) -> None:
    """A text that is not ours, or is no plain file, is never touched; nor is then the sidecar."""
    place, other = dump.path.with_suffix(".txt"), dump.path.with_name("other")
    other.write_text(beside.HEAD)
    make = {
        "file": lambda: place.write_text("my notes"),
        "folder": place.mkdir,
        "link": lambda: place.symlink_to(other),
        "dangling": lambda: place.symlink_to("nowhere"),
        "fifo": lambda: os.mkfifo(place),
    }
    make[kind]()
    before = place.lstat(), dump.sidecar.read_text()
    with pytest.raises(StoreUnusable):
        beside.update(dump.path, replace(dump, verdict=SAID), "x")
    assert (place.lstat(), dump.sidecar.read_text()) == before
    assert other.read_text() == beside.HEAD


def test_a_dump_that_is_its_own_report(dump: Dump) -> None:
    """A dump that its user called .txt is not overwritten."""
    path = dump.path.rename(dump.path.with_suffix(".txt"))
    with pytest.raises(StoreUnusable):
        beside.update(path, None, "x")
    assert path.read_bytes() == b""


def test_what_a_dead_writer_left(dump: Dump) -> None:
    """Is taken away; a live one's makes us give up."""
    left = dump.path.with_suffix(".txt.partial")
    left.write_text("half")
    assert beside.update(dump.path, dump, "x").exists()
    assert not left.exists()
    with beside.create_locked(left), pytest.raises(StoreUnusable):
        beside.update(dump.path, dump, "y")
    left.unlink()


def test_nothing_outlives_the_dump(dump: Dump) -> None:
    """If it was pruned meanwhile, what was written goes as well."""
    dump.path.unlink()
    beside.update(dump.path, dump, "x")
    assert [path.name for path in dump.path.parent.iterdir()] == []


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_report_that_cannot_be_written(dump: Dump, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The hint is one that whoever asked for a report can follow: there is neither --output nor a smaller mode."""

    def refuse(path: Path) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(beside, "create_locked", refuse)
    with pytest.raises(NotWritten, match=r"could not be written|cannot be written") as caught:
        beside.update(dump.path, dump, "x")
    assert caught.value.hint == "'hangshot inspect' reads it too, and writes nothing."


@pytest.mark.parametrize("ending", [".core", ".json", ".txt", ".html"])
def test_unfinished_names_are_ours(ending: str) -> None:
    """So that a sweep finds whatever a killed writer left."""
    assert names.is_partial(f"app_70_20261122-195605_mini{ending}.partial")


HTML = b"<!doctype html>\n<!-- ours -->\n"


def test_a_page(dump: Dump) -> None:
    """Lies beside the dump under its name, private, and is written again; a prune takes it away."""
    for words in (b"first", b"second"):
        place = beside.page(dump.path, HTML + words, HTML)
        assert place == dump.path.with_suffix(".html")
        assert place.read_bytes() == HTML + words
    if os.name == "posix":
        assert stat.S_IMODE(place.stat().st_mode) == 0o600
    store = Store(dump.path.parent, Retention(count=1))
    assert [one.path for one in store.dumps()] == [dump.path], "a page is no dump"
    newer = dump.path.with_name("app_71_20261122-205605_mini.core")
    newer.touch()
    assert store.prune() == [dump.path]
    assert [path.name for path in dump.path.parent.iterdir()] == [newer.name]


def test_a_page_where_it_is_wanted(dump: Dump, tmp_path: Path) -> None:
    """In a file, or a folder; and other people's unfinished files are left alone."""
    bystander = tmp_path / "x.html.partial"
    bystander.write_text("a download")
    assert beside.page(dump.path, HTML, HTML, tmp_path / "x.html") == tmp_path / "x.html"
    folder = tmp_path / "folder"
    folder.mkdir()
    assert beside.page(dump.path, HTML, HTML, folder) == folder / f"{dump.path.stem}.html"
    assert bystander.read_text() == "a download"
    assert len(list(tmp_path.iterdir())) == 5


def test_a_page_about_another_tools_dump(tmp_path: Path) -> None:
    """Its whole name counts: core.1 and core.2 are two dumps."""
    for name in ("core.1", "core.2"):
        path = tmp_path / name
        path.touch()
        assert beside.page(path, HTML, HTML).name == f"{name}.html"


@pytest.mark.parametrize(
    "kind", ["file", "dump", "folder gone", pytest.param("link", marks=pytest.mark.linux)]
)
def test_no_page_over_anything_else(dump: Dump, tmp_path: Path, kind: str) -> None:
    """Least of all over the dump; the error says what to do."""
    other = tmp_path / "mine.html"
    other.write_text("<p>mine")
    if kind == "link":
        (tmp_path / "link.html").symlink_to(other)
    places = {"dump": dump.path, "folder gone": tmp_path / "no" / "x.html", "link": tmp_path / "link.html"}
    with pytest.raises(NotWritten) as caught:
        beside.page(dump.path, HTML, HTML, places.get(kind, other))
    assert "--html FILE" in caught.value.hint
    assert dump.path.read_bytes() == b""
    assert other.read_text() == "<p>mine"
