"""The dump types, smallest first. A new one is one file and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray.modes.full import FULL
from tray.modes.heap import HEAP
from tray.modes.mini import MINI

if TYPE_CHECKING:
    from tray.model import Mode

MODES: dict[str, Mode] = {mode.name: mode for mode in (MINI, HEAP, FULL)}
