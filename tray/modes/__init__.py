"""The dump types, smallest first. A new one is one file and one line here."""

from __future__ import annotations

from tray.model import Mode
from tray.modes.full import FULL
from tray.modes.heap import HEAP
from tray.modes.mini import MINI

MODES: dict[str, Mode] = {mode.name: mode for mode in (MINI, HEAP, FULL)}
