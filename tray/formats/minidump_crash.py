"""The exception that a minidump was written for, as crash handlers write it; one of a hang has none.

Source: Windows SDK ``minidumpapiset.h``, ``MINIDUMP_EXCEPTION_STREAM``; ``winnt.h``, ``EXCEPTION_RECORD``.
"""

from __future__ import annotations

import struct

from tray.verdicts import Crash

_STREAM = struct.Struct("<I4xIIQQI4x2Q")
"""Thread id, code, flags, nested record, address, count of parameters, the first two of 15 parameters."""
_ACCESS_VIOLATION, _IN_PAGE_ERROR = 0xC0000005, 0xC0000006
_NAMES = {
    0x80000003: "breakpoint",
    _ACCESS_VIOLATION: "access violation",
    _IN_PAGE_ERROR: "page that could not be read from its file",
    0xC000001D: "illegal instruction",
    0xC0000094: "division by zero",
    0xC00000FD: "stack overflow",
    0xC0000374: "damaged heap",
    0xC0000409: "fail fast or stack buffer overrun",
    0xC0000420: "assertion failure",
    0xE0434352: "uncaught exception of .NET",
    0xE06D7363: "uncaught exception of C++",
}
_DONE = {0: "read", 1: "written", 8: "executed"}


def crash(content: bytes) -> Crash | None:
    """What an exception stream says; None where there is none, or it is no crash."""
    if len(content) < _STREAM.size:
        return None
    tid, code, _, _, address, count, first, second = _STREAM.unpack_from(content)
    if not code:
        return None
    name = _NAMES.get(code, "")
    if code in {_ACCESS_VIOLATION, _IN_PAGE_ERROR} and count > 1 and first in _DONE:
        name += f": 0x{second:x} could not be {_DONE[first]}"
    return Crash(tid, code, address, name)
