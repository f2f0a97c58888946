"""Files and the clipboard, as Windows' own shell shows and keeps them."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tray.errors import Unsupported
from tray.ffi import user32
from tray.ffi.user32 import call

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = logging.getLogger(__name__)

TRIES, PAUSE = 10, 0.02
"""Another program may hold the clipboard for a moment; nothing tells when it is free."""
OPENING = 10.0


def reveal(path: Path) -> None:
    """Show the file in Explorer, selected; else the folder it is in."""
    path = path.absolute()
    if not path.exists():
        open_path(path.parent)
        return
    shown: list[bool] = []
    # On a thread of its own: the shell wants an apartment, and keeps what it loads there.
    thread = threading.Thread(target=lambda: shown.append(_selected(path)), name="reveal", daemon=True)
    thread.start()
    thread.join(OPENING)
    if not any(shown):
        _start(_system("explorer.exe", folder=""), f'/select,"{path}"')


def open_path(path: Path) -> None:
    """Open a file or folder with the user's own program for it; text without one with Notepad.

    Raises:
        Unsupported: Nothing opens it.
    """
    if sys.platform != "win32":
        return
    try:
        os.startfile(path)  # noqa: S606  # a file of the user's
    except OSError as error:
        if error.winerror != user32.ERROR_NO_ASSOCIATION:
            raise Unsupported(f"Windows does not open {path}: {error.strerror}.") from error
        _start(_system("notepad.exe"), f'"{path}"')


def _start(program: str, arguments: str) -> None:
    """Start a program that is none of ours afterwards."""
    if sys.platform == "win32":
        os.startfile(program, arguments=arguments)  # noqa: S606  # Windows' own


def copy(text: str, window: int) -> bool:
    """Put text on the clipboard, where it stays when we end; False if another program keeps it from us.

    Args:
        text: What to copy.
        window: Of ours, on this thread: what has no owner cannot be filled.
    """
    try:
        with _clipboard(window):
            call("EmptyClipboard")
            _give(text)
    except OSError as error:
        log.info("Nothing was copied: %s", error)
        return False
    return True


def _give(text: str) -> None:
    """Hand the text over; from then on it is the system's."""
    raw = text.encode("utf-16-le") + b"\0\0"
    memory = call("GlobalAlloc", user32.GMEM_MOVEABLE, len(raw))
    try:
        ctypes.memmove(call("GlobalLock", memory), raw, len(raw))
        call("GlobalUnlock", memory)
        call("SetClipboardData", user32.CF_UNICODETEXT, memory)
    except OSError:
        call("GlobalFree", memory)
        raise


@contextmanager
def _clipboard(window: int) -> Iterator[None]:
    """The clipboard, open for us."""
    for left in reversed(range(TRIES)):
        try:
            call("OpenClipboard", window)
            break
        except OSError:
            if not left:
                raise
            time.sleep(PAUSE)
    try:
        yield
    finally:
        call("CloseClipboard")


def _selected(path: Path) -> bool:
    """Whether Explorer has been told to show and select a file."""
    began = call("CoInitializeEx", None, user32.COINIT_APARTMENTTHREADED)
    try:
        item = call("ILCreateFromPathW", str(path))
        try:
            return call("SHOpenFolderAndSelectItems", item, 0, None, 0) == 0
        finally:
            call("ILFree", item)
    except OSError as error:
        log.info("The shell does not select %s: %s", path.name, error)
        return False
    finally:
        if began >= 0:
            call("CoUninitialize")


def _system(program: str, folder: str = "System32") -> str:
    """A program of Windows, by its whole path: never one that lies beside us under the same name."""
    return os.path.join(os.environ.get("SYSTEMROOT", r"C:\Windows"), folder, program)  # noqa: PTH118  # for Windows
