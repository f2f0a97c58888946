"""The hotkey on a real X display, pressed by xdotool."""

import contextlib
import os
import signal
import threading

import pytest
from screen import Screen, until
from Xlib import XK, X, error

from tray.desktop import hotkey, x11, x11_keys
from tray.errors import BadHotkey, HotkeyTaken, Unsupported

pytestmark = [pytest.mark.linux, pytest.mark.x11]

DEFAULT = "ctrl+alt+shift+d"


@pytest.fixture(scope="module")
def screen():
    """A display of this module's own: tests here change its keyboard."""
    screen = Screen()
    yield screen
    screen.close()


@pytest.fixture
def desktop(screen):
    """Ourselves, connected to the display."""
    desktop = x11.X11(screen.name)
    yield desktop
    desktop.close()


@pytest.fixture
def other(screen):
    """Another client of the display."""
    with contextlib.closing(screen.connect()) as display:
        yield display


@pytest.fixture
def presses(desktop, monkeypatch):
    """What came of the keys: our callbacks, and every key event that the server sent us."""
    presses = Presses(desktop)
    real = x11_keys.Grab.is_press

    def is_press(grab, event):
        presses.events.append(event.type)
        return real(grab, event)

    monkeypatch.setattr(x11_keys.Grab, "is_press", is_press)
    return presses


class Presses:
    """Counts."""

    def __init__(self, desktop):
        self.desktop = desktop
        self.count = 0
        self.events = []

    def __call__(self):
        self.count += 1

    def settle(self):
        """Wait until all that the server has sent is served."""
        self.desktop._events.loop.call(self.desktop._events._display.sync)
        self.desktop._events.loop.call(lambda: None)


def _chord(desktop):
    """Which keys are grabbed, seen between two events."""
    return desktop._events.loop.call(lambda: desktop._events.grab._chord)


def _problem(desktop):
    return desktop._events.loop.call(lambda: desktop._events.grab.problem)


@pytest.fixture
def layout(screen):
    """Sets the keyboard's layout; afterwards it is the American one again."""

    def layout(*options):
        screen.run("setxkbmap", "-option", "", *options)

    layout("-layout", "us")
    yield layout
    layout("-layout", "us")


@pytest.mark.parametrize(
    "combo", [DEFAULT, "ctrl+F9", "pause", "super+alt+space", "ctrl+plus", "ctrl+alt+Page_Up"]
)
def test_press(desktop, presses, screen, combo):
    """A press is one call; a second press is a second."""
    desktop.bind(combo.replace("_", " "), presses)
    # xdotool does not hold shift for a combination, so it types "+" with our help.
    keys = {"ctrl+plus": "ctrl+shift+equal", "pause": "Pause"}.get(combo, combo)
    screen.press(keys)
    until(lambda: presses.count == 1)
    screen.press(keys)
    until(lambda: presses.count == 2)


def test_other_keys(desktop, presses, screen):
    """Less, more or other keys are no press."""
    desktop.bind(DEFAULT, presses)
    screen.press("ctrl+alt+d", "ctrl+alt+shift+super+d", "d", "ctrl+alt+shift+e")
    screen.press(DEFAULT)
    until(lambda: presses.count)
    presses.settle()
    assert presses.count == 1


@pytest.mark.parametrize("locks", [["Num_Lock"], ["Caps_Lock"], ["Num_Lock", "Caps_Lock"]])
def test_locks(desktop, presses, screen, other, locks):
    """The locks make no difference."""
    desktop.bind(DEFAULT, presses)
    screen.press(*locks)
    try:
        assert other.screen().root.query_pointer().mask.bit_count() == len(locks)
        screen.press(DEFAULT)
        until(lambda: presses.count == 1)
    finally:
        screen.press(*locks)


def test_held(desktop, presses, screen):
    """A held key repeats, and is one press all the same."""
    desktop.bind(DEFAULT, presses)
    screen.run("xset", "r", "rate", "150", "100")
    screen.down(DEFAULT)
    until(lambda: presses.events.count(X.KeyPress) >= 8)
    screen.up(DEFAULT)
    assert presses.count == 1
    screen.press(DEFAULT)
    until(lambda: presses.count == 2)


def test_over_stopped_window(desktop, presses, screen):
    """The hotkey works over a window whose program does not run, and that window is the target."""
    program = screen.show()
    until(lambda: desktop.foreground().pid == program.pid)
    os.kill(program.pid, signal.SIGSTOP)
    found = []
    desktop.bind(DEFAULT, lambda: found.append(desktop.foreground()))
    screen.press(DEFAULT)
    until(lambda: found)
    assert found[0].pid == program.pid
    screen.end(program)


def test_asked_from_all_sides(desktop, screen):
    """The callback may ask, and bind anew, while other threads ask; nobody waits for ever."""
    program = screen.show()
    until(lambda: desktop.foreground().pid == program.pid)
    done = threading.Event()
    pids = set()
    found = []

    def ask():
        while not done.is_set():
            window = desktop.foreground()
            pids.add(window.pid)
            desktop.hung(window, 5)

    def pressed():
        found.append(desktop.foreground().pid)
        desktop.bind(DEFAULT, pressed)

    desktop.bind(DEFAULT, pressed)
    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for count in range(1, 6):
        screen.press(DEFAULT)
        until(lambda count=count: len(found) == count)
    done.set()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert {*found, *pids} == {program.pid}
    screen.end(program)


def test_failing_callback(desktop, screen, expected_warnings):
    """A callback that fails is logged; the next press calls it again."""
    calls = []

    def fail():
        calls.append(1)
        raise RuntimeError("on purpose")

    desktop.bind(DEFAULT, fail)
    screen.press(DEFAULT)
    screen.press(DEFAULT)
    until(lambda: len(calls) == 2)
    assert len(expected_warnings.messages) == 2


def _grab(display, mask=X.ControlMask | X.Mod1Mask | X.ShiftMask):
    taken = error.CatchError(error.BadAccess)
    keycode = display.keysym_to_keycode(XK.XK_d)
    display.screen().root.grab_key(keycode, mask, 0, X.GrabModeAsync, X.GrabModeAsync, taken)
    display.sync()
    return taken.get_error() is None


@pytest.mark.parametrize("lock", [0, X.LockMask, X.Mod2Mask])
def test_taken(desktop, presses, screen, other, lock):
    """A combination of another program is refused, and what it had is left to it."""
    assert _grab(other, X.ControlMask | X.Mod1Mask | X.ShiftMask | lock)
    with pytest.raises(HotkeyTaken, match=r"already has Ctrl\+Alt\+Shift\+D"):
        desktop.bind(DEFAULT, presses)
    other.screen().root.ungrab_key(X.AnyKey, X.AnyModifier)
    other.sync()
    desktop.bind(DEFAULT, presses)
    screen.press(DEFAULT)
    until(lambda: presses.count == 1)


def test_given_back(desktop, presses, other):
    """What was bound is free for others after `unbind`, which may come twice, and after `close`."""
    desktop.bind(DEFAULT, presses)
    assert not _grab(other)
    desktop.unbind()
    desktop.unbind()
    assert _grab(other)
    other.screen().root.ungrab_key(X.AnyKey, X.AnyModifier)
    other.sync()
    desktop.bind(DEFAULT, presses)
    desktop.close()
    desktop.close()
    assert _grab(other)
    with pytest.raises(Unsupported):
        desktop.bind(DEFAULT, presses)


def test_bound_anew(desktop, presses, screen, other):
    """A new hotkey replaces the old one; one that fails leaves the old one in force."""
    desktop.bind("ctrl+F9", presses)
    desktop.bind(DEFAULT, presses)
    screen.press("ctrl+F9", DEFAULT)
    until(lambda: presses.count == 1)
    grabbed = error.CatchError(error.BadAccess)
    key = other.keysym_to_keycode(XK.XK_F9)
    other.screen().root.grab_key(key, X.ControlMask, 0, X.GrabModeAsync, X.GrabModeAsync, grabbed)
    other.sync()
    assert grabbed.get_error() is None
    for bad in ("ctrl+F9", "ctrl+F20000", "ctrl+ж", "d"):
        with pytest.raises(BadHotkey):
            desktop.bind(bad, presses)
    screen.press(DEFAULT)
    until(lambda: presses.count == 2)


def test_same_keys_by_another_name(desktop, presses, screen):
    """Two names of one combination do not get in each other's way."""
    desktop.bind("ctrl+!", presses)
    desktop.bind("ctrl+shift+1", presses)
    screen.press("ctrl+shift+1")
    until(lambda: presses.count == 1)


def test_key_not_on_keyboard(desktop, presses):
    """A key that this keyboard lacks is refused by name."""
    with pytest.raises(BadHotkey, match="no key 'ж'"):
        desktop.bind("ctrl+ж", presses)


def _tap(display, *keycodes):
    """Press keys as they lie on the keyboard; xdotool would change the layout for it."""
    for keycode in keycodes:
        display.xtest_fake_input(X.KeyPress, keycode)
    for keycode in reversed(keycodes):
        display.xtest_fake_input(X.KeyRelease, keycode)
    display.sync()


def test_other_layouts(layout, desktop, presses, other):
    """A key is found by what it types, also in a second layout, and works whichever is on."""
    layout("-layout", "us,ru", "-option", "grp:caps_toggle")
    ctrl, alt, shift, caps, semicolon, d = 37, 64, 50, 66, 47, 40
    for second in (False, True):
        assert bool(other.screen().root.query_pointer().mask & 0x2000) == second, "which layout is on"
        for text, keys in (("ctrl+alt+ж", (ctrl, alt, semicolon)), (DEFAULT, (ctrl, alt, shift, d))):
            desktop.bind(text, presses)
            before = presses.count
            _tap(other, *keys)
            until(lambda before=before: presses.count == before + 1, text)
        _tap(other, caps)


def test_layout_changes(desktop, presses, screen, layout, expected_warnings):
    """The hotkey moves with its key, is missed where there is none, and comes back with it."""
    desktop.bind(DEFAULT, presses)
    before = _chord(desktop)
    layout("-layout", "us", "-variant", "dvorak")
    until(lambda: _chord(desktop) not in (before, None))
    screen.press(DEFAULT)
    until(lambda: presses.count == 1)
    layout("-layout", "ru")
    until(lambda: _problem(desktop))
    assert "no key 'd'" in expected_warnings.messages[-1]
    assert len(expected_warnings.messages) == 1
    assert [line.ok for line in desktop.health(DEFAULT) if line.part == "hotkey"] == [False]
    layout("-layout", "us")
    until(lambda: _chord(desktop) == before)
    screen.press(DEFAULT)
    until(lambda: presses.count == 2)
    assert all(line.ok for line in desktop.health(DEFAULT))


def test_numlock_elsewhere(desktop, presses, screen, other, layout):
    """The lock's modifier is looked up, for it need not be Mod2."""
    mapping = [list(keycodes) for keycodes in other.get_modifier_mapping()]
    mapping[4], mapping[5] = mapping[5], mapping[4]
    assert other.set_modifier_mapping(mapping) == X.MappingSuccess
    desktop.bind(DEFAULT, presses)
    assert any(mask & X.Mod3Mask for mask in _chord(desktop).masks)
    assert not any(mask & X.Mod2Mask for mask in _chord(desktop).masks)
    screen.press("Num_Lock")
    screen.press(DEFAULT)
    until(lambda: presses.count == 1)
    screen.press("Num_Lock")
    mapping[4], mapping[5] = mapping[5], mapping[4]
    assert other.set_modifier_mapping(mapping) == X.MappingSuccess
    until(lambda: any(mask & X.Mod2Mask for mask in _chord(desktop).masks))


def test_no_windows_key(desktop, presses, other, layout):
    """A modifier that no key of this keyboard is, is named."""
    mapping = [list(keycodes) for keycodes in other.get_modifier_mapping()]
    mapping[6] = [0] * len(mapping[6])
    assert other.set_modifier_mapping(mapping) == X.MappingSuccess
    with pytest.raises(BadHotkey, match="no windows key"):
        desktop.bind("windows+d", presses)


def test_health(desktop, screen, other):
    """The doctor says whether the hotkey would work, and takes nothing by that."""
    lines = {line.part: line for line in desktop.health(DEFAULT)}
    assert [line.ok for line in lines.values()] == [True] * 3
    assert "Openbox" in lines["window manager"].found
    assert "Ctrl+Alt+Shift+D" in lines["hotkey"].found
    assert _grab(other)
    line = desktop.health(DEFAULT)[-1]
    assert not line.ok
    assert line.hint
    assert desktop.health(DEFAULT, tray_runs=True)[-1].ok
    assert "no key" in desktop.health("ctrl+nonsense")[-1].found


def test_try_out_takes_nothing(other, screen):
    """To try a hotkey out leaves it free."""
    with contextlib.closing(screen.connect()) as display:
        x11_keys.try_out(display, hotkey.parse(DEFAULT))
        assert _grab(other)
