"""From a name that a person types to the one process it means."""

from __future__ import annotations

import os
import sys
from pathlib import PurePath
from typing import TYPE_CHECKING

from tray.errors import NoTarget
from tray.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_MOST_LISTED = 12
_LIST = "the Task Manager" if sys.platform == "win32" else "'ps -e' or 'top'"


def process(name: str) -> tuple[int, int | None]:
    """Pid, and start time as in `Target.started`, of the one process of this name.

    Compared are the process's name and the names of its executable and script,
    letter case apart.

    Raises:
        NoTarget: There is none, or several; those are listed.
    """
    from tray import capture

    wanted = name.casefold()
    found = [fields for fields in _running() if fields["pid"] != os.getpid() and wanted in _names(fields)]
    if not found:
        raise NoTarget(f"No process is called {name!r}.", hint=f"Give its PID; {_LIST} shows it.")
    if len(found) > 1:
        rows = [*_rows(found), f"Give one of the PIDs: hangshot dump {found[0]['pid']}"]
        raise NoTarget(f"{len(found)} processes are called {name!r}.", hint="\n  ".join(rows))
    return found[0]["pid"], capture.started(found[0]["pid"])


def _running() -> Iterator[dict[str, Any]]:
    """What each process says of itself; None is what it keeps from us."""
    import psutil

    for process in psutil.process_iter():
        try:
            yield process.as_dict(["pid", "name", "exe", "cmdline", "username", "create_time"])
        except (psutil.NoSuchProcess, OSError):  # it ends while it is asked
            continue


def _names(fields: dict[str, object]) -> set[str]:
    """All that a process may be called, without letter case."""
    words = [fields["name"], fields["exe"]]
    line = fields["cmdline"]
    if isinstance(line, list):
        words += [word for word in line[:2] if not word.startswith("-")]
    names = {PurePath(word).name.casefold() for word in words if isinstance(word, str) and word}
    return names | {name.removesuffix(".exe").removesuffix(".py") for name in names}


def _rows(found: list[dict[str, Any]]) -> list[str]:
    """The processes of one name, newest first, one a line; what they say of themselves moves no cursor."""
    from datetime import UTC, datetime

    found.sort(key=lambda one: -one["create_time"])
    lines = []
    for fields in found[:_MOST_LISTED]:
        begun = datetime.fromtimestamp(fields["create_time"], UTC).astimezone()
        line = printable(" ".join(fields["cmdline"] or [fields["name"]])[:80])
        lines.append(f"{fields['pid']:>8}  {fields['username'] or '?':<10}  {begun:%d %b %H:%M:%S}  {line}")
    if len(found) > _MOST_LISTED:
        lines.append(f"… and {len(found) - _MOST_LISTED} more")
    return lines
