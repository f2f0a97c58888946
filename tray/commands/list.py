"""``hangshot list``: the dumps in the folder, newest first."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from tray.printable import printable
from tray.sizes import shown

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from tray.model import Dump

HELP = "list the dumps, newest first"

HEAD = ("WHEN", "APP", "PID", "MODE", "SIZE", "PAUSE", "WHY", "FILE")
RIGHT = {"PID", "SIZE", "PAUSE"}
"""Columns of numbers."""
FACTS = HEAD.index("SIZE")
"""From here on, what an id does not tell."""


def add(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(arguments: argparse.Namespace) -> int:
    """List the dumps."""
    from tray import settings
    from tray.store import Store

    wanted = settings.load(settings.path())
    dumps = Store(wanted.folder, wanted.retention).dumps()
    if arguments.json:
        for dump in dumps:
            print(json.dumps(line(dump)))
    elif not dumps:
        print(f"There is no dump in {wanted.folder} yet. 'hangshot dump NAME' takes one.", file=sys.stderr)
    elif sys.stdout is not None and sys.stdout.isatty():
        _print_table(dumps)
    else:
        print("\n".join(columns([HEAD, *(_row(dump) for dump in dumps)])))
    return 0


def line(dump: Dump) -> dict[str, Any]:
    """What ``--json`` says of a dump."""
    return {
        "schema": 1,
        "event": "dump",
        "id": dump.id,
        "when": dump.taken.isoformat(),
        "app": dump.target.name,
        "pid": dump.target.pid,
        "mode": dump.mode,
        "size": dump.size,
        "allocated": dump.allocated,
        "pause": dump.frozen,
        "trigger": dump.trigger.value,
        "path": str(dump.path),
    }


def _row(dump: Dump) -> tuple[str, ...]:
    """A dump as words, in the order of `HEAD`."""
    return (
        f"{dump.taken.astimezone():%Y-%m-%d %H:%M:%S}",
        printable(dump.target.name, bytes_too=True),
        str(dump.target.pid),
        dump.mode,
        shown(dump.allocated),
        f"{dump.frozen:.1f} s" if dump.frozen >= 1 else f"{dump.frozen * 1000:.0f} ms",
        dump.trigger.value,
        printable(str(dump.path), bytes_too=True),
    )


def columns(rows: Sequence[Sequence[str]], wide: Callable[[str], int] = len) -> list[str]:
    """Rows, the first one the head, as lines with their columns below each other.

    Args:
        rows: Words.
        wide: Tells how much room one takes.
    """
    widths = [max(map(wide, column)) for column in zip(*rows, strict=True)]
    return [
        _line(row, rows[0], [all_of - wide(word) for word, all_of in zip(row, widths, strict=True)])
        for row in rows
    ]


def _line(row: Sequence[str], heads: Sequence[str], spaces: Sequence[int]) -> str:
    """Words, each with so many spaces as it needs to be as wide as its column."""
    padded = (
        f"{' ' * space}{word}" if head in RIGHT else f"{word}{' ' * space}"
        for word, head, space in zip(row, heads, spaces, strict=True)
    )
    return "  ".join(padded).rstrip()


def _print_table(dumps: Sequence[Dump]) -> None:
    """A table that fits the terminal; the folder stands below, once.

    The last column is the id, to be copied, and so never broken over two lines. It tells
    app, pid, mode and time by itself, so a narrow terminal goes without those columns.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    rows = [(*HEAD[:-1], "ID"), *((*_row(dump)[:-1], printable(dump.id, bytes_too=True)) for dump in dumps)]
    for number, text in enumerate(_fitting(rows, console.width)):
        console.print(Text(text, style="" if number else "bold"), soft_wrap=True)
    console.print(Text(f"in {printable(str(dumps[0].path.parent), bytes_too=True)}"), soft_wrap=True)


def _fitting(rows: Sequence[tuple[str, ...]], width: int) -> list[str]:
    """The rows with as many columns as so wide a terminal has room for; the ids alone, if need be wider than that."""
    from rich.cells import cell_len

    fewer = [[(row[-1], *row[FACTS:last]) for row in rows] for last in range(len(HEAD) - 1, FACTS - 1, -1)]
    tables = [columns(some, cell_len) for some in (rows, *fewer)]
    return next((lines for lines in tables if max(map(cell_len, lines)) <= width), tables[-1])
