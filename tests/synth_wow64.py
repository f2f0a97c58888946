"""A 64-bit dump of a 32-bit program, as 64-bit tools write it, made from a 32-bit one: Wine has no such."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from synth_minidump import TEB, Process, build, context

if TYPE_CHECKING:
    from tray.formats.minidump import Minidump

LAYER, LAYER_CODE, LAYER_STACK, AREA = r"C:\windows\system32\wow64cpu.dll", 0x77000000, 0x7E00000, 0x7F00000
TLS_SLOT = 0x1488
ORDER = "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig rip cs flags rsp ss"
TAKEN = "rdi rsi rbx rdx rcx rax rbp rip cs flags rsp ss"


def wide(narrow: Minidump, tid: int) -> bytes:
    """The file, with one of the threads: it stands in the layer that runs 32-bit code, which keeps its registers."""
    modules: dict[str, tuple[int, ...]] = {
        module.path.replace("system32", "syswow64"): (
            module.start,
            module.end - module.start,
            narrow.times[module.start],
        )
        for module in narrow.modules()
    }
    modules[LAYER] = (LAYER_CODE, 0x9000)
    [thread] = [thread for thread in narrow.snapshot.threads if thread.tid == tid]
    memory = {one.start: narrow.memory(one.start, one.stored) for one in narrow.snapshot.memory if one.stored}
    memory |= {
        TEB: bytes(TLS_SLOT) + struct.pack("<Q", AREA) + bytes(0x400),
        AREA: struct.pack("<HH", 0, 0x14C) + _context(thread.registers),
        LAYER_STACK: bytes(256),
    }
    threads = {tid: context(pc=LAYER_CODE + 0x1000, sp=LAYER_STACK)}
    return build(Process(threads=threads, modules=modules, memory=memory))


def _context(registers: bytes) -> bytes:
    """WOW64_CONTEXT of registers in the order of Linux."""
    known = dict(zip(ORDER.split(), struct.unpack_from("<21Q", registers), strict=True))
    found = bytearray(716)
    struct.pack_into("<I", found, 0, 0x1003F)
    struct.pack_into("<12I", found, 156, *(known[name] & 0xFFFFFFFF for name in TAKEN.split()))
    return bytes(found)
