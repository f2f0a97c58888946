"""Settings ↔ TOML: values, mistakes with their lines, changes that keep comments."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path

import platformdirs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tray import settings
from tray.errors import BadSettings
from tray.model import Retention
from tray.modes import How
from tray.settings import Settings, content, edit, read, watch
from tray.settings.edit import default
from tray.settings.read import line_of
from tray.settings.watch import Watch

FILE = Path("/home/me/.config/hangshot/settings.toml")
FOLDER = Path.home() / "dumps"


def parse(toml: str) -> Settings:
    """The settings in a text."""
    return read.parse(toml, FILE)


def test_no_file_means_the_defaults(tmp_path):
    """The first start needs no set-up."""
    found = settings.load(tmp_path / "settings.toml")
    assert found == Settings()
    assert (found.hotkey, found.mode, found.notify_after) == ("ctrl+alt+shift+d", "mini", 1.0)
    assert found.retention == Retention(20, 30, 10 << 30)
    assert found.folder.parts[-2:] == ("hangshot", "dumps")
    assert settings.path().parts[-2:] == ("hangshot", "settings.toml")


@pytest.mark.parametrize("home", ["/home/me", "/", "/home/me/", "", "me", None])
@pytest.mark.parametrize("chosen", ["/srv/xdg", "/srv/xdg/", "xdg", "", None])
def test_folders_are_those_of_platformdirs(monkeypatch, home, chosen):
    """Found without it or by it, they are the same, and nothing in them is made."""
    for name, value in {"HOME": home, "XDG_CONFIG_HOME": chosen, "XDG_DATA_HOME": chosen}.items():
        if value is not None:
            monkeypatch.setenv(name, value)
        elif name in os.environ:
            monkeypatch.delenv(name)
    assert settings.path().parent == platformdirs.user_config_path("hangshot", appauthor=False)
    assert Settings().folder.parent == platformdirs.user_data_path("hangshot", appauthor=False)


def test_the_default_file_says_what_the_defaults_are(tmp_path):
    """What `create` writes changes nothing, and shows every setting."""
    path = tmp_path / "new" / "settings.toml"
    edit.create(path)
    assert settings.load(path) == Settings()
    assert read.problems(path) == []
    for key in (
        "hotkey",
        "mode",
        "capture",
        "low_impact",
        "compress",
        "folder",
        "notify_after",
        "count",
        "days",
        "size",
    ):
        assert f"{key} = " in path.read_text()
    uncommented = default().replace("# folder = ", "folder = ")
    assert parse(uncommented) == Settings()


def test_create_leaves_a_file_alone(tmp_path):
    """Also an empty one."""
    path = tmp_path / "settings.toml"
    path.touch()
    edit.create(path)
    assert path.read_bytes() == b""


def test_every_value_is_read():
    """All at once, sizes with units, numbers with and without a point."""
    found = parse(
        "hotkey = ' win+f12 '\nmode = 'full'\ncapture = 'stop'\ncompress = 'zstd'\n"
        f"folder = '{FOLDER}'\nnotify_after = 2\nlow_impact = true\n"
        '[retention]\ncount = 0\ndays = 7\nsize = "1.5 GB"\n'
    )
    kept = Retention(0, 7, 1_500_000_000)
    assert found == Settings("win+f12", "full", How.STOP, "zstd", FOLDER, 2.0, kept, low_impact=True)
    assert parse("retention = {size = 5}").retention.size == 5
    assert parse('folder = "~/x"').folder == Path.home() / "x"


@pytest.mark.parametrize(
    ("toml", "line", "cause"),
    [
        ('hotkey = "a"\nmode = mini\n', 2, 'text stands in quotes, as in mode = "heap"'),
        ("capture = stop  # please", 1, "text stands in quotes"),
        ("low_impact = True", 1, "yes and no are written as true and false"),
        ("low_impact = yes # no", 1, "yes and no are written as true and false"),
        ("compress = true", 1, """'compress' must be "none" or "zstd", not true."""),
        ('compress = "ZST"', 1, """'compress' must be "none" or "zstd", not 'ZST'; did you mean 'zstd'?"""),
        ('capture = "STOP"', 1, "did you mean 'stop'?"),
        ('\n\nhotkey = "a\nmode = "mini"', 3, "illegal character"),
        ("mode = ", 1, "invalid value"),
        ('\nfolder = "C:\\Users\\ann"', 2, "single quotes, as in folder = 'C:\\Dumps'"),
        ('folder = "D:\\dumps"', 1, "single quotes"),
        (
            '# a\nmode = "mni"',
            2,
            """'mode' must be "mini", "heap", "full" or "triage", not 'mni'; did you mean 'mini'?""",
        ),
        ("mode = 7", 1, """"triage", not 7"""),
        ("\nhotkey = 7", 2, "'hotkey' must be a combination of keys in quotes"),
        ('hotkey = " "', 1, "'hotkey' must be"),
        ('folder = "here"', 1, "'folder' must be a whole path"),
        ("folder = 5", 1, "'folder' must be a whole path"),
        pytest.param('folder = "~nobody-of-this-name/x"', 1, "nobody's home", marks=pytest.mark.linux),
        ("notify_after = true", 1, "'notify_after' must be a number of seconds"),
        ('low_impact = "yes"', 1, "'low_impact' must be true or false, without quotes"),
        ("low_impact = 1", 1, "'low_impact' must be true or false"),
        ("notify_after = -1", 1, "'notify_after' must be a number of seconds"),
        ("notify_after = nan", 1, "'notify_after' must be a number of seconds"),
        ("retention = 5", 1, "'retention' must be a table"),
        ("[[retention]]", 1, "'retention' must be a table"),
        ("[retention]\n\ncount = -1", 3, "'count' must be a whole number"),
        ("[retention]\ncount = true", 2, "'count' must be a whole number"),
        ("[retention]\ndays = 1.5", 2, "'days' must be a whole number"),
        ('[retention]\nsize = "10 apples"', 2, "'size' must be a size in quotes"),
        ("[retention]\nsize = []", 2, "'size' must be a size in quotes"),
        ("retention.count = -1", 1, "'count' must be"),
        ("hotkey = 'a'\nretention = {days = -1}", 2, "'days' must be"),
        (f"mode = {'9' * 5000}", 1, "exceeds the limit"),
        (f"mode = {'[' * 50_000}", 1, "recursion"),
        ("hotkey = 'a'\nhotkey = 'b'", 2, "cannot overwrite a value"),
    ],
)
def test_a_mistake_is_told_with_its_line(toml, line, cause):
    """Line, cause, file and next step, for syntax, kind and value alike."""
    with pytest.raises(BadSettings) as caught:
        parse(toml)
    assert caught.value.line == line
    assert str(caught.value).startswith(f"settings.toml, line {line}: ")
    assert cause in str(caught.value)
    assert str(FILE) in caught.value.hint


def test_what_is_unknown_is_a_warning(tmp_path, expected_warnings):
    """A key of a later version, or a typo: the rest still counts, and the nearest name is told."""
    path = tmp_path / "settings.toml"
    path.write_text('mode = "heap"\nhotky = "a"\n[retention]\ncont = 5\n[sound]\nzzz = 1\n')
    found = settings.load(path)
    assert found.mode == "heap"
    assert found.warnings == (
        "settings.toml, line 2: there is no setting 'hotky'; did you mean 'hotkey'?",
        "settings.toml, line 5: there is no setting 'sound'.",
        "settings.toml, line 4: there is no setting 'cont'; did you mean 'count'?",
    )
    assert tuple(expected_warnings.messages) == found.warnings == tuple(read.problems(path))


@pytest.mark.parametrize(
    "toml",
    [
        "[retention]\ncuont = 50",
        "[retention]\ncount = 5\nsise = '100 GB'",
        "[retentoin]\ncount = 50",
        "retention.dayz = 365",
        "retention = {cnt = 50}",
        "count = 50",
        "[Retention]\ncount = 50",
        "mode = 'heap'\n[limits]\nmax = 50",
        "foldr = '/srv/dumps'\n[retention]\ncount = 2",
    ],
)
def test_what_nobody_understands_may_be_a_limit(toml):
    """As long as any key is misspelled no dump is removed, neither by the defaults nor in another folder."""
    found = parse(toml)
    assert found.warnings
    assert found.retention == Retention()


def test_a_mistake_is_a_problem_too(tmp_path):
    """For doctor: one list, whatever is wrong."""
    path = tmp_path / "settings.toml"
    path.write_text("mode = 5")
    assert len(read.problems(path)) == 1


@pytest.mark.parametrize(
    ("toml", "key", "section", "line"),
    [
        ('[retention]\nmode = 1\n[other]\n"mode" = 2', "mode", "", 1),
        ("mode = 0\n[retention]\nmode = 1", "mode", "retention", 3),
        ("a = 1\n['retention'] # why\n  'count'=1", "count", "retention", 3),
        ("a = 1\nretention . count = 1", "count", "retention", 2),
        ("a = 1\nretention.size = 1", "retention", "", 2),
        ("# count = 1\n[retention]\ncounter = 1\ncount = 1", "count", "retention", 4),
        ("a = 1\n[sound]", "sound", "", 2),
    ],
)
def test_the_line_of_a_key_is_found(toml, key, section, line):
    """Under its header, dotted, quoted; not in comments, not in another table."""
    assert line_of(toml, key, section) == line


def test_a_file_from_notepad_is_read(tmp_path):
    """With a byte order mark and its line ends."""
    path = tmp_path / "settings.toml"
    path.write_bytes(b'\xef\xbb\xbf# hi\r\nmode = "full"\r\n')
    assert settings.load(path).mode == "full"


def test_bytes_that_are_no_text_are_told_with_their_line(tmp_path):
    """Latin-1, most of the time."""
    path = tmp_path / "settings.toml"
    path.write_bytes(b'mode = "mini"\n# Gr\xf6\xdfe\n')
    with pytest.raises(BadSettings, match="line 2: this is not UTF-8 text"):
        settings.load(path)


def test_a_file_that_cannot_be_read_is_said(tmp_path):
    """A folder of that name, for one."""
    with pytest.raises(BadSettings, match=r"cannot be read: (Is a directory|Permission denied)") as caught:
        settings.load(tmp_path)
    assert caught.value.line is None


@given(st.text(max_size=60))
def test_no_text_brings_the_reader_down(toml):
    """Any text gives settings or a BadSettings."""
    try:
        parse(toml)
    except BadSettings as error:
        assert error.line  # noqa: PT017 - not every text has a mistake


@given(st.sampled_from(["hotkey", "mode", "folder", "notify_after", "retention"]), st.integers() | st.text())
def test_no_value_brings_the_reader_down(key, value):
    """Any value of any key gives settings or a BadSettings."""
    import tomlkit

    try:
        parse(tomlkit.dumps({key: value}))
    except BadSettings as error:
        assert error.line  # noqa: PT017 - not every value is wrong


def test_change_keeps_everything_else(tmp_path):
    """Comments, order, spaces, line ends and mode of the file survive."""
    path = tmp_path / "settings.toml"
    path.write_bytes(b'# mine\r\nmode   = "mini" # small\r\n\r\n[retention]\r\ncount = 3\r\n')
    path.chmod(0o640)
    edit.change(path, "mode", "heap")
    edit.change(path, "retention.count", 5)
    edit.change(path, "notify_after", 2.5)
    content = path.read_bytes()
    assert b'# mine\r\nmode   = "heap" # small\r\n' in content
    assert b"[retention]\r\ncount = 5\r\n" in content
    found = settings.load(path)
    assert (found.mode, found.notify_after, found.retention.count) == ("heap", 2.5, 5)
    assert os.name == "nt" or stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == ["settings.toml"]


def test_change_without_a_file_writes_the_commented_one(tmp_path):
    """A choice in the menu gives the user a file to look at."""
    path = tmp_path / "new" / "settings.toml"
    edit.change(path, "mode", "full")
    assert settings.load(path).mode == "full"
    assert "# The keys that dump the app in front" in path.read_text()


def test_change_can_make_a_table(tmp_path):
    """A file of one line has no [retention] yet."""
    path = tmp_path / "settings.toml"
    path.write_text('mode = "heap"\n')
    edit.change(path, "retention.size", "5 GB")
    assert settings.load(path).retention.size == 5 * 10**9


@pytest.mark.linux
def test_change_follows_a_link(tmp_path):
    """Settings kept among dotfiles stay there."""
    real = tmp_path / "dotfiles.toml"
    real.write_text('mode = "mini"\n')
    path = tmp_path / "settings.toml"
    path.symlink_to(real)
    edit.change(path, "mode", "heap")
    assert path.is_symlink()
    assert 'mode = "heap"' in real.read_text()


@pytest.mark.parametrize(("content", "value"), [(b"mode = \n", "heap"), (b'mode = "mini"\n', "nonsense")])
def test_change_leaves_a_file_with_a_mistake_alone(tmp_path, content, value):
    """Neither a broken file nor a bad value is written."""
    path = tmp_path / "settings.toml"
    path.write_bytes(content)
    with pytest.raises(BadSettings):
        edit.change(path, "mode", value)
    assert path.read_bytes() == content


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    """It is replaced only when the new one is on the disk."""
    path = tmp_path / "settings.toml"
    path.write_text('mode = "mini"\n')

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadSettings, match="No space left"):
        edit.change(path, "mode", "heap")
    assert [entry.name for entry in tmp_path.iterdir()] == ["settings.toml"]
    assert path.read_text() == 'mode = "mini"\n'


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    """Create tells cause and next step."""
    (tmp_path / "file").touch()
    with pytest.raises(BadSettings, match="cannot be written") as caught:
        edit.create(tmp_path / "file" / "settings.toml")
    assert "See that you may write" in caught.value.hint


@pytest.mark.linux  # to Windows a file within a file is a missing one
def test_what_cannot_be_looked_for_is_no_missing_file(tmp_path: Path):
    """Only where there is none the defaults are right."""
    (tmp_path / "file").touch()
    with pytest.raises(BadSettings, match="cannot be read"):
        settings.load(tmp_path / "file" / "settings.toml")


@pytest.mark.linux  # nowhere else do pipes and devices lie among files
@pytest.mark.parametrize("device", [None, "/dev/zero"])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, device: str | None):
    """A pipe that nobody writes to and a device without end are a mistake, not a hang."""
    path = tmp_path / "settings.toml"
    if device:
        path.symlink_to(device)
    else:
        os.mkfifo(path)
    with pytest.raises(BadSettings, match="it is no plain file") as caught:
        settings.load(path)
    assert "Mend or remove it" in caught.value.hint
    Watch(path, lambda: None).close()


def test_a_file_far_too_large_is_not_read(tmp_path: Path):
    """No memory is filled with it."""
    path = tmp_path / "settings.toml"
    with path.open("wb") as file:
        file.truncate(content.LARGEST + 1)
    with pytest.raises(BadSettings, match="larger than 1 MB"):
        settings.load(path)


def test_a_folder_where_something_always_changes_starves_no_settings(tmp_path: Path, monkeypatch):
    """They are looked at in the end."""
    path = tmp_path / "settings.toml"
    restless, told = Restless(path), threading.Event()
    monkeypatch.setattr(watch, "_events", lambda _: restless)
    watching = Watch(path, told.set)
    assert told.wait(5)
    watching.close()


class Restless:
    """Events without end (`tray.settings.watch.Events`): the file is new after the first one."""

    def __init__(self, path: Path) -> None:
        self.path, self.open = path, True

    def wait(self, _seconds: float | None) -> bool:
        """Always one more."""
        self.path.touch()
        return self.open

    def stop(self) -> None:
        """From another thread."""
        self.open = False

    def close(self) -> None:
        """Nothing to give back."""
