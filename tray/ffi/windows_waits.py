"""What Windows is asked for about waits: times of threads, handles, owners of windows, and the Wait Chain API.

Nothing here stops the process that is asked about, or waits for it.

Source: Windows SDK ``wct.h``, ``winternl.h``; the System Informer project's ``phnt``
headers for what the first does not describe.
"""

from __future__ import annotations

import ctypes
import struct
from ctypes import POINTER, c_int32, c_uint16, c_uint32, c_uint64, c_void_p

from tray.ffi.win32 import BOOL, DWORD, ERROR_MORE_DATA, HANDLE, Check, Libraries, code, failure, table
from tray.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, ClassVar

WCT_KINDS = {
    1: "CriticalSection",
    2: "SendMessage",
    3: "Mutex",
    4: "ALPC",
    5: "COM",
    6: "ThreadWait",
    7: "ProcessWait",
    8: "Thread",
    9: "ComActivation",
    10: "Unknown",
    11: "SocketIo",
    12: "SmbIo",
}
"""``WCT_OBJECT_TYPE``."""
WCT_THREAD = "Thread"
_OUT_OF_PROCESS = 0x1 | 0x2 | 0x4
_MOST_NODES = 16
_SAME_ACCESS = 2
_MESSAGE_ONLY, _PARENT = c_void_p(-3), 1
_PROCESSES, _ALL_HANDLES, _HANDLES_OF = 5, 64, 51
_TYPE, _NAME = 2, 1
_OWNER = 1
_LENGTH_MISMATCH = 0xC0000004
_MOST_BYTES = 1 << 27
_WORD = "Q" if ctypes.sizeof(c_void_p) == 8 else "I"  # noqa: PLR2004 - bytes
_PROCESS_ROW = 0x100 if _WORD == "Q" else 0xB8
"""``SYSTEM_PROCESS_INFORMATION``; its threads follow."""
_PID_AT = 0x50 if _WORD == "Q" else 0x44
_THREAD = struct.Struct("<QQQI4xQQQiiIII4x" if _WORD == "Q" else "<QQQIIIIiiIII4x")
"""``SYSTEM_THREAD_INFORMATION``: kernel, user, created, waited, start, process, thread, …, switches, state, reason."""
_HANDLE_OF = struct.Struct(f"<{_WORD * 3}IIII")
_HANDLE_OF_ALL = struct.Struct(f"<{_WORD * 3}IHHII")


class WAITCHAIN_NODE_INFO(ctypes.Structure):
    """``WAITCHAIN_NODE_INFO``; a lock's name, or a thread's ids, in one place."""

    _fields_: ClassVar[Sequence[Any]] = (
        ("ObjectType", c_uint32),
        ("ObjectStatus", c_uint32),
        ("ObjectName", c_uint16 * 128),
        ("Timeout", c_uint64),
        ("Alertable", c_int32),
    )


class Node(NamedTuple):
    """One step of a wait chain: a thread, or what it waits for.

    Attributes:
        kind: As in `WCT_KINDS`.
        pid: Of a thread; 0 for others.
        tid: Likewise.
        name: Of an object that has one.
    """

    kind: str
    pid: int = 0
    tid: int = 0
    name: str = ""


class Times(NamedTuple):
    """What a thread has used up: it has not run between two looks that give the same."""

    cpu: int
    switches: int


_CALLBACK = getattr(ctypes, "WINFUNCTYPE", ctypes.CFUNCTYPE)(BOOL, c_void_p, c_void_p)

PROTOTYPES = {
    **table(
        "ntdll",
        Check.STATUS,
        c_int32,
        NtQueryMutant=(HANDLE, c_int32, c_void_p, DWORD, c_void_p),
        NtQueryObject=(HANDLE, c_int32, c_void_p, DWORD, c_void_p),
    ),
    **table(
        "ntdll",
        Check.NONE,
        c_uint32,
        NtQuerySystemInformation=(c_int32, c_void_p, DWORD, POINTER(DWORD)),
        NtQueryInformationProcess=(HANDLE, c_int32, c_void_p, DWORD, POINTER(DWORD)),
    ),
    **table(
        "kernel32",
        Check.TRUE,
        DWORD,
        GetThreadId=(HANDLE,),
        GetProcessIdOfThread=(HANDLE,),
        GetProcessId=(HANDLE,),
    ),
    **table(
        "kernel32",
        Check.TRUE,
        BOOL,
        CloseHandle=(HANDLE,),
        DuplicateHandle=(HANDLE, HANDLE, HANDLE, POINTER(HANDLE), DWORD, BOOL, DWORD),
    ),
    **table("kernel32", Check.NONE, HANDLE, GetCurrentProcess=()),
    **table(
        "user32",
        Check.NONE,
        DWORD,
        EnumWindows=(_CALLBACK, c_void_p),
        EnumChildWindows=(c_void_p, _CALLBACK, c_void_p),
        GetWindowThreadProcessId=(c_void_p, POINTER(DWORD)),
    ),
    **table(
        "user32",
        Check.NONE,
        c_void_p,
        FindWindowExW=(c_void_p, c_void_p, c_void_p, c_void_p),
        GetAncestor=(c_void_p, DWORD),
    ),
    **table("advapi32", Check.TRUE, HANDLE, OpenThreadWaitChainSession=(DWORD, c_void_p)),
    **table(
        "advapi32",
        Check.TRUE,
        BOOL,
        GetThreadWaitChain=(HANDLE, c_void_p, DWORD, DWORD, POINTER(DWORD), c_void_p, POINTER(BOOL)),
    ),
    **table(
        "advapi32",
        Check.NONE,
        None,
        CloseThreadWaitChainSession=(HANDLE,),
        RegisterWaitChainCOMCallback=(c_void_p, c_void_p),
    ),
}


class Waits:
    """The requests; handles are plain ints, and whoever opens one closes it."""

    def __init__(self) -> None:
        self._call = Libraries(PROTOTYPES)

    def times(self) -> dict[int, Times]:
        """Times of all threads of the system, by their ids."""
        content = self._listed("NtQuerySystemInformation", (_PROCESSES,))
        found: dict[int, Times] = {}
        at = 0
        while at + _PROCESS_ROW <= len(content):
            after, count = struct.unpack_from("<II", content, at)
            rows = content[at + _PROCESS_ROW : at + _PROCESS_ROW + count * _THREAD.size]
            for row in _THREAD.iter_unpack(rows[: len(rows) // _THREAD.size * _THREAD.size]):
                found[row[6]] = Times(row[0] + row[1], row[9])
            if not after:
                break
            at += after
        return found

    def handles(self, process: int, pid: int) -> list[tuple[int, int]]:
        """A process's handles, each with the number of its kind."""
        try:
            content = self._listed("NtQueryInformationProcess", (process, _HANDLES_OF))
            return [(row[0], row[4]) for row in _rows(content, _HANDLE_OF)]
        except OSError:  # before Windows 8
            content = self._listed("NtQuerySystemInformation", (_ALL_HANDLES,))
            return [(row[2], row[5]) for row in _rows(content, _HANDLE_OF_ALL) if row[1] == pid]

    def _listed(self, name: str, what: tuple[int, ...]) -> bytes:
        """A list of the system's, whatever its length."""
        size = 1 << 16
        while True:
            buffer = ctypes.create_string_buffer(size)
            needed = DWORD()
            status = self._call(name, *what, buffer, size, ctypes.byref(needed)) & 0xFFFFFFFF
            if status != _LENGTH_MISMATCH or size >= _MOST_BYTES:
                break
            size = max(2 * size, needed.value + (1 << 12))
        if status >> 31:
            raise failure(status, name)
        return buffer.raw[: needed.value or size]

    def duplicate(self, process: int, handle: int) -> int:
        """A handle of ours to what another process's handle leads to."""
        found = HANDLE()
        ours = self._call("GetCurrentProcess")
        self._call("DuplicateHandle", process, handle, ours, ctypes.byref(found), 0, False, _SAME_ACCESS)
        return int(found.value or 0)

    def close(self, handle: int) -> None:
        """Close a handle."""
        self._call("CloseHandle", handle)

    def kind(self, handle: int) -> str:
        """What kind of object it is, as ``Mutant``."""
        return self._text(handle, _TYPE)

    def name(self, handle: int) -> str:
        """The object's name; never ask for that of a file, which may hang."""
        return self._text(handle, _NAME)

    def _text(self, handle: int, what: int) -> str:
        """A ``UNICODE_STRING`` at the beginning of what NtQueryObject gives."""
        buffer = ctypes.create_string_buffer(1 << 12)
        self._call("NtQueryObject", handle, what, buffer, len(buffer), None)
        length, _, address = struct.unpack_from(f"@HH{_WORD}", buffer)
        return ctypes.wstring_at(address, length // 2) if address and length else ""

    def thread(self, handle: int) -> tuple[int, int]:
        """Process and thread id of a thread."""
        return int(self._call("GetProcessIdOfThread", handle)), int(self._call("GetThreadId", handle))

    def process(self, handle: int) -> int:
        """Id of a process."""
        return int(self._call("GetProcessId", handle))

    def mutex(self, handle: int) -> tuple[int, int]:
        """Process and thread that hold a mutex; zeros if nobody does."""
        client = (ctypes.c_size_t * 2)()
        self._call("NtQueryMutant", handle, _OWNER, client, ctypes.sizeof(client), None)
        return client[0], client[1]

    # ---- windows

    def windows(self) -> list[int]:
        """All windows, also children and those that only take messages."""
        found: list[int] = []

        def note(window: int, _: int) -> int:
            found.append(window)
            return 1

        callback = _CALLBACK(note)
        self._call("EnumWindows", callback, None)
        # Never from one window to the next: one that is just destroyed leads in circles.
        first = self._call("FindWindowExW", _MESSAGE_ONLY, None, None, None)
        roots = [self._call("GetAncestor", first, _PARENT)] if first else []
        for parent in (*found, *roots):
            self._call("EnumChildWindows", parent, callback, None)
        return found

    def window(self, window: int) -> tuple[int, int]:
        """Process and thread that a window belongs to; zeros if it is gone."""
        pid = DWORD()
        tid = int(self._call("GetWindowThreadProcessId", window, ctypes.byref(pid)))
        return pid.value, tid

    # ---- wait chains

    def open_chains(self) -> int:
        """A session of the Wait Chain API, which then knows of COM calls too."""
        session = int(self._call("OpenThreadWaitChainSession", 0, None))
        try:
            ole = self._call.library("ole32")
            states = (ole.CoGetCallState, ole.CoGetActivationState)
            self._call("RegisterWaitChainCOMCallback", *(ctypes.cast(one, c_void_p) for one in states))
        except (OSError, AttributeError):  # then without them
            pass
        return session

    def close_chains(self, session: int) -> None:
        """End a session."""
        self._call("CloseThreadWaitChainSession", session)

    def chain(self, session: int, tid: int) -> list[Node]:
        """Whom a thread waits for, link by link, itself first."""
        nodes = (WAITCHAIN_NODE_INFO * _MOST_NODES)()
        count, cycle = DWORD(_MOST_NODES), BOOL()
        try:
            self._call(
                "GetThreadWaitChain",
                session,
                None,
                _OUT_OF_PROCESS,
                tid,
                ctypes.byref(count),
                nodes,
                ctypes.byref(cycle),
            )
        except OSError as error:
            if code(error) != ERROR_MORE_DATA:
                raise
        return [_node(node) for node in nodes[: min(count.value, _MOST_NODES)]]


def _rows(content: bytes, row: struct.Struct) -> list[tuple[int, ...]]:
    """Rows after a count and a reserved word."""
    if len(content) < 2 * struct.calcsize(_WORD):
        return []
    (count,) = struct.unpack_from(f"<{_WORD}", content)
    start = 2 * struct.calcsize(_WORD)
    return list(
        row.iter_unpack(content[start : start + min(count, (len(content) - start) // row.size) * row.size])
    )


def _node(node: WAITCHAIN_NODE_INFO) -> Node:
    kind = WCT_KINDS.get(node.ObjectType, "Unknown")
    text = bytes(node.ObjectName)
    if kind == WCT_THREAD:
        pid, tid = struct.unpack_from("<II", text)
        return Node(kind, pid, tid)
    return Node(kind, name=text.decode("utf-16-le", "replace").split("\0", 1)[0])
