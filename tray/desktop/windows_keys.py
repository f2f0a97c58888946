"""Hotkeys as Windows counts them, and which key events of a hook are a press. Decisions only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray.errors import BadHotkey
from tray.ffi import user32

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray.desktop.hotkey import Hotkey

MODIFIERS = {
    "alt": user32.MOD_ALT,
    "ctrl": user32.MOD_CONTROL,
    "shift": user32.MOD_SHIFT,
    "windows": user32.MOD_WIN,
}
KEYS = {
    "backspace": 0x08,
    "delete": 0x2E,
    "down": 0x28,
    "end": 0x23,
    "enter": 0x0D,
    "esc": 0x1B,
    "home": 0x24,
    "insert": 0x2D,
    "left": 0x25,
    "menu": 0x5D,
    "page down": 0x22,
    "page up": 0x21,
    "pause": 0x13,
    "print screen": 0x2C,
    "right": 0x27,
    "scroll lock": 0x91,
    "space": 0x20,
    "tab": 0x09,
    "up": 0x26,
    **{f"f{number}": 0x6F + number for number in range(1, 25)},
}
"""Virtual keys with a name (``VK_*``)."""
DEBUGGER_KEY = KEYS["f12"]

SCANS = {"pause": 0x45, "print screen": 0x37}
"""Keys that ``MapVirtualKey`` does not tell as a hook sees them."""
MODIFIER_SCANS = {
    0x1D: "ctrl",
    0x2A: "shift",
    0x36: "shift",
    0x38: "alt",
    0x5B: "windows",
    0x5C: "windows",
}
"""Where the modifiers lie on every keyboard, whatever the language calls them."""

RELEASED = 1.0
"""Seconds without a repeat after which a held key must have been let go unseen, as at the lock screen."""
DEAF = 60_000
"""Milliseconds of input that a hook may have missed before it is taken for dropped."""
_NO_KEY = 0xFF
_TICKS = 1 << 32

_KEPT = ("ctrl+alt+delete", "windows+l")
"""What no program is told of: the secure attention sequence, and what locks the screen.

Source: learn.microsoft.com, "Initializing Winlogon".
"""

_SHIFTS = {1: user32.MOD_SHIFT, 2: user32.MOD_CONTROL, 4: user32.MOD_ALT}
_HELD = ((user32.VK_CONTROL, "ctrl"), (user32.VK_MENU, "alt"), (user32.VK_SHIFT, "shift"))
_WINDOWS = (user32.VK_LWIN, user32.VK_RWIN)


@dataclass(frozen=True, slots=True)
class Chord:
    """A hotkey as ``RegisterHotKey`` takes it: a virtual key and ``MOD_*`` bits."""

    key: int
    modifiers: int

    @property
    def reserved(self) -> bool:
        """Whether Windows keeps it for a debugger.

        Source: learn.microsoft.com, RegisterHotKey, "Remarks".
        """
        return self.key == DEBUGGER_KEY and not self.modifiers


def chord(hotkey: Hotkey, typed_by: Callable[[str], int]) -> Chord:
    """The hotkey on this keyboard.

    Args:
        hotkey: What the user wrote.
        typed_by: ``VkKeyScanW``: which key types a character, and what is held with it.

    Raises:
        BadHotkey: No key types that character, or Windows tells nobody of it.
    """
    if str(hotkey) in _KEPT:
        raise BadHotkey(f"Windows keeps {hotkey.label} for itself: no program hears it.")
    held = sum(MODIFIERS[name] for name in hotkey.modifiers)
    if hotkey.key in KEYS:
        return Chord(KEYS[hotkey.key], held)
    typed = typed_by(hotkey.key) & 0xFFFF
    key, shifts = typed & 0xFF, typed >> 8
    if key == _NO_KEY:
        raise BadHotkey(f"No key of this keyboard types '{hotkey.key}'.")
    for bit, modifier in _SHIFTS.items():
        held |= modifier if shifts & bit else 0
    return Chord(key, held)


def names(chord: Chord) -> frozenset[str]:
    """The modifiers of a chord, by name."""
    return frozenset(name for name, bit in MODIFIERS.items() if chord.modifiers & bit)


def held(state: Callable[[int], int]) -> frozenset[str]:
    """The modifiers that are down now, told by ``GetAsyncKeyState``."""
    down = {name for key, name in _HELD if state(key) & 0x8000}
    if any(state(key) & 0x8000 for key in _WINDOWS):
        down.add("windows")
    return frozenset(down)


def deaf(last_input: int, last_heard: int) -> bool:
    """Whether a hook has missed input for so long that Windows must have dropped it.

    Both in milliseconds since start, cut to 32 bits. The mouse counts as input
    too, so a hook may be taken for deaf that only had nothing to hear.
    """
    missed = (last_input - last_heard) % _TICKS
    return DEAF < missed < _TICKS // 2


class Matcher:
    """Tells which event of a keyboard hook is a press of the hotkey: one for each, held or not.

    Modifiers are followed by their events, since by the time that an event is
    looked at the keys may be up again; and asked for as they are now, since
    events get lost (lock screen, windows of administrators), which would leave a
    key held for ever. Either is enough.
    """

    def __init__(self, modifiers: frozenset[str], scan: int, now_held: Callable[[], frozenset[str]]) -> None:
        self._wanted = modifiers
        self._scan = scan
        self._now_held = now_held
        self._followed: set[int] = set()
        self._repeated: float | None = None

    def down(self, scan: int, when: float, *, keypad: bool = False) -> bool:
        """A key went down, or repeats; whether that is a press of the hotkey."""
        if scan in MODIFIER_SCANS:
            self._followed.add(scan)
            return False
        if scan != self._scan or keypad:
            return False
        fresh = self._repeated is None or when - self._repeated > RELEASED
        self._repeated = when
        return fresh and self._wanted in (self._by_events(), self._now_held())

    def up(self, scan: int) -> None:
        """A key went up."""
        self._followed.discard(scan)
        if scan == self._scan:
            self._repeated = None

    def forget(self) -> None:
        """Nothing is held: the session was locked, or asleep."""
        self._followed.clear()
        self._repeated = None

    def _by_events(self) -> frozenset[str]:
        return frozenset(MODIFIER_SCANS[scan] for scan in self._followed)
