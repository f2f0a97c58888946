"""A browser that comes as a snap gets a copy of a page that lies where it cannot look."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from tray.desktop import snaps

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.linux

ENTRY = "[Desktop Entry]\nX-SnapInstanceName={name}\nName=Firefox\nExec=/snap/bin/firefox %u\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose browser is the snap ``firefox``, with a page among the dumps."""
    home = tmp_path / "home"
    dumps = home / ".local/share/hangshot/dumps"
    dumps.mkdir(parents=True)
    (dumps / "app.html").write_text("<p>page")
    (home / "snap/firefox/common").mkdir(parents=True)
    places = tmp_path / "snapd"
    (places / "applications").mkdir(parents=True)
    (places / "applications/firefox_firefox.desktop").write_text(ENTRY.format(name="firefox"))
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "xdg-mime").write_text("#!/bin/sh\necho firefox_firefox.desktop\n")
    (programs / "xdg-mime").chmod(0o755)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_DIRS", raising=False)
    monkeypatch.setattr(snaps, "INSTALLED", places)
    return home


def page(home: Path) -> Path:
    """The page."""
    return home / ".local/share/hangshot/dumps/app.html"


def test_a_snap_gets_one_copy(home: Path) -> None:
    """Private, in the snap's own folder; the copy of another page goes."""
    other = page(home).with_name("other.html")
    other.write_text("<p>other")
    for one in (other, page(home)):
        copy = snaps.readable(one)
        assert copy == home / "snap/firefox/common/hangshot" / one.name
        assert copy.read_text() == one.read_text()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert stat.S_IMODE(copy.parent.stat().st_mode) == 0o700
    assert list(copy.parent.iterdir()) == [copy]


def test_what_it_can_see_is_not_copied(home: Path) -> None:
    """A page in the open is shown where it is."""
    visible = home / "reports" / "app.html"
    visible.parent.mkdir()
    visible.write_text("<p>page")
    assert snaps.readable(visible) == visible
    assert not (home / "snap/firefox/common/hangshot").exists()


@pytest.mark.parametrize(
    "case", ["no snap", "no answer", "no xdg-mime", "no entry", "damaged", "hostile", "never run"]
)
def test_everything_else_is_shown_where_it_is(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """Whatever is not surely a snap gets the page itself."""
    entry, asked = tmp_path / "snapd/applications/firefox_firefox.desktop", tmp_path / "programs/xdg-mime"
    changes = {
        "no snap": lambda: entry.write_text("[Desktop Entry]\nName=Firefox\n"),
        "no answer": lambda: asked.write_text("#!/bin/sh\nexit 1\n"),
        "no xdg-mime": lambda: monkeypatch.setenv("PATH", str(tmp_path)),
        "no entry": entry.unlink,
        "damaged": lambda: entry.write_bytes(b"\xff\xfe[[["),
        "hostile": lambda: entry.write_text(ENTRY.format(name="../../..")),
        "never run": (home / "snap/firefox/common").rmdir,
    }
    changes[case]()
    assert snaps.readable(page(home)) == page(home)


def test_a_copy_that_cannot_be_made(home: Path) -> None:
    """Costs nothing but the copy."""
    (home / "snap/firefox/common/hangshot").write_text("a file in its place")
    assert snaps.readable(page(home)) == page(home)
