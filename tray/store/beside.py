"""What is written beside a finished dump: its sidecar anew, its report, and the page about it."""

from __future__ import annotations

import errno
import os

from tray.errors import NotWritten
from tray.lean import TYPE_CHECKING
from tray.packed import base
from tray.patience import patiently
from tray.store import folder as folders
from tray.store import names, sidecar
from tray.store.partial import create_locked, write_all

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from tray.model import Dump

HEAD = "Hangshot report\n"
"""How each of our reports begins. A file that does not is somebody else's, and is never overwritten."""
_OTHER_NAME = "Give another name ('hangshot inspect --html FILE'), or remove that file."
_WITHOUT = "'hangshot inspect' reads it too, and writes nothing."


def update(path: Path, dump: Dump | None, report: str) -> Path:
    """Write a report beside a dump, and its sidecar anew; gives where the report lies.

    Each is whole at any moment, and neither outlives the dump.

    Args:
        path: The dump.
        dump: What is known about it now; None where it has no sidecar.
        report: A text for people, without `HEAD`.

    Raises:
        NotWritten: One of them cannot be written; the one before it stays as it was.
    """
    place = base(path).with_suffix(names.REPORT)
    try:
        if place == path or not _ours(place, HEAD.encode()):
            raise NotWritten(f"{place} is not a report of ours, and stays.", hint="Rename it, or the dump.")
        _put(place, f"{HEAD}\n{report}\n".encode("utf-8", "replace"), path)
        if dump:
            _put(dump.sidecar, sidecar.text(dump).encode(), path)
    except OSError as error:
        raise NotWritten(str(folders.trouble(place, error)), hint=_WITHOUT) from error
    return place


def page(path: Path, content: bytes, head: bytes, chosen: Path | None = None) -> Path:
    """Write a page about a dump, private; gives where it lies: beside the dump, if it was not ``chosen``.

    Args:
        path: The dump.
        content: All of the page.
        head: What each page begins with. A file that does not stays as it is.
        chosen: The file, or the folder for it, that the user named.

    Raises:
        NotWritten: It cannot be, or another file has the name.
    """
    ours = base(path).suffix in names.FORMATS
    place = base(path).with_suffix(names.PAGE) if ours else path.with_name(path.name + names.PAGE)
    if chosen is not None:
        place = chosen / place.name if chosen.is_dir() else chosen
    try:
        if not _ours(place, head):
            raise NotWritten(f"{place} is there already, and is no page of ours.", hint=_OTHER_NAME)
        _put(place, content, path, aside=chosen is not None)
    except OSError as error:
        raise NotWritten(str(folders.trouble(place, error))) from error
    return place


def _ours(path: Path, head: bytes) -> bool:
    """Whether we may write there: nothing lies there, or what we wrote earlier."""
    if not os.path.lexists(path):
        return True
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(head)) == head


def _put(path: Path, content: bytes, dump: Path, *, aside: bool = False) -> None:
    """Put a file in its place, private and synced; take it away again if the dump went meanwhile.

    ``aside`` from our own folder, nobody else's unfinished file can be meant by its name.
    """
    own = f".{path.name}.{os.getpid()}" if aside else path.name
    partial = path.with_name(own + names.PARTIAL)
    file = _claimed(partial)
    try:
        write_all(file, content)
        os.fsync(file.fileno())
        file.close()
        patiently(lambda: partial.replace(path))
    except BaseException:
        file.close()
        partial.unlink(missing_ok=True)
        raise
    if not dump.exists():
        path.unlink(missing_ok=True)


def _claimed(partial: Path) -> BinaryIO:
    """The unfinished file; what a dead writer left there goes first."""
    try:
        file = create_locked(partial)
    except FileExistsError:
        folders.remove_unwritten(partial)
        file = create_locked(partial)
    if file is None:
        raise FileExistsError(errno.EEXIST, "another Hangshot writes it just now", str(partial))
    return file
