"""A window that answers pings as long as its program runs: stop the program, and it hangs.

Prints ``ready PID`` when the window is shown. Options: ``--title TEXT``,
``--mute`` to promise no answers to pings, ``--type dock|desktop``,
``--machine NAME`` for WM_CLIENT_MACHINE, ``--name NAME`` for the process,
``--color NUMBER``, ``--heavy MIB`` of memory of its own, ``--mappings NUMBER`` of
further mappings of a page each, ``--idlers NUMBER`` of further threads. Closed
politely, it ends.
"""

import argparse
import ctypes
import mmap
import os
import socket
import threading
from pathlib import Path

from Xlib import X, Xatom
from Xlib.display import Display
from Xlib.protocol.event import ClientMessage


def options() -> argparse.Namespace:
    """What kind of window is wanted."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--title", default="A window that may hang")
    parser.add_argument("--mute", action="store_true")
    parser.add_argument("--type", choices=["dock", "desktop", "normal"], default="normal")
    parser.add_argument("--machine", default=socket.gethostname())
    parser.add_argument("--name", default="hung_window")
    parser.add_argument("--heavy", type=int, default=0, metavar="MIB")
    parser.add_argument("--mappings", type=int, default=0)
    parser.add_argument("--idlers", type=int, default=0)
    parser.add_argument("--color", type=int, default=0x336699)
    return parser.parse_args()


def divided(count: int) -> mmap.mmap:
    """Memory in so many mappings: pages that may be written, and pages that may not, in turn."""
    memory = mmap.mmap(-1, max(count, 1) * mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    start, system = ctypes.addressof(ctypes.c_char.from_buffer(memory)), ctypes.CDLL(None)
    for page in range(0, count, 2):
        memory[page * mmap.PAGESIZE] = 1
        where = ctypes.c_void_p(start + page * mmap.PAGESIZE)
        assert system.mprotect(where, ctypes.c_size_t(mmap.PAGESIZE), mmap.PROT_READ) == 0, (
            "vm.max_map_count?"
        )
    return memory


def create(display: Display, wanted: argparse.Namespace):
    """The window, with all its properties, not yet shown."""
    root = display.screen().root
    events = X.StructureNotifyMask | X.KeyPressMask
    window = root.create_window(
        40, 40, 400, 200, 0, X.CopyFromParent, background_pixel=wanted.color, event_mask=events
    )
    utf8 = display.get_atom("UTF8_STRING")
    window.change_property(display.get_atom("_NET_WM_NAME"), utf8, 8, wanted.title.encode())
    window.change_property(display.get_atom("_NET_WM_PID"), Xatom.CARDINAL, 32, [os.getpid()])
    window.change_property(Xatom.WM_CLIENT_MACHINE, Xatom.STRING, 8, wanted.machine.encode())
    kind = display.get_atom(f"_NET_WM_WINDOW_TYPE_{wanted.type.upper()}")
    window.change_property(display.get_atom("_NET_WM_WINDOW_TYPE"), Xatom.ATOM, 32, [kind])
    promises = ["WM_DELETE_WINDOW"] if wanted.mute else ["WM_DELETE_WINDOW", "_NET_WM_PING"]
    window.set_wm_protocols([display.get_atom(name) for name in promises])
    window.set_wm_class("hung_window", "HungWindow")
    return window


def answer(display: Display, message) -> bool:
    """Answer a ping, or tell that the window shall close."""
    asked = message.data[1]
    if asked[0] == display.get_atom("_NET_WM_PING"):
        root = display.screen().root
        echo = ClientMessage(window=root, client_type=message.client_type, data=message.data)
        root.send_event(echo, event_mask=X.SubstructureNotifyMask | X.SubstructureRedirectMask)
    return asked[0] != display.get_atom("WM_DELETE_WINDOW")


def main() -> None:
    """Show the window and answer until it is closed."""
    wanted = options()
    for _ in range(wanted.idlers):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    ballast = [os.urandom(1 << 20) * 16 for _ in range(wanted.heavy // 16)]
    _pages = divided(wanted.mappings)
    Path("/proc/self/comm").write_text(wanted.name)
    display = Display()
    window = create(display, wanted)
    window.map()
    while True:
        event = display.next_event()
        if event.type == X.MapNotify:
            print("ready", os.getpid(), len(ballast), flush=True)
        if event.type == X.ClientMessage and not answer(display, event):
            return


main()
