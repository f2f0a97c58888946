"""A key combination as users write it, in words that no system owns."""

from __future__ import annotations

import difflib
import sys
from dataclasses import dataclass

from tray.errors import BadHotkey

MODIFIERS = ("ctrl", "alt", "shift", "windows")
"""In the order in which they are shown."""

KEYS = {
    "backspace": "BackSpace",
    "delete": "Delete",
    "down": "Down",
    "end": "End",
    "enter": "Return",
    "esc": "Escape",
    "home": "Home",
    "insert": "Insert",
    "left": "Left",
    "menu": "Menu",
    "page down": "Page_Down",
    "page up": "Page_Up",
    "pause": "Pause",
    "print screen": "Print",
    "right": "Right",
    "scroll lock": "Scroll_Lock",
    "space": "space",
    "tab": "Tab",
    "up": "Up",
    **{f"f{number}": f"F{number}" for number in range(1, 25)},
}
"""Keys with a name rather than a sign, and what X and GTK call them."""

_LONELY = {"pause", "print screen", "scroll lock"} | {f"f{number}" for number in range(1, 25)}
"""Keys that type nothing, so they may be a hotkey without a modifier."""

_ALIASES = {
    "break": "pause",
    "pause/break": "pause",
    "pgdn": "page down",
    "print": "print screen",
    "printscreen": "print screen",
    "prtsc": "print screen",
    "meta": "windows",
    "super": "windows",
    "strg": "ctrl",
    "−": "-",  # noqa: RUF001  # what `keyboard` makes of "minus": the sign of mathematics, on no key
}
"""Names that `keyboard` does not know, or not in our sense."""


@dataclass(frozen=True, slots=True)
class Hotkey:
    """One key, and the modifiers held with it.

    Attributes:
        modifiers: Out of `MODIFIERS`; either side of the keyboard counts.
        key: A name out of `KEYS`, or the one character that it types, in lower case.
    """

    modifiers: frozenset[str]
    key: str

    def __str__(self) -> str:
        return "+".join([*self._held(), self.key])

    @property
    def label(self) -> str:
        """For people, as ``Ctrl+Alt+Shift+D``."""
        system = "Win" if sys.platform == "win32" else "Super"
        held = [system if name == "windows" else name.title() for name in self._held()]
        return "+".join([*held, self.key.title()])

    @property
    def shortcut(self) -> list[str]:
        """For the ``shortcut`` property of a dbusmenu: ``["Control", "Alt", "Shift", "D"]``."""
        names = {"ctrl": "Control", "windows": "Super"}
        held = [names.get(name, name.title()) for name in self._held()]
        return [*held, KEYS.get(self.key) or self.key.upper()]

    def _held(self) -> list[str]:
        return [name for name in MODIFIERS if name in self.modifiers]


def parse(text: str) -> Hotkey:
    """The combination that a user wrote, as ``Ctrl + Alt + Shift + D`` or ``control+plus``.

    Raises:
        BadHotkey: It is none, or one that would take a key away from typing.
    """
    names = [_normal(word, text) for word in _words(text)]
    modifiers = frozenset(name for name in names if name in MODIFIERS)
    keys = [name for name in names if name not in MODIFIERS]
    if not keys:
        raise BadHotkey(f"'{text}' names no key beside {' and '.join(names) or 'nothing'}.")
    if len(keys) > 1:
        raise BadHotkey(f"'{text}' names {len(keys)} keys, {' and '.join(keys)}; a hotkey has one.")
    hotkey = Hotkey(modifiers, keys[0])
    if not modifiers - {"shift"} and hotkey.key not in _LONELY:
        raise BadHotkey(f"'{text}' would take that key away from typing: add ctrl, alt or windows.")
    return hotkey


def _words(text: str) -> list[str]:
    """The parts between the plus signs; a last plus sign is the key of that name."""
    text = text.strip()
    if text == "+" or text.replace(" ", "").endswith("++"):
        return [*(word.strip() for word in text.rstrip("+ ").split("+") if word.strip()), "+"]
    return [word.strip() for word in text.split("+")]


def _normal(word: str, text: str) -> str:
    """The one name of a key or modifier."""
    from keyboard import normalize_name  # here, for it takes 30 ms to import

    name = normalize_name(word) if word else ""
    name = _ALIASES.get(name, name).lower()
    if name in MODIFIERS or name in KEYS or (len(name) == 1 and name.isprintable()):
        return name
    raise BadHotkey(_objection(name, word, text))


def _objection(name: str, word: str, text: str) -> str:
    """Why a word is neither a key nor a modifier, with what may have been meant."""
    if not name:
        return f"'{text}' has nothing between two plus signs." if text.strip() else "The hotkey is empty."
    side, _, rest = name.partition(" ")
    if side in {"left", "right"} and rest in MODIFIERS:
        return f"'{text}' asks for the {name} key, but a hotkey takes either side: write {rest}."
    if name == "alt gr":
        return f"'{text}' uses AltGr, which types characters: write ctrl+alt."
    near = difflib.get_close_matches(name, [*MODIFIERS, *KEYS, *_ALIASES], n=1)
    return f"'{word}' in '{text}' is no key" + (f"; did you mean '{near[0]}'?" if near else ".")
