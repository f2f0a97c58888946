"""What the settings file holds, without ever waiting for it."""

from __future__ import annotations

import errno
import stat

from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from tray.paths import Path

LARGEST = 1 << 20
"""Bytes; the default file has 2,000."""


def content(path: Path) -> bytes:
    """All that it holds.

    Raises:
        OSError: It cannot be read; or it is a pipe or a device, whose reading may never end, or far too large.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # what reading a folder means the system says
        raise OSError(errno.EINVAL, "it is no plain file")
    with path.open("rb") as file:
        found: bytes = file.read(LARGEST + 1)
    if len(found) > LARGEST:
        raise OSError(errno.EFBIG, "it is larger than 1 MB")
    return found
