"""Toasts: to a daemon that records, and to a real one with a real mouse."""

from __future__ import annotations

import queue
import threading

import pytest
from peers import Notifications, connected
from screen import until

from tray.desktop import Toast
from tray.desktop.bus import Bus
from tray.desktop.errands import Errands
from tray.desktop.toasts import Toasts

pytestmark = [pytest.mark.linux, pytest.mark.desktop]


@pytest.fixture
def peer(bus):
    """Another program on the bus."""
    yield from connected()


class Ours:
    """Our side, and what was pressed."""

    def __init__(self) -> None:
        self.bus, self.errands = Bus(), Errands()
        self.toasts = Toasts(self.bus, self.errands)
        self.pressed: queue.Queue[str] = queue.Queue()
        self.threads: list[str] = []

    def press(self, what):
        def pressed() -> None:
            self.threads.append(threading.current_thread().name)
            self.pressed.put(what)

        return pressed

    def toast(self, title="Dump saved", body="34 MB", **options):
        return self.toasts.toast(Toast(title, body, **options))

    def close(self):
        self.toasts.close()
        self.errands.close()
        self.bus.close()


@pytest.fixture
def ours(bus):
    """Our side of a private bus."""
    ours = Ours()
    yield ours
    ours.close()


@pytest.fixture
def daemon(peer):
    """A daemon that can do everything."""
    return peer.serve(Notifications("actions", "body", "body-markup"))


def test_all_that_a_toast_says(ours, daemon):
    """Title, body, picture, and that it is us."""
    assert ours.toast(urgent=True, seconds=5)
    shown = daemon.shown.get(timeout=10)
    assert (shown["app"], shown["summary"], shown["body"]) == ("Hangshot", "Dump saved", "34 MB")
    assert shown["icon"].endswith(".png")
    assert shown["hints"] == {"urgency": 2, "desktop-entry": "io.github.hangshot.Hangshot"}
    assert shown["timeout"] == 5000


def test_plain_defaults(ours, daemon):
    """The desktop chooses how long; nothing is urgent."""
    assert ours.toast()
    shown = daemon.shown.get(timeout=10)
    assert shown["hints"]["urgency"] == 1
    assert shown["timeout"] == -1


def test_text_is_escaped(ours, daemon):
    """A window title with markup in it is shown letter by letter; the title of a toast never is markup."""
    ours.toast("<b>a & b</b>", "<img src='x'> & more")
    shown = daemon.shown.get(timeout=10)
    assert shown["summary"] == "<b>a & b</b>"
    assert shown["body"] == "&lt;img src='x'&gt; &amp; more"


def test_text_is_left_alone_where_no_markup_is_read(ours, peer):
    """A plain daemon would show the escapes."""
    daemon = peer.serve(Notifications("body"))
    ours.toast(body="a & b")
    assert daemon.shown.get(timeout=10)["body"] == "a & b"


def test_buttons_and_body(ours, daemon, peer):
    """Each does its own thing, off the bus thread."""
    buttons = (("Show in folder", ours.press("folder")), ("Copy path", ours.press("copy")))
    for label, what in (("Show in folder", "folder"), ("Copy path", "copy"), ("", "body")):
        ours.toast(buttons=buttons, clicked=ours.press("body"))
        shown = daemon.shown.get(timeout=10)
        assert list(shown["actions"]) == ["", "Show in folder", "Copy path"]
        peer.post(daemon.ActionInvoked, shown["number"], shown["actions"][label])
        assert ours.pressed.get(timeout=10) == what
    assert set(ours.threads) == {"errands"}


def test_same_topic_replaces(ours, daemon, peer):
    """Progress turns into the result in its place, and its button does nothing any more."""
    ours.toast("Dumping…", buttons=(("Cancel", ours.press("cancel")),))
    first = daemon.shown.get(timeout=10)
    ours.toast("Dump saved", buttons=(("Show", ours.press("show")),))
    second = daemon.shown.get(timeout=10)
    assert second["replaces"] == first["number"]
    assert daemon.closed.empty()
    peer.post(daemon.ActionInvoked, first["number"], first["actions"]["Cancel"])
    ours.toast(topic="other")  # its answer comes after the signal
    ours.errands.close()
    assert ours.pressed.empty()


@pytest.mark.parametrize("end", ["shown", "expired", "closed", "used", "never"])
def test_an_update(ours, daemon, peer, end):
    """It takes the place of the toast, keeping buttons; one that the user has done away with stays away."""
    buttons = (("Show", ours.press("show")),)
    if end != "never":
        ours.toast(buttons=buttons)
        first = daemon.shown.get(timeout=10)
    if end in {"expired", "closed"}:
        peer.post(daemon.NotificationClosed, first["number"], 1 if end == "expired" else 2)
    if end == "used":
        peer.post(daemon.ActionInvoked, first["number"], first["actions"]["Show"])
    ours.toast(topic="other")  # its answer comes after the signals
    daemon.shown.get(timeout=10)
    assert ours.toast("Dump saved", "why", buttons=buttons, update=True)
    if end in {"closed", "used", "never"}:
        assert daemon.shown.empty()
        return
    second = daemon.shown.get(timeout=10)
    assert (second["replaces"], second["body"]) == (first["number"], "why")
    peer.post(daemon.ActionInvoked, second["number"], second["actions"]["Show"])
    assert ours.pressed.get(timeout=10) == "show"


def test_other_topic_stands_beside(ours, daemon):
    """A hello is not replaced by a dump."""
    ours.toast(topic="hello")
    ours.toast(topic="dump")
    assert [daemon.shown.get(timeout=10)["replaces"] for _ in range(2)] == [0, 0]


def test_dismiss(ours, daemon):
    """It goes, and what is gone is no trouble."""
    ours.toast(topic="dump")
    number = daemon.shown.get(timeout=10)["number"]
    ours.toasts.dismiss("dump")
    assert daemon.closed.get(timeout=10) == number
    ours.toasts.dismiss("dump")
    ours.toasts.dismiss("never shown")
    assert daemon.closed.empty()
    ours.toast(topic="dump")
    assert daemon.shown.get(timeout=10)["replaces"] == 0


def test_close_takes_dead_buttons_away(ours, daemon):
    """A toast whose button would do nothing goes with us; one that only tells stays."""
    ours.toast(topic="told")
    ours.toast(topic="asks", buttons=(("Show", ours.press("show")),))
    _, asks = (daemon.shown.get(timeout=10) for _ in range(2))
    ours.toasts.close()
    assert daemon.closed.get(timeout=10) == asks["number"]
    assert daemon.closed.empty()


def test_many_at_once(ours, daemon):
    """Toasts of one topic from many threads make one toast on the screen."""
    threads = [threading.Thread(target=ours.toast) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert {daemon.shown.get(timeout=10)["number"] for _ in range(8)} == {1}


def test_nobody_shows_toasts(ours, expected_warnings):
    """It is told by the result and by one line in the log, not one for each toast."""
    assert not ours.toast()
    assert not ours.toast()
    assert len(expected_warnings.messages) == 1
    ours.toasts.dismiss("dump")


def test_daemon_that_starts_later(ours, peer, expected_warnings):
    """Nothing of the failure before stays."""
    assert not ours.toast()
    daemon = peer.serve(Notifications("actions", "body"))
    assert ours.toast()
    assert daemon.shown.get(timeout=10)


def test_daemon_restarts(ours, daemon, peer):
    """Another daemon takes over and knows nothing of the toast to be replaced."""
    assert ours.toast()
    peer.leave(daemon)
    again = peer.serve(Notifications("actions", "body"))
    assert ours.toast(buttons=(("Show", ours.press("show")),))
    shown = again.shown.get(timeout=10)
    peer.post(again.ActionInvoked, shown["number"], shown["actions"]["Show"])
    assert ours.pressed.get(timeout=10) == "show"


def test_no_bus(homes, expected_warnings):
    """No bus, no toast, one line."""
    ours = Ours()
    assert not ours.toast()
    ours.toasts.dismiss("dump")
    ours.close()
    assert len(expected_warnings.messages) == 1


def test_lost_bus(bus, ours, daemon, expected_warnings):
    """The same when it is lost on the way."""
    assert ours.toast()
    bus.kill()
    until(lambda: not ours.bus.reachable, "the loss to be seen")
    assert not ours.toast()
    assert len(expected_warnings.messages) == 2


# On a real daemon


def _toast_windows(screen):
    """Windows of toasts: id, x, y, width, height."""
    display = screen.connect()
    try:
        found = []
        for window in display.screen().root.query_tree().children:
            place, attributes = window.get_geometry(), window.get_attributes()
            if attributes.map_state == 2 and place.width > 100 and place.height > 40 and place.x > 640:
                found.append((window.id, place.x, place.y, place.width, place.height))
        return found
    finally:
        display.close()


def test_button_of_a_real_toast(screen, notifyd, ours):
    """The way of a person: the toast comes up, the mouse goes to its last button."""
    assert ours.toast(buttons=(("Show in folder", ours.press("folder")), ("Copy path", ours.press("copy"))))
    _, x, y, width, height = until(lambda: _toast_windows(screen), "the toast")[0]
    spot = (str(x + width - 60), str(y + height - 30))

    def clicked():
        screen.run("xdotool", "mousemove", *spot, "click", "1")
        return not ours.pressed.empty()

    until(clicked, "the button")
    assert ours.pressed.get(timeout=10) == "copy"


def test_real_toast_is_replaced_in_place(screen, notifyd, ours):
    """One toast on the screen, whatever comes of the first."""
    ours.toast("Dumping…", "so far", buttons=(("Cancel", ours.press("cancel")),))
    until(lambda: _toast_windows(screen), "the toast")
    ours.toast("Dump saved", "a\nlonger\nbody", buttons=(("Show", ours.press("show")),))
    assert len(_toast_windows(screen)) == 1
    ours.toasts.dismiss("dump")
    until(lambda: not _toast_windows(screen), "the toast to go")
