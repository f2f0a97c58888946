"""Short names of files, from paths of any system."""

from __future__ import annotations

from tray.lean import TYPE_CHECKING, pattern

if TYPE_CHECKING:
    from collections.abc import Callable


_WINDOWS = pattern(r"(?i)[A-Z]:\\Windows\\.*\.(?!exe$)\w+")


def is_windows(path: str) -> bool:
    """Whether this is a library of Windows itself."""
    return bool(_WINDOWS.fullmatch(path))


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
