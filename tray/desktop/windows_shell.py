"""Files and the clipboard, as Windows' own shell shows and keeps them."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from tray.errors import Unsupported
from tray.ffi import user32
from tray.ffi.user32 import call
from tray.patience import within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

log = logging.getLogger(__name__)

TRIES, PAUSE = 10, 0.02
"""Another program may hold the clipboard for a moment; nothing tells when it is free."""
OPENING = 10.0
"""Seconds that the shell may take."""

Result = TypeVar("Result")


def reveal(path: Path) -> None:
    """Show the file in Explorer, selected; else the folder it is in.

    Raises:
        Unsupported: Windows does not.
    """
    path = path.absolute()
    if not path.exists():
        open_path(path.parent)
        return
    try:
        if _apart(lambda: _selected(path)):
            return
    except TimeoutError:
        pass
    _open(path, _system("explorer.exe", folder=""), f'/select,"{path}"')


def open_path(path: Path) -> None:
    """Open a file or folder with the user's own program for it; text without one with Notepad.

    Raises:
        Unsupported: Nothing opens it.
    """
    try:
        _open(path, path)
    except Unsupported as error:
        if getattr(error.__cause__, "winerror", 0) != user32.ERROR_NO_ASSOCIATION:
            raise
        _open(path, _system("notepad.exe"), f'"{path}"')


def _open(path: Path, program: Path | str, arguments: str = "") -> None:
    """Have the shell open a file, or start a program that is none of ours afterwards.

    Raises:
        Unsupported: It does not, or waits for another program all the while.
    """
    if sys.platform != "win32":
        return
    try:
        _apart(lambda: os.startfile(program, arguments=arguments))  # noqa: S606  # a file of the user's, or Windows' own
    except TimeoutError as error:
        raise Unsupported(
            f"Windows has not opened {path.name} within {OPENING:.0f} seconds; Explorer may hang.",
            hint=f"It is {path}.",
        ) from error
    except OSError as error:
        raise Unsupported(f"Windows does not open {path}: {error.strerror}.") from error


def _apart(act: Callable[[], Result]) -> Result:
    """What an act of the shell gives or raises, on a thread of its own.

    It wants an apartment, keeps what it loads there, and may wait for a program that hangs:
    Explorer, whoever owns the clipboard, and with DDE every program that has a window.

    Raises:
        TimeoutError: It is still at it.
    """

    def work() -> Result:
        began = call("CoInitializeEx", None, user32.COINIT_APARTMENTTHREADED)
        try:
            return act()
        finally:
            if began >= 0:
                call("CoUninitialize")

    return within(OPENING, work)


def copy(text: str) -> bool:
    """Put text on the clipboard, where it stays when we end; False if another program keeps it from us."""
    try:
        _apart(lambda: _copy(text))
    except OSError as error:
        log.info("Nothing was copied: %s", error)
        return False
    return True


def _copy(text: str) -> None:
    """Put it there. To empty the clipboard, Windows asks the window of whoever filled it, which may hang.

    What has no owner cannot be filled. A window that only takes messages gets none of those to all windows,
    whose senders would wait for us.
    """
    window = call("CreateWindowExW", 0, "STATIC", "", 0, 0, 0, 0, 0, user32.HWND_MESSAGE, None, None, None)
    try:
        with _clipboard(window):
            call("EmptyClipboard")
            _give(text)
    finally:
        call("DestroyWindow", window)


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
    """Whether Explorer has been told to show and select a file; in an apartment."""
    try:
        item = call("ILCreateFromPathW", str(path))
        try:
            return call("SHOpenFolderAndSelectItems", item, 0, None, 0) == 0
        finally:
            call("ILFree", item)
    except OSError as error:
        log.info("The shell does not select %s: %s", path.name, error)
        return False


def _system(program: str, folder: str = "System32") -> str:
    """A program of Windows, by its whole path: never one that lies beside us under the same name."""
    return os.path.join(os.environ.get("SYSTEMROOT", r"C:\Windows"), folder, program)  # noqa: PTH118  # for Windows
