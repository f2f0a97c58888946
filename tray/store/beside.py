"""What is written beside a finished dump: its sidecar anew, and its report."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, BinaryIO

from tray.errors import StoreUnusable
from tray.store import folder as folders
from tray.store import names, sidecar
from tray.store.partial import create_locked, write_all

if TYPE_CHECKING:
    from pathlib import Path

    from tray.model import Dump

HEAD = "Hangshot report\n"
"""How each of our reports begins. A text that does not is somebody else's, and is never overwritten."""


def update(path: Path, dump: Dump | None, report: str) -> Path:
    """Write a report beside a dump, and its sidecar anew; gives where the report lies.

    Each is whole at any moment, and neither outlives the dump.

    Args:
        path: The dump.
        dump: What is known about it now; None where it has no sidecar.
        report: A text for people, without `HEAD`.

    Raises:
        StoreUnusable: One of them cannot be written; the one before it stays as it was.
    """
    place = path.with_suffix(names.REPORT)
    try:
        if place == path or not _ours(place):
            raise StoreUnusable(
                f"{place} is not a report of ours, and stays.", hint="Rename it, or the dump."
            )
        _put(place, f"{HEAD}\n{report}\n", path)
        if dump:
            _put(dump.sidecar, sidecar.text(dump), path)
    except OSError as error:
        raise folders.trouble(place, error) from error
    return place


def _ours(path: Path) -> bool:
    """Whether we may write there: nothing lies there, or an earlier report."""
    if not os.path.lexists(path):
        return True
    if path.is_symlink() or not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(len(HEAD)) == HEAD


def _put(path: Path, text: str, dump: Path) -> None:
    """Put a file in its place, private and synced; take it away again if the dump went meanwhile."""
    partial = path.with_name(path.name + names.PARTIAL)
    file = _claimed(partial)
    try:
        write_all(file, text.encode("utf-8", "replace"))
        os.fsync(file.fileno())
        file.close()
        partial.replace(path)
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
