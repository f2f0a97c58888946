"""Settings ↔ one TOML file: defaults; `read` knows its words, `edit` changes it, `watch` tells of changes."""

from __future__ import annotations

import os

from tray.lean import TYPE_CHECKING
from tray.settings.values import Settings, path

if TYPE_CHECKING:
    from tray.paths import Path

__all__ = ["Settings", "load", "path"]


def load(path: Path) -> Settings:
    """See `read.load`; that is not even imported where there is no file, for a dump is in a hurry.

    Raises:
        BadSettings: There is one, and it makes no sense.
    """
    try:
        os.stat(path)  # noqa: PTH116 - which tells "there is none" from "nobody may look"
    except FileNotFoundError:
        return Settings()
    except OSError:
        pass  # as reading it will tell
    from tray.settings import read

    return read.load(path)
