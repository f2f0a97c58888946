"""A dump in a debugger, in this terminal: ``hangshot open --debugger``."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tray import reports
from tray.errors import Unsupported
from tray.packed import plain

if TYPE_CHECKING:
    from collections.abc import Iterator


LLDBS = ("lldb", *(f"lldb-{version}" for version in range(30, 10, -1)))
"""What it may be called: Debian's own have their version in the name."""


def run(path: Path) -> int:
    """Open a dump, unpacked if need be, and wait; gives the debugger's exit code.

    Raises:
        BadDump: It is none, or damaged.
        StoreFull: There is no room to unpack it.
        Unsupported: There is no debugger for it.
    """
    readable = plain(path)
    with reports.opened(path) as file:
        program = _program(next((module.path for module in file.modules()), ""))
        found = next(
            (words for words in _known(file.format, readable, program) if shutil.which(words[0])), None
        )
    if found is None:
        raise Unsupported(f"There is no debugger here that opens {path.name}.", hint=_hint())
    print(f"Starting {found[0]} …", file=sys.stderr, flush=True)
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl+C is meant for the debugger
    return _run(found)


def _run(words: list[str]) -> int:
    return subprocess.run(words, check=False).returncode


def _program(path: str) -> str:
    """The program's file, if it is here; what a dump says is no option of the debugger's, nor anything else."""
    return path if path.startswith("/") and Path(path).is_file() else ""


def _known(kind: str, path: Path, program: str) -> Iterator[list[str]]:
    """Command lines of debuggers, the best first."""
    if kind == "elf-core":
        yield ["gdb", *([program] if program else []), str(path)]
        for name in LLDBS:
            yield [name, *([program] if program else []), "--core", str(path)]
        return
    for name in ("windbgx", "windbg", "cdb"):
        yield [name, "-z", str(path)]
    for name in LLDBS:
        yield [name, "--core", str(path)]


def _hint() -> str:
    if sys.platform == "win32":
        return "Install WinDbg: winget install Microsoft.WinDbg"
    return "Install gdb or lldb; 'hangshot inspect' shows the calls without."
