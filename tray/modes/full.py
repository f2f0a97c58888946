"""Full: everything that can be read."""

from tray.model import Include, Mode
from tray.modes.heap import HEAP

FULL = Mode(
    "full",
    HEAP.include | Include.MAPPED_FILES,
    "everything, also code and mapped files",
)
