"""Dump → `Report`: what a person wants to know, read from the dump itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray.errors import BadDump, NoDump
from tray.formats import core, minidump
from tray.model import Report

if TYPE_CHECKING:
    from pathlib import Path

    from tray.model import Dump

_BLOCK = 512
"""Unit of ``st_blocks``, whatever the file system. Source: stat(2)."""


def make(path: Path, dump: Dump | None) -> Report:
    """Read a dump.

    Args:
        path: The dump file; ours, the kernel's, or another tool's.
        dump: What its sidecar says, if it has one.

    Raises:
        NoDump: It cannot be opened.
        BadDump: It is no dump, or damaged.
    """
    try:
        status = path.stat()
        if not status.st_size:
            raise BadDump(f"{path} is empty.")
        with _read(path) as file:
            return Report(
                path,
                status.st_size,
                getattr(status, "st_blocks", -(-status.st_size // _BLOCK)) * _BLOCK,
                file.snapshot,
                tuple(file.modules()),
                file.missing,
                dump,
                format=file.format,
                comment=file.comment,
            )
    except OSError as error:
        raise NoDump(f"{path} cannot be read: {error.strerror}.") from error


def _read(path: Path) -> core.Core | minidump.Minidump:
    """The reader for what the file begins with, whatever it is called."""
    with path.open("rb") as file:
        magic = file.read(len(minidump.MAGIC))
    return minidump.read(path) if magic == minidump.MAGIC else core.read(path)
