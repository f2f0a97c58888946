"""What the tray itself says: hello, its tooltip, ages; pure functions to sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray.errors import BadHotkey, HotkeyTaken, TrayError
from tray.shot.words import clipped, shortened

if TYPE_CHECKING:
    from pathlib import Path

REST_IN_FORCE = "The rest is in force; no old dump is removed until this is mended."

_STEPS = ((5, 1, "now"), (60, 1, "s ago"), (3600, 60, "min ago"), (86400, 3600, "h ago"))


def ago(seconds: float) -> str:
    """How long ago something was: ``now``, ``40 s ago``, ``2 min ago``."""
    for below, unit, name in _STEPS:
        if seconds < below:
            return name if name == "now" else f"{int(seconds / unit)} {name}"
    days = int(seconds / 86400)
    return f"{days} day{'s' if days > 1 else ''} ago"


def trouble(error: TrayError) -> str:
    """Why there is no hotkey, in the few words of a menu row or tooltip."""
    if isinstance(error, HotkeyTaken):
        return "hotkey taken"
    return "hotkey not usable" if isinstance(error, BadHotkey) else "no hotkey here"


def tooltip(hotkey: str, problem: TrayError | None, last: str, *, paused: bool) -> str:
    """What the icon says at rest: how the hotkey is, and how the latest dump went."""
    if problem:
        head = f"Hangshot — {trouble(problem)}: see the menu"
    elif paused:
        head = "Hangshot — hotkey paused"
    else:
        head = f"Hangshot — {hotkey} dumps the app in front"
    return f"{head}\n{last}" if last else head


def dumping(name: str, percent: str, *, cancelled: bool) -> str:
    """What the icon says while a dump runs."""
    if cancelled:
        return f"Cancelling the dump of {clipped(name)}…"
    return f"Dumping {clipped(name)}… {percent}".rstrip()


def hello(hotkey: str, folder: Path, *, icon: bool) -> str:
    """The body of the toast of the very first start."""
    press = f"Press {hotkey} when an app freezes, and a dump of it is saved.\n" if hotkey else ""
    place = f"{where(icon=True)}\n" if icon else ""  # else a toast of its own tells
    secrets = "Dumps hold memory, so perhaps passwords. Only you can read them:"
    return f"{press}{place}{secrets}\n{shortened(folder)}"


def running_already(hotkey: str, *, icon: bool) -> str:
    """The body of the toast that answers a second start."""
    press = f"Press {hotkey} to dump the app in front." if hotkey else ""
    return f"{press}\n{where(icon=icon)}".strip()


def where(*, icon: bool) -> str:
    """Where to find us."""
    if icon:
        return "My icon is in the tray, perhaps behind its arrow: click it."
    return "There is no icon: nothing here shows tray icons."


def no_icon(hotkey: str) -> str:
    """Said once where nothing shows icons."""
    works = f"{hotkey} and 'hangshot dump' still work" if hotkey else "'hangshot dump' still works"
    return (
        f"Nothing here shows tray icons, so there is no menu. {works[0].upper()}{works[1:]}. "
        "On GNOME, the AppIndicator extension shows icons."
    )
