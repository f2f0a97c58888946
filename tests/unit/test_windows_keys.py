"""Hotkeys on Windows: virtual keys, which events of a hook are a press, and which engine hears."""

from __future__ import annotations

import pytest

from tray.desktop import hotkey
from tray.desktop.windows_hotkeys import started, told
from tray.desktop.windows_keys import KEYS, Chord, Matcher, chord, deaf, held, names
from tray.errors import BadHotkey, Unsupported

CTRL, ALT, SHIFT, WIN = 2, 1, 4, 8
ON_KEYBOARD = {"d": 0x44, "+": 0x1BB, "ö": 0xC0, "@": 0x651}
D, SCAN_CTRL, SCAN_ALT, SCAN_SHIFT = 0x20, 0x1D, 0x38, 0x2A


def on(text: str) -> Chord:
    """A hotkey on the keyboard of these tests."""
    return chord(hotkey.parse(text), lambda character: ON_KEYBOARD.get(character, -1))


@pytest.mark.parametrize(
    ("text", "key", "modifiers"),
    [
        ("ctrl+alt+shift+d", 0x44, CTRL | ALT | SHIFT),
        ("windows+ö", 0xC0, WIN),
        ("f24", 0x87, 0),
        ("ctrl+page up", 0x21, CTRL),
        ("ctrl++", 0xBB, CTRL | SHIFT),
        ("ctrl+@", 0x51, CTRL | ALT),
    ],
)
def test_chord(text: str, key: int, modifiers: int):
    """A named key is the same everywhere; a character is where the keyboard has it, with what it takes."""
    assert on(text) == Chord(key, modifiers)


def test_character_of_another_keyboard():
    """It cannot be pressed, so it is said."""
    with pytest.raises(BadHotkey, match="types 'я'"):
        on("ctrl+я")


def test_every_named_key_has_a_number():
    """What can be written can be registered."""
    assert set(KEYS) == set(hotkey.KEYS)


@pytest.mark.parametrize("text", ["del+alt+ctrl", "win+L"])
def test_what_windows_keeps_for_itself(text: str):
    """It would be taken without complaint, and never come."""
    with pytest.raises(BadHotkey, match="for itself"):
        on(text)


def test_reserved():
    """F12 alone belongs to debuggers."""
    assert on("f12").reserved
    assert not on("ctrl+f12").reserved


@pytest.mark.parametrize(
    ("down", "said"), [((), set()), ((0x11, 0x5C), {"ctrl", "windows"}), ((0x12, 0x10), {"alt", "shift"})]
)
def test_held(down: tuple[int, ...], said: set[str]):
    """The top bit says that a key is down, the others say what it was."""
    assert held(lambda key: -32768 if key in down else 1) == said


@pytest.mark.parametrize(
    ("last_input", "last_heard", "lost"),
    [
        (1000, 1000, False),
        (61_000, 1000, False),
        (61_001, 1000, True),
        (1000, 61_001, False),
        (100_000, 2**32 - 1000, True),
    ],
)
def test_deaf(last_input: int, last_heard: int, *, lost: bool):
    """A minute of input that was not heard; the clock starts over after 49 days."""
    assert deaf(last_input, last_heard) is lost


class Keyboard:
    """A matcher for Ctrl+Alt+D, and the keys that tests hold."""

    def __init__(self) -> None:
        self.now: frozenset[str] = frozenset()
        self.clock = 0.0
        self.matcher = Matcher(frozenset({"ctrl", "alt"}), D, lambda: self.now)

    def down(self, *scans: int, keypad: bool = False) -> list[bool]:
        self.clock += 0.05
        return [self.matcher.down(scan, self.clock, keypad=keypad) for scan in scans]

    def up(self, *scans: int) -> None:
        for scan in scans:
            self.matcher.up(scan)


@pytest.fixture
def keyboard() -> Keyboard:
    return Keyboard()


def test_one_press_however_long_it_is_held(keyboard: Keyboard):
    """Repeats are not presses; the next one is."""
    assert keyboard.down(SCAN_CTRL, SCAN_ALT, D, D, D) == [False, False, True, False, False]
    keyboard.up(D)
    assert keyboard.down(D, D) == [True, False]


def test_more_or_less_modifiers_are_another_hotkey(keyboard: Keyboard):
    """Neither Ctrl+D nor Ctrl+Alt+Shift+D."""
    assert keyboard.down(SCAN_CTRL, D)[-1] is False
    keyboard.up(D)
    assert keyboard.down(SCAN_ALT, SCAN_SHIFT, D)[-1] is False


def test_keypad_is_not_meant(keyboard: Keyboard):
    """Its keys lie where the arrows do, by their numbers."""
    keyboard.down(SCAN_CTRL, SCAN_ALT)
    assert keyboard.down(D, keypad=True) == [False]


def test_keys_that_are_up_by_now_still_count(keyboard: Keyboard):
    """Events are looked at late when the machine is busy; the order of events is what the user did."""
    keyboard.now = frozenset()
    assert keyboard.down(SCAN_CTRL, SCAN_ALT, D)[-1]


def test_key_whose_release_was_not_seen(keyboard: Keyboard):
    """It does not make every later press another hotkey: what is held now counts too."""
    keyboard.down(SCAN_SHIFT)
    keyboard.now = frozenset({"ctrl", "alt"})
    assert keyboard.down(SCAN_CTRL, SCAN_ALT, D)[-1]


def test_release_of_the_key_was_not_seen(keyboard: Keyboard):
    """A held key repeats; one that came long after is a new press."""
    assert keyboard.down(SCAN_CTRL, SCAN_ALT, D)[-1]
    keyboard.clock += 2
    assert keyboard.down(D) == [True]


def test_forget(keyboard: Keyboard):
    """After the lock screen nothing is held."""
    keyboard.down(SCAN_CTRL, SCAN_ALT, D)
    keyboard.matcher.forget()
    assert keyboard.down(D) == [False]
    keyboard.up(D)
    assert keyboard.down(SCAN_CTRL, SCAN_ALT, D)[-1]


class FakeEngine:
    """An engine that fails as it is told."""

    def __init__(self, name: str, failure: OSError | None = None) -> None:
        self.name, self.failure = name, failure
        self.started = 0

    def start(self, chord: Chord, pressed: object) -> None:
        self.started += 1
        if self.failure:
            raise self.failure

    def stop(self) -> None:
        pass

    def forget(self) -> None:
        pass


def refusal(number: int) -> OSError:
    """As Windows words it; Linux has no such field, so it is put there."""
    error = OSError(22, "refused")
    error.winerror = number
    return error


def heard_by(text: str, *engines: FakeEngine):
    """How a hotkey is heard."""
    return started(engines, hotkey.parse(text), on(text), lambda: None)


def test_the_system_hears_first():
    """No hook where none is needed."""
    system, hook = FakeEngine("the system"), FakeEngine("the hook")
    bound = heard_by("ctrl+alt+d", system, hook)
    assert bound.engine is system
    assert not hook.started
    assert bound.found == "Ctrl+Alt+D works, heard by the system."
    assert not bound.aside


def test_a_taken_one_is_heard_by_the_hook():
    """And doctor says why."""
    hook = FakeEngine("the hook")
    bound = heard_by("ctrl+alt+d", FakeEngine("the system", refusal(1409)), hook)
    assert bound.engine is hook
    assert bound.taken
    assert bound.found == "Ctrl+Alt+D works, heard by the hook, for another program has it too."
    assert bound.aside == "Ctrl+Alt+D is shared with another program (the hook)"


def test_other_refusals_are_not_called_taken():
    """Only one number says so."""
    bound = heard_by("ctrl+alt+d", FakeEngine("the system", refusal(87)), FakeEngine("the hook"))
    assert not bound.taken


def test_the_debuggers_key_is_never_registered():
    """Windows keeps it; a hook hears it all the same."""
    system, hook = FakeEngine("the system"), FakeEngine("the hook")
    bound = heard_by("f12", system, hook)
    assert bound.engine is hook
    assert bound.aside == "Heard by the hook"
    assert not system.started


def test_nobody_hears():
    """Then it is said, with the way around."""
    with pytest.raises(Unsupported, match="refused") as said:
        heard_by("ctrl+alt+d", FakeEngine("the system", refusal(5)), FakeEngine("the hook", refusal(5)))
    assert said.value.hint


@pytest.mark.parametrize(
    ("text", "taken", "tray_runs", "said"),
    [
        ("ctrl+alt+d", False, False, "is free"),
        ("ctrl+alt+d", True, True, "held by the running tray"),
        ("ctrl+alt+d", True, False, "Another program"),
        ("f12", False, False, "debuggers"),
    ],
)
def test_told(text: str, said: str, *, taken: bool, tray_runs: bool):
    """Doctor says who has it."""
    assert said in told("X", on(text), taken=taken, tray_runs=tray_runs).found


def test_names():
    """The bits of a chord, as words."""
    assert names(Chord(0x44, CTRL | WIN)) == {"ctrl", "windows"}
