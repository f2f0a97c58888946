"""Presses the hotkey as another program does: a window that hangs takes no keys under Wine. Run inside the test bed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from windows_keys import ALT, CTRL, SHIFT, hold, release

KEYS = CTRL, ALT, SHIFT, ord("D")
hold(*KEYS)
release(*KEYS)
