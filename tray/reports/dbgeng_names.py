"""Names of addresses as the debugger engine knows them, and how far they can be believed.

Without a PDB, or with one that has only public names, the engine gives the nearest
name before an address, which may be another function's. On x86-64 the tables for
unwinding tell where each function begins, on x86 the call that led there may; a
name that does not begin there is not given.
"""

from __future__ import annotations

import bisect
import struct
from functools import cache
from typing import Any

from tray.ffi import dbgeng
from tray.reports.names import namer

WITH_PDB = {dbgeng.DEBUG_SYMTYPE_PDB, dbgeng.DEBUG_SYMTYPE_DIA, dbgeng.DEBUG_SYMTYPE_CODEVIEW}
_MOST_CHAINED = 8
_NEAR = 0x800
"""Bytes after an exported name within which it is believed where nothing tells where functions begin."""
_ENTRY = struct.Struct("<III")
_CALL, _JUMP, _CALL_AT, _JUMP_AT = b"\xe8", b"\xe9", b"\xff\x15", b"\xff\x25"
"""Instructions of x86: with a distance; with the address of where the address is."""
_LOW = (1 << 32) - 1


class Names:
    """The names of one open dump.

    Args:
        engine: With the dump open.
        narrow: Its calls are those of a 32-bit program.
    """

    def __init__(self, engine: dbgeng.Engine, *, narrow: bool) -> None:
        self._engine = engine
        self._demangled = namer()
        self._narrow = narrow
        self._modules = sorted((one.Base, one.Base + one.Size) for one in engine.modules())
        self._on_stack: dict[int, int] = {}  # module → an address in it that is on a stack
        self._symbols: dict[int, int] = {}
        self.can_unwind = cache(self._can_unwind)
        self._place = cache(self._found)
        self._has_code = cache(self._code_is_found)

    def place(self, frame: dbgeng.DEBUG_STACK_FRAME_EX, *, first: bool) -> tuple[str, str, int]:
        """A frame's function, empty where nothing sure names it; file and line, where a PDB has them.

        Args:
            frame: As the engine gave it.
            first: It is the innermost, so its address is not one that is returned to.
        """
        back = frame.ReturnOffset if self._narrow else 0
        return self._place(frame.InstructionOffset, frame.InlineFrameContext, back, first)

    def _found(self, pc: int, inline: int, back: int, first: bool) -> tuple[str, str, int]:  # noqa: FBT001 - private
        base = self._module(pc)
        if base is None:
            return "", "", 0
        self._on_stack.setdefault(base, pc)
        name, behind = self._named(pc, inline)
        file, line = self._line(pc, inline)
        if not self._has_code(base) and self._type(base) not in WITH_PDB:
            name = ""  # it is from another build: the engine looks for exports in any file of that name
        elif name and not (line and self._type(base) in WITH_PDB):
            begin = self._called(back) if self._narrow else self._begin(base, pc if first else pc - 1)
            name = self._believed(name, pc - behind, pc, begin)
        return self._demangled(name), file, line

    def _line(self, pc: int, inline: int) -> tuple[str, int]:
        try:
            return self._engine.line(pc, inline)
        except OSError:
            return "", 0

    def _can_unwind(self, pc: int, first: bool) -> bool:  # noqa: FBT001 - private
        """Whether the caller of this address is found by tables, rather than guessed."""
        base = self._module(pc)
        if base is None:
            return False
        if self._narrow:
            return self._type(base) in WITH_PDB
        if self._entry(pc if first else pc - 1):
            return True
        return first and self._has_code(base)  # a function without an entry changes no registers

    def plain(self, address: int) -> int:
        """An address as the program knows it; the engine extends the sign of a 32-bit one."""
        return address & _LOW if self._narrow else address

    def modules(self) -> list[dict[str, Any]]:
        """Where each module lies, and what was found for it; of those that no stack goes through only the place."""
        return [
            {
                "name": self._file(dbgeng.DEBUG_MODNAME_IMAGE, base),
                "ranges": [(self.plain(base), self.plain(base) + end - base)],
                "file": base not in self._on_stack or self._has_code(base),
                "debug": self._type(base) in WITH_PDB,
            }
            for base, end in self._modules
        ]

    def without_pdb(self) -> dict[int, str]:
        """Where each module starts that is on a stack, whose code is found and whose PDB is not → its file."""
        return {
            base: self._file(dbgeng.DEBUG_MODNAME_IMAGE, base)
            for base in self._on_stack
            if self._type(base) not in WITH_PDB and self._has_code(base)
        }

    def _believed(self, name: str, start: int, pc: int, begin: int | None) -> str:
        """A name if its function begins where the one of this address does, else the name of that one.

        Args:
            name: What the engine says.
            start: Where that begins.
            pc: The address.
            begin: Where its function begins; None where nothing tells.
        """
        if begin is None or (self._narrow and not start <= begin <= pc):  # a frame between the two is missing
            return name if pc - start < _NEAR else ""
        if begin == start:
            return name
        name, behind = self._named(begin, 0)
        return name if not behind else ""

    def _named(self, pc: int, inline: int) -> tuple[str, int]:
        """The name without its module, and how far behind its beginning the address is."""
        try:
            whole, behind = self._engine.name(pc, inline)
        except OSError:
            return "", 0
        return whole.partition("!")[2], behind

    def _begin(self, base: int, pc: int) -> int | None:
        """Where the function of an address begins: a part of it that lies apart points to it."""
        entry = self._entry(pc)
        for _ in range(_MOST_CHAINED):
            if entry is None:
                return None
            begin, _, unwind = entry
            above = self._above(base, unwind)
            if above is None:
                return base + begin
            entry = above
        return None

    def _called(self, back: int) -> int | None:
        """Where the call before a return address goes, if the instruction says it; x86."""
        code = self._read(back - 6, 6)
        place = None
        if code[1:2] == _CALL:
            place = self._far(back, code[2:])
        elif code[:2] == _CALL_AT:
            place = self._pointer(code[2:])
        if place is None:
            return None
        code = self._read(place, 6)  # what is imported may be reached by a jump
        if code[:2] == _JUMP_AT:
            return self._pointer(code[2:])
        return self._far(place + 5, code[1:5]) if code[:1] == _JUMP else place

    def _far(self, end: int, distance: bytes) -> int:
        """Where a call or jump goes that ends there."""
        return end + int.from_bytes(distance, "little", signed=True) & _LOW

    def _pointer(self, place: bytes) -> int | None:
        """The address that is kept at an address."""
        found = self._read(int.from_bytes(place, "little"), 4)
        return int.from_bytes(found, "little") if len(found) == 4 else None  # noqa: PLR2004 - bytes

    def _read(self, address: int, size: int) -> bytes:
        """Memory; empty where there is none."""
        try:
            return self._engine.read(address, size)
        except OSError:
            return b""

    def _entry(self, pc: int) -> tuple[int, int, int] | None:
        """Begin, end and unwind description of a function, as offsets in its module."""
        try:
            found = self._engine.function(pc)
        except OSError:
            return None
        return found.BeginAddress, found.EndAddress, found.UnwindInfoAddress

    def _above(self, base: int, unwind: int) -> tuple[int, int, int] | None:
        """The entry that an unwind description continues; None if it stands for itself."""
        head = self._read(base + unwind, 4)
        if len(head) < 4 or not head[0] >> 3 & dbgeng.UNW_FLAG_CHAININFO:  # noqa: PLR2004 - UNWIND_INFO
            return None
        codes = head[2] + (head[2] & 1)
        content = self._read(base + unwind + 4 + 2 * codes, _ENTRY.size)
        return _ENTRY.unpack(content) if len(content) == _ENTRY.size else None

    def _module(self, pc: int) -> int | None:
        """Start of the module of an address."""
        place = bisect.bisect_right(self._modules, (pc, 1 << 64)) - 1
        return self._modules[place][0] if place >= 0 and pc < self._modules[place][1] else None

    def _type(self, base: int) -> int:
        """What kind of symbols a module has; asked for when one was looked for."""
        if base not in self._symbols:
            self._symbols[base] = self._engine.module(base).SymbolType
        return self._symbols[base]

    def _code_is_found(self, base: int) -> bool:
        """Whether the code of a module on a stack was found: in its very file, or in the dump.

        A mini dump has some code around where a thread stood, but not the module's beginning.
        """
        in_file = self._file(dbgeng.DEBUG_MODNAME_MAPPED_IMAGE, base)
        return bool(in_file or (self._read(base, 2) and self._read(self._on_stack[base], 1)))

    def _file(self, which: int, base: int) -> str:
        try:
            return self._engine.module_name(which, base)
        except OSError:
            return ""
