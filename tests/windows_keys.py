"""Keys, messages and the clipboard as a person and Windows itself would use them; inside the test bed only."""

from __future__ import annotations

import ctypes
import time
from typing import Any

user32: Any = getattr(ctypes, "windll", None) and ctypes.windll.user32

CTRL, ALT, SHIFT, ESCAPE, F9, F10 = 0x11, 0x12, 0x10, 0x1B, 0x78, 0x79
_UP = 2


def hold(*keys: int, repeats: int = 0) -> None:
    """Press keys one after the other; the last one repeats as a held key does."""
    for key in (*keys, *(keys[-1],) * repeats):
        user32.keybd_event(key, user32.MapVirtualKeyW(key, 0), 0, 0)


def release(*keys: int) -> None:
    """Let keys go, the last one first."""
    for key in reversed(keys):
        user32.keybd_event(key, user32.MapVirtualKeyW(key, 0), _UP, 0)


def send(window: int, message: int, first: int = 0, second: int = 0) -> int:
    """Send a message and wait for its answer."""
    user32.SendMessageW.argtypes = (ctypes.c_void_p, ctypes.c_uint, ctypes.c_size_t, ctypes.c_ssize_t)
    user32.SendMessageW.restype = ctypes.c_ssize_t
    return int(user32.SendMessageW(window, message, first, second))


def post(window: int, message: int, first: int = 0, second: int = 0) -> None:
    """Post a message and do not wait."""
    user32.PostMessageW.argtypes = (ctypes.c_void_p, ctypes.c_uint, ctypes.c_size_t, ctypes.c_ssize_t)
    assert user32.PostMessageW(window, message, first, second)


def until(look: Any, what: str, seconds: float = 10.0) -> Any:
    """What ``look`` gives, once it gives something."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"timed out waiting for {what}"
        time.sleep(0.02)
    return found


def clipboard() -> str:
    """The text on the clipboard."""
    kernel32 = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    user32.GetClipboardData.restype = kernel32.GlobalLock.restype = ctypes.c_void_p
    kernel32.GlobalLock.argtypes = kernel32.GlobalUnlock.argtypes = (ctypes.c_void_p,)
    until(lambda: user32.OpenClipboard(None), "the clipboard")
    try:
        memory = user32.GetClipboardData(13)
        text = ctypes.wstring_at(kernel32.GlobalLock(memory))
        kernel32.GlobalUnlock(memory)
        return text
    finally:
        user32.CloseClipboard()


def rows(menu: int) -> list[str]:
    """Texts of a menu."""
    user32.GetMenuItemCount.argtypes = (ctypes.c_void_p,)
    user32.GetMenuStringW.argtypes = (
        ctypes.c_void_p,
        ctypes.c_uint,
        ctypes.c_wchar_p,
        ctypes.c_int,
        ctypes.c_uint,
    )
    buffer = ctypes.create_unicode_buffer(256)
    found = []
    for row in range(user32.GetMenuItemCount(menu)):
        user32.GetMenuStringW(menu, row, buffer, 256, 0x400)
        found.append(buffer.value)
    return found


class _IconInfo(ctypes.Structure):
    """``ICONINFO``."""

    _fields_ = (
        ("fIcon", ctypes.c_int),
        ("xHotspot", ctypes.c_uint32),
        ("yHotspot", ctypes.c_uint32),
        ("hbmMask", ctypes.c_void_p),
        ("hbmColor", ctypes.c_void_p),
    )


def icon_size(handle: int) -> tuple[int, int]:
    """Width and height of an icon, from its picture in colours."""
    told = _IconInfo()
    assert user32.GetIconInfo(ctypes.c_void_p(handle), ctypes.byref(told))
    gdi32 = ctypes.windll.gdi32  # type: ignore[attr-defined,unused-ignore]
    bitmap = (ctypes.c_int32 * 8)()  # BITMAP: type, width, height, …
    gdi32.GetObjectW(ctypes.c_void_p(told.hbmColor), ctypes.sizeof(bitmap), ctypes.byref(bitmap))
    for picture in (told.hbmMask, told.hbmColor):
        gdi32.DeleteObject(ctypes.c_void_p(picture))
    return bitmap[1], bitmap[2]
