"""``minidumpapiset.h``: what dbghelp's MiniDumpWriteDump takes and asks.

All its structures are packed to 4 bytes, whatever the machine. Layouts only, no
decisions; nothing here needs Windows.

Source: Windows SDK ``minidumpapiset.h``.
"""

from __future__ import annotations

import ctypes
from ctypes import c_int32, c_uint32, c_uint64, c_void_p

from tray.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, ClassVar

# enum MINIDUMP_TYPE
MiniDumpNormal = 0x0
MiniDumpWithDataSegs = 0x1
MiniDumpWithFullMemory = 0x2
MiniDumpWithHandleData = 0x4
MiniDumpFilterMemory = 0x8
MiniDumpWithUnloadedModules = 0x20
MiniDumpWithIndirectlyReferencedMemory = 0x40
MiniDumpFilterModulePaths = 0x80
MiniDumpWithProcessThreadData = 0x100
MiniDumpWithPrivateReadWriteMemory = 0x200
MiniDumpWithoutOptionalData = 0x400
MiniDumpWithFullMemoryInfo = 0x800
MiniDumpWithThreadInfo = 0x1000
MiniDumpWithPrivateWriteCopyMemory = 0x10000
MiniDumpIgnoreInaccessibleMemory = 0x20000
MiniDumpFilterTriage = 0x100000

# enum MINIDUMP_CALLBACK_TYPE
ModuleCallback, ThreadCallback, ThreadExCallback, IncludeThreadCallback, IncludeModuleCallback = range(5)
MemoryCallback, CancelCallback, WriteKernelMinidumpCallback, KernelMinidumpStatusCallback = range(5, 9)
RemoveMemoryCallback, IncludeVmRegionCallback, IoStartCallback, IoWriteAllCallback = range(9, 13)
IoFinishCallback, ReadMemoryFailureCallback, SecondaryFlagsCallback, IsProcessSnapshotCallback = range(13, 17)

# enum MINIDUMP_STREAM_TYPE
CommentStreamW = 11

S_OK, S_FALSE = 0, 1
E_FAIL = -0x7FFFBFFB  # 0x80004005


class MINIDUMP_MEMORY_INFO(ctypes.Structure):
    """``MINIDUMP_MEMORY_INFO``."""

    _pack_ = 4
    _fields_: ClassVar[Sequence[Any]] = (
        ("BaseAddress", c_uint64),
        ("AllocationBase", c_uint64),
        ("AllocationProtect", c_uint32),
        ("__alignment1", c_uint32),
        ("RegionSize", c_uint64),
        ("State", c_uint32),
        ("Protect", c_uint32),
        ("Type", c_uint32),
        ("__alignment2", c_uint32),
    )


class MINIDUMP_IO_CALLBACK(ctypes.Structure):
    """``MINIDUMP_IO_CALLBACK``."""

    _pack_ = 4
    _fields_: ClassVar[Sequence[Any]] = (
        ("Handle", c_void_p),
        ("Offset", c_uint64),
        ("Buffer", c_void_p),
        ("BufferBytes", c_uint32),
    )


class MINIDUMP_READ_MEMORY_FAILURE_CALLBACK(ctypes.Structure):
    """``MINIDUMP_READ_MEMORY_FAILURE_CALLBACK``."""

    _pack_ = 4
    _fields_: ClassVar[Sequence[Any]] = (
        ("Offset", c_uint64),
        ("Bytes", c_uint32),
        ("FailureStatus", c_int32),
    )


class MINIDUMP_MODULE_CALLBACK(ctypes.Structure):
    """Its beginning; version and debug records follow."""

    _pack_ = 4
    _fields_: ClassVar[Sequence[Any]] = (
        ("FullPath", c_void_p),
        ("BaseOfImage", c_uint64),
        ("SizeOfImage", c_uint32),
        ("CheckSum", c_uint32),
        ("TimeDateStamp", c_uint32),
    )


_WIDE = ctypes.sizeof(c_void_p) == 8  # noqa: PLR2004 - bytes
_CONTEXT_SIZE = 1232 if _WIDE else 716
_CONTEXT_PAD = (("__alignment", c_uint32),) if _WIDE else ()
"""x86-64's CONTEXT is aligned to 16 bytes, whatever the packing."""


class MINIDUMP_THREAD_CALLBACK(ctypes.Structure):
    """``MINIDUMP_THREAD_CALLBACK``."""

    _pack_ = 4
    _fields_: ClassVar[Sequence[Any]] = (
        ("ThreadId", c_uint32),
        ("ThreadHandle", c_void_p),
        *_CONTEXT_PAD,
        ("Context", ctypes.c_ubyte * _CONTEXT_SIZE),
        ("SizeOfContext", c_uint32),
        ("StackBase", c_uint64),
        ("StackEnd", c_uint64),
    )


class _Asked(ctypes.Union):
    """What of the input's union is looked at; the thread callbacks all begin with ThreadId.

    Io is the one asked most, so its fields are had without making an object of it.
    """

    _pack_ = 4
    _anonymous_ = ("Io",)
    _fields_: ClassVar[Sequence[Any]] = (
        ("Status", c_int32),
        ("ThreadId", c_uint32),
        ("Thread", MINIDUMP_THREAD_CALLBACK),
        ("Module", MINIDUMP_MODULE_CALLBACK),
        ("Io", MINIDUMP_IO_CALLBACK),
        ("ReadMemoryFailure", MINIDUMP_READ_MEMORY_FAILURE_CALLBACK),
    )


class MINIDUMP_CALLBACK_INPUT(ctypes.Structure):
    """Its beginning; the real one is longer, and dbghelp's to allocate."""

    _pack_ = 4
    _anonymous_ = ("u",)
    _fields_: ClassVar[Sequence[Any]] = (
        ("ProcessId", c_uint32),
        ("ProcessHandle", c_void_p),
        ("CallbackType", c_uint32),
        ("u", _Asked),
    )


class _Memory(ctypes.Structure):
    _pack_ = 4
    _fields_: ClassVar[Sequence[Any]] = (("MemoryBase", c_uint64), ("MemorySize", c_uint32))


class _Cancel(ctypes.Structure):
    _pack_ = 4
    _fields_: ClassVar[Sequence[Any]] = (("CheckCancel", c_int32), ("Cancel", c_int32))


class _VmRegion(ctypes.Structure):
    _pack_ = 4
    _fields_: ClassVar[Sequence[Any]] = (("VmRegion", MINIDUMP_MEMORY_INFO), ("Continue", c_int32))


class MINIDUMP_CALLBACK_OUTPUT(ctypes.Union):
    """``MINIDUMP_CALLBACK_OUTPUT``."""

    _pack_ = 4
    _anonymous_ = ("memory", "cancel", "region")
    _fields_: ClassVar[Sequence[Any]] = (
        ("ModuleWriteFlags", c_uint32),
        ("ThreadWriteFlags", c_uint32),
        ("memory", _Memory),
        ("cancel", _Cancel),
        ("region", _VmRegion),
        ("Handle", c_void_p),
        ("Status", c_int32),
    )


class MINIDUMP_USER_STREAM(ctypes.Structure):
    """``MINIDUMP_USER_STREAM``."""

    _pack_ = 4
    _fields_: ClassVar[Sequence[Any]] = (("Type", c_uint32), ("BufferSize", c_uint32), ("Buffer", c_void_p))


class MINIDUMP_USER_STREAM_INFORMATION(ctypes.Structure):
    """``MINIDUMP_USER_STREAM_INFORMATION``."""

    _pack_ = 4
    _fields_: ClassVar[Sequence[Any]] = (("UserStreamCount", c_uint32), ("UserStreamArray", c_void_p))


MINIDUMP_CALLBACK_ROUTINE = getattr(ctypes, "WINFUNCTYPE", ctypes.CFUNCTYPE)(
    c_int32, c_void_p, c_void_p, c_void_p
)
"""``stdcall`` on 32-bit Windows; elsewhere there is but one convention. Input and output come as plain addresses."""


class MINIDUMP_CALLBACK_INFORMATION(ctypes.Structure):
    """``MINIDUMP_CALLBACK_INFORMATION``."""

    _pack_ = 4
    _fields_: ClassVar[Sequence[Any]] = (
        ("CallbackRoutine", MINIDUMP_CALLBACK_ROUTINE),
        ("CallbackParam", c_void_p),
    )


def user_stream(kind: int, content: bytes) -> MINIDUMP_USER_STREAM_INFORMATION:
    """One stream of our own for the dump; it keeps what it points at alive."""
    buffer = ctypes.create_string_buffer(content, len(content))
    stream = MINIDUMP_USER_STREAM(kind, len(content), ctypes.addressof(buffer))
    found = MINIDUMP_USER_STREAM_INFORMATION(1, ctypes.addressof(stream))
    found.kept = (buffer, stream)
    return found
