"""What a person sees on the screen: open menus, toasts, and where to click."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from screen import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from screen import Screen

ICON = (15, 15)
"""The first icon on the panel of `session.panel`."""


@dataclass(frozen=True)
class Box:
    """A window on the screen, in pixels."""

    x: int
    y: int
    width: int
    height: int


def _windows(screen: Screen) -> list[tuple[Box, bool]]:
    """The top-level windows that are shown, and whether the window manager leaves them alone."""
    from Xlib import X
    from Xlib.error import XError

    display = screen.connect()
    found = []
    try:
        for window in display.screen().root.query_tree().children:
            try:
                attributes, place = window.get_attributes(), window.get_geometry()
            except XError:
                continue  # it has just been closed
            if attributes.map_state == X.IsViewable:
                box = Box(place.x, place.y, place.width, place.height)
                found.append((box, bool(attributes.override_redirect)))
    finally:
        display.close()
    return found


def menus(screen: Screen) -> list[Box]:
    """Open menus, submenus last."""
    return [box for box, free in _windows(screen) if free and box.height > 40 and box.x < 640]


def toasts(screen: Screen) -> list[Box]:
    """Toasts, the topmost first."""
    found = [box for box, _ in _windows(screen) if box.x > 640 and 40 < box.height < 300 and box.width < 640]
    return sorted(found, key=lambda box: box.y)


def click(screen: Screen, x: int, y: int) -> None:
    """Move the mouse there and click, as a hand does it."""
    screen.run("xdotool", "mousemove", str(x), str(y), "sleep", "0.15", "click", "1")


def settled(look: Callable[[], list[Box]], count: int) -> list[Box]:
    """So many windows, once they stand still: menus and toasts grow and slide into place."""
    seen: list[list[Box]] = []

    def still() -> list[Box]:
        time.sleep(0.1)
        seen.append(look())
        same = len(seen) > 2 and seen[-1] == seen[-2] == seen[-3]
        return seen[-1] if same and len(seen[-1]) == count else []

    return until(still, f"{count} windows to settle")


def open_menu(screen: Screen) -> Box:
    """Click the icon; the menu."""
    click(screen, *ICON)
    return settled(lambda: menus(screen), 1)[0]


def open_submenu(screen: Screen, row: int, rows: int) -> tuple[Box, Box]:
    """Open the menu and the submenu of one of its rows; both."""
    menu = open_menu(screen)
    y = int(menu.y + menu.height * (row + 0.5) / rows)
    screen.run("xdotool", "mousemove", str(menu.x + 60), str(y))
    both = settled(lambda: menus(screen), 2)
    return menu, next(box for box in both if box.x != menu.x)
