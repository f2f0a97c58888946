"""The 32-bit calls in a 64-bit dump of a 32-bit program, as 64-bit dumpers write it.

Each thread's registers in such a dump are those of the layer in between (WOW64);
the program's own are kept where that layer looks for them.

Source: Windows SDK ``winternl.h`` and ``winnt.h``: TEB, WOW64_CONTEXT; WOW64_TLS_CPURESERVED is slot 1.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tray.ffi import dbgeng
from tray.ffi.win32 import IMAGE_FILE_MACHINE_AMD64, IMAGE_FILE_MACHINE_I386
from tray.formats.minidump_wow64 import CONTEXT_AT, CONTEXT_SIZE, TLS_SLOT

if TYPE_CHECKING:
    from tray.ffi.dbgeng import DEBUG_STACK_FRAME_EX

LAYER = "wow64cpu"
CONTEXT_I386 = 0x10000
_EBP_EIP = struct.Struct("<II")
_EBP_AT, _ESP_AT = 180, 196


def is_seen(engine: dbgeng.Engine) -> bool:
    """Whether the dump is a 64-bit one of a 32-bit program."""
    if engine.machine() != IMAGE_FILE_MACHINE_AMD64:
        return False
    return any(
        engine.module_name(dbgeng.DEBUG_MODNAME_MODULE, one.Base).casefold() == LAYER
        for one in engine.modules()
    )


def frames(engine: dbgeng.Engine, most: int) -> tuple[list[DEBUG_STACK_FRAME_EX], str]:
    """The 32-bit calls of the selected thread; else the layer's own, and what is wrong with those.

    Raises:
        OSError: The engine finds neither.
    """
    if not (context := _context(engine)):
        return engine.frames(most), "the dump does not hold what its 32-bit part was doing"
    ebp, eip = _EBP_EIP.unpack_from(context, _EBP_AT)
    (esp,) = struct.unpack_from("<I", context, _ESP_AT)
    engine.read_as(IMAGE_FILE_MACHINE_I386)
    try:
        return engine.frames(most, ebp, esp, eip), ""
    finally:
        engine.read_as(IMAGE_FILE_MACHINE_AMD64)


def _context(engine: dbgeng.Engine) -> bytes:
    """The 32-bit registers of the selected thread; empty where the dump does not hold them."""
    try:
        place = int.from_bytes(engine.read(engine.teb() + TLS_SLOT, 8), "little")
        found = engine.read(place + CONTEXT_AT, CONTEXT_SIZE) if place else b""
    except OSError:
        return b""
    whole = len(found) == CONTEXT_SIZE and int.from_bytes(found[:4], "little") & CONTEXT_I386
    return found if whole else b""
