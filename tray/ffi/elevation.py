"""What Windows is asked for to work as administrator for a while: ``runas``, named pipes, handles of others.

Source: Windows SDK headers; learn.microsoft.com/windows/win32.
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import POINTER, c_int32, c_uint32, c_void_p, c_wchar_p
from typing import TYPE_CHECKING, Any, ClassVar

from tray.ffi.win32 import (
    BOOL,
    DWORD,
    ERROR_CANCELLED,
    ERROR_INVALID_HANDLE,
    ERROR_NO_DATA,
    ERROR_PIPE_CONNECTED,
    HANDLE,
    PROCESS_DUP_HANDLE,
    TOKEN_QUERY,
    Check,
    Libraries,
    code,
    failure,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_SEE_MASK_NOCLOSEPROCESS, _SEE_MASK_NOASYNC, _SEE_MASK_FLAG_NO_UI = 0x40, 0x100, 0x400
_SW_HIDE = 0
_PIPE_ACCESS_INBOUND, _PIPE_ACCESS_OUTBOUND = 1, 2
_FILE_FLAG_FIRST_PIPE_INSTANCE = 0x00080000
_PIPE_REJECT_REMOTE_CLIENTS = 8
_BUFFER = 1 << 16
_TOKEN_USER = 1
_SDDL_REVISION_1 = 1
_DACL_SECURITY_INFORMATION = 4
_GENERIC_READ, _GENERIC_WRITE, _OPEN_EXISTING = 0x80000000, 0x40000000, 3
_SECURITY_SQOS_PRESENT, _SECURITY_IDENTIFICATION = 0x00100000, 0x00010000
_DUPLICATE_SAME_ACCESS, _FILE_TYPE_DISK = 2, 1
_PROCESS_ALL_ACCESS = 0x1FFFFF
_INFINITE = 0xFFFFFFFF


class SHELLEXECUTEINFOW(ctypes.Structure):
    """``SHELLEXECUTEINFOW``."""

    _fields_: ClassVar[Sequence[Any]] = (
        ("cbSize", c_uint32),
        ("fMask", c_uint32),
        ("hwnd", c_void_p),
        ("lpVerb", c_wchar_p),
        ("lpFile", c_wchar_p),
        ("lpParameters", c_wchar_p),
        ("lpDirectory", c_wchar_p),
        ("nShow", c_int32),
        ("hInstApp", c_void_p),
        ("lpIDList", c_void_p),
        ("lpClass", c_wchar_p),
        ("hkeyClass", c_void_p),
        ("dwHotKey", c_uint32),
        ("hIcon", c_void_p),
        ("hProcess", c_void_p),
    )


class SECURITY_ATTRIBUTES(ctypes.Structure):
    """``SECURITY_ATTRIBUTES``."""

    _fields_: ClassVar[Sequence[Any]] = (
        ("nLength", c_uint32),
        ("lpSecurityDescriptor", c_void_p),
        ("bInheritHandle", c_int32),
    )


PROTOTYPES = {
    **table(
        "kernel32",
        Check.TRUE,
        BOOL,
        CloseHandle=(HANDLE,),
        ConnectNamedPipe=(HANDLE, c_void_p),
        GetExitCodeProcess=(HANDLE, POINTER(DWORD)),
        GetNamedPipeServerProcessId=(HANDLE, POINTER(DWORD)),
        PeekNamedPipe=(HANDLE, c_void_p, DWORD, c_void_p, c_void_p, c_void_p),
        DuplicateHandle=(HANDLE, HANDLE, HANDLE, POINTER(HANDLE), DWORD, BOOL, DWORD),
    ),
    **table("kernel32", Check.TRUE, HANDLE, LocalFree=(c_void_p,), OpenProcess=(DWORD, BOOL, DWORD)),
    **table("kernel32", Check.NONE, HANDLE, GetCurrentProcess=()),
    **table("kernel32", Check.NONE, DWORD, WaitForSingleObject=(HANDLE, DWORD), GetFileType=(HANDLE,)),
    **table(
        "kernel32",
        Check.HANDLE,
        HANDLE,
        CreateNamedPipeW=(c_wchar_p, *(DWORD,) * 6, c_void_p),
        CreateFileW=(c_wchar_p, DWORD, DWORD, c_void_p, DWORD, DWORD, HANDLE),
    ),
    **table("shell32", Check.TRUE, BOOL, ShellExecuteExW=(c_void_p,)),
    **table(
        "advapi32",
        Check.TRUE,
        BOOL,
        OpenProcessToken=(HANDLE, DWORD, POINTER(HANDLE)),
        GetTokenInformation=(HANDLE, c_int32, c_void_p, DWORD, POINTER(DWORD)),
        ConvertSidToStringSidW=(c_void_p, POINTER(c_void_p)),
        ConvertStringSecurityDescriptorToSecurityDescriptorW=(c_wchar_p, DWORD, POINTER(c_void_p), c_void_p),
        SetKernelObjectSecurity=(HANDLE, DWORD, c_void_p),
    ),
}


class Elevation:
    """The requests, unchecked for meaning. Handles are plain ints; whoever opens one closes it."""

    def __init__(self) -> None:
        self._call = Libraries(PROTOTYPES)

    def start(self, program: str, parameters: str, folder: str) -> int:
        """Start a program as administrator, without a window; gives its process. Waits for the user's yes.

        Raises:
            OSError: ERROR_CANCELLED if the answer was no.
        """
        wanted = SHELLEXECUTEINFOW(
            cbSize=ctypes.sizeof(SHELLEXECUTEINFOW),
            fMask=_SEE_MASK_NOCLOSEPROCESS | _SEE_MASK_NOASYNC | _SEE_MASK_FLAG_NO_UI,
            lpVerb="runas",
            lpFile=program,
            lpParameters=parameters,
            lpDirectory=folder,
            nShow=_SW_HIDE,
        )
        self._call("ShellExecuteExW", ctypes.byref(wanted))
        return int(wanted.hProcess or 0)

    def wait(self, process: int) -> int:
        """Wait for a process's end; gives its exit code."""
        self._call("WaitForSingleObject", process, _INFINITE)
        found = c_uint32()
        self._call("GetExitCodeProcess", process, ctypes.byref(found))
        return found.value

    def close(self, handle: int) -> None:
        """Close a handle."""
        self._call("CloseHandle", handle)

    def pipe(self, name: str, user: str, *, inbound: bool) -> int:
        """Our end of a new pipe that only this user and administrators may open, once.

        Raises:
            OSError: Somebody has made one of that name before.
        """
        descriptor = self._descriptor(f"D:P(A;;GA;;;{user})(A;;GA;;;BA)(A;;GA;;;SY)")
        try:
            rule = SECURITY_ATTRIBUTES(ctypes.sizeof(SECURITY_ATTRIBUTES), descriptor, 0)
            way = _PIPE_ACCESS_INBOUND if inbound else _PIPE_ACCESS_OUTBOUND
            return int(
                self._call(
                    "CreateNamedPipeW", name, way | _FILE_FLAG_FIRST_PIPE_INSTANCE, _PIPE_REJECT_REMOTE_CLIENTS,
                    1, _BUFFER, _BUFFER, 0, ctypes.byref(rule),
                )
            )  # fmt: skip
        finally:
            self._free(descriptor)

    def _descriptor(self, rules: str) -> c_void_p:
        """A security descriptor from its text; free it."""
        found = c_void_p()
        self._call(
            "ConvertStringSecurityDescriptorToSecurityDescriptorW",
            rules, _SDDL_REVISION_1, ctypes.byref(found), None,
        )  # fmt: skip
        return found

    def join(self, name: str, *, inbound: bool) -> int:
        """The other end of somebody's pipe; whoever that is learns who we are, and may never act as us."""
        way = _GENERIC_READ if inbound else _GENERIC_WRITE
        as_whom = _SECURITY_SQOS_PRESENT | _SECURITY_IDENTIFICATION
        return int(self._call("CreateFileW", name, way, 0, None, _OPEN_EXISTING, as_whom, None))

    def server(self, pipe: int) -> int:
        """Who has made a pipe whose other end is ours: a process id."""
        found = c_uint32()
        self._call("GetNamedPipeServerProcessId", pipe, ctypes.byref(found))
        return found.value

    def see_open(self, pipe: int) -> None:
        """See that somebody still has the other end of a pipe that we read.

        Raises:
            OSError: Nobody has.
        """
        self._call("PeekNamedPipe", pipe, None, 0, None, None, None)

    def connected(self, pipe: int) -> None:
        """Wait until the other end of a pipe is opened."""
        try:
            self._call("ConnectNamedPipe", pipe, None)
        except OSError as error:
            if code(error) not in (
                ERROR_PIPE_CONNECTED,
                ERROR_NO_DATA,
            ):  # is, or has been and is closed again
                raise

    def descriptor(self, pipe: int, flags: int) -> int:
        """A file descriptor for a handle, which closes it."""
        if sys.platform == "win32":
            import msvcrt

            return msvcrt.open_osfhandle(pipe, flags)
        return pipe

    def user(self) -> str:
        """The SID of the user we run as, as text."""
        token, length, text = c_void_p(), c_uint32(), c_void_p()
        self._call("OpenProcessToken", self._call("GetCurrentProcess"), TOKEN_QUERY, ctypes.byref(token))
        try:
            found = (c_void_p * 32)()  # a TOKEN_USER begins with the address of its SID
            self._call(
                "GetTokenInformation", token, _TOKEN_USER, found, ctypes.sizeof(found), ctypes.byref(length)
            )
            self._call("ConvertSidToStringSidW", found[0], ctypes.byref(text))
            return ctypes.wstring_at(text.value or 0)
        finally:
            self._call("CloseHandle", token)
            self._free(text)

    def lend_to_administrators(self, user: str) -> None:
        """Let administrators take handles of ours, whoever they are; without it only those of our own account may."""
        rules = f"D:(A;;{_PROCESS_ALL_ACCESS:#x};;;{user})(A;;{_PROCESS_ALL_ACCESS:#x};;;SY)"
        descriptor = self._descriptor(f"{rules}(A;;{PROCESS_DUP_HANDLE:#x};;;BA)")
        try:
            ourselves = self._call("GetCurrentProcess")
            self._call("SetKernelObjectSecurity", ourselves, _DACL_SECURITY_INFORMATION, descriptor)
        finally:
            self._free(descriptor)

    def lender(self, pid: int) -> int:
        """A process whose handles we may take."""
        return int(self._call("OpenProcess", PROCESS_DUP_HANDLE, False, pid))

    def borrowed(self, lender: int, handle: int) -> int:
        """A file that another process has open, with the rights that it has there; close it.

        Raises:
            OSError: It has none of that number, or something else than a file on a disk.
        """
        found = c_void_p()
        ourselves = self._call("GetCurrentProcess")
        self._call(
            "DuplicateHandle", lender, handle, ourselves, ctypes.byref(found), 0, 0, _DUPLICATE_SAME_ACCESS
        )
        ours = int(found.value or 0)
        if self._call("GetFileType", ours) != _FILE_TYPE_DISK:
            self.close(ours)
            raise failure(ERROR_INVALID_HANDLE, "GetFileType")
        return ours

    def _free(self, block: c_void_p) -> None:
        try:
            if block.value:
                self._call("LocalFree", block)
        except OSError:  # NULL is what LocalFree gives when all is well
            pass


def cancelled(error: OSError) -> bool:
    """Whether the user said no to working as administrator."""
    return code(error) == ERROR_CANCELLED
