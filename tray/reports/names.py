"""Short names of files, from paths of any system."""

from __future__ import annotations


def last(path: str) -> str:
    """The last part of a path, whether Unix or Windows wrote it."""
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2]
