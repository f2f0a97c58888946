"""The debugger engine's layouts and calls, on any system; a hand-made table of functions stands for the engine."""

from __future__ import annotations

import ctypes
from ctypes import c_int32, c_uint32, c_uint64, c_void_p

import pytest

from tray.ffi import dbgeng, win32

E_NOINTERFACE = -0x7FFFBFFE


class Table:
    """A COM object in our own memory: functions by their place in the table."""

    def __init__(self, functions: dict[int, object]) -> None:
        self.slots = (c_void_p * (max(functions) + 1))()
        for slot, function in functions.items():
            self.slots[slot] = ctypes.cast(function, c_void_p)
        self.kept = functions
        self.object = c_void_p(ctypes.addressof(self.slots))

    @property
    def address(self) -> int:
        return ctypes.addressof(self.object)


def test_sizes_are_the_headers():
    """As the compiler lays out ``dbgeng.h``."""
    assert ctypes.sizeof(dbgeng.DEBUG_STACK_FRAME_EX) == 136
    assert dbgeng.DEBUG_STACK_FRAME_EX.InlineFrameContext.offset == 128
    assert ctypes.sizeof(dbgeng.DEBUG_MODULE_PARAMETERS) == 64
    assert dbgeng.DEBUG_MODULE_PARAMETERS.SymbolType.offset == 24
    assert ctypes.sizeof(dbgeng.RUNTIME_FUNCTION) == 12


@pytest.mark.parametrize(
    ("interface", "last"),
    [("IDebugClient4", 65), ("IDebugControl5", 173), ("IDebugSymbols4", 132), ("IDebugSystemObjects", 31)],
)
def test_slots_are_within_the_tables(interface: str, last: int):
    """No two functions share a place, and none lies behind its interface's last one."""
    slots = [method.slot for method in dbgeng.INTERFACES[interface].methods.values()]
    assert len(slots) == len(set(slots))
    assert max(slots) <= last


def test_a_call_goes_to_its_slot():
    """The object itself comes first, then the arguments."""
    told = []
    kind = ctypes.CFUNCTYPE(c_int32, c_void_p, c_uint32, c_uint32)
    table = Table({93: kind(lambda *given: told.append(given) or 1)})
    control = dbgeng.Com(table.address, dbgeng.INTERFACES["IDebugControl5"])
    assert control("WaitForEvent", 0, 77) == 1
    assert told == [(table.address, 0, 77)]


def test_a_failure_is_an_error_with_its_code():
    """HRESULTs below zero are failures."""
    kind = ctypes.CFUNCTYPE(c_int32, c_void_p, c_uint32)
    table = Table({54: kind(lambda *_: E_NOINTERFACE)})
    control = dbgeng.Com(table.address, dbgeng.INTERFACES["IDebugControl5"])
    with pytest.raises(OSError, match="AddEngineOptions") as caught:
        control("AddEngineOptions", 1)
    assert win32.code(caught.value) == E_NOINTERFACE & 0xFFFFFFFF


def test_reading_gives_what_there_is():
    """Memory that ends early is given as far as it goes."""

    def read(_: int, address: int, buffer: int, size: int, count: int) -> int:
        ctypes.memmove(buffer, b"abc", 3)
        c_uint32.from_address(count).value = 3
        return 0

    kind = ctypes.CFUNCTYPE(c_int32, c_void_p, c_uint64, c_void_p, c_uint32, c_void_p)
    table = Table({3: kind(read)})
    engine = dbgeng.Engine.__new__(dbgeng.Engine)
    engine._memory = dbgeng.Com(table.address, dbgeng.INTERFACES["IDebugDataSpaces"])
    assert engine.read(0x1000, 8) == b"abc"


@pytest.mark.linux
def test_there_is_none_here():
    """Where there is no such engine, that is an error as any other."""
    with pytest.raises(OSError, match="dbgeng"):
        dbgeng.Engine()
