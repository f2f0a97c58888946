"""What of the session bus, tray, toasts and start at login works here, for ``doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray.desktop import Health, freedesktop, stock
from tray.desktop.bus import DAEMON, BusError
from tray.desktop.sni import WATCHER
from tray.desktop.toasts import SERVER

if TYPE_CHECKING:
    from tray.desktop.bus import Bus

NO_TRAY = (
    "Start a panel with a tray; GNOME needs the extension AppIndicator"
    " (https://extensions.gnome.org/extension/615). The hotkey works without."
)


def session(bus: Bus, *, tray_runs: bool) -> list[Health]:
    """All parts of the session, one line each. Starts nothing."""
    if not bus.reachable:
        return [_no_bus(), _login()]
    running = "a tray runs" if tray_runs else "no tray runs now"
    return [
        Health("session bus", ok=True, found=f"It answers; {running}."),
        _icon(bus),
        _toasts(bus),
        _login(),
    ]


def _no_bus() -> Health:
    return Health(
        "session bus",
        ok=False,
        found="There is none, so there is no icon and there are no toasts.",
        hint="Log in on a desktop, or start Hangshot with: dbus-run-session hangshot.",
    )


def _icon(bus: Bus) -> Health:
    if bus.owned(WATCHER.name):
        return Health("tray icon", ok=True, found="A panel shows icons.")
    if stock.usable():
        return Health("tray icon", ok=True, found="A tray shows icons of the old kind, through GTK.")
    return Health("tray icon", ok=False, found="No panel shows icons.", hint=NO_TRAY)


def _toasts(bus: Bus) -> Health:
    try:
        name, maker, version, _ = bus.call(SERVER, "GetServerInformation", start=False)
    except BusError:
        if SERVER.name in bus.call(DAEMON, "ListActivatableNames")[0]:
            return Health("notifications", ok=True, found="They start with the first one.")
        hint = "Install a notification daemon, such as dunst or xfce4-notifyd."
        return Health("notifications", ok=False, found="Nothing here shows notifications.", hint=hint)
    return Health("notifications", ok=True, found=f"{name} {version} ({maker}) shows them.")


def _login() -> Health:
    state = "starts" if freedesktop.starts_at_login() else "does not start"
    return Health("start at login", ok=True, found=f"Hangshot {state} when you log in.")
