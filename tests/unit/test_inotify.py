"""Events of inotify, from bytes."""

from __future__ import annotations

from tray.ffi import inotify


def test_events_are_taken_apart():
    """Header, padded name, and an event of the folder itself without one."""
    content = inotify.HEADER.pack(1, inotify.IN_CREATE, 0, 16) + b"settings.toml\0\0\0"
    content += inotify.HEADER.pack(2, inotify.IN_IGNORED, 0, 0)
    assert list(inotify.events(content)) == [
        inotify.Event(1, inotify.IN_CREATE, b"settings.toml"),
        inotify.Event(2, inotify.IN_IGNORED, b""),
    ]
    assert list(inotify.events(b"")) == []
