"""The threads of a minidump, and their registers in the order of Linux's ``struct user_regs_struct``.

Source: Windows SDK ``winnt.h``, ``CONTEXT`` and ``WOW64_CONTEXT``; ``minidumpapiset.h``, ``MINIDUMP_THREAD``.
"""

from __future__ import annotations

import struct

from tray.errors import BadDump
from tray.lean import TYPE_CHECKING, NamedTuple
from tray.model import Thread

if TYPE_CHECKING:
    from collections.abc import Callable

_THREAD = struct.Struct("<IIIIQQIIII")
"""``MINIDUMP_THREAD``: id, suspensions, class, priority, TEB, stack's start, size, offset, CONTEXT's size, offset."""
_NAME = struct.Struct("<IQ")
"""``MINIDUMP_THREAD_NAME``: thread id, offset of the name."""
_MOST = 1 << 18
"""Threads that are read; Windows has no room for as many stacks."""
_AMD64_SIZE, _X86_SIZE = 1232, 716
_AMD64 = struct.Struct("<16QQ")
"""From offset 120 of CONTEXT: rax rcx rdx rbx rsp rbp rsi rdi r8 … r15, rip."""
_AMD64_AT, _AMD64_FLAGS_AT, _AMD64_SEGMENTS_AT = 120, 68, 56
_AMD64_FLOATING_AT = 256
_X86 = struct.Struct("<6IIIIIII")
"""From offset 156 of WOW64_CONTEXT: edi esi ebx edx ecx eax, ebp eip cs eflags esp ss."""
_X86_AT, _X86_FLAG = 156, 0x10000


class Found(NamedTuple):
    """A thread, and where its environment block is."""

    told: Thread
    teb: int


def threads(content: bytes, at: Callable[[int, int], bytes]) -> list[Found]:
    """The threads of a thread list.

    Args:
        content: The stream.
        at: Gives bytes of the file: offset, size.

    Raises:
        BadDump: The list is damaged.
    """
    count = int.from_bytes(content[:4], "little") if len(content) >= 4 else 0  # noqa: PLR2004 - a u32
    if count > _MOST:
        raise BadDump("The minidump's list of threads is longer than any process makes it.")
    if len(content) < 4 + count * _THREAD.size:
        raise BadDump("The minidump's list of threads is cut off.")
    found = []
    for row in _THREAD.iter_unpack(content[4 : 4 + count * _THREAD.size]):
        size, offset = row[8], row[9]
        context = at(offset, min(size, _AMD64_SIZE))
        if len(context) < min(size, _AMD64_SIZE):
            raise BadDump("The minidump is cut off within a thread's registers.")
        found.append(Found(_thread(row[0], context), row[4]))
    return found


def names(content: bytes) -> dict[int, int]:
    """Thread id → where in the file its name is, from a ``MINIDUMP_THREAD_NAME_LIST``; of Windows 10 and later.

    What a damaged one still says is told; a name is worth no error.
    """
    count = int.from_bytes(content[:4], "little")
    rows = content[4 : 4 + count * _NAME.size]
    return dict(_NAME.iter_unpack(rows[: len(rows) // _NAME.size * _NAME.size]))


def narrow(context: bytes) -> bytes:
    """The registers of a ``WOW64_CONTEXT``; empty for what is none."""
    is_one = len(context) >= _X86_SIZE and int.from_bytes(context[:4], "little") & _X86_FLAG
    return _x86(context) if is_one else b""


def _thread(tid: int, context: bytes) -> Thread:
    """A thread with what its context says; one of an unknown size says nothing."""
    if len(context) >= _AMD64_SIZE:
        floating = context[_AMD64_FLOATING_AT : _AMD64_FLOATING_AT + 512]
        return Thread(tid, registers=_amd64(context), floating=floating)
    if len(context) >= _X86_SIZE:
        return Thread(tid, registers=_x86(context))
    return Thread(tid)


def _amd64(context: bytes) -> bytes:
    values = _AMD64.unpack_from(context, _AMD64_AT)
    rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15, rip = values
    cs, ds, es, fs, gs, ss = struct.unpack_from("<6H", context, _AMD64_SEGMENTS_AT)
    (flags,) = struct.unpack_from("<I", context, _AMD64_FLAGS_AT)
    return struct.pack(
        "<27Q", r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, rax,
        rip, cs, flags, rsp, ss, 0, 0, ds, es, fs, gs,
    )  # fmt: skip


def _x86(context: bytes) -> bytes:
    edi, esi, ebx, edx, ecx, eax, ebp, eip, cs, flags, esp, ss = _X86.unpack_from(context, _X86_AT)
    return struct.pack(
        "<27Q", 0, 0, 0, 0, ebp, ebx, 0, 0, 0, 0, eax, ecx, edx, esi, edi, eax,
        eip, cs, flags, esp, ss, 0, 0, 0, 0, 0, 0,
    )  # fmt: skip
