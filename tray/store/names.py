"""What files are called, and what a name tells: ``NAME_PID_YYYYMMDD-HHMMSS_MODE.core``."""

from __future__ import annotations

import sys

from tray import packed
from tray.lean import TYPE_CHECKING, UTC, dataclass, datetime, pattern

if TYPE_CHECKING:
    from tray.model import Target

FORMATS = {".core": "elf-core", ".dmp": "minidump"}
"""Ending of a dump → its format."""

SIDECAR = ".json"
REPORT = ".txt"
PAGE = ".html"
COMPANIONS = (SIDECAR, REPORT, PAGE)
"""Endings of what lies beside a dump and goes when it goes."""

PACKED = packed.SUFFIX

PARTIAL = ".partial"
"""Added to a name for as long as the file is being written."""

LONGEST = 64
"""Characters of an app's name that are kept; eCryptfs takes 143 for the whole file name."""

_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz")
_DIGITS = frozenset("0123456789")
_SAFE = _LOWER | _DIGITS | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ._-")
_UNSAFE = pattern(r"[^A-Za-z0-9._-]+")
_TIME = "%Y%m%d-%H%M%S"
_LONGEST_PID, _LONGEST_COPY = 20, 6


_UNFIT = frozenset('<>:"|?*')
"""What no file's name has on Windows; with a colon the file would be hidden within another one."""


def unfit(name: str, system: str = sys.platform) -> str:
    """The first sign of a file's name that this system cannot have; empty if there is none."""
    return next((sign for sign in name if sign in _UNFIT), "") if system == "win32" else ""


@dataclass(frozen=True, slots=True)
class Stem:
    """What a dump's name tells.

    Attributes:
        name: The app, reduced to what is safe in a file name.
        pid: Its process id.
        taken: When, to the second.
        mode: Name of the mode.
    """

    name: str
    pid: int
    taken: datetime
    mode: str


def safe(name: str) -> str:
    """An app's name reduced to ``[A-Za-z0-9._-]``; neither hidden nor like an option."""
    reduced = name if _SAFE.issuperset(name) else _UNSAFE.sub("_", name)
    reduced = reduced.lstrip(".-")[:LONGEST]
    return reduced if reduced.strip("._-") else "process"


def stem(target: Target, mode: str, taken: datetime, copy: int = 1) -> str:
    """The file name without its ending; the time is local, as people look for it.

    Args:
        target: Whom the dump shows.
        mode: Name of the mode.
        taken: When the key went down, aware.
        copy: 2 and up tell apart dumps of one second.
    """
    local = taken.astimezone().strftime(_TIME)
    again = f"-{copy}" if copy > 1 else ""
    return f"{safe(target.name)}_{target.pid}_{local}_{mode}{again}"


def parse(text: str) -> Stem | None:
    """What the stem of a file name tells, or None for a file that we did not name."""
    name, pid, local, last = ["", "", "", *text.rsplit("_", 3)][-4:]
    mode, dash, copy = last.partition("-")
    whole = _consists(name, _SAFE) and _consists(pid, _DIGITS, _LONGEST_PID) and _consists(mode, _LOWER)
    taken = _time(local) if whole and (not dash or _consists(copy, _DIGITS, _LONGEST_COPY)) else None
    return Stem(name, int(pid), taken, mode) if taken else None


def _consists(text: str, signs: frozenset[str], most: int = 255) -> bool:
    """Whether a text has at least one sign, not too many, and only these."""
    return 0 < len(text) <= most and signs.issuperset(text)


def _time(text: str) -> datetime | None:
    """What ``YYYYMMDD-HHMMSS`` means; a name holds no zone: this machine's is the only guess there is."""
    day, _, clock = text.partition("-")
    if not (len(day) == len("YYYYMMDD") and len(clock) == len("HHMMSS") and _DIGITS.issuperset(day + clock)):
        return None
    try:
        return datetime.fromisoformat(f"{day}T{clock}").astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def is_partial(name: str) -> bool:
    """Whether a file of this name is an unfinished one of ours.

    Only our own pattern counts: browsers call their downloads ``.partial`` too.
    """
    whole, dot, ending = name.removesuffix(PARTIAL).removesuffix(PACKED).rpartition(".")
    ours = dot + ending in (*FORMATS, *COMPANIONS)
    return name.endswith(PARTIAL) and ours and parse(whole) is not None
