"""Keeping a program that runs for weeks as small as on its first day."""

from __future__ import annotations

import gc

from tray.ffi import malloc


def begin() -> None:
    """Before there is any other thread."""
    malloc.one_arena()


def settle() -> None:
    """Once all is there that stays.

    Python looks for cycles among old objects only when a quarter as many new ones have
    come: without those that stay that is soon, and quick.
    """
    gc.collect()
    gc.freeze()


def tidy() -> None:
    """After work, when nobody waits: what a dump or a look has left goes at once, not sometime."""
    gc.collect()
    malloc.trim()
