"""The dump types, what grows first, and how they are read. A new one is one file and one line here."""

from __future__ import annotations

from tray.lean import TYPE_CHECKING, StrEnum
from tray.modes.full import FULL
from tray.modes.heap import HEAP
from tray.modes.mini import MINI
from tray.modes.triage import TRIAGE

if TYPE_CHECKING:
    from tray.model import Mode

MODES: dict[str, Mode] = {mode.name: mode for mode in (MINI, HEAP, FULL, TRIAGE)}


class How(StrEnum):
    """How the memory of a large dump is read."""

    AUTO = "auto"
    """As is best for this app, now."""
    SNAPSHOT = "snapshot"
    """From a copy-on-write clone, while the app runs on; where that is safe."""
    STOP = "stop"
    """From the app itself, which stands still meanwhile."""
