"""What the registry says about the user's wishes: start at login, colours of the taskbar."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tray.desktop.picture import Theme

_EXPLORER = r"Software\Microsoft\Windows\CurrentVersion\Explorer"
RUN = r"Software\Microsoft\Windows\CurrentVersion\Run"
APPROVED = rf"{_EXPLORER}\StartupApproved\Run"
COLOURS = r"Software\Microsoft\Windows\CurrentVersion\Themes\Personalize"
NAME = "Hangshot"


def starts_at_login() -> bool:
    """Whether Windows would start us: it is told to, and neither Task Manager nor Settings forbids it."""
    told = read(RUN, NAME)
    return isinstance(told, str) and told == command() and approved(read(APPROVED, NAME))


def start_at_login(*, wanted: bool) -> None:
    """Have Windows start us at login, or not; wanting it takes back what Task Manager was told."""
    delete(APPROVED, NAME)
    if wanted:
        write(RUN, NAME, command())
    else:
        delete(RUN, NAME)


def approved(value: object) -> bool:
    """Whether a value under ``StartupApproved`` lets the program start; none does.

    Twelve bytes: a state whose lowest bit says "switched off", and the time when
    that was done. Nobody documents it; what Task Manager writes was read by
    zzzgydi/auto-launch#8 and node-auto-launch#130.
    """
    if not isinstance(value, bytes) or not value:
        return True
    return not value[0] & 1 and not any(value[4:12])


def command() -> str:
    """The command line that starts the tray without a console."""
    if getattr(sys, "frozen", False):
        return subprocess.list2cmdline([str(Path(sys.executable).with_name("hangshot.exe"))])
    windowed = Path(sys.executable).with_name("pythonw.exe")
    program = windowed if windowed.is_file() else Path(sys.executable)
    return subprocess.list2cmdline([str(program), "-m", "tray"])


def taskbar_theme() -> Theme:
    """The colours of the taskbar, which may differ from those of apps. Dark where nothing is said."""
    return "light" if read(COLOURS, "SystemUsesLightTheme") == 1 else "dark"


def read(key: str, name: str) -> object:
    """A value of the user's; None if there is none."""
    if sys.platform != "win32":
        return None
    import winreg

    try:
        with winreg.OpenKey(winreg.HKEY_CURRENT_USER, key) as opened:
            return winreg.QueryValueEx(opened, name)[0]
    except FileNotFoundError:
        return None


def write(key: str, name: str, value: str) -> None:
    """Set a text."""
    if sys.platform == "win32":
        import winreg

        with winreg.CreateKey(winreg.HKEY_CURRENT_USER, key) as opened:
            winreg.SetValueEx(opened, name, 0, winreg.REG_SZ, value)


def delete(key: str, name: str) -> None:
    """Take a value away, if it is there."""
    if sys.platform == "win32":
        import winreg

        try:
            with winreg.OpenKey(winreg.HKEY_CURRENT_USER, key, access=winreg.KEY_SET_VALUE) as opened:
                winreg.DeleteValue(opened, name)
        except FileNotFoundError:
            pass
