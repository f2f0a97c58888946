"""The tray's logic: what it does when keys, windows, rows and workers move, with fakes all around."""

from __future__ import annotations

import json
import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes import FakeCapture, FakeDesktop, FakeWorkers
from programs import wait_until

from tray import capture
from tray.app import help as help_page
from tray.app import tray as app_tray
from tray.app.tray import App, Places
from tray.errors import BadDump, CaptureFailed, Unsupported
from tray.model import Retention, Target
from tray.settings import Settings
from tray.shot import aim, words
from tray.shot.loop import APART

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EDITOR = Target(70, 700, "editor")
BROWSER = Target(71, 710, "browser")
TOAST = str(Path("/dumps/editor_70_20261122-195605_mini.core"))


@dataclass
class Tray:
    """A tray among fakes, its loop on a thread of its own."""

    app: App
    desktop: FakeDesktop
    workers: FakeWorkers
    capture: FakeCapture
    places: Places
    asked: list[tuple[str, Callable[[dict], None]]]
    pages: list[tuple[str, Callable[[dict], None]]]

    def start(self) -> bool:
        """Start it, and its loop."""
        started = self.app.start()
        self.run()
        return started

    def run(self) -> None:
        """Start its loop."""
        self.thread = threading.Thread(target=self.app.loop.run)
        self.thread.start()

    def press(self, pid: int = 70) -> None:
        """Press the key over a window of this process, and wait for the worker to be asked."""
        before = len(self.workers.made)
        self.desktop.show(pid)
        self.desktop.press()
        wait_until(lambda: len(self.workers.made) > before and self.workers.last.requests, "a request")
        if self.app.shot.early and pid not in self.desktop.dead:
            wait_until(lambda: self.workers.last.answers, "the answer of the window")

    def toast(self, title: str):
        """The newest toast with this title, once it is there."""
        return wait_until(
            lambda: next((one for one in reversed(self.desktop.toasts) if one.title == title), None),
            f"toast {title!r} among {[one.title for one in self.desktop.toasts]}",
        )

    def write(self, toml: str) -> None:
        """Save the settings file, as an editor does."""
        self.places.settings.write_text(toml, encoding="utf-8")

    def settle(self) -> None:
        """Wait until the loop has done all that was posted, also by a look that runs, or what is shown just now."""
        wait_until(lambda: not self.app._looking, "the look")
        self._turn()
        wait_until(lambda: all(one.name != APART for one in threading.enumerate()), "what takes its time")
        self._turn()

    def _turn(self) -> None:
        """Wait until the loop has done all that was posted."""
        done = threading.Event()
        self.app.loop.post(done.set)
        assert done.wait(10)

    def explained(self, words: str) -> None:
        """Tell what the stacks of the first dump say, and wait until that is taken in."""
        path, told = wait_until(lambda: self.asked, "a dump to explain")[0]
        assert str(Path(path)) == TOAST
        kind = "idle" if words.startswith("Nothing") else "busy"
        told(
            {
                "event": "explained",
                "path": path,
                "verdict": {"sentence": words, "kind": kind} if words else None,
            }
        )
        self.settle()

    def end(self) -> None:
        self.app.end()
        if self.workers.made and self.app.shot.running:
            self.workers.last.tell("error", error="Cancelled")
        self.thread.join(10)
        assert not self.thread.is_alive()


@pytest.fixture
def tray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tray]:
    """A tray that has not started yet; it has been greeted before, so it starts in silence."""
    processes = FakeCapture(EDITOR, BROWSER)
    monkeypatch.setattr(capture, "started", processes.started)
    monkeypatch.setattr(capture, "hold", processes.hold)
    monkeypatch.setattr(capture, "capture", lambda: processes)
    monkeypatch.setattr(aim, "_name", lambda pid: processes.processes[pid].name)
    monkeypatch.setattr(help_page, "health", lambda: "all is well")
    desktop, workers = FakeDesktop(), FakeWorkers()
    places = Places(tmp_path / "settings.toml", tmp_path / "state", tmp_path / "hangshot.log")
    places.state.mkdir()
    places.greeted.touch()
    places.settings.write_text(f"folder = '{tmp_path / 'dumps'}'\nnotify_after = 60\n", encoding="utf-8")
    asked = []
    pages = []
    app = App(
        desktop,
        places,
        workers,
        explain=lambda path, told: asked.append((path, told)),
        page=lambda path, told: pages.append((path, told)),
    )
    made = Tray(app, desktop, workers, processes, places, asked, pages)
    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    signals = [getattr(signal, name) for name in names]
    before = [signal.getsignal(number) for number in signals]
    yield made
    if hasattr(made, "thread") and made.thread.is_alive():
        made.end()
    made.app.close()
    for number, handler in zip(signals, before, strict=True):
        signal.signal(number, handler)


# ---- a press


@pytest.mark.parametrize("early", [True, False])
def test_press_asks_for_a_dump(tray: Tray, early) -> None:
    """A press names the process in front, the mode and the trigger; where that is told first, that it hangs."""
    tray.desktop.dead.add(70)
    tray.app.shot.early = early
    tray.start()
    tray.press()
    window = {"pid": 70, "title": "", "hung": None if early else True, "thread": None}
    assert tray.workers.last.requests == [
        {
            "schema": 1,
            "pid": 70,
            "started": 700,
            "mode": "mini",
            "capture": "auto",
            "low_impact": False,
            "compress": "none",
            "trigger": "hotkey",
            "window": window,
            "pinged": early,
            "output": None,
            "folder": str(tray.app.settings.folder),
            "retention": {"count": 20, "days": 30, "size": 10 << 30},
        }
    ]


def test_the_app_is_held_from_the_press_to_the_end(tray: Tray) -> None:
    """Its pid cannot come to mean another process meanwhile; a press that comes to nothing lets go at once."""
    tray.start()
    tray.press()
    assert tray.capture.held == [70]
    tray.desktop.press()
    tray.settle()
    assert [toast.title for toast in tray.desktop.toasts] == [words.busy("editor", 0)]
    assert tray.capture.held == [70]
    tray.workers.last.tell("error", error="Cancelled")
    tray.settle()
    assert tray.capture.held == []
    tray.workers.failure = CaptureFailed("The worker could not be started: Out of memory.")
    tray.desktop.press()
    tray.settle()
    assert tray.capture.held == []
    tray.app.loop.post(lambda: setattr(tray.app, "_quitting", True))
    tray.desktop.press()
    tray.settle()
    assert tray.capture.held == []


@pytest.mark.parametrize("early", [True, False])
def test_worker_starts_before_the_ping_ends(tray: Tray, early) -> None:
    """The interpreter starts while the window is still being asked; the dump too, where it can do without."""
    tray.app.shot.early = early
    asked, answer = threading.Event(), threading.Event()

    def hung(window, patience: float = 0.25) -> bool:
        asked.set()
        return answer.wait(10)

    tray.start()
    tray.settle()
    tray.desktop.hung = hung
    tray.desktop.show(70)
    tray.desktop.press()
    assert asked.wait(10)
    worker = wait_until(lambda: tray.workers.made, "a worker")[0]
    if early:
        wait_until(lambda: worker.requests, "a request before the answer")
        assert worker.answers == []
    else:
        assert worker.requests == []
        tray.settle()
        answer.set()
        wait_until(lambda: worker.requests, "a request")
    answer.set()


def test_a_frozen_window_is_asked_again(tray: Tray) -> None:
    """It cannot answer while its app is frozen: it is pinged until it does, and that is told once."""
    tray.app.shot.early = True
    tray.desktop.dead.add(70)
    tray.start()
    tray.press()
    wait_until(lambda: tray.app.shot.running.hung, "the first ping")
    assert tray.workers.last.answers == []
    tray.desktop.dead.remove(70)
    wait_until(lambda: tray.workers.last.answers, "the answer")
    tray.settle()
    assert tray.workers.last.answers == [False]
    tray.workers.last.dumped()
    assert "not responding" not in tray.toast("Dump saved — editor (70)").body


@pytest.mark.parametrize("said", [None, OSError(5, "the display is lost")])
def test_a_ping_that_tells_nothing(tray: Tray, said, expected_warnings) -> None:
    """Where nobody can tell whether the window hangs, the worker does not wait for it."""
    tray.app.shot.early = True

    def hung(window, patience: float = 0.25) -> None:
        if said:
            raise said

    tray.desktop.hung = hung
    tray.start()
    tray.press()
    tray.settle()
    assert tray.workers.last.answers == [None]


def test_icon_tells_that_a_dump_runs(tray: Tray) -> None:
    """Icon and tooltip change within a moment, follow the progress, and come back."""
    tray.start()
    tray.press()
    wait_until(lambda: tray.desktop.looks[-1] == "busy", "a busy icon")
    assert tray.desktop.tooltip == "Dumping editor…"
    assert tray.desktop.rows()[0] == "Cancel the dump of editor"
    tray.workers.last.tell("progress", done=41, total=100)
    wait_until(lambda: tray.desktop.tooltip == "Dumping editor… 41 %", "progress")
    tray.workers.last.dumped()
    wait_until(lambda: tray.desktop.looks[-1] == "idle", "an icon at rest")
    assert tray.desktop.tooltip.endswith("Dump saved — editor (70)")


def test_saved(tray: Tray) -> None:
    """The toast has the facts, three buttons, and leads to the file."""
    tray.desktop.dead.add(70)
    tray.start()
    tray.press()
    tray.workers.last.dumped()
    toast = tray.toast("Dump saved — editor (70)")
    assert toast.body == f"180 kB · mini · stood still 0.18 s · was not responding\n{TOAST}"
    assert [label for label, _ in toast.buttons] == ["Show report", "Show in folder", "Copy path"]
    tray.desktop.button("Show in folder")
    tray.desktop.button("Copy path")
    toast.clicked()
    assert tray.desktop.did == [("reveal", Path(TOAST)), ("copy", TOAST), ("reveal", Path(TOAST))]


def test_show_report(tray: Tray) -> None:
    """The toast's button has the page made once, however often it is pressed, and opens it."""
    tray.start()
    tray.press()
    tray.workers.last.dumped()
    tray.toast("Dump saved — editor (70)")
    tray.desktop.button("Show report")
    tray.desktop.button("Show report")
    tray.settle()
    [(path, told)] = tray.pages
    assert path == TOAST
    assert tray.desktop.did == []
    told({"event": "page", "path": path, "page": "/dumps/editor.html"})
    tray.settle()
    assert tray.desktop.did == [("open", Path("/dumps/editor.html"))]
    tray.desktop.button("Show report")
    tray.settle()
    assert len(tray.pages) == 2


def test_a_report_that_takes_its_time(tray: Tray, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a moment a toast says what goes on; it is taken away when the page opens."""
    monkeypatch.setattr("tray.app.pages.PATIENCE", 0.0)
    tray.start()
    tray.app.report(Path("/dumps/x.core"))
    tray.toast("Reading the dump…")
    tray.pages[0][1]({"event": "page", "page": "/dumps/x.html"})
    tray.settle()
    assert "report" not in tray.desktop.showing
    assert tray.desktop.did == [("open", Path("/dumps/x.html"))]


def test_no_report(tray: Tray) -> None:
    """Why there is none, as a toast; the next click tries again."""
    tray.start()
    for number in (1, 2):
        tray.app.report(Path("/dumps/x.core"))
        tray.settle()
        tray.pages[-1][1](BadDump("/dumps/x.core is empty.").event())
        assert "x.core is empty" in tray.toast("Not a readable dump").body
        tray.settle()
        assert len(tray.pages) == number
    assert tray.desktop.did == []


def sentence(words: str) -> dict[str, object]:
    """The part of an event that tells why an app hangs."""
    return {"verdict": {"sentence": words}}


def test_more_is_told_when_it_is_known(tray: Tray) -> None:
    """The toast of the dump comes at once; when its stacks have been read it says in which functions."""
    tray.start()
    tray.press()
    tray.workers.last.dumped(**sentence("Deadlock: a ↔ b"))
    assert "Deadlock: a ↔ b\n" in tray.toast("Dump saved — editor (70)").body
    tray.explained("Deadlock: a ↔ b, in save() and load()")
    toast = tray.desktop.toasts[-1]
    assert toast.body.startswith("Deadlock: a ↔ b, in save() and load()\n180 kB · mini")
    assert [label for label, _ in toast.buttons] == ["Show report", "Show in folder", "Copy path"]
    assert [one.update for one in tray.desktop.toasts] == [False, True]


@pytest.mark.parametrize("case", ["nothing new", "closed", "another dump", "nothing known", "nothing wrong"])
def test_when_no_more_is_told(tray: Tray, case: str) -> None:
    """Not the same again, nor over another dump's toast, nor if the user has closed it."""
    tray.start()
    tray.press()
    tray.workers.last.dumped(**sentence("Busy: a"))
    tray.toast("Dump saved — editor (70)")
    if case == "closed":
        tray.desktop.dismiss("dump")
    if case == "another dump":
        tray.press(71)
    tray.explained(
        {"nothing new": "Busy: a", "nothing known": "", "nothing wrong": "Nothing wrong seen: f()"}.get(
            case, "Busy: a in f()"
        )
    )
    assert len(tray.desktop.toasts) == 1


def test_no_clipboard(tray: Tray) -> None:
    """Where nothing can be copied, the path is shown instead."""
    tray.desktop.has_clipboard = False
    tray.start()
    tray.press()
    tray.workers.last.dumped()
    tray.toast("Dump saved — editor (70)")
    tray.desktop.button("Copy path")
    assert TOAST in tray.toast("Nothing was copied").body


def test_second_press_is_answered(tray: Tray) -> None:
    """A press while a dump runs is answered at once and never queued."""
    tray.start()
    tray.press()
    tray.desktop.press()
    assert tray.toast("Already dumping editor — 0 s so far").buttons[0][0] == "Cancel"
    tray.workers.last.dumped()
    tray.toast("Dump saved — editor (70)")
    tray.settle()
    assert len(tray.workers.made) == 1


def test_slow_dump_can_be_cancelled(tray: Tray) -> None:
    """After notify_after seconds a toast with Cancel comes; the result takes its place."""
    tray.write("notify_after = 0\n")
    tray.start()
    tray.press()
    toast = tray.toast("Dumping editor…")
    tray.desktop.button("Cancel")
    wait_until(lambda: tray.workers.last.cancelled, "a cancel")
    wait_until(lambda: tray.desktop.tooltip == "Cancelling the dump of editor…", "a word about it")
    tray.workers.last.tell("error", error="Cancelled", title="Cancelled", message="", hint="", exit_code=130)
    end = tray.toast("Cancelled")
    assert end.body == "Nothing was saved; editor runs on."
    assert toast.topic == end.topic


def test_old_cancel_button_harms_no_later_dump(tray: Tray) -> None:
    """A Cancel that is clicked when its dump has ended does nothing."""
    tray.start()
    tray.press()
    tray.desktop.press()
    old = tray.toast("Already dumping editor — 0 s so far").buttons[0][1]
    tray.workers.last.dumped()
    tray.toast("Dump saved — editor (70)")
    tray.press()
    old()
    tray.settle()
    assert not tray.workers.last.cancelled


def test_failure(tray: Tray) -> None:
    """A failure says the cause and the one thing to do."""
    tray.start()
    tray.press()
    tray.workers.last.tell(
        "error", error="AccessDenied", title="Access denied", message="It is root's.", hint="Ask root."
    )
    assert tray.toast("Access denied").body == "It is root's.\nAsk root."


def test_retry_as_administrator(tray: Tray) -> None:
    """Where that is possible the toast offers it, once, and for the very same request."""
    more = FakeWorkers()
    tray.app.shot.elevate = more
    tray.start()
    tray.press()
    denied = {
        "error": "AccessDenied",
        "title": "Access denied",
        "message": "It is root's.",
        "hint": "Ask root.",
    }
    tray.workers.last.tell("error", **denied)
    assert [label for label, _ in tray.toast("Access denied").buttons] == ["Retry as administrator"]
    tray.desktop.button("Retry as administrator")
    wait_until(lambda: more.made and more.last.requests, "a request")
    assert more.last.requests == tray.workers.last.requests
    assert len(tray.workers.made) == 1
    more.last.tell("error", **denied)
    wait_until(
        lambda: len([one for one in tray.desktop.toasts if one.title == "Access denied"]) == 2, "a toast"
    )
    assert tray.toast("Access denied").buttons == ()


def test_worker_that_cannot_start(tray: Tray) -> None:
    """Without a worker the press ends in an error, and the next one is free to try."""
    tray.workers.failure = CaptureFailed("The worker could not be started: Out of memory.")
    tray.start()
    tray.desktop.show(70)
    tray.desktop.press()
    tray.toast("The dump failed")
    tray.workers.failure = None
    tray.press()


def test_nothing_in_front(tray: Tray) -> None:
    """A press with no window in front says so."""
    tray.start()
    tray.desktop.press()
    assert tray.toast("Nothing to dump").body.startswith("No window is in front.")


def test_quit_ends_a_dump_first(tray: Tray) -> None:
    """Quit cancels the worker and waits for its end."""
    tray.start()
    tray.press()
    tray.desktop.click("Quit")
    wait_until(lambda: tray.workers.last.cancelled, "a cancel")
    assert tray.thread.is_alive()
    tray.workers.last.tell("error", error="Cancelled")
    tray.thread.join(10)
    assert not tray.thread.is_alive()


def test_log_out_finishes_a_dump_first(tray: Tray) -> None:
    """At the end of the session the worker may finish; then we are gone."""
    tray.start()
    tray.press()
    tray.desktop.log_out()
    tray.settle()
    assert tray.thread.is_alive()
    tray.workers.last.tell("error", error="CaptureFailed")
    tray.thread.join(10)
    assert not tray.thread.is_alive()
    assert not tray.workers.last.cancelled


def test_log_out_at_rest(tray: Tray) -> None:
    """With nothing to finish we are gone at once."""
    tray.start()
    tray.desktop.log_out()
    tray.thread.join(10)
    assert not tray.thread.is_alive()


# ---- starting


def test_hello_only_once(tray: Tray) -> None:
    """The first start says hello; no later one does."""
    tray.places.greeted.unlink()
    tray.start()
    assert "Ctrl+Alt+Shift+D" in tray.toast("Hello from Hangshot").body
    assert tray.places.greeted.exists()
    again = FakeDesktop()
    App(again, tray.places, tray.workers).start()
    assert not again.toasts


def test_second_start(tray: Tray) -> None:
    """A start next to a running tray takes nothing; the running one says where it is."""
    tray.start()
    second = FakeDesktop()
    second.other = tray.desktop.asked
    assert App(second, tray.places, tray.workers).start() is False
    assert second.hotkey is None
    tray.desktop.greet()
    assert "Ctrl+Alt+Shift+D" in tray.toast("Hangshot is already running").body


def test_taken_hotkey(tray: Tray, expected_warnings) -> None:
    """A taken hotkey is said by a toast, the tooltip and the menu."""
    tray.desktop.taken.add("ctrl+alt+shift+d")
    tray.start()
    toast = tray.toast("The hotkey is taken")
    assert "Choose another combination in the settings" in toast.body
    tray.settle()
    assert tray.desktop.tooltip == "Hangshot — hotkey taken: see the menu"
    assert "Hotkey taken — choose another…" in tray.desktop.rows()
    toast.clicked()
    wait_until(lambda: ("open", tray.places.settings) in tray.desktop.did, "the settings to open")


def test_no_icon(tray: Tray, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a tray host it is said what still works; without toasts, on stderr."""
    monkeypatch.setattr(app_tray, "PANEL", 0)
    tray.desktop.has_icons = tray.desktop.has_toasts = False
    tray.start()
    tray.settle()
    assert "Ctrl+Alt+Shift+D and 'hangshot dump' still work" in capsys.readouterr().err


def test_panel_that_starts_later(tray: Tray, monkeypatch: pytest.MonkeyPatch) -> None:
    """At login the panel may come after us: nothing is said, and the icon is there."""
    monkeypatch.setattr(app_tray, "PANEL", 0)
    tray.desktop.has_icons = False
    tray.app.start()
    tray.desktop.has_icons = True
    tray.run()
    tray.settle()
    assert not tray.desktop.toasts
    assert tray.desktop.menu


def test_neither_icon_nor_hotkey(tray: Tray, expected_warnings) -> None:
    """A tray that could do nothing at all does not linger."""
    tray.desktop.has_icons = False
    tray.desktop.refuses = Unsupported("There is no display.", hint="Use 'hangshot dump'.")
    with pytest.raises(Unsupported, match="Nothing here shows"):
        tray.app.start()


def test_no_timers_at_rest(tray: Tray) -> None:
    """A tray at rest has nothing to wake up for."""
    tray.start()
    tray.press()
    tray.workers.last.dumped()
    tray.toast("Dump saved — editor (70)")
    tray.settle()
    assert tray.app.loop._patience() is None


# ---- the menu


def test_menu_dumps_what_was_in_front(tray: Tray) -> None:
    """The bold row dumps the app that was in front before the menu opened."""
    tray.start()
    tray.desktop.show(71)
    tray.desktop.show(70)
    row = "Dump foreground app — editor"
    wait_until(lambda: tray.desktop.rows()[0].startswith(row), "the row")
    tray.desktop.front = None
    tray.desktop.click("Dump foreground")
    request = wait_until(lambda: tray.workers.made and tray.workers.last.requests, "a request")[0]
    assert (request["pid"], request["started"], request["trigger"]) == (70, 700, "menu")


def test_reused_pid(tray: Tray) -> None:
    """A row keeps the start time of when the app was seen: the worker can tell a stranger."""
    tray.start()
    tray.desktop.show(71)
    wait_until(lambda: tray.desktop.rows("Recent apps") != ["none yet"], "a recent app")
    tray.capture.processes[71] = Target(71, 999, "stranger")
    tray.desktop.click("Recent apps", "browser")
    request = wait_until(lambda: tray.workers.made and tray.workers.last.requests, "a request")[0]
    assert (request["pid"], request["started"]) == (71, 710)


def test_menu_is_fresh_when_it_opens(tray: Tray) -> None:
    """A pointer near the panel asks all apps at once; dead ones go, hung ones are marked, sizes told."""
    tray.start()
    tray.desktop.show(71)
    tray.desktop.show(70)
    tray.settle()
    tray.desktop.dead.add(70)
    del tray.capture.processes[71]
    tray.desktop.approach()
    wait_until(lambda: tray.desktop.rows("Recent apps")[0].startswith("⚠ editor · 70"), "a mark")
    assert len(tray.desktop.rows("Recent apps")) == 1
    assert "(not responding)" in tray.desktop.rows()[0]
    assert tray.desktop.rows("Mode")[2] == "Full · about 2.1 GB"


def test_estimates_belong_to_one_app(tray: Tray) -> None:
    """Another app in front has no estimate until it was looked at."""
    tray.start()
    tray.desktop.show(70)
    tray.settle()
    tray.desktop.approach()
    wait_until(lambda: "about" in tray.desktop.rows("Mode")[0], "an estimate")
    tray.desktop.show(71)
    wait_until(lambda: tray.desktop.rows("Mode")[0] == "Mini", "no estimate")


def test_menu_changes_only_with_its_content(tray: Tray) -> None:
    """A look that finds nothing new builds no menu."""
    tray.start()
    tray.settle()
    before = tray.desktop.menus
    tray.desktop.approach()
    tray.settle()
    tray.settle()
    assert tray.desktop.menus == before


def test_mode_goes_into_the_settings(tray: Tray) -> None:
    """Choosing a mode writes it, and the next dump has it."""
    tray.start()
    tray.desktop.click("Mode", "Full")
    wait_until(lambda: tray.desktop.row("Mode", "Full").checked, "the check mark")
    assert 'mode = "full"' in tray.places.settings.read_text(encoding="utf-8")
    tray.press()
    assert tray.workers.last.requests[0]["mode"] == "full"


def test_pause(tray: Tray) -> None:
    """Pausing gives the key back; its end takes it again."""
    tray.start()
    tray.desktop.click("Pause hotkey")
    wait_until(lambda: tray.desktop.looks[-1] == "paused", "a paused icon")
    assert tray.desktop.hotkey is None
    assert tray.desktop.tooltip == "Hangshot — hotkey paused"
    tray.desktop.click("Pause hotkey")
    wait_until(lambda: tray.desktop.hotkey == "ctrl+alt+shift+d", "the hotkey")


def test_rows(tray: Tray, tmp_path: Path) -> None:
    """The other rows open the folder and the help page, and start us at login."""
    tray.start()
    tray.desktop.click("Open dump folder")
    tray.desktop.click("Start at login")
    tray.desktop.click("Help")
    page = tray.places.state / "help.txt"
    tray.settle()
    assert ("open", page) in tray.desktop.did
    assert ("open", tmp_path / "dumps") in tray.desktop.did
    assert os.name == "nt" or (tmp_path / "dumps").stat().st_mode & 0o777 == 0o700
    assert tray.desktop.at_login
    assert "all is well" in page.read_text(encoding="utf-8")
    wait_until(lambda: tray.desktop.row("Start at login").checked, "the check mark")


def test_a_failing_act_is_told(tray: Tray, expected_warnings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an act raises becomes a toast, and the tray lives on."""

    def broken(path: Path) -> None:
        raise OSError(2, "No such file or directory")

    monkeypatch.setattr(tray.desktop, "open", broken)
    tray.start()
    tray.desktop.click("Edit settings")
    tray.toast("Something went wrong")
    tray.press()


# ---- settings


def test_new_hotkey(tray: Tray) -> None:
    """A changed hotkey is bound without a restart."""
    tray.start()
    tray.write('hotkey = "ctrl+f9"\n')
    wait_until(lambda: tray.desktop.hotkey == "ctrl+f9", "the new hotkey")
    wait_until(lambda: "Ctrl+F9" in tray.desktop.tooltip, "the tooltip")


@pytest.mark.parametrize(
    ("toml", "title", "said"),
    [
        ('\nmode = "huge"\n', "The settings have a mistake", "settings.toml, line 2"),
        ('hotkey = "ctrl+alt+foo"\n', "That hotkey cannot be used", "Ctrl+Alt+Shift+D stays in force"),
        ('hotkey = "ctrl+t"\n', "The hotkey is taken", "Ctrl+Alt+Shift+D stays in force"),
    ],
)
def test_mistake_in_settings(tray: Tray, expected_warnings, toml: str, title: str, said: str) -> None:
    """A mistake is told with its place, and what was in force stays."""
    tray.desktop.taken.add("ctrl+t")
    tray.start()
    tray.write(toml)
    assert said in tray.toast(title).body
    assert tray.desktop.hotkey == "ctrl+alt+shift+d"
    assert tray.places.settings.read_text(encoding="utf-8") == toml


def test_settings_that_were_never_read_remove_nothing(tray: Tray, expected_warnings) -> None:
    """Who starts with a mistake in the file may keep more dumps than the defaults would."""
    tray.write('mode = "huge"\n')
    tray.start()
    assert tray.toast("The settings have a mistake")
    assert tray.app.settings.retention == Retention()
    tray.write("mode = 'heap'\n")
    wait_until(lambda: tray.app.settings.retention == Settings().retention, "the settings")


@pytest.mark.parametrize(
    ("toml", "title"),
    [
        ('mode = "huge"\n', "The settings have a mistake"),
        ('hotky = "ctrl+f9"\n', "The settings have a mistake"),
        ('hotkey = "ctrl+t"\n', "The hotkey is taken"),
    ],
)
def test_a_mended_mistake_is_no_longer_told(tray: Tray, expected_warnings, toml: str, title: str) -> None:
    """Its toast stays while anything is wrong, whatever else is changed, and goes when all is well."""
    tray.desktop.taken.add("ctrl+t")
    tray.start()
    before = tray.places.settings.read_text(encoding="utf-8")
    tray.write(toml)
    tray.toast(title)
    tray.write(f"notify_after = 7\n{toml}")
    wait_until(lambda: "huge" in toml or tray.app.settings.notify_after == 7, "the rest")
    tray.settle()
    assert tray.desktop.showing["settings"].title == title
    tray.write(before)
    wait_until(lambda: "settings" not in tray.desktop.showing, "the toast to go")


def test_unknown_setting(tray: Tray, expected_warnings) -> None:
    """A setting that nobody knows is told; the rest is in force."""
    tray.start()
    tray.write('hotky = "ctrl+f9"\nmode = "heap"\n')
    assert "did you mean 'hotkey'" in tray.toast("The settings have a mistake").body
    wait_until(lambda: tray.desktop.row("Mode", "Heap").checked, "the mode")


# ---- hangshot dump --foreground


def ask(tray: Tray, **request: object) -> Callable[[], dict]:
    """Ask as the command line does, on a thread; gives a function that waits for the answer."""
    answers: list[str] = []
    asked = json.dumps({"schema": 1, "ask": "dump-foreground", "mode": None, **request})
    thread = threading.Thread(target=lambda: answers.append(tray.desktop.asked(asked)))
    thread.start()

    def answer() -> dict:
        thread.join(10)
        assert answers, "no answer"
        return json.loads(answers[0])

    return answer


def test_asked(tray: Tray) -> None:
    """A request is a press with an answer: the worker's last line."""
    tray.start()
    tray.desktop.show(70)
    answer = ask(tray, mode="full")
    wait_until(lambda: tray.workers.made and tray.workers.last.requests, "a request")
    assert tray.workers.last.requests[0]["mode"] == "full"
    tray.workers.last.dumped()
    assert Path(answer()["path"]) == Path(TOAST)
    tray.toast("Dump saved — editor (70)")


def test_asked_while_a_dump_runs(tray: Tray) -> None:
    """A request during a dump is answered at once."""
    tray.start()
    tray.press()
    assert ask(tray)()["error"] == "Busy"


@pytest.mark.parametrize(
    ("request_", "error"),
    [({"ask": "dance"}, "BadUsage"), ({"mode": "huge"}, "BadUsage"), ({}, "NoTarget")],
)
def test_asked_in_vain(tray: Tray, request_: dict, error: str) -> None:
    """A request that cannot be met is answered with the error."""
    tray.start()
    assert ask(tray, **request_)()["error"] == error


def test_asked_whether_it_runs(tray: Tray) -> None:
    """The demo can tell that a tray runs, and its hotkey; what is no JSON is told so."""
    tray.start()
    assert ask(tray, ask="hello")()["hotkey"] == "Ctrl+Alt+Shift+D"
    assert json.loads(tray.desktop.asked("what?"))["message"] == "The request is not JSON."


def test_a_file_manager_that_hangs_holds_up_nobody(tray: Tray, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be the very app that the key is pressed for; and where nothing opens a file, that is said."""
    tray.start()
    answers = threading.Event()
    rows, path = tray.app._rows, Path(TOAST)
    monkeypatch.setattr(tray.desktop, "reveal", lambda _: answers.wait(30))
    monkeypatch.setattr(tray.desktop, "open", lambda _: answers.wait(30))
    rows.reveal(path)
    rows.open_folder()
    rows.edit()
    rows.report(path)
    wait_until(lambda: tray.pages, "the report")[0][1]({"event": "page", "page": "x.html"})
    tray.press()
    answers.set()

    def refuse(_: Path) -> None:
        raise Unsupported("No program is set up to open it.")

    monkeypatch.setattr(tray.desktop, "open", refuse)
    rows.open_folder()
    assert "No program is set up" in tray.toast(Unsupported.title).body
