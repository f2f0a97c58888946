"""A hotkey on X11: which key it is on this keyboard, and the grab that brings it to us."""

from __future__ import annotations

import itertools
import logging
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING or sys.platform != "win32":
    from Xlib import XK, X, error

from tray.desktop.hotkey import KEYS, Hotkey
from tray.errors import BadHotkey, HotkeyTaken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from Xlib.display import Display
    from Xlib.protocol import rq

_log = logging.getLogger(__name__)

_MODIFIER_KEYS = {
    "alt": ("Alt_L", "Alt_R"),
    "windows": ("Super_L", "Super_R"),
}
_LOCK_KEYS = ("Num_Lock", "Scroll_Lock")

_PAGES = {
    0x1: "iso8859-2",
    0x2: "iso8859-3",
    0x3: "iso8859-4",
    0x5: "iso8859-6",
    0x6: "koi8-u",
    0x7: "iso8859-7",
    0xC: "iso8859-8",
    0xD: "tis-620",
}
"""Character sets of keysyms from before Unicode, by their second last byte.

Source: X Window System Protocol, appendix A.
"""


@dataclass(frozen=True, slots=True)
class Chord:
    """A hotkey in the server's terms.

    Attributes:
        keycode: The physical key.
        masks: Each state of the modifiers in which it counts: what the user
            holds, with every mixture of locks that may be on.
    """

    keycode: int
    masks: tuple[int, ...]


class Grab:
    """A hotkey that only we get, on whatever keyboard there is.

    All methods belong on the thread that reads the display's events.
    """

    def __init__(self, display: Display, hotkey: Hotkey) -> None:
        """Take the hotkey.

        Raises:
            BadHotkey: This keyboard does not have the key.
            HotkeyTaken: Another program has the combination.
        """
        self.hotkey = hotkey
        self.problem: BadHotkey | None = None
        self._display = display
        self._chord: Chord | None = chord(display, hotkey)
        self._released: tuple[int, int] | None = None
        _grab(display, self._chord, hotkey)

    def is_same(self, other: Grab) -> bool:
        """Whether the other takes the same keys, so that to release one is to release both."""
        return self._chord == other._chord

    def is_press(self, event: rq.Event) -> bool:
        """Whether a key event is the start of a press.

        A held key repeats as a release and a press with one time stamp; two real
        events of one key never share theirs.
        """
        if self._chord is None or event.detail != self._chord.keycode:
            return False
        moment = (event.detail, event.time)
        if event.type == X.KeyRelease:
            self._released = moment
            return False
        return moment != self._released

    def follow(self) -> None:
        """Take the hotkey where it is now, after the keyboard has changed.

        If it has gone or is taken there, `problem` says so and the next change
        is the next try.
        """
        try:
            wanted = chord(self._display, self.hotkey)
            if wanted != self._chord:
                self.release()
                _grab(self._display, wanted, self.hotkey)
        except BadHotkey as problem:
            self.release()
            if not self.problem:
                _log.warning("The keyboard has changed, and the hotkey is lost: %s", problem)
            self.problem = problem
        else:
            self._chord, self.problem = wanted, None

    def release(self) -> None:
        """Give the hotkey back, if we have it."""
        if self._chord:
            _ungrab(self._display, self._chord)
            self._chord = None


def try_out(display: Display, hotkey: Hotkey) -> None:
    """Try whether the hotkey could be taken, and leave it as it was.

    Raises:
        BadHotkey: This keyboard does not have the key.
        HotkeyTaken: Another program has the combination.
    """
    wanted = chord(display, hotkey)
    _grab(display, wanted, hotkey)
    _ungrab(display, wanted)


def chord(display: Display, hotkey: Hotkey) -> Chord:
    """Where the hotkey is on the keyboard as it is now.

    Raises:
        BadHotkey: It is not.
    """
    keycode, shifted = _key(display, hotkey)
    modifiers = _modifiers(display)
    held = X.ShiftMask if shifted else 0
    for name in hotkey.modifiers:
        if name not in modifiers:
            raise BadHotkey(f"This keyboard has no {name} key for {hotkey.label}.")
        held |= modifiers[name]
    locks = {X.LockMask, *(modifiers[name] for name in _LOCK_KEYS if name in modifiers)}
    return Chord(keycode, tuple(sorted(held | sum(on) for on in _subsets(locks - {held}))))


def _subsets(masks: set[int]) -> Iterator[tuple[int, ...]]:
    return itertools.chain.from_iterable(
        itertools.combinations(sorted(masks), count) for count in range(len(masks) + 1)
    )


def _grab(display: Display, wanted: Chord, hotkey: Hotkey) -> None:
    """Grab all variants or none."""
    taken = error.CatchError(error.BadAccess)
    for mask in wanted.masks:
        display.screen().root.grab_key(
            wanted.keycode,
            mask,
            owner_events=False,
            pointer_mode=X.GrabModeAsync,
            keyboard_mode=X.GrabModeAsync,
            onerror=taken,
        )
    display.sync()
    if taken.get_error():
        _ungrab(display, wanted)
        raise HotkeyTaken(f"Another program already has {hotkey.label}.")


def _ungrab(display: Display, chord: Chord) -> None:
    """Ungrab what is ours; another client's grabs are not touched by this."""
    for mask in chord.masks:
        display.screen().root.ungrab_key(chord.keycode, mask)
    display.sync()


def _modifiers(display: Display) -> dict[str, int]:
    """Mask of each modifier: only shift, lock and ctrl have fixed ones."""
    found = {"shift": X.ShiftMask, "ctrl": X.ControlMask}
    wanted = _MODIFIER_KEYS | {name: (name,) for name in _LOCK_KEYS}
    for index, keycodes in enumerate(display.get_modifier_mapping()):
        keysyms = {keysym for keycode in keycodes if keycode for keysym in _keysyms(display, keycode)}
        for name, keys in wanted.items():
            if keysyms & {XK.string_to_keysym(key) for key in keys}:
                found.setdefault(name, 1 << index)
    return found


def _key(display: Display, hotkey: Hotkey) -> tuple[int, bool]:
    """Keycode of the hotkey's key, and whether it takes shift to type it."""
    found: list[tuple[int, int]] = []
    for keycode in range(display.display.info.min_keycode, display.display.info.max_keycode + 1):
        levels = [
            level for level, keysym in enumerate(_keysyms(display, keycode)) if _means(keysym, hotkey.key)
        ]
        found += [(level, keycode) for level in levels]
    if not found:
        raise BadHotkey(f"This keyboard has no key '{hotkey.key}' for {hotkey.label}.")
    # Columns are [layout 1 plain, shifted, layout 2 plain, shifted, AltGr levels…]: a
    # grab names the key, so any layout that has the character plain will do.
    level, keycode = min(found, key=lambda place: (place[0] % 2, place))
    return keycode, bool(level % 2)


def _keysyms(display: Display, keycode: int) -> Iterator[int]:
    return (display.keycode_to_keysym(keycode, level) for level in range(_LEVELS))


_LEVELS = 4
"""Columns that are read: two layouts, plain and shifted. More would be AltGr's."""


def _means(keysym: int, key: str) -> bool:
    """Whether a keysym stands for a key of `KEYS` or types a character."""
    if key in KEYS:
        return keysym == XK.string_to_keysym(KEYS[key])
    return _character(keysym) == key


def _character(keysym: int) -> str:
    """What a keysym types, empty if nothing."""
    if keysym >> 24 == 1:
        return chr(keysym & 0xFFFFFF)
    page, byte = keysym >> 8, bytes([keysym & 0xFF])
    if page == 0:
        return byte.decode("latin-1") if keysym else ""
    return byte.decode(_PAGES[page], "ignore") if page in _PAGES else ""
