"""The hotkey on Windows: registered with the system, or else heard by a keyboard hook."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from tray.desktop import Health, hotkey
from tray.desktop.windows_hook import Hook
from tray.desktop.windows_keys import Chord, chord
from tray.errors import BadHotkey, Unsupported
from tray.ffi import user32
from tray.ffi.user32 import call

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tray.desktop.hotkey import Hotkey
    from tray.desktop.windows_pump import Pump

log = logging.getLogger(__name__)

NUMBER = 1
"""Ours, among the hotkeys of our own window."""
HELD = 20
"""Milliseconds between two looks at whether the key is up again; while it is down only."""


class Engine(Protocol):
    """One way to hear a hotkey. All calls come on the pump's thread."""

    name: str
    """For ``doctor`` and the tooltip."""

    def start(self, chord: Chord, pressed: Callable[[], None]) -> None:
        """Hear it; ``OSError`` if that cannot be."""

    def stop(self) -> None:
        """Give it back. Callable without `start`."""

    def forget(self) -> None:
        """Keys may have been let go unseen: the session was locked, or asleep."""


class Registered:
    """``RegisterHotKey``: the system itself hears it, over hung apps and windows of administrators too."""

    name = "the system"

    def __init__(self, pump: Pump) -> None:
        self._pump = pump
        self._bound = False
        self._pressed: Callable[[], None] = lambda: None
        self._held = 0

    def start(self, chord: Chord, pressed: Callable[[], None]) -> None:
        """Register it; ``ERROR_HOTKEY_ALREADY_REGISTERED`` where another program has."""
        self._pressed = pressed
        self._pump.answer(user32.WM_HOTKEY, self._heard)
        call("RegisterHotKey", self._pump.window, NUMBER, chord.modifiers | user32.MOD_NOREPEAT, chord.key)
        self._bound = True

    def stop(self) -> None:
        """Give it back."""
        if self._bound:
            self._bound = False
            self._let_go()
            call("UnregisterHotKey", self._pump.window, NUMBER)

    def forget(self) -> None:
        """The system keeps its own books."""

    def _heard(self, _number: int, keys: int) -> int:
        """A press, or where ``MOD_NOREPEAT`` is not heeded (Wine) a repeat: then the key is down since."""
        if not self._held:
            key = keys >> 16 & 0xFFFF
            self._held = self._pump.every(HELD, lambda: None if _down(key) else self._let_go())
            self._pressed()
        return 0

    def _let_go(self) -> None:
        held, self._held = self._held, 0
        self._pump.forget(held)


class Bound:
    """A hotkey that is heard, and how."""

    def __init__(
        self, wanted: Hotkey, chord: Chord, pressed: Callable[[], None], engine: Engine, *, taken: bool
    ) -> None:
        self.hotkey, self.chord, self.pressed = wanted, chord, pressed
        self.engine = engine
        self.taken = taken

    @property
    def found(self) -> str:
        """One sentence for ``doctor``."""
        why = ", for another program has it too" if self.taken else ""
        return f"{self.hotkey.label} works, heard by {self.engine.name}{why}."

    @property
    def aside(self) -> str:
        """What the tooltip adds; empty where the system hears it, for us alone."""
        if self.taken:
            return f"{self.hotkey.label} is shared with another program ({self.engine.name})"
        return "" if self.engine.name == Registered.name else f"Heard by {self.engine.name}"


class Hotkeys:
    """Binds one hotkey at a time, by the first engine that can."""

    def __init__(self, pump: Pump, engines: Sequence[Engine] | None = None) -> None:
        self._pump = pump
        self._engines = engines or (Registered(pump), Hook(pump))
        self.bound: Bound | None = None

    def bind(self, text: str, pressed: Callable[[], None]) -> None:
        """Make the hotkey call ``pressed``; the one before stays in force if this raises.

        Raises:
            BadHotkey: It is none, or no key of this keyboard types it.
            Unsupported: No engine can hear it.
        """
        wanted = hotkey.parse(text)
        keys = chord(wanted, lambda character: call("VkKeyScanW", character))
        self._pump.call(lambda: self._replace(wanted, keys, pressed))

    def unbind(self) -> None:
        """Give the hotkey back, if there is one."""
        if self.bound is not None:
            self._pump.call(self._stop)

    def forget(self) -> None:
        """The session was locked or asleep."""
        if self.bound is not None:
            self.bound.engine.forget()

    def health(self, text: str, *, tray_runs: bool) -> Health:
        """Whether the hotkey works, or would."""
        try:
            wanted = hotkey.parse(text)
            if self.bound is not None and self.bound.hotkey == wanted:
                return Health("hotkey", ok=True, found=self.bound.found)
            keys = chord(wanted, lambda character: call("VkKeyScanW", character))
        except BadHotkey as bad:
            return Health("hotkey", ok=False, found=str(bad), hint=bad.hint)
        taken = self._pump.call(lambda: self._taken(keys))
        return told(wanted.label, keys, taken=taken, tray_runs=tray_runs)

    def _replace(self, wanted: Hotkey, keys: Chord, pressed: Callable[[], None]) -> None:
        before = self.bound
        self._stop()
        try:
            self.bound = started(self._engines, wanted, keys, pressed)
        except Unsupported:
            if before is not None:
                self.bound = started(self._engines, before.hotkey, before.chord, before.pressed)
            raise
        log.info("the hotkey is heard by %s", self.bound.engine.name)

    def _stop(self) -> None:
        before, self.bound = self.bound, None
        if before is not None:
            before.engine.stop()

    def _taken(self, keys: Chord) -> bool:
        """Whether another program has registered it: try it out."""
        if keys.reserved:
            return False
        try:
            call("RegisterHotKey", self._pump.window, NUMBER + 1, keys.modifiers, keys.key)
        except OSError:
            return True
        call("UnregisterHotKey", self._pump.window, NUMBER + 1)
        return False


def started(engines: Sequence[Engine], wanted: Hotkey, keys: Chord, pressed: Callable[[], None]) -> Bound:
    """The hotkey, heard by the first engine that can.

    The system comes first: it is not held up by the very app that hangs. What
    another program has registered, and what Windows reserves, only a hook hears.

    Raises:
        Unsupported: None can.
    """
    registered, *others = engines
    failures: list[OSError] = []
    for engine in others if keys.reserved else engines:
        try:
            engine.start(keys, pressed)
        except OSError as error:
            failures.append(error)
        else:
            taken = any(_is_taken(error) for error in failures)
            return Bound(wanted, keys, pressed, engine, taken=taken)
    raise Unsupported(
        f"Windows gives us no hotkey: {failures[-1].strerror if failures else registered.name}.",
        hint="Choose another combination in the settings, or use the menu of the icon.",
    )


def told(label: str, keys: Chord, *, taken: bool, tray_runs: bool) -> Health:
    """What ``doctor`` says of a hotkey that is not ours now."""
    if keys.reserved:
        return Health("hotkey", ok=True, found=f"{label} is kept for debuggers; the keyboard hook hears it.")
    if not taken:
        return Health("hotkey", ok=True, found=f"{label} is free; {Registered.name} hears it.")
    if tray_runs:
        return Health("hotkey", ok=True, found=f"{label} is held by the running tray.")
    return Health(
        "hotkey",
        ok=True,
        found=f"Another program has {label}; the keyboard hook hears it all the same, and both will act.",
        hint="For one that is yours alone, choose another combination in the settings under 'hotkey'.",
    )


def _down(key: int) -> bool:
    return bool(call("GetAsyncKeyState", key) & 0x8000)


def _is_taken(error: OSError) -> bool:
    return getattr(error, "winerror", None) == user32.ERROR_HOTKEY_ALREADY_REGISTERED
