"""``hangshot list``: the dumps in the folder, newest first."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Literal

from tray.printable import printable
from tray.sizes import shown

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

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


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows, the first one the head, as lines with their columns below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(_padded, row, rows[0], widths)).rstrip() for row in rows]


def _padded(word: str, head: str, width: int) -> str:
    """A word as wide as its column."""
    return word.rjust(width) if head in RIGHT else word.ljust(width)


def _print_table(dumps: Sequence[Dump]) -> None:
    """A table that fits the terminal; the folder stands below, once.

    The last column is the id, to be copied. It tells app, pid, mode and time by
    itself, so a narrow terminal goes without those columns.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    rows = [(*HEAD[:-1], "ID"), *((*_row(dump)[:-1], printable(dump.id, bytes_too=True)) for dump in dumps)]
    if max(map(len, columns(rows))) > console.width:
        rows = [(row[-1], *row[FACTS:-1]) for row in rows]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for head in rows[0]:
        side: Literal["left", "right"] = "right" if head in RIGHT else "left"
        table.add_column(head, justify=side, overflow="fold", no_wrap=head != "ID")
    for row in rows[1:]:
        table.add_row(*map(Text, row))
    console.print(table)
    console.print(Text(f"in {printable(str(dumps[0].path.parent), bytes_too=True)}"), soft_wrap=True)
