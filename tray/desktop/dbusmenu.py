"""A pystray menu as ``com.canonical.dbusmenu``, which panels show by themselves.

An entry's id stays with its place in the menu. So a panel that has the menu
open learns of new labels and marks, and changes them in place.

Source: ``com.canonical.dbusmenu.xml`` in libdbusmenu.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray.desktop import hotkey
from tray.desktop.bus import variant
from tray.desktop.menu import Menu
from tray.desktop.served import Method, Property, Served
from tray.errors import BadHotkey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tray.desktop.bus import Bus
    from tray.desktop.menu import Item, Items

PATH = "/MenuBar"
INTERFACE = "com.canonical.dbusmenu"
VERSION = 3
DEEP = 8
"""Levels of submenus that are shown; more would be an endless menu."""

Properties = dict[str, tuple[str, object]]
"""Name → type and value. What is left out has the value the protocol gives it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the menu, as the panel knows it."""

    id: int
    properties: Properties
    children: tuple[Entry, ...] = ()
    item: Item | None = None

    def walk(self) -> Iterator[Entry]:
        """It and all entries below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def layout(self, depth: int, wanted: Sequence[str]) -> list[object]:
        """It as ``(ia{sv}av)``; ``depth`` levels below it, all if negative."""
        below = [child.layout(depth - 1, wanted) for child in self.children] if depth else []
        children = [variant("(ia{sv}av)", child) for child in below]
        return [self.id, self.chosen(wanted), children]

    def chosen(self, wanted: Sequence[str]) -> dict[str, object]:
        """Its properties by name, all if none is named."""
        return {
            name: variant(*value) for name, value in self.properties.items() if not wanted or name in wanted
        }


class Ids:
    """Numbers for places in the menu, the same for the same place each time."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, str], int] = {}

    def id(self, parent: int, place: int, kind: str) -> int:
        """The number of a place. Another kind of entry there has another one."""
        return self._known.setdefault((parent, place, kind), len(self._known) + 1)


def entries(menu: Items | None, ids: Ids, mark: bytes = b"") -> Entry:
    """The whole menu, as it is at this moment; asks every item once.

    Args:
        menu: ``pystray.Menu`` or None.
        ids: Remembers the places.
        mark: PNG shown beside the default item: panels know no bold.
    """
    root: Properties = {"children-display": ("s", "submenu")}
    return Entry(0, root, _children(menu, 0, ids, mark) if menu is not None else ())


def _children(menu: Items, parent: int, ids: Ids, mark: bytes, depth: int = DEEP) -> tuple[Entry, ...]:
    found = []
    for place, item in enumerate(menu):
        properties = describe(item, mark)
        kind = str(properties.get("type", ("s", ""))[1]) + str(properties.get("toggle-type", ("s", ""))[1])
        submenu = item.submenu if depth and item is not Menu.SEPARATOR else None
        number = ids.id(parent, place, kind or ("menu" if submenu else "item"))
        below = _children(submenu, number, ids, mark, depth - 1) if submenu else ()
        found.append(Entry(number, properties, below, item))
    return tuple(found)


def describe(item: Item, mark: bytes = b"") -> Properties:
    """The properties of one item."""
    if item is Menu.SEPARATOR:
        return {"type": ("s", "separator")}
    label, _, keys = item.text.partition("\t")
    # An underscore would underline the letter after it.
    properties: Properties = {"label": ("s", label.replace("_", "__"))}
    if keys:
        properties |= _keys(keys)
    if not item.enabled:
        properties["enabled"] = ("b", False)
    if item.submenu is not None:
        properties["children-display"] = ("s", "submenu")
    if item.checked is not None:
        properties["toggle-type"] = ("s", "radio" if item.radio else "checkmark")
        properties["toggle-state"] = ("i", int(item.checked))
    if item.default and mark:
        properties["icon-data"] = ("ay", mark)
    return properties


def _keys(text: str) -> Properties:
    """The shortcut of an item, or nothing where it is none that panels could show."""
    try:
        return {"shortcut": ("aas", [hotkey.parse(text).shortcut])}
    except BadHotkey:
        return {}


def changes(old: Entry, new: Entry) -> tuple[list[list[object]], list[list[object]]] | None:
    """Properties set and properties gone, or None where entries came or went."""
    before, after = list(old.walk()), list(new.walk())
    if [_shape(entry) for entry in before] != [_shape(entry) for entry in after]:
        return None
    fresh, gone = [], []
    for was, now in zip(before, after, strict=True):
        updated = [name for name, value in now.properties.items() if was.properties.get(name) != value]
        removed = [name for name in was.properties if name not in now.properties]
        if updated:
            fresh.append([now.id, now.chosen(updated)])
        if removed:
            gone.append([now.id, removed])
    return fresh, gone


def _shape(entry: Entry) -> tuple[int, tuple[int, ...]]:
    return entry.id, tuple(child.id for child in entry.children)


class DBusMenu:
    """The menu on the bus.

    Args:
        bus: Where to serve it.
        clicked: Called on the bus thread with the ``MenuItem`` that was clicked.
        opening: Called on the bus thread when a panel is about to show the menu.
    """

    def __init__(self, bus: Bus, clicked: Callable[[Item], None], opening: Callable[[], None]) -> None:
        self._bus = bus
        self._clicked = clicked
        self._opening = opening
        self._ids = Ids()
        self._lock = threading.Lock()
        self._root = Entry(0, {})
        self._by_id = {0: self._root}
        self._revision = 1
        self.served = Served(PATH, INTERFACE, self._methods(), _PROPERTIES, _SIGNALS)

    def show(self, menu: Items | None, mark: bytes = b"") -> None:
        """Show this menu from now on, and tell the panels what changed."""
        with self._lock:
            new = entries(menu, self._ids, mark)
            difference = changes(self._root, new)
            if difference == ([], []):
                # The labels are the same; what a click does may not be.
                self._take(new)
                return
            self._revision += 1
            self._take(new)
            if difference is None:
                self._bus.emit(self.served, "LayoutUpdated", self._revision, 0)
            else:
                self._bus.emit(self.served, "ItemsPropertiesUpdated", *difference)

    def _take(self, root: Entry) -> None:
        self._root = root
        self._by_id = {entry.id: entry for entry in root.walk()}

    def _methods(self) -> dict[str, Method]:
        return {
            "GetLayout": Method("iias", "u(ia{sv}av)", self._get_layout),
            "GetGroupProperties": Method("aias", "a(ia{sv})", self._get_group_properties),
            "GetProperty": Method("is", "v", self._get_property),
            "Event": Method("isvu", "", self._event),
            "EventGroup": Method("a(isvu)", "ai", self._event_group),
            "AboutToShow": Method("i", "b", self._about_to_show),
            "AboutToShowGroup": Method("ai", "aiai", self._about_to_show_group),
        }

    def _entry(self, number: int) -> Entry:
        found = self._by_id.get(number)
        if found is None:
            raise LookupError(f"There is no menu entry {number}.")
        return found

    def _get_layout(self, parent: int, depth: int, wanted: list[str]) -> list[object]:
        return [self._revision, self._entry(parent).layout(depth, wanted)]

    def _get_group_properties(self, numbers: list[int], wanted: list[str]) -> list[object]:
        known = self._by_id
        asked = [known[number] for number in numbers if number in known] if numbers else known.values()
        return [[[entry.id, entry.chosen(wanted)] for entry in asked]]

    def _get_property(self, number: int, name: str) -> list[object]:
        properties = self._entry(number).properties
        if name not in properties:
            raise LookupError(f"Menu entry {number} has no {name}.")
        return [variant(*properties[name])]

    def _event(self, number: int, event: str, _details: object, _time: int) -> None:
        entry = self._entry(number)
        if event == "clicked" and entry.item is not None and not entry.children:
            self._clicked(entry.item)
        elif event == "opened" and number == 0:
            self._opening()

    def _event_group(self, events: list[tuple[int, str, object, int]]) -> list[object]:
        unknown = [event[0] for event in events if event[0] not in self._by_id]
        if len(unknown) == len(events):
            raise LookupError("There is no such menu entry.")
        for event in events:
            if event[0] not in unknown:
                self._event(*event)
        return [unknown]

    def _about_to_show(self, number: int) -> list[object]:
        self._entry(number)
        if number == 0:
            self._opening()
        # Whatever the answer to that is, it comes as a signal and changes the
        # menu in place: a panel that waits for us would open it late.
        return [False]

    def _about_to_show_group(self, numbers: list[int]) -> list[object]:
        if 0 in numbers:
            self._opening()
        return [[], [number for number in numbers if number not in self._by_id]]


_PROPERTIES = {
    "Version": Property("u", lambda: VERSION),
    "TextDirection": Property("s", lambda: "ltr"),
    "Status": Property("s", lambda: "normal"),
    "IconThemePath": Property("as", list),
}
_SIGNALS = {
    "ItemsPropertiesUpdated": "a(ia{sv})a(ias)",
    "LayoutUpdated": "ui",
    "ItemActivationRequested": "iu",
}
