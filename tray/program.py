"""How our own program is started anew, from a checkout as well as from one folder with everything in it."""

from __future__ import annotations

import sys

from tray.paths import Path


def command(*words: str) -> list[str]:
    """The command line of ``hangshot`` with these words, as a program for a console."""
    if not getattr(sys, "frozen", False):
        return [sys.executable, "-m", "tray", *words]
    own = Path(sys.executable)
    name = "hangshot"
    if sys.platform == "win32":  # the tray has no console; the 32-bit program is nothing else
        name = "hangshot-cli.exe" if own.stem.casefold() == "hangshot" else own.name
    return [str(own.with_name(name)), *words]


def narrow() -> list[str]:
    """The 32-bit Hangshot that comes with the built one; empty where there is none."""
    if sys.platform != "win32" or not getattr(sys, "frozen", False) or sys.maxsize < 1 << 32:
        return []
    beside = Path(sys.executable).parent / "hangshot-32" / "hangshot-32.exe"
    return [str(beside)] if beside.is_file() else []
