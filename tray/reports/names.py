"""Short names of files, from paths of any system."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def last(path: str) -> str:
    """The last part of a path, whether Unix or Windows wrote it."""
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2]


def namer() -> Callable[[str], str]:
    """What turns a linker's name into the author's."""
    try:
        from pydemumble import demangle
    except ImportError:
        return str
    return lambda name: demangle(name) or name
