"""Mini: stacks and names. Small enough to mail."""

from tray.model import Include, Mode

MINI = Mode("mini", Include.CALLS | Include.STACKS, "every thread's stack; small enough to mail")
