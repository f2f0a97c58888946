"""What the C library is asked about its own heap; nothing where it is not glibc."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import sys

M_ARENA_MAX = -8
"""Source: glibc ``malloc.h``; mallopt(3)."""


def one_arena() -> None:
    """Have all threads that start from now on share one heap.

    Without it each that meets another inside malloc() gets its own, up to eight for each
    processor, and what is free in one is of no use to the others.
    """
    _ask("mallopt", M_ARENA_MAX, 1)


def trim() -> None:
    """Give free pages back to the system. Source: malloc_trim(3)."""
    _ask("malloc_trim", 0)


def _ask(name: str, *words: int) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # as in musl, which needs neither
            getattr(_library(), name)(*words)


@functools.cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None)
