"""``hangshot read-stacks``: the reader of call stacks, a process of its own that may hang or crash. Not for people."""

from __future__ import annotations

import os
import sys

from tray.errors import BadUsage
from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

HELP = "read the call stacks of a dump; only Hangshot itself runs this"
FORMATS = ("elf-core", "minidump", "python")


def add(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("dump", nargs="?", metavar="FILE")
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0])
    parser.add_argument("--beside", metavar="FOLDER", help="where symbols may lie; else where the dump is")


def run(arguments: argparse.Namespace) -> int:
    """Read it, and tell each stack on a line of its own."""
    if arguments.dump is None:
        raise BadUsage("Say which file to read.")
    if arguments.format == "minidump":
        from tray.reports import dbgeng_reader

        dbgeng_reader.main(arguments.dump, arguments.beside)
    elif arguments.format == "python":
        from tray.reports import python_reader

        python_reader.main(arguments.dump)
    else:
        from tray.reports import drgn_reader

        drgn_reader.main(arguments.dump)
    sys.stdout.flush()
    os._exit(0)  # whoever waits for us need not wait until all is tidied up
