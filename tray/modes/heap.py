"""Heap: mini, and the app's own memory."""

from tray.model import Include, Mode

HEAP = Mode("heap", Include.STACKS | Include.GLOBALS | Include.HEAP, "stacks and the app's own memory")
