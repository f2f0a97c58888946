"""Settings → TOML: the first file, and changes that keep what the user wrote."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tray.errors import BadSettings
from tray.lean import TYPE_CHECKING
from tray.patience import patiently
from tray.settings import read
from tray.settings.values import dumps_folder

if TYPE_CHECKING:
    from typing import Any

TEMPLATE = """\
# Hangshot's settings. They take effect when this file is saved; no restart is needed.

# The keys that dump the app in front. Modifiers: ctrl, alt, shift, windows.
hotkey = "ctrl+alt+shift+d"

# What hotkey and menu dump: "mini" (stacks; small enough to mail),
# "heap" (and the app's own memory), "full" (everything), or "triage" (calls alone, for sharing).
mode = "mini"

# How heap and full dumps read the memory of a Linux app. "stop": it stands still until all is
# copied. "snapshot": it stands still for a moment only, and what it held then is copied
# while it runs on; not where that could do harm. "auto": whichever is better.
capture = "auto"

# true: heap and full dumps of Linux apps give way to all else that wants the processor or the
# disk, once the app runs again. They may take longer then.
low_impact = false

# "zstd" packs each dump once the app runs again: smaller files that take longer to write
# and to open. Hangshot reads them as they are; for other programs: unzstd FILE.
compress = "none"

# Where dumps go. Only you can look into this folder: dumps hold what the app had
# in memory, passwords too.
# folder = {folder}

# Seconds a dump may take before a toast shows how far it is.
notify_after = 1.0

# After each dump the oldest are removed while any limit is passed. 0 means no limit.
# The newest is always kept, and so is every dump that you rename.
[retention]
count = 20
days = 30
size = "10 GiB"
"""


def default() -> str:
    """The file as it is when nobody has changed anything."""
    return TEMPLATE.format(folder=json.dumps(str(dumps_folder()), ensure_ascii=False))


def create(path: Path) -> None:
    """Write the commented default file, unless there is a file already.

    Raises:
        BadSettings: It cannot be written.
    """
    if os.path.lexists(path):
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(default())
    except OSError as error:
        raise _unwritable(path, error) from error


def change(path: Path, key: str, value: str | float) -> None:
    """Set one value and keep all else as it is, comments too; the file is replaced at once.

    Args:
        path: The settings file; made from the default if there is none.
        key: As in the file, with a dot for a table: ``retention.count``.
        value: Its new value.

    Raises:
        BadSettings: The file has a mistake, the value makes none of sense, or the
            file cannot be written. It is as it was.
    """
    before = read.text(path) or default()
    read.parse(before, path)
    after = _changed(before, key, value)
    read.parse(after, path)
    try:
        _replace(path, after)
    except OSError as error:
        raise _unwritable(path, error) from error


def _changed(toml: str, key: str, value: str | float) -> str:
    """The text with one value set."""
    import tomlkit

    document = tomlkit.parse(toml)
    *sections, name = key.split(".")
    table: Any = document
    for section in sections:
        table = table.setdefault(section, tomlkit.table())
    table[name] = value
    return tomlkit.dumps(document)


def _replace(path: Path, text: str) -> None:
    """Write a file beside it and rename that over it, so that no reader sees half a file.

    A link is followed: settings kept among other dotfiles stay there.
    """
    real = Path(os.path.realpath(path))
    real.parent.mkdir(parents=True, exist_ok=True)
    import tempfile

    descriptor, name = tempfile.mkstemp(dir=real.parent, prefix=f".{real.name}.")
    beside = Path(name)
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - of a descriptor
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        _keep_mode(real, beside)
        patiently(lambda: beside.replace(real))  # our own watch may be reading it
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _keep_mode(old: Path, new: Path) -> None:
    """Give the new file the old one's mode."""
    try:
        new.chmod(old.stat().st_mode & 0o777)
    except FileNotFoundError:
        pass  # there was none; the private mode of a temporary file is right


def _unwritable(path: Path, error: OSError) -> BadSettings:
    """A file that cannot be written."""
    hint = f"See that you may write into {path.parent}, and that the disk is not full."
    return BadSettings(f"{path} cannot be written: {error.strerror}.", hint=hint)
