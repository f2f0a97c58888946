"""Foreign text for a terminal: nothing in it moves the cursor, changes colours, hides, or runs from right to left."""

from __future__ import annotations

LONGEST = 4096
"""Signs of one line; a path can be as long, a window's title much longer."""


def printable(text: str, *, bytes_too: bool = False) -> str:
    """Text in one line, with a mark for each sign that would not show as itself.

    Args:
        text: From the target, its files or its windows.
        bytes_too: Keep bytes that are not UTF-8, as for a path that somebody may want to copy.
    """
    kept = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    if kept.isprintable():
        return kept
    return "".join(
        sign if _shows(sign) or (bytes_too and "\udc80" <= sign <= "\udcff") else "?" for sign in kept
    )


def _shows(sign: str) -> bool:
    import unicodedata

    return sign.isprintable() or unicodedata.category(sign) == "Zs"
