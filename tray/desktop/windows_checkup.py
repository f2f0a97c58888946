"""What ``hangshot doctor`` says about a Windows desktop, one line each. Starts nothing."""

from __future__ import annotations

import importlib.util
import platform
import sys

from tray.desktop import Health, windows_registry
from tray.desktop.windows_icon import small
from tray.ffi.user32 import call


def display() -> Health:
    """Windows and its version."""
    size = small()
    version = platform.version() if sys.platform == "win32" else ""
    return Health("display", ok=True, found=f"Windows {version}, icons of {size} pixels.")


def session() -> list[Health]:
    """The parts of the desktop that show us."""
    return [_icon(), _toasts(), _login()]


def _icon() -> Health:
    if call("FindWindowW", "Shell_TrayWnd", None):
        return Health("tray icon", ok=True, found="The taskbar shows icons.")
    return Health(
        "tray icon",
        ok=False,
        found="No taskbar runs in this session.",
        hint="Start Hangshot on your desktop; 'hangshot dump PID' works without one.",
    )


def _toasts() -> Health:
    if importlib.util.find_spec("winrt") is not None:
        return Health(
            "notifications", ok=True, found="Windows shows toasts, or else the icon shows balloons."
        )
    return Health("notifications", ok=True, found="The icon shows balloons; toasts need the winrt packages.")


def _login() -> Health:
    state = "starts" if windows_registry.starts_at_login() else "does not start"
    return Health("start at login", ok=True, found=f"Hangshot {state} when you log in.")
