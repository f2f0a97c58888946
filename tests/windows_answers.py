"""What Windows' kernel tells dbghelp of handles and Wine's does not: how many there are, and who holds a mutex.

Microsoft's dbghelp asks for both, and what it makes of the answers is in the dump. So only
the two answers are ours; all else is Wine's, and the dump as that dbghelp writes it.
"""

from __future__ import annotations

import ctypes
from contextlib import contextmanager
from ctypes import POINTER, c_int32, c_size_t, c_uint32, c_void_p
from typing import TYPE_CHECKING

from judges_windbg import imports

from tray.ffi.windows_waits import Waits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HANDLE_COUNT, OWNER = 20, 1
READ_WRITE = 4
KEPT: list[object] = []
"""What dbghelp may yet call, kept alive."""


@contextmanager
def answers(owners: Mapping[str, tuple[int, int]]) -> Iterator[None]:
    """Dumps that are written meanwhile list their handles, and who holds these mutexes.

    Args:
        owners: Name of a mutex → process and thread; of others nobody is told to hold them.
    """
    kernel, nt, dbghelp = (ctypes.WinDLL(name) for name in ("kernel32", "ntdll", "dbghelp"))
    kind = ctypes.WINFUNCTYPE(c_int32, c_void_p, c_uint32, c_void_p, c_uint32, c_void_p)
    of_process, of_mutex = kind(("NtQueryInformationProcess", nt)), kind(("NtQueryMutant", nt))
    kernel.GetProcessId.argtypes = [c_void_p]
    waits = Waits()

    def process(handle: int, what: int, buffer: int, size: int, length: int) -> int:
        status = of_process(handle, what, buffer, size, length)
        if what == HANDLE_COUNT:
            c_uint32.from_address(buffer).value = len(waits.handles(handle, kernel.GetProcessId(handle)))
        return int(status)

    def mutex(handle: int, what: int, buffer: int, size: int, length: int) -> int:
        if what != OWNER:
            return int(of_mutex(handle, what, buffer, size, length))
        pair = (c_size_t * 2).from_address(buffer)
        pair[:] = owners.get(waits.name(handle).rpartition("\\")[2], (0, 0))
        if length:
            c_uint32.from_address(length).value = ctypes.sizeof(pair)
        return 0

    ours = {b"NtQueryInformationProcess": kind(process), b"NtQueryMutant": kind(mutex)}
    lookup = ctypes.WINFUNCTYPE(c_void_p, c_void_p, c_void_p)
    real = lookup(("GetProcAddress", kernel))

    def address(module: int, name: int) -> int:
        found = ours.get(ctypes.string_at(name)) if name >> 16 else None
        return int((ctypes.cast(found, c_void_p).value if found else real(module, name)) or 0)

    hook = lookup(address)
    KEPT.append((hook, ours))
    [slot] = [slot for name, slot in imports(dbghelp._handle) if name == b"GetProcAddress"]
    before = c_void_p.from_address(slot).value
    _put(slot, ctypes.cast(hook, c_void_p).value)
    try:
        yield
    finally:
        _put(slot, before)


def _put(slot: int, value: int | None) -> None:
    """Write a pointer where a module keeps an imported function."""
    protect = ctypes.WinDLL("kernel32").VirtualProtect
    protect.argtypes = [c_void_p, c_size_t, c_uint32, POINTER(c_uint32)]
    assert protect(slot, ctypes.sizeof(c_void_p), READ_WRITE, ctypes.byref(c_uint32()))
    c_void_p.from_address(slot).value = value
