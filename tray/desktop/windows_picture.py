"""Icons and texts in the shapes and lengths that Windows takes. Pure."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

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


def length(text: str) -> int:
    """UTF-16 units of a text: an emoji takes two."""
    return len(text) + sum(letter > "\uffff" for letter in text)


def menu_text(text: str) -> str:
    """A menu row: cut, its ampersands doubled, the shortcut after the tab left alone."""
    label, tab, shortcut = text.partition("\t")
    return clipped(label, ROW).replace("&", "&&") + tab + shortcut
