"""The tray icon and its menu: on a bus that we watch, and on a real panel with a real mouse."""

from __future__ import annotations

import queue
import threading

import pytest
from dbus_fast import Variant
from peers import Watcher, connected
from screen import until

from tray.desktop import picture
from tray.desktop.bus import Bus
from tray.desktop.errands import Errands
from tray.desktop.menu import Menu, MenuItem
from tray.desktop.sni import SniIcon

pytestmark = [pytest.mark.linux, pytest.mark.desktop]

ITEM = "org.kde.StatusNotifierItem"
MENU = "com.canonical.dbusmenu"
ICON_PLACE = (15, 15)


class Tray:
    """An icon of ours, and what was done to it."""

    def __init__(self) -> None:
        self.bus, self.errands = Bus(), Errands()
        self.clicks: queue.Queue[str] = queue.Queue()
        self.openings: queue.Queue[str] = queue.Queue()
        self.threads: list[str] = []
        self.icon = SniIcon(
            self.bus,
            self.errands,
            "hangshot",
            lambda: self.openings.put("opening"),
            icon=self.images("idle"),
            title="Hangshot\nCtrl+Alt+Shift+D & <more>",
            menu=self.menu(),
        )

    @staticmethod
    def images(look):
        return tuple(picture.icon(look, "light", size) for size in picture.SIZES)

    def item(self, label, **options):
        def click() -> None:
            self.threads.append(threading.current_thread().name)
            self.clicks.put(label)

        return MenuItem(label, click, **options)

    def menu(self, first="Dump a_b\tCtrl+Alt+D"):
        modes = Menu(
            self.item("Mini", radio=True, checked=lambda _: True),
            self.item("Full", radio=True, checked=lambda _: False),
        )
        return Menu(
            self.item(first, default=True),
            MenuItem("Mode", modes),
            self.item("Pause", checked=lambda _: False),
            self.item("Quit"),
        )

    @property
    def name(self):
        return self.bus.connection().unique_name

    def close(self):
        self.icon.visible = False
        self.errands.close()
        self.bus.close()


@pytest.fixture
def peer(bus):
    """Another program on the bus."""
    yield from connected()


@pytest.fixture
def tray(bus):
    """An icon that is not shown yet."""
    tray = Tray()
    yield tray
    tray.close()


@pytest.fixture
def watcher(peer):
    """A panel that does nothing but watch."""
    return peer.serve(Watcher())


class Host:
    """What a panel does with an icon, over the bus."""

    def __init__(self, peer, tray):
        self.peer, self.name = peer, tray.name

    def __getattr__(self, member):
        return self.peer.property(self.name, "/StatusNotifierItem", ITEM, member)

    def menu(self, member, signature="", *body):
        return self.peer.call(self.name, "/MenuBar", f"{MENU}.{member}", signature, *body)

    def layout(self):
        """(id, properties, children) all the way down."""

        def plain(entry):
            number, properties, children = entry
            values = {name: value.value for name, value in properties.items()}
            return number, values, [plain(child.value) for child in children]

        return plain(self.menu("GetLayout", "iias", 0, -1, [])[1])

    def ids(self):
        """Label → id, submenus too."""

        def walk(entry):
            yield entry[1].get("label", ""), entry[0]
            for child in entry[2]:
                yield from walk(child)

        return dict(walk(self.layout()))

    def click(self, label):
        self.menu("Event", "isvu", self.ids()[label], "clicked", Variant("s", ""), 0)


@pytest.fixture
def host(peer, watcher, tray):
    """A panel, and the icon on it."""
    tray.icon.visible = True
    return Host(peer, tray)


def test_registers_with_the_panel(host, watcher, tray):
    """The panel learns the name that the specification asks for, and the icon knows it is seen."""
    assert watcher.registered.get(timeout=10).startswith(f"{ITEM}-")
    assert tray.icon.hosted


def test_properties(host):
    """All that a panel asks an item for, of the right type."""
    assert (host.Category, host.Id, host.Title, host.Status) == (
        "ApplicationStatus",
        "hangshot",
        "Hangshot",
        "Active",
    )
    assert host.ItemIsMenu is True
    assert host.Menu == "/MenuBar"
    assert [tuple(pixmap[:2]) for pixmap in host.IconPixmap] == [(size, size) for size in picture.SIZES]
    assert all(len(data) == width * height * 4 for width, height, data in host.IconPixmap)
    assert list(host.ToolTip) == ["", [], "Hangshot", "Ctrl+Alt+Shift+D &amp; &lt;more&gt;"]


def test_every_property_can_be_read_at_once(host, peer, tray):
    """Panels ask for all of them together."""
    got = peer.call(tray.name, "/StatusNotifierItem", "org.freedesktop.DBus.Properties.GetAll", "s", ITEM)
    described = peer.run(peer.bus.introspect(tray.name, "/StatusNotifierItem"))
    assert set(got[0]) == {one.name for one in described.interfaces[0].properties}


@pytest.mark.parametrize(
    ("member", "arguments"),
    [("Activate", ("ii", 1, 2)), ("SecondaryActivate", ("ii", 1, 2)), ("Scroll", ("is", 1, "vertical"))],
)
def test_a_stray_click_does_nothing(host, peer, tray, member, arguments):
    """A panel that does not open the menu on a left click must not write a dump either."""
    peer.call(tray.name, "/StatusNotifierItem", f"{ITEM}.{member}", *arguments)
    assert tray.clicks.empty()


def test_layout(host):
    """The whole menu, as libdbusmenu reads it."""
    _, root, children = host.layout()
    assert root == {"children-display": "submenu"}
    first, mode, pause, last = children
    assert first[1]["label"] == "Dump a__b"
    assert first[1]["shortcut"] == [["Control", "Alt", "D"]]
    assert first[1]["icon-data"].startswith(b"\x89PNG")
    assert [child[1]["toggle-state"] for child in mode[2]] == [1, 0]
    assert mode[2][0][1]["toggle-type"] == "radio"
    assert pause[1]["toggle-type"] == "checkmark"
    assert last[1] == {"label": "Quit"}


def test_a_click_runs_off_the_bus_thread(host, tray):
    """A callback that takes its time holds no panel up."""
    host.click("Full")
    assert tray.clicks.get(timeout=10) == "Full"
    assert tray.threads == ["errands"]


def test_groups_of_events(host, tray):
    """Some panels use only the calls for many entries at once; ids that are not known come back."""
    quit_ = host.ids()["Quit"]
    events = [[quit_, "clicked", Variant("i", 0), 0], [999, "clicked", Variant("i", 0), 0]]
    assert host.menu("EventGroup", "a(isvu)", events) == [[999]]
    assert tray.clicks.get(timeout=10) == "Quit"
    assert host.menu("AboutToShowGroup", "ai", [0, 999]) == [[], [999]]
    assert tray.openings.get(timeout=10)
    group = host.menu("GetGroupProperties", "aias", [quit_], ["label"])[0]
    assert [[number, values["label"].value] for number, values in group] == [[quit_, "Quit"]]
    assert host.menu("GetProperty", "is", quit_, "label")[0].value == "Quit"


@pytest.mark.parametrize("how", ["AboutToShow", "Event"])
def test_opening_is_told(host, tray, how):
    """The app hears that the menu opens, whichever way the panel says so."""
    if how == "AboutToShow":
        assert host.menu("AboutToShow", "i", 0) == [False]
    else:
        host.menu("Event", "isvu", 0, "opened", Variant("s", ""), 0)
    assert tray.openings.get(timeout=10)


@pytest.mark.parametrize(
    ("member", "signature", "body"),
    [
        ("GetLayout", "iias", (999, -1, [])),
        ("GetProperty", "is", (999, "label")),
        ("GetProperty", "is", (0, "label")),
        ("Event", "isvu", (999, "clicked", Variant("s", ""), 0)),
        ("EventGroup", "a(isvu)", ([[999, "clicked", Variant("s", ""), 0]],)),
        ("AboutToShow", "i", (999,)),
    ],
)
def test_entries_that_are_gone(host, member, signature, body):
    """A panel that asks for what is no more gets an error, and we live on."""
    with pytest.raises(AssertionError, match="Error"):
        host.menu(member, signature, *body)
    assert host.ids()


def test_a_new_label_is_sent_alone(host, peer, tray):
    """The same entries with other words: an open menu changes in place."""
    peer.listen(f"type='signal',interface='{MENU}'")
    before = host.ids()
    tray.icon.menu = tray.menu("Dump other\tCtrl+Alt+D")
    signal = peer.signals.get(timeout=10)
    assert signal.member == "ItemsPropertiesUpdated"
    ((number, properties),) = signal.body[0]
    assert (number, properties["label"].value) == (before["Dump a__b"], "Dump other")


def test_new_entries_ask_for_a_new_layout(host, peer, tray):
    """Panels read the menu again, and what was on it keeps its id."""
    peer.listen(f"type='signal',interface='{MENU}'")
    quit_ = host.ids()["Quit"]
    tray.icon.menu = Menu(*tray.menu(), tray.item("New"))
    signal = peer.signals.get(timeout=10)
    assert signal.member == "LayoutUpdated"
    assert host.ids()["Quit"] == quit_
    host.click("New")
    assert tray.clicks.get(timeout=10) == "New"


def test_same_words_with_another_meaning(host, tray):
    """A menu that looks the same may do something else; the last one given counts."""
    tray.icon.menu = tray.menu()
    other = queue.Queue()
    items = list(tray.menu())
    items[-1] = MenuItem("Quit", lambda: other.put("other"))
    tray.icon.menu = Menu(*items)
    host.click("Quit")
    assert other.get(timeout=10)
    assert tray.clicks.empty()


def test_look_title_and_attention_are_told(host, peer, tray):
    """A busy icon is another picture, another tooltip and asks to stay in sight."""
    peer.listen(f"type='signal',interface='{ITEM}'")
    idle = host.IconPixmap
    tray.icon.icon = tray.images("busy")
    tray.icon.title = "Dumping…"
    tray.icon.attention = True
    heard = {peer.signals.get(timeout=10).member for _ in range(5)}
    assert heard == {"NewIcon", "NewAttentionIcon", "NewTitle", "NewToolTip", "NewStatus"}
    assert host.IconPixmap != idle
    assert host.Status == "NeedsAttention"
    assert host.ToolTip[2] == "Dumping…"


def test_panel_that_starts_later(peer, tray):
    """No panel: the icon waits, and appears when one starts."""
    tray.icon.visible = True
    assert not tray.icon.hosted
    watcher = peer.serve(Watcher())
    assert watcher.registered.get(timeout=10)
    until(lambda: tray.icon.hosted, "the icon to know")


def test_panel_restarts(host, peer, watcher, tray):
    """A new panel knows nothing of us until we tell it."""
    watcher.registered.get(timeout=10)
    peer.leave(watcher)
    until(lambda: not tray.icon.hosted, "the end of the panel to be seen")
    again = peer.serve(Watcher())
    assert again.registered.get(timeout=10)


def test_hidden_icon(host, peer, tray):
    """It leaves the panel at once, by giving up its name, and does not come back by itself."""
    peer.listen("type='signal',member='NameOwnerChanged'")
    tray.icon.visible = False
    name = f"{ITEM}-"
    names = peer.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.ListNames")[0]
    assert not [one for one in names if one.startswith(name)]


def test_runs_as_pystray_asks(peer, watcher, tray):
    """`run` and `stop` of pystray work as with its own back ends."""
    running = threading.Thread(target=tray.icon.run)
    running.start()
    assert watcher.registered.get(timeout=10)
    until(lambda: tray.icon.visible, "the icon")
    tray.icon.stop()
    running.join(10)
    assert not running.is_alive()


# On a real panel


def _menus(screen):
    """Windows of open menus: id, x, y, width, height."""
    from Xlib import X

    display = screen.connect()
    try:
        found = []
        for window in display.screen().root.query_tree().children:
            attributes, place = window.get_attributes(), window.get_geometry()
            shown = attributes.map_state == X.IsViewable and attributes.override_redirect
            if shown and place.height > 40 and place.width < 900:
                found.append((window.id, place.x, place.y, place.width, place.height))
        return found
    finally:
        display.close()


def _colours(screen, tmp_path):
    """The colours around the place of the first icon."""
    from PIL import Image

    path = tmp_path / "shot.png"
    screen.screenshot(path)
    with Image.open(path) as image:
        part = image.convert("RGB").crop((0, 0, 30, 30))
        return {colour for _, colour in part.getcolors(900)}


BLUE = (0x1B, 0x6A, 0xC9)
AMBER = (0xE8, 0x8B, 0x00)


@pytest.fixture
def shown(screen, panel, tray, tmp_path):
    """An icon on a real panel."""
    tray.icon.visible = True
    until(lambda: BLUE in _colours(screen, tmp_path), "the icon on the panel")
    return tray


def _open(screen):
    """Click the icon; the menu's window."""
    screen.run("xdotool", "mousemove", *map(str, ICON_PLACE), "click", "1")
    return until(lambda: _menus(screen), "the menu")[0]


def _row_pixels(screen, menu, tmp_path):
    """What the first row of the menu looks like."""
    from PIL import Image

    _, x, y, width, height = menu
    path = tmp_path / "row.png"
    screen.screenshot(path)
    with Image.open(path) as image:
        return image.convert("RGB").crop((x, y, x + width, y + height // 4)).tobytes()


def _row(menu, index, rows=4):
    """The middle of a row of a menu without lines."""
    _, x, y, _, height = menu
    return str(x + 60), str(int(y + height * (index + 0.5) / rows))


def test_left_click_opens_the_menu_and_a_click_on_it_acts(screen, shown):
    """The way of a person: icon, menu, item."""
    menu = _open(screen)
    screen.run("xdotool", "mousemove", *_row(menu, 3), "click", "1")
    assert shown.clicks.get(timeout=10) == "Quit"
    until(lambda: not _menus(screen), "the menu to close")


def test_submenu_on_a_panel(screen, shown):
    """A radio item in a submenu, by mouse."""
    menu = _open(screen)
    screen.run("xdotool", "mousemove", *_row(menu, 1))
    submenu = next(iter(until(lambda: [one for one in _menus(screen) if one[0] != menu[0]], "the submenu")))
    screen.run("xdotool", "mousemove", *_row(submenu, 1, rows=2), "click", "1")
    assert shown.clicks.get(timeout=10) == "Full"


def test_an_open_menu_changes_in_place(screen, shown, tmp_path):
    """Its first row says something else, and the window is the one that was opened."""
    menu = _open(screen)
    before = _row_pixels(screen, menu, tmp_path)
    shown.icon.menu = shown.menu("Dump z")
    until(lambda: _row_pixels(screen, menu, tmp_path) != before, "the new label")
    assert _menus(screen) == [menu]
    screen.run("xdotool", "mousemove", *_row(menu, 0), "click", "1")
    assert shown.clicks.get(timeout=10) == "Dump z"


def test_busy_look_on_a_panel(screen, shown, tmp_path):
    """The icon turns amber while a dump runs, and back."""
    shown.icon.icon = shown.images("busy")
    shown.icon.attention = True
    until(lambda: AMBER in _colours(screen, tmp_path), "amber")
    shown.icon.icon = shown.images("idle")
    shown.icon.attention = False
    until(lambda: BLUE in _colours(screen, tmp_path), "blue")


def test_real_panel_restarts(screen, shown, panel, tmp_path):
    """After a crash of the panel the icon is back on the new one."""
    panel.stop()
    until(lambda: BLUE not in _colours(screen, tmp_path), "the icon to go with the panel")
    panel.start()
    until(lambda: BLUE in _colours(screen, tmp_path), "the icon on the new panel")


def test_hidden_icon_leaves_a_real_panel(screen, shown, tmp_path):
    """No ghost stays behind."""
    shown.icon.visible = False
    until(lambda: BLUE not in _colours(screen, tmp_path), "the icon to go")
