"""Icons and texts in the shapes and lengths that Windows takes. Pure."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

LEAST = 40
"""UTF-16 units that are left of every line of a text that is too long."""
ROW = 80
"""UTF-16 units of a menu row before its shortcut; longer ones make the menu as wide as the screen."""


def icon_bits(image: Image) -> bytes:
    """An image as an icon resource: header, colours from the bottom up, and a mask of nothing.

    The header gives twice the height, for colours and mask. The mask counts on
    displays without transparency only; transparency is in the colours.

    Source: learn.microsoft.com, "Icons", the layout of ``ICONIMAGE``.
    """
    width, height = image.size
    colours = image.convert("RGBA").tobytes("raw", "BGRA", 0, -1)
    mask = bytes((width + 31) // 32 * 4 * height)
    header = struct.pack(
        "<IiiHHIIiiII", 40, width, 2 * height, 1, 32, 0, len(colours) + len(mask), 0, 0, 0, 0
    )
    return header + colours + mask


def clipped(text: str, units: int) -> str:
    """Text in at most so many UTF-16 units, with an ellipsis where some is missing."""
    if length(text) <= units:
        return text
    while length(text) > units - 1:
        text = text[:-1]
    return text.rstrip() + "…"


def fitted(text: str, units: int) -> str:
    """Text in at most so many UTF-16 units: its longest lines lose their middle, a path so its folders."""
    lines = text.split("\n")
    while (over := length("\n".join(lines)) - units) > 0:
        longest = max(range(len(lines)), key=lambda number: length(lines[number]))
        have = length(lines[longest])
        if have <= LEAST:
            return clipped("\n".join(lines), units)
        second = max((length(line) for line in lines if line != lines[longest]), default=0)
        lines[longest] = _without_middle(lines[longest], max(have - over, min(second, have - 1), LEAST))
    return "\n".join(lines)


def _without_middle(text: str, units: int) -> str:
    """A line cut to so many units; a third of them for its beginning."""
    head = clipped(text, units // 3)
    tail = text[-(units - length(head)) :]
    while length(head) + length(tail) > units:
        tail = tail[1:]
    return head + tail


def length(text: str) -> int:
    """UTF-16 units of a text: an emoji takes two."""
    return len(text) + sum(letter > "\uffff" for letter in text)


def menu_text(text: str) -> str:
    """A menu row: cut, its ampersands doubled, the shortcut after the tab left alone."""
    label, tab, shortcut = text.partition("\t")
    return clipped(label, ROW).replace("&", "&&") + tab + shortcut
