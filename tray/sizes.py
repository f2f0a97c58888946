"""Bytes as people read and write them: ``1.2 MB``, ``10 GiB``."""

from __future__ import annotations

from tray.lean import pattern

UNITS = {
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "tb": 1000**4,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
    "tib": 1 << 40,
}

_SIZE = pattern(r"\s*(?P<number>[0-9]+(\.[0-9]+)?)\s*(?P<unit>[A-Za-z]*)\s*")
STEP = 1000
TEN = 10
"""From here on a digit after the point says nothing."""
_STEPS = ("kB", "MB", "GB", "TB")


def shown(size: int) -> str:
    """A size in three digits and a decimal unit, as file managers show it."""
    if size < STEP:
        return f"{size} B"
    value = float(size)
    for unit in _STEPS:
        value /= STEP
        if round(value) < STEP or unit == _STEPS[-1]:
            break
    return f"{value:.{0 if round(value, 1) >= TEN else 1}f} {unit}"


def parsed(text: str) -> int:
    """Bytes of ``10 GB`` (decimal), ``10 GiB`` (binary) or a plain number.

    Raises:
        ValueError: It is none of these.
    """
    match = _SIZE.fullmatch(text)
    unit = UNITS.get((match["unit"] or "b").lower()) if match else None
    if match is None or unit is None:
        raise ValueError(f"{text!r} is no size")
    return int(float(match["number"]) * unit) if "." in match["number"] else int(match["number"]) * unit
