"""What Windows tells about changes in a folder: ``ReadDirectoryChangesW``.

Source: learn.microsoft.com, "ReadDirectoryChangesW function"; winnt.h, winbase.h.
"""

from __future__ import annotations

import ctypes
from ctypes import Structure, c_size_t
from ctypes.wintypes import DWORD, HANDLE
from typing import TYPE_CHECKING

from tray.ffi.user32 import call, last_error

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FILE_LIST_DIRECTORY = 1
FILE_SHARE_READ, FILE_SHARE_WRITE, FILE_SHARE_DELETE = 1, 2, 4
OPEN_EXISTING = 3
FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OVERLAPPED = 0x02000000, 0x40000000
FILE_NOTIFY_CHANGE_FILE_NAME, FILE_NOTIFY_CHANGE_SIZE, FILE_NOTIFY_CHANGE_LAST_WRITE = 1, 8, 0x10
INFINITE, WAIT_TIMEOUT, WAIT_FAILED = 0xFFFFFFFF, 258, 0xFFFFFFFF

INVALID_HANDLE = ctypes.c_void_p(-1).value
SHARED = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE
WRITTEN = FILE_NOTIFY_CHANGE_FILE_NAME | FILE_NOTIFY_CHANGE_SIZE | FILE_NOTIFY_CHANGE_LAST_WRITE
BUFFER = 4096
"""Bytes for names, which nobody reads: where they are too many Windows tells that alone."""


class OVERLAPPED(Structure):
    """``OVERLAPPED``."""

    _fields_ = (
        ("Internal", c_size_t),
        ("InternalHigh", c_size_t),
        ("Offset", DWORD),
        ("OffsetHigh", DWORD),
        ("hEvent", HANDLE),
    )


class Changes:
    """Tells when something in a folder has changed; to be closed.

    Attributes:
        event: Set while there is a change that `renew` has not been told of.

    Raises:
        OSError: The folder is not there, or cannot be watched.
    """

    def __init__(self, folder: Path) -> None:
        self._names = ctypes.create_string_buffer(BUFFER)
        self._request = OVERLAPPED()
        self.event = new_event()
        self._folder = call(
            "CreateFileW",
            *(str(folder), FILE_LIST_DIRECTORY, SHARED, None),
            *(OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OVERLAPPED, None),
        )
        if self._folder == INVALID_HANDLE:
            failure = ctypes.WinError(last_error())  # type: ignore[attr-defined,unused-ignore]
            call("CloseHandle", self.event)
            raise failure
        try:
            self._ask()
        except OSError:
            self._give_back()
            raise

    def renew(self) -> None:
        """Take the change, and watch on.

        Raises:
            OSError: The folder has gone; only `close` remains to be called.
        """
        self._result(wait=False)
        self._ask()

    def close(self) -> None:
        """Watch no more; the request is over when this returns, so its memory may go."""
        try:
            call("CancelIoEx", self._folder, ctypes.byref(self._request))
            self._result(wait=True)
        except OSError:
            pass  # it was over, or has been cancelled as asked
        self._give_back()

    def _ask(self) -> None:
        self._request = OVERLAPPED(hEvent=self.event)
        call(
            "ReadDirectoryChangesW",
            *(self._folder, self._names, BUFFER, False, WRITTEN),
            *(None, ctypes.byref(self._request), None),
        )

    def _result(self, *, wait: bool) -> None:
        told = DWORD()
        call("GetOverlappedResult", self._folder, ctypes.byref(self._request), ctypes.byref(told), wait)

    def _give_back(self) -> None:
        call("CloseHandle", self._folder)
        call("CloseHandle", self.event)


def new_event() -> int:
    """An event that stays set until it is taken back; to be closed."""
    return call("CreateEventW", None, True, False, None)


def waited(events: Sequence[int], seconds: float | None) -> int | None:
    """Index of the first event that is set within so many seconds; None if none is."""
    handles = (HANDLE * len(events))(*events)
    patience = INFINITE if seconds is None else round(seconds * 1000)
    index = call("WaitForMultipleObjects", len(events), handles, False, patience)
    if index == WAIT_FAILED:
        raise ctypes.WinError(last_error())  # type: ignore[attr-defined,unused-ignore]
    return None if index == WAIT_TIMEOUT else index
