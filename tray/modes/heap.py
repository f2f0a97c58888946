"""Heap: mini, and the app's own memory."""

from tray.model import Include, Mode
from tray.modes.mini import MINI

HEAP = Mode("heap", MINI.include | Include.GLOBALS | Include.HEAP, "stacks and the app's own memory")
