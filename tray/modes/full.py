"""Full: everything that can be read."""

from tray.model import Include, Mode

FULL = Mode(
    "full",
    Include.STACKS | Include.GLOBALS | Include.HEAP | Include.MAPPED_FILES,
    "everything, also code and mapped files",
)
