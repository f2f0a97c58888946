"""Dump → `Report`: what a person wants to know, read from the dump itself."""

from __future__ import annotations

from tray.errors import BadDump, NoDump
from tray.formats import core
from tray.lean import TYPE_CHECKING, replace
from tray.model import Report
from tray.packed import plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tray.formats import minidump
    from tray.model import Dump
    from tray.reports.stacks import Unwind

MINIDUMP = b"MDMP"
"""How a minidump begins; what reads one is only imported for one."""
_BLOCK = 512
"""Unit of ``st_blocks``, whatever the file system. Source: stat(2)."""


def make(path: Path, dump: Dump | None, readers: Mapping[str, Unwind] | None = None) -> Report:
    """Read a dump.

    Args:
        path: The dump file; ours, the kernel's, or another tool's.
        dump: What its sidecar says, if it has one.
        readers: Format → what reads call stacks from it, as `reader.READERS`; without one there are none.

    Raises:
        NoDump: It cannot be opened.
        BadDump: It is no dump, or damaged.
    """
    try:
        status = path.stat()
        if not status.st_size and path.is_file():  # Windows gives folders no size either
            raise BadDump(f"{path} is empty.")
        with opened(path) as file:
            report = Report(
                path,
                status.st_size,
                getattr(status, "st_blocks", -(-status.st_size // _BLOCK)) * _BLOCK,
                file.snapshot,
                tuple(file.modules()),
                file.missing,
                dump,
                format=file.format,
                comment=file.comment,
                crash=file.crash,
            )
    except OSError as error:
        raise NoDump(f"{path} cannot be read: {error.strerror}.") from error
    unwind = (readers or {}).get(report.format)
    if unwind is None:
        return report
    from tray.reports import runtimes, stacks

    found, lacks = stacks.read(plain(path), report.snapshot, report.modules, unwind)
    return runtimes.added(replace(report, stacks=found, lacks=lacks))


def opened(path: Path) -> core.Core | minidump.Minidump:
    """The reader for what the file begins with, whatever it is called."""
    path = plain(path)
    with path.open("rb") as file:
        magic = file.read(len(MINIDUMP))
    if magic != MINIDUMP:
        return core.read(path)
    from tray.formats import minidump

    return minidump.read(path)
