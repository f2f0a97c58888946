"""What Windows is asked for by the desktop and the settings: windows, messages, keys, icons, the shell, folders.

One table of prototypes and one way to call them. A function whose failure can
be told raises ``OSError`` with ``winerror``. Libraries come from the system
directory only and are opened on first use: this module imports everywhere.

Source: the Windows SDK headers winuser.h, winbase.h, shellapi.h, shlobj_core.h,
wtsapi32.h, as documented on learn.microsoft.com.
"""

from __future__ import annotations

import ctypes
import errno
import sys
from ctypes import POINTER, Structure, c_int, c_long, c_size_t, c_ssize_t, c_void_p, c_wchar_p
from ctypes.wintypes import ATOM, BOOL, DWORD, HANDLE, LPARAM, LPCWSTR, MSG, RECT, UINT, WCHAR, WPARAM
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

ERROR_FILE_NOT_FOUND = 2
ERROR_ACCESS_DENIED = 5
ERROR_NOT_SUPPORTED = 50
ERROR_PROC_NOT_FOUND = 127
ERROR_ALREADY_EXISTS = 183
ERROR_NO_ASSOCIATION = 1155
ERROR_INVALID_WINDOW_HANDLE = 1400
ERROR_HOTKEY_ALREADY_REGISTERED = 1409
ERROR_TIMEOUT = 1460

SHUTDOWN_LATER = 0x200
"""After programs that asked for nothing, which have 0x280."""

WM_NULL = 0x0000
WM_DESTROY = 0x0002
WM_PAINT = 0x000F
WM_CLOSE = 0x0010
WM_QUIT = 0x0012
WM_QUERYENDSESSION = 0x0011
WM_ENDSESSION = 0x0016
WM_SETTINGCHANGE = 0x001A
WM_TIMER = 0x0113
WM_MOUSEMOVE = 0x0200
WM_LBUTTONUP = 0x0202
WM_RBUTTONUP = 0x0205
WM_POWERBROADCAST = 0x0218
WM_WTSSESSION_CHANGE = 0x02B1
WM_HOTKEY = 0x0312
NIN_BALLOONTIMEOUT, NIN_BALLOONUSERCLICK = 0x0404, 0x0405
WM_APP = 0x8000

PBT_APMRESUMESUSPEND, PBT_APMRESUMEAUTOMATIC = 7, 18
WTS_CONSOLE_CONNECT, WTS_REMOTE_CONNECT, WTS_SESSION_LOGON, WTS_SESSION_UNLOCK = 1, 3, 5, 8

MOD_ALT, MOD_CONTROL, MOD_SHIFT, MOD_WIN, MOD_NOREPEAT = 1, 2, 4, 8, 0x4000
VK_SHIFT, VK_CONTROL, VK_MENU, VK_LWIN, VK_RWIN = 0x10, 0x11, 0x12, 0x5B, 0x5C
MAPVK_VK_TO_VSC = 0
GA_ROOTOWNER = 3
SMTO_BLOCK, SMTO_ABORTIFHUNG = 1, 2
EVENT_SYSTEM_FOREGROUND = 3
WINEVENT_OUTOFCONTEXT, WINEVENT_SKIPOWNPROCESS = 0, 2
PM_NOREMOVE, PM_REMOVE = 0, 1
SM_CXSCREEN, SM_CYSCREEN, SM_CXSMICON = 0, 1, 49
DPI_AWARENESS_CONTEXT_PER_MONITOR_AWARE_V2 = -4
LR_DEFAULTCOLOR = 0
ICON_VERSION = 0x00030000
WS_POPUP = 0x80000000
HWND_MESSAGE = -3
WS_TITLED = 0x00CA0000
"""``WS_CAPTION | WS_SYSMENU | WS_MINIMIZEBOX``."""
SW_SHOWNORMAL = 1
IDC_ARROW = 32512
TRANSPARENT = 1
DT_MIDDLE = 0x25
"""``DT_CENTER | DT_VCENTER | DT_SINGLELINE``."""
PAINTSTRUCT_SIZE = 72
CF_UNICODETEXT = 13
GMEM_MOVEABLE = 2
DWMWA_CLOAKED = 14

LRESULT = c_ssize_t
_LOAD_LIBRARY_SEARCH_SYSTEM32 = 0x800


class WNDCLASSEXW(Structure):
    """``WNDCLASSEXW``; the window procedure as a plain address."""

    _fields_ = (
        ("cbSize", UINT),
        ("style", UINT),
        ("lpfnWndProc", c_void_p),
        ("cbClsExtra", c_int),
        ("cbWndExtra", c_int),
        ("hInstance", HANDLE),
        ("hIcon", HANDLE),
        ("hCursor", HANDLE),
        ("hbrBackground", HANDLE),
        ("lpszMenuName", LPCWSTR),
        ("lpszClassName", LPCWSTR),
        ("hIconSm", HANDLE),
    )


class LASTINPUTINFO(Structure):
    """``LASTINPUTINFO``; the time in milliseconds since start, cut to 32 bits."""

    _fields_ = (("cbSize", UINT), ("dwTime", DWORD))


_TEXT = POINTER(WCHAR)
_Row = tuple[str, Any, tuple[Any, ...], bool]

PROTOTYPES: dict[str, _Row] = {
    # name: (library, result, arguments, whether 0 is a failure)
    "GetForegroundWindow": ("user32", HANDLE, (), False),
    "GetAncestor": ("user32", HANDLE, (HANDLE, UINT), False),
    "GetWindowThreadProcessId": ("user32", DWORD, (HANDLE, POINTER(DWORD)), False),
    "GetClassNameW": ("user32", c_int, (HANDLE, _TEXT, c_int), False),
    "InternalGetWindowText": ("user32", c_int, (HANDLE, _TEXT, c_int), False),
    "HungWindowFromGhostWindow": ("user32", HANDLE, (HANDLE,), False),
    "IsHungAppWindow": ("user32", BOOL, (HANDLE,), False),
    "IsWindow": ("user32", BOOL, (HANDLE,), False),
    "IsWindowVisible": ("user32", BOOL, (HANDLE,), False),
    "EnumWindows": ("user32", BOOL, (c_void_p, LPARAM), True),
    "EnumChildWindows": ("user32", BOOL, (HANDLE, c_void_p, LPARAM), False),
    "FindWindowW": ("user32", HANDLE, (LPCWSTR, LPCWSTR), False),
    "SendMessageTimeoutW": (
        "user32",
        LRESULT,
        (HANDLE, UINT, WPARAM, LPARAM, UINT, UINT, POINTER(c_size_t)),
        True,
    ),
    "SetWinEventHook": ("user32", HANDLE, (DWORD, DWORD, HANDLE, c_void_p, DWORD, DWORD, DWORD), True),
    "UnhookWinEvent": ("user32", BOOL, (HANDLE,), True),
    "RegisterClassExW": ("user32", ATOM, (POINTER(WNDCLASSEXW),), True),
    "UnregisterClassW": ("user32", BOOL, (LPCWSTR, HANDLE), True),
    "CreateWindowExW": (
        "user32",
        HANDLE,
        (DWORD, LPCWSTR, LPCWSTR, DWORD, c_int, c_int, c_int, c_int, HANDLE, HANDLE, HANDLE, c_void_p),
        True,
    ),
    "ShowWindow": ("user32", BOOL, (HANDLE, c_int), False),
    "SetForegroundWindow": ("user32", BOOL, (HANDLE,), False),
    "LoadCursorW": ("user32", HANDLE, (HANDLE, c_void_p), True),
    "GetClientRect": ("user32", BOOL, (HANDLE, POINTER(RECT)), True),
    "BeginPaint": ("user32", HANDLE, (HANDLE, c_void_p), True),
    "EndPaint": ("user32", BOOL, (HANDLE, c_void_p), False),
    "FillRect": ("user32", c_int, (HANDLE, POINTER(RECT), HANDLE), True),
    "DrawTextW": ("user32", c_int, (HANDLE, LPCWSTR, c_int, POINTER(RECT), UINT), True),
    "SetTextColor": ("gdi32", DWORD, (HANDLE, DWORD), False),
    "SetBkMode": ("gdi32", c_int, (HANDLE, c_int), True),
    "SelectObject": ("gdi32", HANDLE, (HANDLE, HANDLE), True),
    "DeleteObject": ("gdi32", BOOL, (HANDLE,), False),
    "CreateSolidBrush": ("gdi32", HANDLE, (DWORD,), True),
    "CreateFontW": ("gdi32", HANDLE, (*(c_int,) * 5, *(DWORD,) * 8, LPCWSTR), True),
    "DestroyWindow": ("user32", BOOL, (HANDLE,), True),
    "DefWindowProcW": ("user32", LRESULT, (HANDLE, UINT, WPARAM, LPARAM), False),
    "PeekMessageW": ("user32", BOOL, (POINTER(MSG), HANDLE, UINT, UINT, UINT), False),
    "GetMessageW": ("user32", c_int, (POINTER(MSG), HANDLE, UINT, UINT), False),
    "DispatchMessageW": ("user32", LRESULT, (POINTER(MSG),), False),
    "PostMessageW": ("user32", BOOL, (HANDLE, UINT, WPARAM, LPARAM), True),
    "PostThreadMessageW": ("user32", BOOL, (DWORD, UINT, WPARAM, LPARAM), True),
    "PostQuitMessage": ("user32", None, (c_int,), False),
    "SetTimer": ("user32", c_size_t, (HANDLE, c_size_t, UINT, c_void_p), True),
    "KillTimer": ("user32", BOOL, (HANDLE, c_size_t), False),
    "RegisterHotKey": ("user32", BOOL, (HANDLE, c_int, UINT, UINT), True),
    "UnregisterHotKey": ("user32", BOOL, (HANDLE, c_int), True),
    "GetAsyncKeyState": ("user32", ctypes.c_short, (c_int,), False),
    "GetLastInputInfo": ("user32", BOOL, (POINTER(LASTINPUTINFO),), True),
    "VkKeyScanW": ("user32", ctypes.c_short, (WCHAR,), False),
    "MapVirtualKeyW": ("user32", UINT, (UINT, UINT), False),
    "GetSystemMetrics": ("user32", c_int, (c_int,), False),
    "GetSystemMetricsForDpi": ("user32", c_int, (c_int, UINT), True),
    "GetDpiForSystem": ("user32", UINT, (), True),
    "GetDpiForWindow": ("user32", UINT, (HANDLE,), True),
    "SetThreadDpiAwarenessContext": ("user32", HANDLE, (HANDLE,), True),
    "CreateIconFromResourceEx": (
        "user32",
        HANDLE,
        (ctypes.c_char_p, DWORD, BOOL, DWORD, c_int, c_int, UINT),
        True,
    ),
    "DestroyIcon": ("user32", BOOL, (HANDLE,), True),
    "OpenClipboard": ("user32", BOOL, (HANDLE,), True),
    "EmptyClipboard": ("user32", BOOL, (), True),
    "SetClipboardData": ("user32", HANDLE, (UINT, HANDLE), True),
    "GetClipboardData": ("user32", HANDLE, (UINT,), True),
    "CloseClipboard": ("user32", BOOL, (), True),
    "GetModuleHandleW": ("kernel32", HANDLE, (LPCWSTR,), True),
    "SetProcessShutdownParameters": ("kernel32", BOOL, (DWORD, DWORD), True),
    "GetTickCount": ("kernel32", DWORD, (), False),
    "GlobalAlloc": ("kernel32", HANDLE, (UINT, c_size_t), True),
    "GlobalLock": ("kernel32", c_void_p, (HANDLE,), True),
    "GlobalUnlock": ("kernel32", BOOL, (HANDLE,), False),
    "GlobalFree": ("kernel32", HANDLE, (HANDLE,), False),
    "CreateMutexW": ("kernel32", HANDLE, (c_void_p, BOOL, LPCWSTR), True),
    "OpenMutexW": ("kernel32", HANDLE, (DWORD, BOOL, LPCWSTR), True),
    "CreateFileW": ("kernel32", HANDLE, (LPCWSTR, DWORD, DWORD, c_void_p, DWORD, DWORD, HANDLE), True),
    "CreateEventW": ("kernel32", HANDLE, (c_void_p, BOOL, BOOL, LPCWSTR), True),
    "SetEvent": ("kernel32", BOOL, (HANDLE,), True),
    "ReadDirectoryChangesW": (
        "kernel32",
        BOOL,
        (HANDLE, c_void_p, DWORD, BOOL, DWORD, c_void_p, c_void_p, c_void_p),
        True,
    ),
    "GetOverlappedResult": ("kernel32", BOOL, (HANDLE, c_void_p, POINTER(DWORD), BOOL), True),
    "CancelIoEx": ("kernel32", BOOL, (HANDLE, c_void_p), True),
    "WaitForMultipleObjects": ("kernel32", DWORD, (DWORD, c_void_p, BOOL, DWORD), False),
    "CloseHandle": ("kernel32", BOOL, (HANDLE,), True),
    "ProcessIdToSessionId": ("kernel32", BOOL, (DWORD, POINTER(DWORD)), True),
    "WTSRegisterSessionNotification": ("wtsapi32", BOOL, (HANDLE, DWORD), True),
    "WTSUnRegisterSessionNotification": ("wtsapi32", BOOL, (HANDLE,), False),
    "DwmGetWindowAttribute": ("dwmapi", c_long, (HANDLE, DWORD, c_void_p, DWORD), False),
    "CoInitializeEx": ("ole32", c_long, (c_void_p, DWORD), False),
    "CoUninitialize": ("ole32", None, (), False),
    "ILCreateFromPathW": ("shell32", c_void_p, (LPCWSTR,), True),
    "ILFree": ("shell32", None, (c_void_p,), False),
    "SHOpenFolderAndSelectItems": ("shell32", c_long, (c_void_p, UINT, c_void_p, DWORD), False),
    "SetCurrentProcessExplicitAppUserModelID": ("shell32", c_long, (c_wchar_p,), False),
}
"""What is used, and how. A result that is an ``HRESULT`` is looked at by the caller."""

SYNCHRONIZE = 0x00100000
COINIT_APARTMENTTHREADED = 2


def call(name: str, *arguments: object) -> int:
    """Call a function of the table.

    Raises:
        OSError: It failed, or this Windows (or Wine) lacks it (``ERROR_PROC_NOT_FOUND``).
    """
    if sys.platform != "win32":
        raise OSError(errno.ENOSYS, f"no {name}")
    function, checked = _bound(name)
    ctypes.set_last_error(0)
    result = function(*arguments)
    if checked and not result:
        raise ctypes.WinError(ctypes.get_last_error())
    return int(result or 0)


@cache
def _bound(name: str) -> tuple[Callable[..., Any], bool]:
    """The function with its prototype, and whether 0 is a failure."""
    if sys.platform != "win32":
        raise OSError(errno.ENOSYS, f"no {name}")
    library, result, arguments, checked = PROTOTYPES[name]
    try:
        function = getattr(_library(library), name)
    except AttributeError:
        raise ctypes.WinError(ERROR_PROC_NOT_FOUND, name) from None
    function.restype, function.argtypes = result, arguments
    return function, checked


@cache
def _library(name: str) -> Any:  # noqa: ANN401  # a library has what it has
    if sys.platform != "win32":
        raise OSError(errno.ENOSYS, f"no {name}")
    # Our own copy of the library object: pystray and keyboard set prototypes on theirs.
    return ctypes.WinDLL(f"{name}.dll", use_last_error=True, winmode=_LOAD_LIBRARY_SEARCH_SYSTEM32)


def window_callback(function: Callable[[int, int], bool]) -> Any:  # noqa: ANN401  # a ctypes object
    """``WNDENUMPROC``: called with a window and a parameter; False ends the enumeration."""
    return _callback(BOOL, HANDLE, LPARAM)(lambda window, parameter: function(window or 0, parameter))


def window_procedure(function: Callable[[int, int, int, int], int]) -> Any:  # noqa: ANN401  # as above
    """``WNDPROC``: called with window, message and its two parameters."""
    return _callback(LRESULT, HANDLE, UINT, WPARAM, LPARAM)(
        lambda window, message, first, second: function(window or 0, message, first, second)
    )


def event_callback(function: Callable[[int], None]) -> Any:  # noqa: ANN401  # as above
    """``WINEVENTPROC``, reduced to the window it is about."""
    kind = _callback(None, HANDLE, DWORD, HANDLE, c_long, c_long, DWORD, DWORD)
    return kind(lambda _hook, _event, window, *_rest: function(window or 0))


def _callback(result: Any, *arguments: Any) -> Any:  # noqa: ANN401  # ctypes types
    if sys.platform != "win32":
        raise OSError(errno.ENOSYS, "no callbacks")
    return ctypes.WINFUNCTYPE(result, *arguments)


def address(callback: Any) -> c_void_p:  # noqa: ANN401  # a ctypes object
    """Where a callback is to be called."""
    return ctypes.cast(callback, c_void_p)


def last_error() -> int:
    """``GetLastError`` after the `call` before, on this thread: some calls that succeed tell more there."""
    if sys.platform != "win32":
        return 0
    return ctypes.get_last_error()
