"""``python -m tray`` and ``hangshot``: no arguments → the tray; arguments → the command line."""

import sys

from tray import compiled
from tray.lean import loading

__all__ = ["main"]


def main() -> int:
    """Run the tray or a command; gives the exit code if the process has not ended with it."""
    compiled.prefer()
    with loading():
        from tray import cli
    code = cli.main()
    if len(sys.argv) > 1 and sys.platform != "win32":
        cli.leave(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
