"""What files are called, and what a name tells: ``NAME_PID_YYYYMMDD-HHMMSS_MODE.core``."""

from __future__ import annotations

import re

from tray import packed
from tray.lean import TYPE_CHECKING, UTC, dataclass, datetime

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

_STEM = r"(?P<name>[A-Za-z0-9._-]+)_(?P<pid>[0-9]{1,20})_(?P<taken>[0-9]{8}-[0-9]{6})_(?P<mode>[a-z]+)(-[0-9]{1,6})?"
_TIME = "%Y%m%d-%H%M%S"
_DIGITS = r"^\d{4}|\d{2}"


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
    reduced = re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip(".-")[:LONGEST]
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
    match = re.fullmatch(_STEM, text)
    if match is None:
        return None
    try:
        # A name holds local time without a zone: this machine's is the only guess there is.
        year, month, day, hour, minute, second = map(int, re.findall(_DIGITS, match["taken"]))
        taken = datetime(year, month, day, hour, minute, second).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return Stem(match["name"], int(match["pid"]), taken, match["mode"])


def is_partial(name: str) -> bool:
    """Whether a file of this name is an unfinished one of ours.

    Only our own pattern counts: browsers call their downloads ``.partial`` too.
    """
    whole, dot, ending = name.removesuffix(PARTIAL).removesuffix(PACKED).rpartition(".")
    ours = dot + ending in (*FORMATS, *COMPANIONS)
    return name.endswith(PARTIAL) and ours and parse(whole) is not None
