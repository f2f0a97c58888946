"""The menu: its rows, their order, and what they do."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import FakeDesktop

from tray.app.menu import App, Kept, View, menu
from tray.desktop.menu import Menu
from tray.model import Target, Window

EDITOR = App(Target(70, 1, "editor"), hung=True, ago="now")
BROWSER = App(Target(71, 1, "browser"), hung=False, ago="2 min ago")
DUMP = Kept(Path("/dumps/editor.core"), "editor", "mini", 180_224, "5 min ago")
WHOLE = View(
    front=EDITOR,
    recent=(EDITOR, BROWSER),
    mode="heap",
    estimates=(("mini", 200_000), ("full", 2_100_000_000)),
    dumps=(DUMP,),
    hotkey="Ctrl+Alt+Shift+D",
)


class Acts:
    """Notes which acts were called."""

    def __init__(self) -> None:
        self.done: list[tuple] = []

    def _note(self, *words: object) -> None:
        self.done.append(words)

    def dump(self, target: Target) -> None:
        self._note("dump", target.pid)

    def cancel(self) -> None:
        self._note("cancel")

    def choose(self, mode: str) -> None:
        self._note("choose", mode)

    def report(self, path: Path) -> None:
        self._note("report", path)

    def reveal(self, path: Path) -> None:
        self._note("reveal", path)

    def copy(self, path: Path) -> None:
        self._note("copy", path)

    def open_folder(self) -> None:
        self._note("open_folder")

    def toggle_login(self) -> None:
        self._note("toggle_login")

    def toggle_pause(self) -> None:
        self._note("toggle_pause")

    def edit(self) -> None:
        self._note("edit")

    def help(self) -> None:
        self._note("help")

    def quit(self) -> None:
        self._note("quit")


def shown(view: View) -> tuple[FakeDesktop, Acts]:
    """A desktop that shows the menu of this view."""
    desktop, acts = FakeDesktop(), Acts()
    desktop.show_icon(menu(view, acts), "", None)
    return desktop, acts


def test_order() -> None:
    """The rows and separators come in the one order that people learn."""
    desktop, _ = shown(WHOLE)
    line = Menu.SEPARATOR.text
    assert desktop.rows() == [
        "Dump foreground app — editor (not responding)\tCtrl+Alt+Shift+D",
        line,
        "Recent apps",
        "Mode",
        "Last dumps",
        line,
        "Open dump folder",
        "Start at login",
        "Pause hotkey",
        line,
        "Edit settings…",
        "Help",
        line,
        "Quit",
    ]
    assert [row.text for row in desktop.menu if row.default] == [desktop.rows()[0]]


def test_submenus() -> None:
    """Recent apps tell pid, age and who hangs; modes their size; dumps what they are."""
    desktop, _ = shown(WHOLE)
    assert desktop.rows("Recent apps") == ["⚠ editor · 70 · now", "browser · 71 · 2 min ago"]
    assert desktop.rows("Mode") == [
        "Mini · about 200 kB",
        "Heap",
        "Full · about 2.1 GB",
        "Triage, for sharing",
    ]
    assert [(row.checked, row.radio) for row in desktop.row("Mode").submenu] == [
        (False, True),
        (True, True),
        (False, True),
        (False, True),
    ]
    assert desktop.rows("Last dumps") == ["editor · mini · 180 kB · 5 min ago"]
    assert desktop.rows("Last dumps", "editor") == ["Show report", "Show in folder", "Copy path"]


@pytest.mark.parametrize(
    ("row", "done"),
    [
        (("Dump foreground",), ("dump", 70)),
        (("Recent apps", "browser"), ("dump", 71)),
        (("Mode", "Full"), ("choose", "full")),
        (("Last dumps", "editor", "Show report"), ("report", DUMP.path)),
        (("Last dumps", "editor", "Show in"), ("reveal", DUMP.path)),
        (("Last dumps", "editor", "Copy"), ("copy", DUMP.path)),
        (("Open dump folder",), ("open_folder",)),
        (("Start at login",), ("toggle_login",)),
        (("Pause hotkey",), ("toggle_pause",)),
        (("Edit settings",), ("edit",)),
        (("Help",), ("help",)),
        (("Quit",), ("quit",)),
    ],
)
def test_each_row_does_what_it_says(row: tuple[str, ...], done: tuple) -> None:
    """A click leads to one act, with the row's own app, mode or dump."""
    desktop, acts = shown(WHOLE)
    desktop.click(*row)
    assert acts.done == [done]


def test_nothing_known() -> None:
    """With nothing seen and nothing dumped, the rows say so and cannot be clicked."""
    desktop, _ = shown(View())
    assert desktop.rows()[0] == "Dump foreground app — none seen yet"
    assert not desktop.row("Dump foreground").enabled
    assert desktop.rows("Recent apps") == desktop.rows("Last dumps") == ["none yet"]
    assert not desktop.row("Recent apps", "none").enabled


def test_while_a_dump_runs() -> None:
    """The first row stops the dump that runs."""
    desktop, acts = shown(View(front=EDITOR, running="editor"))
    desktop.click("Cancel the dump of editor")
    assert acts.done == [("cancel",)]


@pytest.mark.parametrize(
    ("view", "row", "act"),
    [
        (View(trouble="hotkey taken"), "Hotkey taken — choose another…", "edit"),
        (View(trouble="no hotkey here", help_helps=True), "No hotkey here — see Help", "help"),
    ],
)
def test_hotkey_trouble(view: View, row: str, act: str) -> None:
    """Where no hotkey works, its row says why and leads to the cure."""
    desktop, acts = shown(view)
    desktop.click(row)
    assert acts.done == [(act,)]


def test_checks() -> None:
    """Check marks follow the view."""
    for wanted in (True, False):
        desktop, _ = shown(View(paused=wanted, at_login=wanted))
        assert desktop.row("Pause hotkey").checked is wanted
        assert desktop.row("Start at login").checked is wanted


def test_apps_of_one_name_are_told_apart() -> None:
    """By their windows' titles, as several that run in Python; others need none."""
    one, other = (
        App(Target(pid, 1, "python3", window=Window(pid, title)), None, "now")
        for pid, title in ((1, "Mail\t1"), (2, ""))
    )
    desktop, _ = shown(
        View(recent=(one, other, App(Target(3, 1, "gimp", window=Window(3, "cat.png")), None, "now")))
    )
    assert desktop.rows("Recent apps") == [
        "python3 · Mail 1 · 1 · now",
        "python3 · 2 · now",
        "gimp · 3 · now",
    ]


def test_long_and_wild_names() -> None:
    """A name cannot break a row: it is clipped, and a tab would start the shortcut."""
    wild = App(Target(1, 1, "a\tb" + "x" * 90), hung=None, ago="now")
    desktop, _ = shown(View(front=wild, recent=(wild,)))
    assert "\t" not in desktop.rows()[0]
    assert len(desktop.rows("Recent apps")[0]) < 70
