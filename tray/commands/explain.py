"""``hangshot explain``: read why a dump's app hangs, functions and all, and write that beside the dump."""

from __future__ import annotations

import json

from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from pathlib import Path
    from typing import Any

    from tray.model import Report

HELP = "find out again why a dump's app hangs, as after installing debug symbols, and rewrite its report"

SCHEMA = 1


def add(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "dump",
        nargs="?",
        default="last",
        metavar="last|ID|FILE",
        help="the dump; the start of an id will do (default: the last one)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Read the dump and write its report.

    Raises:
        NoDump: There is no such dump.
        BadDump: It cannot be read.
        NotWritten: The report cannot be written.
    """
    from tray import flow
    from tray.commands import dump
    from tray.commands.inspect import whole
    from tray.store import Store

    wanted = dump.wanted()
    path = Store(wanted.folder, wanted.retention).find(arguments.dump)
    report, text = flow.explain(path)
    if arguments.json:
        print(json.dumps(explained(report, text)))
    else:
        for line in told(report):
            print(line)
        print(text)
    return whole(report)


def explained(report: Report, text: Path) -> dict[str, Any]:
    """The event for programs; the tray waits for it."""
    from tray.reports import why

    return {
        "schema": SCHEMA,
        "event": "explained",
        "path": str(report.path),
        "report": str(text),
        "verdict": why.as_json(report)["verdict"],
        "lacks": list(report.lacks),
    }


def told(report: Report) -> list[str]:
    """What was found and what is lacking, for people."""
    from tray.printable import printable
    from tray.reports import why

    verdict = why.known(report)
    said = f"{verdict.sentence}." if verdict else "Why it hangs was not found out."
    return [printable(line) for line in (said, *report.lacks)]
