"""What ``hangshot doctor`` says of the dump folder; changes nothing."""

from __future__ import annotations

import os
import stat
import sys

from tray.lean import TYPE_CHECKING
from tray.sizes import shown
from tray.store import folder as folders
from tray.store.folder import OTHERS, RESERVE, owner

if TYPE_CHECKING:
    from pathlib import Path

MOVE = "Set another folder in the settings."


def health(folder: Path) -> tuple[bool, str, str]:
    """Whether dumps can be written there in private, in a sentence, and what to do if not."""
    try:
        found = folder.stat()
    except (FileNotFoundError, NotADirectoryError):
        return _to_be_made(folder)
    except OSError as error:
        return False, f"{folder} cannot be looked at: {error.strerror}", MOVE
    fault = _fault(folder, found)
    return (False, *fault) if fault else _space(folder, f"{folder} is private")


def _fault(folder: Path, found: os.stat_result) -> tuple[str, str] | None:
    """What is wrong with a folder that is there, and what to do; None if nothing is."""
    if not stat.S_ISDIR(found.st_mode):
        return f"{folder} is a file, not a folder", MOVE
    if sys.platform != "win32" and found.st_uid != os.geteuid():
        return f"{folder} belongs to {owner(found.st_uid)}", MOVE
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"{folder} cannot be written", f"Run 'chmod u+rwx {folder}', or set another folder."
    if sys.platform != "win32" and found.st_mode & OTHERS:
        return f"others may look into {folder}", f"Run 'chmod 700 {folder}'."
    return None


def _to_be_made(folder: Path) -> tuple[bool, str, str]:
    """A folder that the first dump makes, if it can."""
    above = next(parent for parent in folder.parents if parent.exists())
    if not (above.is_dir() and os.access(above, os.W_OK | os.X_OK)):
        return False, f"{folder} cannot be made: {above} cannot be written", MOVE
    return _space(above, f"{folder} will be made for the first dump")


def _space(folder: Path, found: str) -> tuple[bool, str, str]:
    """The same, with the free space."""
    try:
        free = folders.room(folder).free
    except OSError:
        return True, found, ""
    if free < RESERVE:
        return False, f"{found}, but only {shown(free)} are free", f"Free some space. {MOVE}"
    return True, f"{found}, {shown(free)} free", ""
