"""The menu: a pure function from what is known to a ``pystray.Menu``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tray.desktop.menu import Menu, MenuItem
from tray.modes import MODES
from tray.shot.words import answering, clipped
from tray.sizes import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tray.model import Target


@dataclass(frozen=True, slots=True)
class App:
    """A row of *Recent apps*; ``ago`` is text, so that two menus that look alike are alike."""

    target: Target
    hung: bool | None
    ago: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A row of *Last dumps*."""

    path: Path
    name: str
    mode: str
    size: int
    ago: str


@dataclass(frozen=True, slots=True)
class View:
    """All that the menu shows; an equal view needs no new menu.

    Attributes:
        front: The app that was in front before the menu opened.
        recent: Most recent first.
        mode: Name of the mode in force.
        estimates: What each mode would take for ``front``, by name; may lack some.
        dumps: Newest first.
        hotkey: Its label; empty while no hotkey works.
        trouble: Why no hotkey works; empty if one does, or if it is paused.
        help_helps: Whether Help has the way around the trouble, rather than the settings.
        paused: Whether the user has paused the hotkey.
        at_login: Whether the system starts us at login.
        running: Name of the app being dumped; empty at rest.
    """

    front: App | None = None
    recent: tuple[App, ...] = ()
    mode: str = "mini"
    estimates: tuple[tuple[str, int], ...] = ()
    dumps: tuple[Kept, ...] = ()
    hotkey: str = ""
    trouble: str = ""
    help_helps: bool = False
    paused: bool = False
    at_login: bool = False
    running: str = ""


class Acts(Protocol):
    """What the rows do. Called on threads of the desktop."""

    def dump(self, target: Target) -> None:
        """Dump this process."""

    def cancel(self) -> None:
        """Stop the dump that runs."""

    def choose(self, mode: str) -> None:
        """Use this mode from now on."""

    def report(self, path: Path) -> None:
        """Show what a dump tells, as a page in the browser."""

    def reveal(self, path: Path) -> None:
        """Show a dump in its folder."""

    def copy(self, path: Path) -> None:
        """Copy a dump's path."""

    def open_folder(self) -> None:
        """Open the dump folder."""

    def toggle_login(self) -> None:
        """Start at login, or no longer."""

    def toggle_pause(self) -> None:
        """Pause the hotkey, or take it again."""

    def edit(self) -> None:
        """Open the settings file."""

    def help(self) -> None:
        """Open the help page."""

    def quit(self) -> None:
        """End the tray."""


def menu(view: View, acts: Acts) -> Any:  # noqa: ANN401 - pystray has no types
    """The menu for a view. Its order never changes; rows that do not apply are not there."""
    return Menu(
        _first(view, acts),
        Menu.SEPARATOR,
        MenuItem("Recent apps", Menu(*_recent(view, acts))),
        MenuItem("Mode", Menu(*_modes(view, acts))),
        MenuItem("Last dumps", Menu(*_dumps(view, acts))),
        Menu.SEPARATOR,
        MenuItem("Open dump folder", acts.open_folder),
        MenuItem("Start at login", acts.toggle_login, checked=lambda _: view.at_login),
        _hotkey(view, acts),
        Menu.SEPARATOR,
        MenuItem("Edit settings…", acts.edit),
        MenuItem("Help", acts.help),
        Menu.SEPARATOR,
        MenuItem("Quit", acts.quit),
    )


def _act(call: Callable[..., None], *words: object) -> Callable[[], None]:
    """A callback that fits pystray, which counts a function's parameters."""
    return lambda: call(*words)


def _first(view: View, acts: Acts) -> Any:  # noqa: ANN401
    """The bold row: dump the app in front, or stop the dump that runs."""
    if view.running:
        return MenuItem(f"Cancel the dump of {clipped(view.running)}", acts.cancel, default=True)
    shortcut = f"\t{view.hotkey}" if view.hotkey else ""
    if not view.front:
        text = "Dump foreground app — none seen yet"
        return MenuItem(text + shortcut, None, default=True, enabled=False)
    state = answering(view.front.hung)
    text = f"Dump foreground app — {clipped(view.front.target.name)}" + (f" ({state})" if state else "")
    return MenuItem(text + shortcut, _act(acts.dump, view.front.target), default=True)


def _recent(view: View, acts: Acts) -> Iterator[Any]:
    names = Counter(app.target.name for app in view.recent)
    for app in view.recent:
        mark = "⚠ " if app.hung else ""
        text = f"{mark}{clipped(app.target.name)}{_title(app, names)} · {app.target.pid} · {app.ago}"
        yield MenuItem(text, _act(acts.dump, app.target))
    if not view.recent:
        yield MenuItem("none yet", None, enabled=False)


def _title(app: App, names: Counter[str]) -> str:
    """What tells an app from others of its name, as several that run in Python: its window's title."""
    window = app.target.window
    return f" · {clipped(window.title)}" if window and window.title and names[app.target.name] > 1 else ""


def _modes(view: View, acts: Acts) -> Iterator[Any]:
    estimates = dict(view.estimates)
    for name, mode in MODES.items():
        label = ", ".join(word for word in (name.title(), mode.aim) if word)
        about = f" · about {shown(estimates[name])}" if name in estimates else ""
        yield MenuItem(label + about, _act(acts.choose, name), checked=_is(view.mode, name), radio=True)


def _is(one: str, other: str) -> Callable[[Any], bool]:
    return lambda _: one == other


def _dumps(view: View, acts: Acts) -> Iterator[Any]:
    for kept in view.dumps:
        text = f"{clipped(kept.name)} · {kept.mode} · {shown(kept.size)} · {kept.ago}"
        rows = Menu(
            MenuItem("Show report", _act(acts.report, kept.path)),
            MenuItem("Show in folder", _act(acts.reveal, kept.path)),
            MenuItem("Copy path", _act(acts.copy, kept.path)),
        )
        yield MenuItem(text, rows)
    if not view.dumps:
        yield MenuItem("none yet", None, enabled=False)


def _hotkey(view: View, acts: Acts) -> Any:  # noqa: ANN401
    """Pause the hotkey; or, where none works, why and the way to a working one."""
    if not view.trouble:
        return MenuItem("Pause hotkey", acts.toggle_pause, checked=lambda _: view.paused)
    trouble = view.trouble[0].upper() + view.trouble[1:]
    if view.help_helps:
        return MenuItem(f"{trouble} — see Help", acts.help)
    return MenuItem(f"{trouble} — choose another…", acts.edit)
