"""``python -m tray`` and ``hangshot``: no arguments → the tray; arguments → the command line."""

import sys

from tray.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
