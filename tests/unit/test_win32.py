"""What Windows is asked in: layouts as its headers have them, errors that keep their codes."""

from __future__ import annotations

import ctypes
import errno

import pytest

from tray.ffi import dbghelp, win32

WIDE = ctypes.sizeof(ctypes.c_void_p) == 8


@pytest.mark.parametrize(
    ("structure", "size"),
    [
        (win32.PROCESSENTRY32W, 568 if WIDE else 556),
        (win32.THREADENTRY32, 28),
        (win32.MEMORY_BASIC_INFORMATION, 48 if WIDE else 28),
        (win32.PROCESS_MEMORY_COUNTERS_EX, 80 if WIDE else 44),
        (win32.MEMORYSTATUSEX, 64),
        (dbghelp.MINIDUMP_MEMORY_INFO, 0x30),
        (dbghelp.MINIDUMP_IO_CALLBACK, 0x1C if WIDE else 0x14),
        (dbghelp.MINIDUMP_READ_MEMORY_FAILURE_CALLBACK, 16),
        (dbghelp.MINIDUMP_CALLBACK_OUTPUT, 0x34),
        (dbghelp.MINIDUMP_USER_STREAM, 16 if WIDE else 12),
        (dbghelp.MINIDUMP_USER_STREAM_INFORMATION, 12 if WIDE else 8),
        (dbghelp.MINIDUMP_CALLBACK_INFORMATION, 16 if WIDE else 8),
    ],
)
def test_sizes(structure: type[ctypes.Structure], size: int):
    """As a C compiler has them."""
    assert ctypes.sizeof(structure) == size


@pytest.mark.parametrize(
    ("structure", "field", "offset"),
    [
        (dbghelp.MINIDUMP_CALLBACK_INPUT, "ProcessHandle", 4),
        (dbghelp.MINIDUMP_CALLBACK_INPUT, "CallbackType", 12 if WIDE else 8),
        (dbghelp.MINIDUMP_CALLBACK_INPUT, "u", 16 if WIDE else 12),
        (dbghelp.MINIDUMP_IO_CALLBACK, "Offset", 8 if WIDE else 4),
        (dbghelp.MINIDUMP_IO_CALLBACK, "BufferBytes", 24 if WIDE else 16),
        (dbghelp.MINIDUMP_MODULE_CALLBACK, "BaseOfImage", 8 if WIDE else 4),
        (dbghelp.MINIDUMP_USER_STREAM, "Buffer", 8),
        (dbghelp.MINIDUMP_USER_STREAM_INFORMATION, "UserStreamArray", 4),
        (dbghelp.MINIDUMP_CALLBACK_INFORMATION, "CallbackParam", 8 if WIDE else 4),
        (win32.PROCESSENTRY32W, "szExeFile", 44 if WIDE else 36),
        (win32.MEMORY_BASIC_INFORMATION, "RegionSize", 24 if WIDE else 12),
    ],
)
def test_offsets(structure: type[ctypes.Structure], field: str, offset: int):
    """Packed to 4 bytes where dbghelp's are, and naturally where the others are."""
    assert getattr(structure, field).offset == offset


def test_the_field_dumps_by_the_field_names():
    """The callback's numbers are those of the header."""
    names = ("IncludeThreadCallback", "MemoryCallback", "CancelCallback", "IncludeVmRegionCallback")
    assert [getattr(dbghelp, name) for name in names] == [3, 5, 6, 10]
    names = (
        "IoStartCallback",
        "IoWriteAllCallback",
        "ReadMemoryFailureCallback",
        "IsProcessSnapshotCallback",
    )
    assert [getattr(dbghelp, name) for name in names] == [11, 12, 14, 16]


def test_a_user_stream_keeps_what_it_points_at():
    """It is read after the builder has returned."""
    made = dbghelp.user_stream(dbghelp.CommentStreamW, b"a\0b\0\0\0")
    stream = dbghelp.MINIDUMP_USER_STREAM.from_address(made.UserStreamArray)
    assert (stream.Type, stream.BufferSize) == (11, 6)
    assert ctypes.string_at(stream.Buffer, 6) == b"a\0b\0\0\0"


@pytest.mark.parametrize(
    ("code", "winerror", "number"),
    [
        (5, 5, errno.EACCES),
        (112, 112, errno.ENOSPC),
        (39, 39, errno.ENOSPC),
        (0x80070057, 87, errno.EIO),
        (-0x7FF8FFA9, 87, errno.EIO),
        (0x8007012B, win32.ERROR_PARTIAL_COPY, errno.EIO),
        (0x800704C7, win32.ERROR_CANCELLED, errno.EIO),
        (0x80004005, 0x80004005, errno.EIO),
    ],
)
def test_failures(code: int, winerror: int, number: int):
    """An HRESULT that wraps a Windows error is that error, and errno is right where others look at it."""
    error = win32.failure(code, "Call")
    assert (win32.code(error), error.errno) == (winerror, number)
    assert str(error)


def test_a_crash_within_dbghelp(monkeypatch):
    """What ctypes makes of an access violation has no code; it is said what it was, and codes stay."""

    def crash(*_: object) -> None:
        raise told

    system = win32.System()
    monkeypatch.setattr(system, "_call", crash)
    told = OSError("exception: access violation reading 0x08")
    with pytest.raises(OSError, match="dbghelp crashed") as caught:
        system.write_dump(1, 2, 3, 0, None, None)
    assert win32.code(caught.value) == 0
    told = win32.failure(5, "MiniDumpWriteDump")
    with pytest.raises(OSError, match="Mini") as caught:
        system.write_dump(1, 2, 3, 0, None, None)
    assert win32.code(caught.value) == 5


def test_other_errors_have_no_windows_code():
    """One that comes from a file, say."""
    assert win32.code(OSError(errno.ENOSPC, "full")) == 0


@pytest.mark.linux
def test_elsewhere_every_function_is_missing():
    """The module imports everywhere, and each call says that it cannot be."""
    call = win32.Libraries()
    assert not call.has("OpenProcess")
    with pytest.raises(OSError, match="kernel32") as caught:
        call("OpenProcess", 0, False, 0)
    assert win32.code(caught.value) == win32.ERROR_PROC_NOT_FOUND
