"""``dbgeng.h``: the debugger engine that every Windows carries, as far as call stacks need it.

Its interfaces are COM's: an object begins with the address of a table of
functions. Only those that are called have a row in `INTERFACES`. Layouts and calls,
no decisions; everything but `System` can be tested without Windows.

Source: Windows SDK ``dbgeng.h``, ``dbghelp.h``, ``winnt.h``.
"""

from __future__ import annotations

import ctypes
from ctypes import c_int32, c_uint32, c_uint64, c_void_p, c_wchar_p
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from uuid import UUID

from tray.ffi import win32

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEBUG_ENGOPT_DISALLOW_NETWORK_PATHS = 0x8
DEBUG_ENGOPT_DISALLOW_SHELL_COMMANDS = 0x1000
DEBUG_ENGOPT_DISABLE_MANAGED_SUPPORT = 0x4000
DEBUG_ENGOPT_DISABLE_EXECUTION_COMMANDS = 0x10000
DEBUG_ENGOPT_DISABLESQM = 0x80000

SYMOPT_UNDNAME = 0x2
SYMOPT_DEFERRED_LOADS = 0x4
SYMOPT_LOAD_LINES = 0x10
SYMOPT_OMAP_FIND_NEAREST = 0x20
SYMOPT_IGNORE_CVREC = 0x80
SYMOPT_FAIL_CRITICAL_ERRORS = 0x200
SYMOPT_AUTO_PUBLICS = 0x10000
SYMOPT_NO_PROMPTS = 0x80000

DEBUG_SYMTYPE_NONE, DEBUG_SYMTYPE_COFF, DEBUG_SYMTYPE_CODEVIEW, DEBUG_SYMTYPE_PDB = range(4)
DEBUG_SYMTYPE_EXPORT, DEBUG_SYMTYPE_DEFERRED, DEBUG_SYMTYPE_SYM, DEBUG_SYMTYPE_DIA = range(4, 8)
DEBUG_MODNAME_IMAGE, DEBUG_MODNAME_MODULE, DEBUG_MODNAME_LOADED_IMAGE = range(3)
DEBUG_MODNAME_SYMBOL_FILE, DEBUG_MODNAME_MAPPED_IMAGE = range(3, 5)

STACK_FRAME_TYPE_INLINE = 2
"""Second byte of an inline frame's context: the frame has no registers of its own."""
UNW_FLAG_CHAININFO = 4

_LONGEST_NAME = 4096


class DEBUG_STACK_FRAME_EX(ctypes.Structure):
    """``DEBUG_STACK_FRAME_EX``."""

    _fields_: ClassVar[Sequence[Any]] = (
        ("InstructionOffset", c_uint64),
        ("ReturnOffset", c_uint64),
        ("FrameOffset", c_uint64),
        ("StackOffset", c_uint64),
        ("FuncTableEntry", c_uint64),
        ("Params", c_uint64 * 4),
        ("Reserved", c_uint64 * 6),
        ("Virtual", c_int32),
        ("FrameNumber", c_uint32),
        ("InlineFrameContext", c_uint32),
        ("Reserved1", c_uint32),
    )


class DEBUG_MODULE_PARAMETERS(ctypes.Structure):
    """``DEBUG_MODULE_PARAMETERS``."""

    _fields_: ClassVar[Sequence[Any]] = (
        ("Base", c_uint64),
        ("Size", c_uint32),
        ("TimeDateStamp", c_uint32),
        ("Checksum", c_uint32),
        ("Flags", c_uint32),
        ("SymbolType", c_uint32),
        ("ImageNameSize", c_uint32),
        ("ModuleNameSize", c_uint32),
        ("LoadedImageNameSize", c_uint32),
        ("SymbolFileNameSize", c_uint32),
        ("MappedImageNameSize", c_uint32),
        ("Reserved", c_uint64 * 2),
    )


class RUNTIME_FUNCTION(ctypes.Structure):
    """``IMAGE_RUNTIME_FUNCTION_ENTRY`` of x86-64: all are offsets in the module."""

    _fields_: ClassVar[Sequence[Any]] = (
        ("BeginAddress", c_uint32),
        ("EndAddress", c_uint32),
        ("UnwindInfoAddress", c_uint32),
    )


class Method(NamedTuple):
    """A function of an interface: its place in the table, and what it takes after the object itself."""

    slot: int
    arguments: tuple[Any, ...]


class Interface(NamedTuple):
    """An interface: its id, and those of its functions that are called."""

    iid: UUID
    methods: Mapping[str, Method]


INTERFACES = {
    "IDebugClient4": Interface(
        UUID("ca83c3de-5089-4cf8-93c8-d892387f2a5e"),
        {
            "QueryInterface": Method(0, (c_void_p, c_void_p)),
            "OpenDumpFileWide": Method(60, (c_wchar_p, c_uint64)),
        },
    ),
    "IDebugControl5": Interface(
        UUID("b2ffe162-2412-429f-8d1d-5bf6dd824696"),
        {
            "GetActualProcessorType": Method(35, (c_void_p,)),
            "SetEffectiveProcessorType": Method(48, (c_uint32,)),
            "AddEngineOptions": Method(54, (c_uint32,)),
            "WaitForEvent": Method(93, (c_uint32, c_uint32)),
            "GetStackTraceEx": Method(169, (c_uint64, c_uint64, c_uint64, c_void_p, c_uint32, c_void_p)),
        },
    ),
    "IDebugSymbols4": Interface(
        UUID("e391bbd8-9d8c-4418-840b-c006592a1752"),
        {
            "SetSymbolOptions": Method(6, (c_uint32,)),
            "GetNumberModules": Method(12, (c_void_p, c_void_p)),
            "GetModuleParameters": Method(17, (c_uint32, c_void_p, c_uint32, c_void_p)),
            "SetSymbolPathWide": Method(77, (c_wchar_p,)),
            "SetImagePathWide": Method(80, (c_wchar_p,)),
            "GetModuleNameStringWide": Method(
                89, (c_uint32, c_uint32, c_uint64, c_void_p, c_uint32, c_void_p)
            ),
            "GetFunctionEntryByOffset": Method(104, (c_uint64, c_uint32, c_void_p, c_uint32, c_void_p)),
            "GetNameByInlineContextWide": Method(
                129, (c_uint64, c_uint32, c_void_p, c_uint32, c_void_p, c_void_p)
            ),
            "GetLineByInlineContextWide": Method(
                131, (c_uint64, c_uint32, c_void_p, c_void_p, c_uint32, c_void_p, c_void_p)
            ),
        },
    ),
    "IDebugSystemObjects": Interface(
        UUID("6b86fe2c-2c4f-4f0c-9da2-174311acc327"),
        {
            "SetCurrentThreadId": Method(6, (c_uint32,)),
            "GetNumberThreads": Method(9, (c_void_p,)),
            "GetThreadIdsByIndex": Method(11, (c_uint32, c_uint32, c_void_p, c_void_p)),
            "GetCurrentThreadTeb": Method(15, (c_void_p,)),
        },
    ),
    "IDebugDataSpaces": Interface(
        UUID("88f7dfab-3ea7-4c3a-aefb-c4e8106173aa"),
        {"ReadVirtual": Method(3, (c_uint64, c_void_p, c_uint32, c_void_p))},
    ),
}
"""All of Windows 8 and later."""

_FUNCTION = getattr(ctypes, "WINFUNCTYPE", ctypes.CFUNCTYPE)
"""``stdcall`` on 32-bit Windows; elsewhere there is but one convention."""


class Com:
    """A COM object seen as one of its interfaces; it lives as long as the process."""

    def __init__(self, address: int, interface: Interface) -> None:
        self.address = address
        self._interface = interface
        self._functions: dict[str, Any] = {}

    def __call__(self, name: str, *arguments: Any) -> int:  # noqa: ANN401 - as the prototype says
        """Call a function of the interface; gives its result, which may be a success other than S_OK.

        Raises:
            OSError: It failed; ``winerror`` is its HRESULT.
        """
        result = int(self._function(name)(self.address, *arguments))
        if result < 0:
            raise win32.failure(result, name)
        return result

    def _function(self, name: str) -> Any:  # noqa: ANN401 - a foreign function
        if name not in self._functions:
            method = self._interface.methods[name]
            table = c_void_p.from_address(self.address).value or 0
            place = table + method.slot * ctypes.sizeof(c_void_p)
            kind = _FUNCTION(c_int32, c_void_p, *method.arguments)
            self._functions[name] = kind(c_void_p.from_address(place).value or 0)
        return self._functions[name]


def create(library: win32.Libraries) -> dict[str, Com]:
    """A new engine, by each of its interfaces.

    Raises:
        OSError: This system has no such engine, or an older one.
    """
    client = INTERFACES["IDebugClient4"]
    found = c_void_p()
    library("DebugCreate", client.iid.bytes_le, ctypes.byref(found))
    seen = {"IDebugClient4": Com(int(found.value or 0), client)}
    for name, interface in INTERFACES.items():
        if name not in seen:
            seen["IDebugClient4"]("QueryInterface", interface.iid.bytes_le, ctypes.byref(found))
            seen[name] = Com(int(found.value or 0), interface)
    return seen


class Engine:
    """The requests of a reader of call stacks. To be used on the thread that made it.

    Raises:
        OSError: There is no engine here.
    """

    def __init__(self, library: win32.Libraries | None = None) -> None:
        faces = create(library or win32.Libraries())
        self._client, self._control = faces["IDebugClient4"], faces["IDebugControl5"]
        self._symbols, self._objects = faces["IDebugSymbols4"], faces["IDebugSystemObjects"]
        self._memory = faces["IDebugDataSpaces"]

    def options(self, engine: int, symbols: int) -> None:
        """Set ``DEBUG_ENGOPT_*``, in addition, and ``SYMOPT_*``, instead."""
        self._control("AddEngineOptions", engine)
        self._symbols("SetSymbolOptions", symbols)

    def paths(self, images: str, symbols: str) -> None:
        """Where programs and symbols are looked for; folders separated by semicolons."""
        self._symbols("SetImagePathWide", images)
        self._symbols("SetSymbolPathWide", symbols)

    def open(self, path: str, patience: int) -> None:
        """Open a dump, within so many milliseconds."""
        self._client("OpenDumpFileWide", path, 0)
        self._control("WaitForEvent", 0, patience)

    def machine(self) -> int:
        """``IMAGE_FILE_MACHINE_*`` of the dump."""
        found = c_uint32()
        self._control("GetActualProcessorType", ctypes.byref(found))
        return found.value

    def read_as(self, machine: int) -> None:
        """Take addresses and registers as those of another ``IMAGE_FILE_MACHINE_*``."""
        self._control("SetEffectiveProcessorType", machine)

    def threads(self) -> list[tuple[int, int]]:
        """The engine's number and the thread id of each thread."""
        count = c_uint32()
        self._objects("GetNumberThreads", ctypes.byref(count))
        numbers, ids = (c_uint32 * count.value)(), (c_uint32 * count.value)()
        self._objects("GetThreadIdsByIndex", 0, count.value, numbers, ids)
        return list(zip(numbers, ids, strict=True))

    def select(self, number: int) -> None:
        """Make a thread the one that is asked about."""
        self._objects("SetCurrentThreadId", number)

    def teb(self) -> int:
        """Address of the selected thread's environment block."""
        found = c_uint64()
        self._objects("GetCurrentThreadTeb", ctypes.byref(found))
        return found.value

    def frames(self, most: int, frame: int = 0, stack: int = 0, pc: int = 0) -> list[DEBUG_STACK_FRAME_EX]:
        """The selected thread's calls, innermost first; from other registers than its own, if given."""
        found, count = (DEBUG_STACK_FRAME_EX * most)(), c_uint32()
        self._control("GetStackTraceEx", frame, stack, pc, found, most, ctypes.byref(count))
        return list(found[: count.value])

    def name(self, pc: int, inline: int = 0) -> tuple[str, int]:
        """``module!function`` of an address, and how far behind its beginning that is."""
        buffer, displacement = ctypes.create_unicode_buffer(_LONGEST_NAME), c_uint64()
        rest = (buffer, _LONGEST_NAME, None, ctypes.byref(displacement))
        self._symbols("GetNameByInlineContextWide", pc, inline, *rest)
        return buffer.value, displacement.value

    def line(self, pc: int, inline: int = 0) -> tuple[str, int]:
        """Source file and line of an address."""
        buffer, line = ctypes.create_unicode_buffer(_LONGEST_NAME), c_uint32()
        rest = (ctypes.byref(line), buffer, _LONGEST_NAME, None, None)
        self._symbols("GetLineByInlineContextWide", pc, inline, *rest)
        return buffer.value, line.value

    def function(self, pc: int) -> RUNTIME_FUNCTION:
        """The entry that the compiler made for unwinding this address; of x86-64 only."""
        found = RUNTIME_FUNCTION()
        size = ctypes.sizeof(found)
        self._symbols("GetFunctionEntryByOffset", pc, 0, ctypes.byref(found), size, None)
        return found

    def modules(self) -> list[DEBUG_MODULE_PARAMETERS]:
        """Those that were loaded."""
        loaded, unloaded = c_uint32(), c_uint32()
        self._symbols("GetNumberModules", ctypes.byref(loaded), ctypes.byref(unloaded))
        found = (DEBUG_MODULE_PARAMETERS * loaded.value)()
        self._symbols("GetModuleParameters", loaded.value, None, 0, found)
        return list(found)

    def module(self, base: int) -> DEBUG_MODULE_PARAMETERS:
        """One module; its symbols are only known once one was asked for."""
        found, place = DEBUG_MODULE_PARAMETERS(), c_uint64(base)
        self._symbols("GetModuleParameters", 1, ctypes.byref(place), 0, ctypes.byref(found))
        return found

    def module_name(self, which: int, base: int) -> str:
        """One of a module's names, ``DEBUG_MODNAME_*``."""
        buffer = ctypes.create_unicode_buffer(_LONGEST_NAME)
        rest = (buffer, _LONGEST_NAME, None)
        self._symbols("GetModuleNameStringWide", which, 0xFFFFFFFF, base, *rest)
        return buffer.value

    def read(self, address: int, size: int) -> bytes:
        """Memory, of the dump or of the program's files; fewer bytes where there are no more."""
        buffer, count = ctypes.create_string_buffer(size), c_uint32()
        self._memory("ReadVirtual", address, buffer, size, ctypes.byref(count))
        return buffer.raw[: count.value]
