"""The rules of the watch over the settings, for every system that tells of changes."""

from __future__ import annotations

import os
import queue
import shutil

import pytest

from tray.patience import patiently
from tray.settings import edit
from tray.settings.watch import Watch


def arrives(told, content):
    """Whether this content is told in the end; what lay between two steps of saving may be told too."""
    while told.get(timeout=5) != content:
        pass
    return True


class WatchContract:
    """What every watch does."""

    @pytest.fixture
    def path(self, tmp_path):
        """A settings file whose folder is not there yet."""
        return tmp_path / "config" / "settings.toml"

    @pytest.fixture
    def told(self, path):
        """What the file held each time that a change was told."""
        changes = queue.Queue()
        watch = Watch(path, lambda: changes.put(path.read_text() if path.exists() else None))
        yield changes
        watch.close()
        watch.close()

    def test_each_way_of_saving_is_seen(self, path, told):
        """Written in place, put in its place, moved away and made anew, through change().

        Patiently, as editors do on Windows: whoever is told of a change reads the file, which is then held.
        """
        path.write_text("one")
        assert arrives(told, "one")
        beside = path.with_name(".settings.swp")
        beside.write_text("two")
        patiently(lambda: beside.replace(path))
        assert arrives(told, "two")
        patiently(lambda: path.rename(path.with_name("settings.toml~")))
        path.write_text("# three")
        assert arrives(told, "# three")
        edit.change(path, "mode", "heap")
        assert arrives(told, path.read_text())
        patiently(path.unlink)
        assert arrives(told, None)

    def test_what_changes_nothing_is_not_told(self, path, told):
        """Another file, a touch, the same content again: none of them; then a real change."""
        path.with_name("other").write_text("x")
        path.touch()
        assert arrives(told, "")
        path.write_text("")
        os.utime(path)
        path.write_text("real")
        assert arrives(told, "real")
        assert told.empty()

    def test_a_folder_removed_and_made_again_is_still_watched(self, path, told):
        """Removing all settings is no reason to go blind."""
        path.write_text("one")
        assert arrives(told, "one")
        shutil.rmtree(path.parent)
        assert arrives(told, None)
        path.write_text("two")
        assert arrives(told, "two")

    def test_closing_from_the_callback_is_fine(self, path):
        """No join of a thread with itself."""
        closed = queue.Queue()
        watch = Watch(path, lambda: closed.put(watch.close()))
        path.write_text("x")
        closed.get(timeout=5)
        watch._thread.join(5)
        assert not watch._thread.is_alive()

    def test_a_folder_that_cannot_be_watched_is_said(self, tmp_path, expected_warnings):
        """Nothing is watched, and closing works."""
        (tmp_path / "file").touch()
        Watch(tmp_path / "file" / "settings.toml", lambda: None).close()
        assert "will need a restart" in expected_warnings.messages[0]
