"""The menu in the words of dbusmenu."""

from __future__ import annotations

import pytest

from tray.desktop.dbusmenu import Ids, changes, describe, entries
from tray.desktop.menu import Menu, MenuItem


def _labels(entry):
    return [child.properties["label"][1] for child in entry.children]


def test_underscores_are_shown():
    """An underscore in a name is a letter, not a mark for a key."""
    assert describe(MenuItem("my_app__x", None))["label"] == ("s", "my__app____x")


def test_text_after_a_tab_is_the_shortcut():
    """The hotkey stands beside the label, not in it."""
    described = describe(MenuItem("Dump\tCtrl+Alt+Shift+D", None))
    assert described["label"] == ("s", "Dump")
    assert described["shortcut"] == ("aas", [["Control", "Alt", "Shift", "D"]])


def test_a_shortcut_that_is_none_is_left_out():
    """A text that no panel could show as keys costs the shortcut, not the menu."""
    assert "shortcut" not in describe(MenuItem("Dump\tthe any key", None))


@pytest.mark.parametrize(("radio", "kind"), [(True, "radio"), (False, "checkmark")])
@pytest.mark.parametrize("checked", [True, False])
def test_marks(radio, kind, checked):
    """A checked item has a mark, a checkable one room for it."""
    described = describe(MenuItem("Mini", None, checked=lambda _: checked, radio=radio))
    assert described["toggle-type"] == ("s", kind)
    assert described["toggle-state"] == ("i", int(checked))


def test_plain_items_say_only_their_label():
    """What has the value that the protocol gives it is not sent."""
    assert describe(MenuItem("Quit", None)) == {"label": ("s", "Quit")}


def test_disabled_separator_and_default():
    """A dead item, a line, and the mark of the default item."""
    assert describe(MenuItem("a", None, enabled=False))["enabled"] == ("b", False)
    assert describe(Menu.SEPARATOR) == {"type": ("s", "separator")}
    assert describe(MenuItem("a", None, default=True), b"png")["icon-data"] == ("ay", b"png")


def test_submenus_nest():
    """A submenu's entries are below its own."""
    menu = Menu(
        MenuItem("Mode", Menu(MenuItem("Mini", None), MenuItem("Full", None))), MenuItem("Quit", None)
    )
    root = entries(menu, Ids())
    assert _labels(root) == ["Mode", "Quit"]
    assert _labels(root.children[0]) == ["Mini", "Full"]
    assert root.children[0].properties["children-display"] == ("s", "submenu")


def test_items_that_are_not_visible_are_left_out():
    """So are the separators that they leave side by side."""
    hidden = MenuItem("hidden", None, visible=False)
    root = entries(Menu(MenuItem("a", None), Menu.SEPARATOR, hidden, Menu.SEPARATOR), Ids())
    assert len(root.children) == 1


@pytest.mark.linux
def test_ids_stay_with_the_place():
    """A new label at the same place keeps the id, so that an open menu changes in place."""
    ids = Ids()
    old = entries(Menu(MenuItem("Dump a", None), MenuItem("Quit", None)), ids)
    new = entries(Menu(MenuItem("Dump b", None), MenuItem("Quit", None)), ids)
    assert [entry.id for entry in old.walk()] == [entry.id for entry in new.walk()]
    fresh, gone = changes(old, new)
    assert [(number, set(values)) for number, values in fresh] == [(old.children[0].id, {"label"})]
    assert gone == []


def test_properties_that_went_are_named():
    """A shortcut that is gone is taken away."""
    ids = Ids()
    old = entries(Menu(MenuItem("a\tCtrl+Alt+D", None)), ids)
    new = entries(Menu(MenuItem("a", None)), ids)
    assert changes(old, new) == ([], [[old.children[0].id, ["shortcut"]]])


def test_another_kind_of_entry_has_another_id():
    """Panels make a widget for each id, and cannot make a line of a label."""
    ids = Ids()
    old = entries(Menu(MenuItem("a", None), MenuItem("b", None), MenuItem("c", None)), ids)
    new = entries(Menu(MenuItem("a", None), Menu.SEPARATOR, MenuItem("c", None)), ids)
    assert old.children[1].id != new.children[1].id
    assert changes(old, new) is None


@pytest.mark.linux
def test_depth_and_names_limit_a_layout():
    """A panel gets the levels and the properties it asks for."""
    root = entries(Menu(MenuItem("Mode", Menu(MenuItem("Mini", None)))), Ids())
    _, properties, children = root.layout(1, ["label"])
    assert properties == {}
    assert len(children) == 1
    assert children[0].value[2] == []
    assert set(children[0].value[1]) == {"label"}


def test_no_menu():
    """An icon without a menu has an empty one."""
    assert entries(None, Ids()).children == ()
