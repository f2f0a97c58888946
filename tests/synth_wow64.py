"""A 64-bit dump of a 32-bit program, as 64-bit tools write it, made from a 32-bit one: Wine has no such."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from synth_minidump import TEB, Process, build, context

if TYPE_CHECKING:
    from tray.formats.minidump import Minidump

LAYER, LAYER_CODE, LAYER_STACK, AREA = r"C:\windows\system32\wow64cpu.dll", 0x77000000, 0x7E00000, 0x7F00000
STEP = 0x2000
"""From one thread's environment block, and what the layer keeps of it, to the next one's."""
TLS_SLOT = 0x1488
ORDER = "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig rip cs flags rsp ss"
TAKEN = "rdi rsi rbx rdx rcx rax rbp rip cs flags rsp ss"


def wide(narrow: Minidump, *tids: int) -> bytes:
    """The file, with some threads: they stand in the layer that runs 32-bit code, which keeps their registers."""
    modules: dict[str, tuple[int, ...]] = {
        module.path.replace("system32", "syswow64"): (
            module.start,
            module.end - module.start,
            narrow.times[module.start],
        )
        for module in narrow.modules()
    }
    modules[LAYER] = (LAYER_CODE, 0x9000)
    found = [thread for thread in narrow.snapshot.threads if thread.tid in tids]
    memory = {one.start: narrow.memory(one.start, one.stored) for one in narrow.snapshot.memory if one.stored}
    tebs = {}
    for number, thread in enumerate(found):
        teb, area = TEB + number * STEP, AREA + number * STEP
        tebs[thread.tid] = teb
        memory |= {
            teb: struct.pack("<Q", narrow.teb).ljust(TLS_SLOT, b"\0")
            + struct.pack("<Q", area)
            + bytes(0x400),
            area: struct.pack("<HH", 0, 0x14C) + _context(thread.registers),
            LAYER_STACK + number * STEP: bytes(256),
        }
    threads = {
        thread.tid: context(pc=LAYER_CODE + 0x1000, sp=LAYER_STACK + number * STEP)
        for number, thread in enumerate(found)
    }
    return build(Process(threads=threads, modules=modules, memory=memory, tebs=tebs))


def _context(registers: bytes) -> bytes:
    """WOW64_CONTEXT of registers in the order of Linux."""
    known = dict(zip(ORDER.split(), struct.unpack_from("<21Q", registers), strict=True))
    found = bytearray(716)
    struct.pack_into("<I", found, 0, 0x1003F)
    struct.pack_into("<12I", found, 156, *(known[name] & 0xFFFFFFFF for name in TAKEN.split()))
    return bytes(found)
