"""Short names of files, from paths of any system."""

from __future__ import annotations

from tray.lean import TYPE_CHECKING, pattern

if TYPE_CHECKING:
    from collections.abc import Callable


_HARMFUL = pattern('["%$`\u201c-\u201f]')
"""What means something between double quotes, to cmd or PowerShell; which takes typographic ones for quotes, too."""
_WINDOWS = pattern(r"(?i)[A-Z]:\\Windows\\.*\.(?!exe$)\w+")


def is_windows(path: str) -> bool:
    """Whether this is a library of Windows itself."""
    return bool(_WINDOWS.fullmatch(path))


def last(path: str) -> str:
    """The last part of a path, whether Unix or Windows wrote it."""
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2]


def pasted(path: str, otherwise: str, *, windows: bool = False) -> str:
    """A path from a dump as one word of a command to paste: it does nothing there but name a file.

    Who made the dump chose it: one that begins with a dash would be an option, such as gdb's to run
    a command, and one with a quote may end the word.

    Args:
        path: As the dump tells it.
        otherwise: Stands for one that no file has, or that could do more.
        windows: For cmd and PowerShell, not for a shell of Linux.
    """
    if not path or not path.isprintable():
        return otherwise
    path = f"./{path}" if path.startswith("-") else path
    if not windows:
        from shlex import quote

        return quote(path)
    return otherwise if _HARMFUL.search(path) else f'"{path}"'


def namer() -> Callable[[str], str]:
    """What turns a linker's name into the author's."""
    try:
        from pydemumble import demangle
    except ImportError:
        return str
    return lambda name: demangle(name) or name
