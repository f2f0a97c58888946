"""Dump → `Report`: what a person wants to know, read from the dump itself."""

from __future__ import annotations

from contextlib import contextmanager

from tray.errors import BadDump, NoDump
from tray.lean import TYPE_CHECKING, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tray.formats import core, minidump
    from tray.model import Dump, Report
    from tray.reports.stacks import Unwind

# The processes that read call stacks load this too and need nothing of it: what takes time to load is loaded within.

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
    with begun(path, readers) as made:
        return made(dump)


@contextmanager
def begun(
    path: Path, readers: Mapping[str, Unwind] | None = None
) -> Iterator[Callable[[Dump | None], Report]]:
    """Begin to read a dump's call stacks; what the ``with`` block has is `make`'s report, given the sidecar.

    Raises:
        NoDump: It cannot be opened; so do the two below from the report.
        BadDump: It is no dump, or damaged.
    """
    unwind = (readers or {}).get(_format(path))
    if unwind is None:
        yield lambda dump: _content(path, dump)
        return
    from tray.packed import plain

    with unwind(plain(path)) as told:

        def made(dump: Dump | None) -> Report:
            from tray.reports import runtimes, stacks

            report = _content(path, dump)
            found, lacks = stacks.read(told(), report.snapshot, report.modules)
            return runtimes.added(replace(report, stacks=found, lacks=lacks))

        yield made


def _format(path: Path) -> str:
    """Format of what the file begins with."""
    try:
        return "minidump" if _is_minidump(path) else "elf-core"
    except OSError as error:
        raise _unreadable(path, error) from error


def _content(path: Path, dump: Dump | None) -> Report:
    """All but the call stacks."""
    from tray.model import Report

    try:
        status = path.stat()
        if not status.st_size and path.is_file():  # Windows gives folders no size either
            raise BadDump(f"{path} is empty.")
        with opened(path) as file:
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
                crash=file.crash,
            )
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> NoDump:
    return NoDump(f"{path} cannot be read: {error.strerror}.")


def opened(path: Path) -> core.Core | minidump.Minidump:
    """The reader for what the file begins with, whatever it is called."""
    from tray.packed import plain

    if _is_minidump(path):
        from tray.formats import minidump

        return minidump.read(plain(path))
    from tray.formats import core

    return core.read(plain(path))


def _is_minidump(path: Path) -> bool:
    from tray.packed import plain

    with plain(path).open("rb") as file:
        return file.read(len(MINIDUMP)) == MINIDUMP
