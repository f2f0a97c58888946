"""What the demo's program asks of Windows."""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_SECTION = 40 if sys.maxsize > 1 << 32 else 24
"""``sizeof(CRITICAL_SECTION)``."""


class Windows:
    """See `tray.demo.deadlock.System`."""

    def __init__(self) -> None:
        self._kernel32 = _kernel32()
        self.acquire: Callable[[Any], object] = self._kernel32.EnterCriticalSection

    def begin(self) -> None:
        """Nothing: Windows has no such names, and who starts us ends us, by a job."""

    def name(self, name: str) -> None:
        """As debuggers show it."""
        self._kernel32.SetThreadDescription(self._kernel32.GetCurrentThread(), name)

    def lock(self) -> object:
        """A critical section."""
        section = ctypes.create_string_buffer(_SECTION)
        self._kernel32.InitializeCriticalSection(section)
        return section

    def window(self, hotkey: str) -> object | None:
        """A window, as every session has them but a service's, which raises."""
        from tray.demo.windows_window import Window

        return Window(hotkey)


def _kernel32() -> Any:  # noqa: ANN401 - a library has what it has
    if sys.platform != "win32":
        raise OSError("no kernel32")
    library = ctypes.WinDLL("kernel32.dll", winmode=0x800)  # from the system's directory only
    library.GetCurrentThread.restype = ctypes.c_void_p
    library.SetThreadDescription.argtypes = ctypes.c_void_p, ctypes.c_wchar_p
    return library
