"""How wide text is, as far as that can be told without its font: for drawings, where nothing wraps."""

from __future__ import annotations

import itertools
import unicodedata

from tray.reports.page.markup import clean

_NARROW = frozenset("iljtfrI.,:;'|!()[]{} -")
_BROAD = frozenset("mwMWOQ@%&")
_WIDTHS = {"narrow": 0.47, "broad": 1.08, "tall": 0.78, "other": 0.69}
"""In em, of the broadest common font, set bold: DejaVu Sans. Others need less."""


def width(text: str) -> float:
    """About how wide it is, in em; rather too much than too little."""
    return sum(map(_of, text))


def fitted(text: str, room: float) -> str:
    """Text as one line that is no wider than so many em; what is cut off is marked."""
    line = " ".join(clean(text, 400).split())
    if width(line) <= room:
        return line
    widths = itertools.accumulate(map(_of, line), initial=_of("…"))
    fits = sum(1 for _ in itertools.takewhile(lambda so_far: so_far <= room, widths)) - 1
    return line[: max(fits, 1)].rstrip() + "…"


def _of(sign: str) -> float:
    """Of one sign."""
    if sign in _NARROW:
        return _WIDTHS["narrow"]
    if sign in _BROAD or unicodedata.east_asian_width(sign) in "WFA":
        return _WIDTHS["broad"]
    return _WIDTHS["tall" if sign.isupper() or sign.isdigit() else "other"]
