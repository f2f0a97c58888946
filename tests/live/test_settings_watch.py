"""The settings file, watched with real inotify."""

from __future__ import annotations

import errno
import os

import pytest
from contract.test_settings_watch import WatchContract, arrives

from tray.ffi.inotify import Inotify
from tray.settings.watch import Watch

pytestmark = pytest.mark.linux


class TestInotify(WatchContract):
    """Linux tells of changes."""

    def test_a_link_is_followed_to_its_folder(self, path, told, tmp_path):
        """Settings among dotfiles: linked later, then changed there."""
        real = tmp_path / "dotfiles" / "hangshot.toml"
        real.parent.mkdir()
        real.write_text("one")
        path.symlink_to(real)
        assert arrives(told, "one")
        real.write_text("two")
        assert arrives(told, "two")

    def test_without_inotify_the_log_says_so(self, path, monkeypatch, expected_warnings):
        """A system out of instances still runs the tray."""

        def refuse(self):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        monkeypatch.setattr(Inotify, "__init__", refuse)
        Watch(path, lambda: None).close()
        assert "will need a restart" in expected_warnings.messages[0]

    def test_a_failing_call_says_why(self, tmp_path):
        """OSError with errno, as for every foreign call."""
        with Inotify() as inotify:
            with pytest.raises(FileNotFoundError):
                inotify.add(tmp_path / "none", 8)
            assert inotify.read() == []
