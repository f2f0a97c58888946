"""list, open, prune and doctor, on a store of their own."""

from __future__ import annotations

import json
import os
import re
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from rich.cells import cell_len
from stored import TAKEN, describe

from tray import cli, settings
from tray.commands import doctor
from tray.commands import list as listing
from tray.desktop import Health
from tray.errors import BadSettings, Unsupported
from tray.model import Retention, Target, Trigger
from tray.modes import MODES
from tray.store import Store


@pytest.fixture
def store(tmp_path, monkeypatch):
    """The store that the settings name, and no display."""
    path = tmp_path / "settings.toml"
    folder = tmp_path / "dumps"
    path.write_text(f"folder = {json.dumps(str(folder))}\n[retention]\ncount = 2\n")
    monkeypatch.setattr(settings, "path", lambda: path)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return Store(folder, Retention())


def take(store, name, age=0):
    """A finished dump."""
    target, taken = Target(42, 7, name), TAKEN - timedelta(days=age)
    with store.begin(target, MODES["mini"], ".core", taken, need=0) as partial:
        partial.file.write(b"x")
        return partial.finish(describe(partial, taken, target, Trigger.HOTKEY, 0.25))


def test_list_says_where_to_begin(store, capsys):
    """An empty store is no error, and nothing on standard output."""
    assert cli.main(["list"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "'hangshot dump NAME' takes one" in said.err


def test_list_in_columns(store, capsys):
    """Plain columns where it is no terminal: head, newest first, path last."""
    old, new = take(store, "an app\x1b[31m", age=1), take(store, "gimp")
    assert cli.main(["list"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == list(listing.HEAD)
    assert [row.split("  ")[-1] for row in rows] == [str(new.path), str(old.path)]
    assert "an app?[31m" in rows[1]
    assert rows[0].index("gimp") == head.index("APP")
    assert "250 ms  hotkey" in rows[0]


def test_wide_letters_stand_below_each_other():
    """A Chinese letter is as wide as two others."""
    rows = [("APP", "SIZE"), ("漢字", "1 B"), ("gimp", "20 kB")]
    assert listing.columns(rows, cell_len) == ["APP    SIZE", "漢字    1 B", "gimp  20 kB"]


def test_list_in_json(store, capsys):
    """One object a line, with its schema."""
    dump = take(store, "gimp")
    assert cli.main(["list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "schema": 1,
        "event": "dump",
        "id": dump.id,
        "when": "2026-11-22T19:56:05+00:00",
        "app": "gimp",
        "pid": 42,
        "mode": "mini",
        "size": 1,
        "allocated": dump.allocated,
        "pause": 0.25,
        "trigger": "hotkey",
        "path": str(dump.path),
    }


@pytest.mark.parametrize(
    ("width", "head"),
    [
        (20, "ID"),
        (36, "ID"),
        (45, "ID SIZE"),
        (52, "ID SIZE PAUSE"),
        (60, "ID SIZE PAUSE WHY"),
        (160, "WHEN APP PID MODE SIZE PAUSE WHY ID"),
    ],
)
def test_list_on_a_terminal(store, capsys, monkeypatch, width, head):
    """A table that fits, with the whole id to copy and the folder below; brackets in names are no markup."""
    dump = take(store, "[bold]gimp")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")  # a dumb one is always 80 columns wide
    monkeypatch.setenv("COLUMNS", str(width))
    assert cli.main(["list"]) == 0
    first, row, last = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    assert first.split() == head.split()
    assert dump.id in row
    assert ("[bold]gimp" in row) == (width == 160)
    assert max(len(first), len(row)) <= max(width, len(dump.id))
    assert last == f"in {store.folder}"


def test_a_broken_settings_file_is_named(store, capsys):
    """The commands that need the folder say which line to mend."""
    settings.path().write_text("folder = nowhere")
    assert cli.main(["list"]) == 11
    assert "settings.toml, line 1" in capsys.readouterr().err


@pytest.mark.linux
def test_open_prints_where_there_is_no_display(store, capsys):
    """The folder, made if need be; the last dump; a dump by the start of its id."""
    assert cli.main(["open"]) == 0
    assert capsys.readouterr().out == f"{store.folder}\n"
    dump = take(store, "gimp")
    assert cli.main(["open", "last"]) == cli.main(["open", "gim"]) == 0
    assert capsys.readouterr().out == f"{dump.path}\n" * 2
    assert cli.main(["open", "nope"]) == 3


class Desk:
    """A desktop that shows files, or has no program for it."""

    def __init__(self, error=None):
        self.shown = []
        self.error = error

    def open(self, path):
        self.shown.append(("open", path))
        if self.error:
            raise self.error

    def reveal(self, path):
        self.open(path)

    def health(self, hotkey):
        return [Health("hotkey", True, f"{hotkey} is ours")]

    def close(self):
        self.shown.append("closed")


@pytest.fixture
def desk(monkeypatch):
    """A desktop with a display."""
    desk = Desk()
    monkeypatch.setenv("DISPLAY", ":9")
    monkeypatch.setattr("tray.desktop.desktop", lambda: desk)
    return desk


def test_open_shows_on_the_desktop(store, desk, capsys):
    """Then nothing is printed, and the desktop is closed."""
    dump = take(store, "gimp")
    assert cli.main(["open"]) == cli.main(["open", "last"]) == 0
    assert desk.shown == [("open", store.folder), "closed", ("open", dump.path), "closed"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("error", [Unsupported("No file manager."), FileNotFoundError("xdg-open")])
def test_open_falls_back_to_the_path(store, desk, capsys, expected_warnings, error):
    """A desktop without a file manager still tells where the dump is."""
    desk.error = error
    assert cli.main(["open"]) == 0
    assert capsys.readouterr().out == f"{store.folder}\n"
    assert "nothing could be started" in expected_warnings.messages[0]


def test_prune_removes_what_the_settings_say(store, capsys):
    """Paths on standard output, the sum on standard error; a dry run removes nothing."""
    old = [take(store, "old", age) for age in (3, 2)]
    take(store, "new", 1)
    take(store, "newest")
    expected = f"{old[1].path}\n{old[0].path}\n"
    assert cli.main(["prune", "--dry-run"]) == 0
    said = capsys.readouterr()
    assert said.out == expected
    assert "Would remove 2 dumps and free " in said.err
    assert cli.main(["prune"]) == 0
    said = capsys.readouterr()
    assert said.out == expected
    assert "Removed 2 dumps, " in said.err
    assert len(store.dumps()) == 2
    assert cli.main(["prune"]) == 0
    assert capsys.readouterr().err == "Nothing to remove.\n"


def test_prune_waits_until_a_misspelled_setting_is_mended(store, capsys, expected_warnings):
    """It may be the limit itself: nothing goes, the mistake is named, and a new dump removes nothing either."""
    from tray.commands import dump

    for age in (3, 2, 1):
        take(store, "old", age)
    path = settings.path()
    path.write_text(path.read_text().replace("[retention]", "[retension]"))
    assert cli.main(["prune"]) == BadSettings.exit_code
    told = capsys.readouterr().err
    assert "no dump is removed" in told
    assert str(path) in told
    assert "did you mean 'retention'" in expected_warnings.messages[0]
    assert len(store.dumps()) == 3
    assert dump.wanted().retention == Retention()
    assert "No old dump is removed until that is mended" in capsys.readouterr().err


def test_prune_in_json(store, capsys):
    """A line for each dump and one for the sum."""
    gone = take(store, "old", 3)
    for age in (2, 1):
        take(store, "new", age)
    assert cli.main(["prune", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        {"schema": 1, "event": "removed", "path": str(gone.path), "size": gone.allocated},
        {"schema": 1, "event": "pruned", "count": 1, "freed": gone.allocated, "dry_run": False},
    ]


@pytest.fixture
def well(store, desk, monkeypatch):
    """A machine where all is well."""
    monkeypatch.setattr("tray.capture.health", lambda: [("rights", True, "all", "")])
    monkeypatch.setattr("shutil.which", lambda word: word if word in ("gdb", "lldb-19") else None)
    return store


def findings(capsys):
    """What doctor --json said, by part."""
    code = cli.main(["doctor", "--json"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all((line["schema"], line["event"]) == (1, "health") for line in lines)
    return code, {line["part"]: line for line in lines}


def test_doctor_of_a_well_machine(well, capsys):
    """Exit code 0, every part looked at, nothing changed."""
    code, found = findings(capsys)
    assert code == 0
    parts = ["program", "settings", "dump folder", "rights", "debuggers", "stacks", "hotkey"]
    assert list(found) == parts
    assert found["debuggers"]["found"] == "gdb, lldb-19"
    assert "will be made" in found["dump folder"]["found"]
    assert found["hotkey"]["found"] == "ctrl+alt+shift+d is ours"
    assert not well.folder.exists()
    settings.path().unlink()
    assert "the defaults are in force" in findings(capsys)[1]["settings"]["found"]


def test_doctor_says_what_to_do(well, capsys, monkeypatch):
    """Exit code 1 if anything is wrong; the others are still looked at."""

    def broken():
        raise OSError(5, "Input/output error")

    def missing():
        raise Unsupported("There is no desktop.", hint="Log in.")

    monkeypatch.setattr("tray.capture.health", broken)
    monkeypatch.setattr("tray.desktop.desktop", missing)
    monkeypatch.setattr("shutil.which", lambda word: None)
    settings.path().write_text("\nmode = 1")
    code, found = findings(capsys)
    assert code == 1
    assert "settings.toml, line 2" in found["settings"]["found"]
    assert "cannot be looked at" in found["rights"]["found"]
    assert found["desktop"]["hint"] == "Log in."
    assert found["debuggers"]["ok"]
    assert f"install {'WinDbg' if sys.platform == 'win32' else 'gdb'}" in found["debuggers"]["hint"]


def test_doctor_finds_unknown_settings(well, capsys):
    """A typo in a key is worth a visit."""
    settings.path().write_text('hotky = "x"')
    code, found = findings(capsys)
    assert code == 1
    assert "did you mean 'hotkey'" in found["settings"]["found"]


def test_doctor_in_words(well, capsys):
    """Plain lines where it is no terminal."""
    assert cli.main(["doctor"]) == 0
    assert "ok   hotkey: ctrl+alt+shift+d is ours\n" in capsys.readouterr().out
    assert doctor.lines(Health("hotkey", False, "taken", "choose another")) == [
        "BAD  hotkey: taken",
        "     → choose another",
    ]


def test_doctor_on_a_terminal(well, capsys, monkeypatch):
    """Marks, and hints below; brackets are no markup."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr("tray.capture.health", lambda: [("rights", False, "[none]", "ask [root]")])
    assert cli.main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "✗ rights  [none]\n" in said
    assert "  → ask [root]" in said
    assert "✓ hotkey" in said


posix = pytest.mark.linux  # modes


@posix
def test_the_folder_is_judged(store, monkeypatch):
    """Private and with room, or what is wrong and what to do."""
    store.make()
    well, found, _hint = store.health()
    assert well
    assert "is private, " in found
    store.folder.chmod(0o755)
    well, _found, hint = store.health()
    assert not well
    assert hint == f"Run 'chmod 700 {store.folder}'."
    monkeypatch.setattr(os, "access", lambda *arguments: False)
    assert "cannot be written" in store.health()[1]
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    assert "belongs to" in store.health()[1]


def test_a_folder_that_cannot_be_is_judged(tmp_path, monkeypatch):
    """A file in its place, or above it; one that cannot even be looked at."""
    (tmp_path / "file").touch()
    assert "is a file" in Store(tmp_path / "file", Retention()).health()[1]
    assert "cannot be made" in Store(tmp_path / "file" / "deep" / "dumps", Retention()).health()[1]

    def refuse(path, **more):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    assert "cannot be looked at" in Store(tmp_path / "x", Retention()).health()[1]


def test_the_space_is_judged(store, monkeypatch):
    """Too little is a fault; unknown is none."""

    def unknown(path):
        raise OSError(38, "Function not implemented")

    store.make()
    monkeypatch.setattr("tray.store.folder.room", unknown)
    assert store.health() == (True, f"{store.folder} is private", "")

    class Usage:
        free = 1000

    monkeypatch.setattr("tray.store.folder.room", lambda path: Usage)
    well, found, _hint = store.health()
    assert not well
    assert "only 1.0 kB are free" in found


def test_a_mistake_in_the_settings_costs_no_dump(monkeypatch, tmp_path, capsys):
    """Whoever dumps a hanging app gets it, by the defaults, and is told of the mistake and its line."""
    from tray.commands import dump
    from tray.settings import Settings

    settings = tmp_path / "settings.toml"
    monkeypatch.setattr("tray.settings.path", lambda: settings)
    settings.write_text('# mine\nmode = "fulll"\n')
    assert dump.wanted() == Settings(retention=Retention()), (
        "nothing is removed by limits that are not the user's"
    )
    told = capsys.readouterr().err
    assert "line 2" in told
    assert "defaults" in told
    assert settings.read_text() == '# mine\nmode = "fulll"\n'
