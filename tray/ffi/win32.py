"""What Windows is asked for: one table of prototypes, and `System` with each request of the capture.

A library is opened on its first use, from the system directory only, so that no
file beside a program is ever loaded in its place; this module imports everywhere.
A request that fails raises ``OSError`` with ``winerror``: see `failure`.

Source: Windows SDK headers; learn.microsoft.com/windows/win32.
"""

from __future__ import annotations

import ctypes
import enum
import errno
import struct
import sys
from ctypes import POINTER, c_int32, c_int64, c_uint16, c_uint32, c_uint64, c_void_p

from tray.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any, ClassVar

    from tray.ffi import dbghelp
    from tray.ffi.windows_waits import Waits

# winerror.h
ERROR_FILE_NOT_FOUND = 2
ERROR_ACCESS_DENIED = 5
ERROR_INVALID_HANDLE = 6
ERROR_NO_MORE_FILES = 18
ERROR_BAD_LENGTH = 24
ERROR_HANDLE_DISK_FULL = 39
ERROR_INVALID_PARAMETER = 87
ERROR_DISK_FULL = 112
ERROR_PROC_NOT_FOUND = 127
ERROR_NO_DATA = 232
ERROR_MORE_DATA = 234
ERROR_PARTIAL_COPY = 299
ERROR_PIPE_CONNECTED = 535
ERROR_NOACCESS = 998
ERROR_CANCELLED = 1223

# winnt.h
PROCESS_TERMINATE = 0x0001
PROCESS_VM_READ = 0x0010
PROCESS_DUP_HANDLE = 0x0040
PROCESS_CREATE_PROCESS = 0x0080
PROCESS_QUERY_INFORMATION = 0x0400
PROCESS_QUERY_LIMITED_INFORMATION = 0x1000
SYNCHRONIZE = 0x00100000
PROCESS_SET_QUOTA = 0x0100
THREAD_SUSPEND_RESUME = 0x0002
THREAD_QUERY_LIMITED_INFORMATION = 0x0800
MEM_COMMIT, MEM_RESERVE, MEM_FREE = 0x1000, 0x2000, 0x10000
MEM_PRIVATE, MEM_MAPPED, MEM_IMAGE = 0x20000, 0x40000, 0x1000000
PAGE_NOACCESS, PAGE_READONLY, PAGE_READWRITE, PAGE_WRITECOPY = 0x01, 0x02, 0x04, 0x08
PAGE_EXECUTE, PAGE_EXECUTE_READ, PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY = 0x10, 0x20, 0x40, 0x80
PAGE_GUARD = 0x100
PAGE_WRITABLE = PAGE_READWRITE | PAGE_WRITECOPY | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY
IMAGE_FILE_MACHINE_UNKNOWN = 0
IMAGE_FILE_MACHINE_I386 = 0x014C
IMAGE_FILE_MACHINE_AMD64 = 0x8664
IMAGE_FILE_MACHINE_ARM64 = 0xAA64
PROTECTION_LEVEL_NONE = 0xFFFFFFFE
TOKEN_QUERY = 0x0008
TOKEN_ADJUST_PRIVILEGES = 0x0020

# processsnapshot.h
PSS_CAPTURE_VA_CLONE = 0x00000001
PSS_CAPTURE_HANDLES = 0x00000004
PSS_CAPTURE_HANDLE_NAME_INFORMATION = 0x00000008
PSS_CAPTURE_HANDLE_BASIC_INFORMATION = 0x00000010
PSS_CAPTURE_HANDLE_TYPE_SPECIFIC_INFORMATION = 0x00000020
PSS_CAPTURE_THREADS = 0x00000080
PSS_CAPTURE_THREAD_CONTEXT = 0x00000100
PSS_CAPTURE_THREAD_CONTEXT_EXTENDED = 0x00000200
PSS_CREATE_BREAKAWAY_OPTIONAL = 0x04000000
PSS_CREATE_USE_VM_ALLOCATIONS = 0x20000000
PSS_CREATE_RELEASE_SECTION = 0x80000000
PSS_QUERY_VA_CLONE_INFORMATION = 1

LOAD_LIBRARY_SEARCH_SYSTEM32 = 0x800

_TH32CS_SNAPPROCESS, _TH32CS_SNAPTHREAD = 2, 4
_INVALID_HANDLE = ctypes.c_void_p(-1).value
_WAIT_OBJECT_0 = 0
_PROCESS_PROTECTION_LEVEL = 7
_THREAD_SUSPEND_COUNT = 35
_TOKEN_ELEVATION = 20
_LIST_MODULES_ALL = 3
_SYSTEM_PROCESS_INFORMATION = 5
_LENGTH_MISMATCH = 0xC0000004
_WIDE = ctypes.sizeof(c_void_p) == 8  # noqa: PLR2004 - bytes
_PROCESS_ROW = struct.Struct("<II72xQ" if _WIDE else "<II60xI")
"""``SYSTEM_PROCESS_INFORMATION``, its beginning: bytes to the next, threads, pid."""
_THREADS_AT = 0x100 if _WIDE else 0xB8
_THREAD_ROW = struct.Struct("<48xQ12xII4x" if _WIDE else "<36xI12xII4x")
"""``SYSTEM_THREAD_INFORMATION``: tid, state, reason to wait."""
_JOB_EXTENDED_LIMITS = 9
_JOB_KILL_ON_CLOSE = 0x2000
_LONGEST_PATH = 32768
_CODE_OF = {
    ERROR_FILE_NOT_FOUND: errno.ENOENT,
    ERROR_ACCESS_DENIED: errno.EACCES,
    ERROR_HANDLE_DISK_FULL: errno.ENOSPC,
    ERROR_DISK_FULL: errno.ENOSPC,
    ERROR_PROC_NOT_FOUND: errno.ENOSYS,
}
"""Those whose ``errno`` means something to the parts that know no Windows."""

HANDLE = c_void_p
BOOL = c_int32
DWORD = c_uint32


class FILETIME(ctypes.Structure):
    """``FILETIME``."""

    _fields_: ClassVar[Sequence[Any]] = (("dwLowDateTime", c_uint32), ("dwHighDateTime", c_uint32))


class PROCESSENTRY32W(ctypes.Structure):
    """``PROCESSENTRY32W``."""

    _fields_: ClassVar[Sequence[Any]] = (
        ("dwSize", c_uint32),
        ("cntUsage", c_uint32),
        ("th32ProcessID", c_uint32),
        ("th32DefaultHeapID", c_void_p),
        ("th32ModuleID", c_uint32),
        ("cntThreads", c_uint32),
        ("th32ParentProcessID", c_uint32),
        ("pcPriClassBase", c_int32),
        ("dwFlags", c_uint32),
        ("szExeFile", c_uint16 * 260),
    )


class THREADENTRY32(ctypes.Structure):
    """``THREADENTRY32``."""

    _fields_: ClassVar[Sequence[Any]] = (
        ("dwSize", c_uint32),
        ("cntUsage", c_uint32),
        ("th32ThreadID", c_uint32),
        ("th32OwnerProcessID", c_uint32),
        ("tpBasePri", c_int32),
        ("tpDeltaPri", c_int32),
        ("dwFlags", c_uint32),
    )


_ONLY_64 = (("PartitionId", c_uint16),) if ctypes.sizeof(c_void_p) == 8 else ()  # noqa: PLR2004 - bytes


class MEMORY_BASIC_INFORMATION(ctypes.Structure):
    """``MEMORY_BASIC_INFORMATION``; 32-bit programs have no PartitionId."""

    _fields_: ClassVar[Sequence[Any]] = (
        ("BaseAddress", c_void_p),
        ("AllocationBase", c_void_p),
        ("AllocationProtect", c_uint32),
        *_ONLY_64,
        ("RegionSize", ctypes.c_size_t),
        ("State", c_uint32),
        ("Protect", c_uint32),
        ("Type", c_uint32),
    )


class PROCESS_MEMORY_COUNTERS_EX(ctypes.Structure):
    """``PROCESS_MEMORY_COUNTERS_EX``."""

    _fields_: ClassVar[Sequence[Any]] = (
        ("cb", c_uint32),
        ("PageFaultCount", c_uint32),
        ("PeakWorkingSetSize", ctypes.c_size_t),
        ("WorkingSetSize", ctypes.c_size_t),
        ("QuotaPeakPagedPoolUsage", ctypes.c_size_t),
        ("QuotaPagedPoolUsage", ctypes.c_size_t),
        ("QuotaPeakNonPagedPoolUsage", ctypes.c_size_t),
        ("QuotaNonPagedPoolUsage", ctypes.c_size_t),
        ("PagefileUsage", ctypes.c_size_t),
        ("PeakPagefileUsage", ctypes.c_size_t),
        ("PrivateUsage", ctypes.c_size_t),
    )


class MEMORYSTATUSEX(ctypes.Structure):
    """``MEMORYSTATUSEX``."""

    _fields_: ClassVar[Sequence[Any]] = (
        ("dwLength", c_uint32),
        ("dwMemoryLoad", c_uint32),
        ("ullTotalPhys", c_uint64),
        ("ullAvailPhys", c_uint64),
        ("ullTotalPageFile", c_uint64),
        ("ullAvailPageFile", c_uint64),
        ("ullTotalVirtual", c_uint64),
        ("ullAvailVirtual", c_uint64),
        ("ullAvailExtendedVirtual", c_uint64),
    )


class JOBOBJECT_EXTENDED_LIMIT_INFORMATION(ctypes.Structure):
    """``JOBOBJECT_EXTENDED_LIMIT_INFORMATION``, its first structure laid open."""

    _fields_: ClassVar[Sequence[Any]] = (
        ("PerProcessUserTimeLimit", c_uint64),
        ("PerJobUserTimeLimit", c_uint64),
        ("LimitFlags", c_uint32),
        ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t),
        ("ActiveProcessLimit", c_uint32),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", c_uint32),
        ("SchedulingClass", c_uint32),
        ("IoInfo", c_uint64 * 6),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    )


class Check(enum.Enum):
    """What a result of a function says about its success."""

    NONE = "tells nothing, or is looked at by the caller"
    TRUE = "nonzero is success; otherwise GetLastError"
    HANDLE = "INVALID_HANDLE_VALUE is failure; otherwise a handle"
    CODE = "zero is success, otherwise it is the error itself"
    STATUS = "an NTSTATUS; negative is failure"


class Prototype(NamedTuple):
    """A function: where it is, what its result means, what it gives and takes."""

    library: str
    check: Check
    result: Any
    arguments: tuple[Any, ...]


def table(library: str, check: Check, result: Any, **functions: tuple[Any, ...]) -> dict[str, Prototype]:  # noqa: ANN401 - a ctypes type
    """Rows of a table of prototypes that have all but their arguments in common."""
    return {name: Prototype(library, check, result, arguments) for name, arguments in functions.items()}


PROTOTYPES: dict[str, Prototype] = {
    **table(
        "kernel32",
        Check.TRUE,
        BOOL,
        CloseHandle=(HANDLE,),
        GetProcessTimes=(HANDLE, *(POINTER(FILETIME),) * 4),
        QueryFullProcessImageNameW=(HANDLE, DWORD, c_void_p, POINTER(DWORD)),
        IsWow64Process2=(HANDLE, POINTER(c_uint16), POINTER(c_uint16)),
        GetProcessInformation=(HANDLE, c_int32, c_void_p, DWORD),
        Process32FirstW=(HANDLE, POINTER(PROCESSENTRY32W)),
        Process32NextW=(HANDLE, POINTER(PROCESSENTRY32W)),
        Thread32First=(HANDLE, POINTER(THREADENTRY32)),
        Thread32Next=(HANDLE, POINTER(THREADENTRY32)),
        GlobalMemoryStatusEx=(POINTER(MEMORYSTATUSEX),),
        K32GetProcessMemoryInfo=(HANDLE, c_void_p, DWORD),
        K32EnumProcessModulesEx=(HANDLE, c_void_p, DWORD, POINTER(DWORD), DWORD),
        TerminateProcess=(HANDLE, c_uint32),
        SetInformationJobObject=(HANDLE, c_int32, c_void_p, DWORD),
        AssignProcessToJobObject=(HANDLE, HANDLE),
        WriteFile=(HANDLE, c_void_p, DWORD, POINTER(DWORD), c_void_p),
        SetFilePointerEx=(HANDLE, c_int64, c_void_p, DWORD),
        ReadProcessMemory=(HANDLE, c_void_p, c_void_p, ctypes.c_size_t, c_void_p),
    ),
    **table(
        "kernel32",
        Check.TRUE,
        DWORD,
        K32GetModuleBaseNameW=(HANDLE, c_void_p, c_void_p, DWORD),
        K32GetMappedFileNameW=(HANDLE, c_void_p, c_void_p, DWORD),
        GetModuleFileNameW=(c_void_p, c_void_p, DWORD),
    ),
    **table(
        "kernel32",
        Check.TRUE,
        HANDLE,
        OpenProcess=(DWORD, BOOL, DWORD),
        OpenThread=(DWORD, BOOL, DWORD),
        LocalFree=(c_void_p,),
        CreateJobObjectW=(c_void_p, c_void_p),
    ),
    **table("kernel32", Check.HANDLE, HANDLE, CreateToolhelp32Snapshot=(DWORD, DWORD)),
    **table(
        "kernel32",
        Check.NONE,
        DWORD,
        WaitForSingleObject=(HANDLE, DWORD),
        ResumeThread=(HANDLE,),
    ),
    **table(
        "kernel32",
        Check.NONE,
        ctypes.c_size_t,
        VirtualQueryEx=(HANDLE, c_void_p, POINTER(MEMORY_BASIC_INFORMATION), ctypes.c_size_t),
    ),
    **table("kernel32", Check.NONE, HANDLE, GetCurrentProcess=()),
    **table(
        "kernel32",
        Check.CODE,
        DWORD,
        PssCaptureSnapshot=(HANDLE, DWORD, DWORD, POINTER(HANDLE)),
        PssQuerySnapshot=(HANDLE, c_int32, c_void_p, DWORD),
        PssFreeSnapshot=(HANDLE, HANDLE),
    ),
    **table("kernel32", Check.STATUS, c_int32, GetThreadDescription=(HANDLE, POINTER(c_void_p))),
    **table(
        "ntdll",
        Check.STATUS,
        c_int32,
        NtQueryInformationThread=(HANDLE, c_int32, c_void_p, DWORD, c_void_p),
        NtQuerySystemInformation=(c_int32, c_void_p, DWORD, POINTER(DWORD)),
    ),
    **table(
        "advapi32",
        Check.TRUE,
        BOOL,
        OpenProcessToken=(HANDLE, DWORD, POINTER(HANDLE)),
        GetTokenInformation=(HANDLE, c_int32, c_void_p, DWORD, POINTER(DWORD)),
    ),
    **table("dbgeng", Check.STATUS, c_int32, DebugCreate=(c_void_p, c_void_p)),
    **table(
        "dbghelp",
        Check.TRUE,
        BOOL,
        MiniDumpWriteDump=(HANDLE, DWORD, HANDLE, DWORD, c_void_p, c_void_p, c_void_p),
    ),
}


def failure(code: int, what: str) -> OSError:
    """The error for a Windows error code or HRESULT, with ``winerror`` and a fitting ``errno``.

    An HRESULT that wraps a Windows error code counts as that code.
    """
    code &= 0xFFFFFFFF
    if code >> 16 == 0x8007:  # noqa: PLR2004 - FACILITY_WIN32, failed
        code &= 0xFFFF
    error = OSError(_CODE_OF.get(code, errno.EIO), f"{what}: {_words(code)}")
    error.winerror = code  # type: ignore[attr-defined, unused-ignore]
    return error


def code(error: OSError) -> int:
    """The Windows error code of a failure; 0 if it came from elsewhere."""
    return int(getattr(error, "winerror", 0) or 0)


def _words(code: int) -> str:
    """The system's own words for an error."""
    if sys.platform == "win32":
        words = ctypes.FormatError(code - (1 << 32) if code >> 31 else code).strip().rstrip(".")
        if words != "<no description>":
            return words
    return f"error {code:#x}" if code >> 16 else f"error {code}"


class Libraries:
    """The system's libraries, opened when first used."""

    def __init__(self, prototypes: Mapping[str, Prototype] = PROTOTYPES) -> None:
        self._prototypes = prototypes
        self._open: dict[str, Any] = {}
        self._functions: dict[str, Any] = {}

    def __call__(self, name: str, *arguments: Any) -> Any:  # noqa: ANN401 - as the prototype says
        """Call a function of the table and check its result.

        Raises:
            OSError: It failed, or this Windows does not have it (ERROR_PROC_NOT_FOUND).
        """
        check = self._prototypes[name].check
        result = self._function(name)(*arguments)
        if check is Check.TRUE and not result:
            raise failure(_last_error(), name)
        if check is Check.HANDLE and result == _INVALID_HANDLE:
            raise failure(_last_error(), name)
        if (check is Check.CODE and result) or (check is Check.STATUS and result < 0):
            raise failure(result, name)
        return result

    def has(self, name: str) -> bool:
        """Whether this Windows has a function of the table."""
        try:
            self._function(name)
        except OSError:
            return False
        return True

    def library(self, name: str) -> Any:  # noqa: ANN401 - a WinDLL, which Linux does not know
        """An opened library of the system directory.

        Raises:
            OSError: There is none.
        """
        if name not in self._open:
            if sys.platform != "win32":
                raise failure(ERROR_PROC_NOT_FOUND, name)
            self._open[name] = ctypes.WinDLL(
                f"{name}.dll", use_last_error=True, winmode=LOAD_LIBRARY_SEARCH_SYSTEM32
            )
        return self._open[name]

    def _function(self, name: str) -> Any:  # noqa: ANN401 - a foreign function
        if name not in self._functions:
            prototype = self._prototypes[name]
            try:
                function = getattr(self.library(prototype.library), name)
            except AttributeError as error:
                raise failure(ERROR_PROC_NOT_FOUND, name) from error
            function.restype, function.argtypes = prototype.result, prototype.arguments
            self._functions[name] = function
        return self._functions[name]


def _last_error() -> int:
    if sys.platform == "win32":
        return ctypes.get_last_error()
    return 0


class Stretch(NamedTuple):
    """A run of pages alike in everything, as VirtualQueryEx gives it."""

    start: int
    size: int
    state: int
    protect: int
    type: int


class System:
    """The requests of the capture, unchecked for meaning; a test can make the nth of them fail.

    Handles are plain ints; whoever opens one closes it.
    """

    def __init__(self) -> None:
        self._call = Libraries()

    # ---- processes

    def processes(self) -> dict[int, str]:
        """Names of all processes by pid, without opening any."""
        entry = PROCESSENTRY32W(dwSize=ctypes.sizeof(PROCESSENTRY32W))
        names: dict[int, str] = {}
        for _ in self._walk("Process32", entry, _TH32CS_SNAPPROCESS, "W"):
            name = bytes(entry.szExeFile).decode("utf-16-le", "replace")
            names[entry.th32ProcessID] = name.split("\0", 1)[0]
        return names

    def threads(self, pid: int) -> list[int]:
        """Thread ids of a process, now."""
        entry = THREADENTRY32(dwSize=ctypes.sizeof(THREADENTRY32))
        walk = self._walk("Thread32", entry, _TH32CS_SNAPTHREAD, "")
        return [entry.th32ThreadID for _ in walk if entry.th32OwnerProcessID == pid]

    def _walk(self, what: str, entry: ctypes.Structure, kind: int, ending: str) -> Iterator[None]:
        """Fill ``entry`` with one row of a list after the other."""
        handle = self._call("CreateToolhelp32Snapshot", kind, 0)
        try:
            step = f"{what}First{ending}"
            while True:
                try:
                    self._call(step, handle, ctypes.byref(entry))
                except OSError as error:
                    if code(error) == ERROR_NO_MORE_FILES:
                        return
                    raise
                yield
                step = f"{what}Next{ending}"
        finally:
            self._call("CloseHandle", handle)

    def open_process(self, rights: int, pid: int) -> int:
        """A handle with these rights."""
        return int(self._call("OpenProcess", rights, False, pid))

    def close(self, handle: int) -> None:
        """Close a handle."""
        self._call("CloseHandle", handle)

    def ourselves(self) -> int:
        """Our own process; a handle that needs no closing."""
        return int(self._call("GetCurrentProcess") or 0)

    def created(self, process: int) -> int:
        """When a process was started, as FILETIME: 100 ns since 1601."""
        times = [FILETIME() for _ in range(4)]
        self._call("GetProcessTimes", process, *map(ctypes.byref, times))
        return int(times[0].dwHighDateTime) << 32 | int(times[0].dwLowDateTime)

    def ended(self, process: int) -> bool:
        """Whether a process has ended; needs SYNCHRONIZE."""
        return bool(self._call("WaitForSingleObject", process, 0) == _WAIT_OBJECT_0)

    def image(self, process: int) -> str:
        """Path of a process's program."""
        length = DWORD(_LONGEST_PATH)
        buffer = ctypes.create_unicode_buffer(length.value)
        self._call("QueryFullProcessImageNameW", process, 0, buffer, ctypes.byref(length))
        return buffer.value

    def machines(self, process: int) -> tuple[int, int]:
        """IMAGE_FILE_MACHINE of a process under WOW64 (0 for a native one), and of the system."""
        found, native = c_uint16(), c_uint16()
        self._call("IsWow64Process2", process, ctypes.byref(found), ctypes.byref(native))
        return found.value, native.value

    def protection(self, process: int) -> int:
        """PROTECTION_LEVEL_* of a process."""
        level = DWORD(PROTECTION_LEVEL_NONE)
        self._call("GetProcessInformation", process, _PROCESS_PROTECTION_LEVEL, ctypes.byref(level), 4)
        return level.value

    def private_bytes(self, process: int) -> int:
        """What a process has committed for itself alone."""
        counters = PROCESS_MEMORY_COUNTERS_EX(cb=ctypes.sizeof(PROCESS_MEMORY_COUNTERS_EX))
        self._call("K32GetProcessMemoryInfo", process, ctypes.byref(counters), counters.cb)
        return int(counters.PrivateUsage)

    def stretches(self, process: int) -> Iterator[Stretch]:
        """A process's address space, stretch by stretch."""
        found = MEMORY_BASIC_INFORMATION()
        address, end = 0, 1 << 8 * ctypes.sizeof(c_void_p)
        while address < end and self._query(process, address, found):
            size = int(found.RegionSize)
            yield Stretch(address, size, found.State, found.Protect, found.Type)
            if not size:
                return
            address += size

    def _query(self, process: int, address: int, found: MEMORY_BASIC_INFORMATION) -> int:
        size = ctypes.sizeof(found)
        return int(self._call("VirtualQueryEx", process, address, ctypes.byref(found), size))

    def read(self, process: int, address: int, size: int) -> bytes:
        """Bytes of a process's memory; all of them or an error."""
        buffer = ctypes.create_string_buffer(size)
        self._call("ReadProcessMemory", process, address, buffer, size, None)
        return buffer.raw

    def mapped_file(self, process: int, address: int) -> str:
        """The file that is mapped at an address, by the name of its device; an error where none is."""
        buffer = ctypes.create_unicode_buffer(_LONGEST_PATH)
        self._call("K32GetMappedFileNameW", process, address, buffer, len(buffer))
        return buffer.value

    def modules(self, process: int) -> list[str]:
        """File names of a process's modules, of both kinds under WOW64."""
        needed = DWORD()
        handles = (c_void_p * 4096)()
        size = ctypes.sizeof(handles)
        self._call("K32EnumProcessModulesEx", process, handles, size, ctypes.byref(needed), _LIST_MODULES_ALL)
        count = min(needed.value, size) // ctypes.sizeof(c_void_p)
        return [self._module(process, handle) for handle in handles[:count]]

    def _module(self, process: int, module: int | None) -> str:
        buffer = ctypes.create_unicode_buffer(260)
        self._call("K32GetModuleBaseNameW", process, module, buffer, 260)
        return buffer.value

    def elevated(self) -> bool:
        """Whether we run as administrator."""
        token = HANDLE()
        self._call("OpenProcessToken", self.ourselves(), TOKEN_QUERY, ctypes.byref(token))
        try:
            found, length = DWORD(), DWORD()
            self._call(
                "GetTokenInformation", token, _TOKEN_ELEVATION, ctypes.byref(found), 4, ctypes.byref(length)
            )
            return bool(found.value)
        finally:
            self._call("CloseHandle", token)

    def job(self) -> int:
        """A job whose processes end when its last handle is closed, as at our own end."""
        job = int(self._call("CreateJobObjectW", None, None))
        limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION(LimitFlags=_JOB_KILL_ON_CLOSE)
        size = ctypes.sizeof(limits)
        self._call("SetInformationJobObject", job, _JOB_EXTENDED_LIMITS, ctypes.byref(limits), size)
        return job

    def join_job(self, job: int, pid: int) -> None:
        """Put a process into a job."""
        process = self.open_process(PROCESS_SET_QUOTA | PROCESS_TERMINATE, pid)
        try:
            self._call("AssignProcessToJobObject", job, process)
        finally:
            self.close(process)

    def end_ourselves(self, exit_code: int) -> None:
        """End this process at once, whatever its threads hold."""
        self._call("TerminateProcess", self.ourselves(), exit_code)

    # ---- threads

    def open_thread(self, rights: int, tid: int) -> int:
        """A handle with these rights."""
        return int(self._call("OpenThread", rights, False, tid))

    def suspend_count(self, thread: int) -> int:
        """How often a thread has been suspended; Windows 8.1 and later."""
        count = DWORD()
        self._call("NtQueryInformationThread", thread, _THREAD_SUSPEND_COUNT, ctypes.byref(count), 4, None)
        return count.value

    def thread_states(self, pid: int) -> dict[int, tuple[int, int]]:
        """KTHREAD_STATE and KWAIT_REASON of each thread of a process, by thread id."""
        content, at = self._processes(), 0
        while at + _THREADS_AT <= len(content):
            following, count, found = _PROCESS_ROW.unpack_from(content, at)
            if found == pid:
                rows = content[at + _THREADS_AT : at + _THREADS_AT + count * _THREAD_ROW.size]
                whole = rows[: len(rows) - len(rows) % _THREAD_ROW.size]
                return {tid: (state, why) for tid, state, why in _THREAD_ROW.iter_unpack(whole)}
            if not following:
                break
            at += following
        return {}

    def _processes(self) -> bytes:
        """All that Windows tells of all processes, as it tells it."""
        needed = DWORD(1 << 18)
        while True:
            buffer = ctypes.create_string_buffer(needed.value + (1 << 16))
            try:
                self._call(
                    "NtQuerySystemInformation", _SYSTEM_PROCESS_INFORMATION,
                    buffer, len(buffer), ctypes.byref(needed),
                )  # fmt: skip
            except OSError as error:
                if code(error) != _LENGTH_MISMATCH or needed.value < len(buffer):
                    raise
                continue
            return buffer.raw[: needed.value]

    def resume(self, thread: int) -> int:
        """Take back one suspension; gives how many there were."""
        count = int(self._call("ResumeThread", thread))
        if count == 0xFFFFFFFF:  # noqa: PLR2004 - (DWORD)-1
            raise failure(_last_error(), "ResumeThread")
        return count

    def thread_name(self, thread: int) -> str:
        """Its description; empty if it has none."""
        text = c_void_p()
        self._call("GetThreadDescription", thread, ctypes.byref(text))
        try:
            return ctypes.wstring_at(text.value) if text.value else ""
        finally:
            if text.value:
                self._free(text.value)

    def _free(self, address: int) -> None:
        try:
            self._call("LocalFree", address)
        except OSError:  # NULL is what LocalFree gives when all is well
            pass

    # ---- dumping

    def file_handle(self, descriptor: int) -> int:
        """The system's handle of an open file; it stays the file's."""
        if sys.platform == "win32":
            import msvcrt

            return msvcrt.get_osfhandle(descriptor)
        return descriptor

    def writer(self, file: int) -> Callable[[int, int, int], None]:
        """What writes bytes of our own memory, by address and size, at a place of a file; from one thread.

        It is called some twenty thousand times for a gigabyte, so it makes nothing anew, and says
        where only when that is elsewhere: with an OVERLAPPED Wine takes half as long again.
        """
        written, end = DWORD(), -1
        by = ctypes.byref(written)

        def write(address: int, size: int, offset: int) -> None:
            nonlocal end
            if offset != end:
                self._call("SetFilePointerEx", file, offset, None, 0)
            end = offset + size
            while True:
                self._call("WriteFile", file, address, size, by, None)
                if written.value == size:
                    return
                if not written.value:
                    raise failure(ERROR_HANDLE_DISK_FULL, "WriteFile")
                address, size = address + written.value, size - written.value

        return write

    def write_dump(  # noqa: PLR0913, PLR0917 - as the function itself
        self,
        process: int,
        pid: int,
        file: int,
        flags: int,
        streams: dbghelp.MINIDUMP_USER_STREAM_INFORMATION | None,
        callback: dbghelp.MINIDUMP_CALLBACK_INFORMATION | None,
    ) -> None:
        """MiniDumpWriteDump; dbghelp must only ever be called from one thread at a time.

        Raises:
            OSError: It failed; one without a Windows error code says that it crashed, as it
                does now and then while libraries come and go, and then all threads are left suspended.
        """
        try:
            self._call(
                "MiniDumpWriteDump",
                process,
                pid,
                file,
                flags,
                None,
                ctypes.byref(streams) if streams else None,
                ctypes.byref(callback) if callback else None,
            )
        except OSError as error:
            if code(error):
                raise
            raise OSError(errno.EIO, "Windows' dbghelp crashed") from error

    def dbghelp_path(self) -> str:
        """Where dbghelp was loaded from."""
        buffer = ctypes.create_unicode_buffer(_LONGEST_PATH)
        module = self._call.library("dbghelp")._handle  # noqa: SLF001 - ctypes has no other name for it
        self._call("GetModuleFileNameW", module, buffer, len(buffer))
        return buffer.value

    def waits(self) -> Waits:
        """What else may be asked, about waits."""
        from tray.ffi.windows_waits import Waits

        return Waits()

    # ---- snapshots of processes, Windows 8.1 and later

    def has_snapshots(self) -> bool:
        """Whether this Windows can clone a process."""
        return self._call.has("PssCaptureSnapshot")

    def free_commit(self) -> int:
        """What may still be committed."""
        status = MEMORYSTATUSEX(dwLength=ctypes.sizeof(MEMORYSTATUSEX))
        self._call("GlobalMemoryStatusEx", ctypes.byref(status))
        return int(status.ullAvailPageFile)

    def snapshot(self, process: int, flags: int, context: int) -> int:
        """Clone a process; `free_snapshot` it whatever happens."""
        found = HANDLE()
        self._call("PssCaptureSnapshot", process, flags, context, ctypes.byref(found))
        return int(found.value or 0)

    def clone(self, snapshot: int) -> int:
        """The handle of the cloned process; it is the snapshot's."""
        found = HANDLE()
        size = ctypes.sizeof(found)
        self._call("PssQuerySnapshot", snapshot, PSS_QUERY_VA_CLONE_INFORMATION, ctypes.byref(found), size)
        return int(found.value or 0)

    def free_snapshot(self, snapshot: int) -> None:
        """Give a snapshot back."""
        self._call("PssFreeSnapshot", self.ourselves(), snapshot)

    def terminate(self, process: int) -> None:
        """End a process: a clone, never a target."""
        self._call("TerminateProcess", process, 0)

    def is_64_bit(self) -> bool:
        """Whether we are a 64-bit program."""
        return ctypes.sizeof(c_void_p) == 8  # noqa: PLR2004 - bytes of a pointer
