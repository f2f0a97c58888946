"""What is made of the debugger engine's answers: names that are believed, trust, 32-bit calls, and folders."""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import synth_minidump as synth
from synth_minidump import Process

from tray.ffi import dbgeng, win32
from tray.reports import dbgeng_paths, dbgeng_reader, dbgeng_wow64, names, reader, reading
from tray.reports.dbgeng_names import Names

if TYPE_CHECKING:
    from pathlib import Path

APP, NTDLL, END = 0x140000000, 0x7FF000000, 0x10000
OUTER, INLINED = 0x8100, 0x0200
NONE = -0x7FFFBFFB


def nothing(what: str) -> OSError:
    """What the engine says of what it does not know."""
    return win32.failure(NONE, what)


@dataclass
class Engine:
    """Answers from tables; whatever is not in one fails as the engine does."""

    bits: int = 64
    calls: list[dbgeng.DEBUG_STACK_FRAME_EX] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    """Where each symbol begins."""
    lines: dict[int, tuple[str, int]] = field(default_factory=dict)
    entries: list[tuple[int, int, int]] = field(default_factory=list)
    """Begin, end, unwind description, as offsets in the app."""
    memory: dict[int, bytes] = field(default_factory=dict)
    pdb: bool = False
    mapped: bool = True
    """Whether the programs' very files were found."""
    modules_named: dict[int, str] = field(default_factory=lambda: {APP: "app", NTDLL: "ntdll"})
    tids: tuple[int, ...] = (70,)
    asked: list[str] = field(default_factory=list)
    fails: str = ""

    def machine(self) -> int:
        return win32.IMAGE_FILE_MACHINE_AMD64 if self.bits == 64 else win32.IMAGE_FILE_MACHINE_I386

    def modules(self) -> list[dbgeng.DEBUG_MODULE_PARAMETERS]:
        return [dbgeng.DEBUG_MODULE_PARAMETERS(Base=base, Size=END) for base in self.modules_named]

    def module(self, base: int) -> dbgeng.DEBUG_MODULE_PARAMETERS:
        kind = dbgeng.DEBUG_SYMTYPE_PDB if self.pdb else dbgeng.DEBUG_SYMTYPE_EXPORT
        return dbgeng.DEBUG_MODULE_PARAMETERS(Base=base, SymbolType=kind)

    def module_name(self, which: int, base: int) -> str:
        found = which != dbgeng.DEBUG_MODNAME_MAPPED_IMAGE or self.mapped
        return self.modules_named[base] if found else ""

    def threads(self) -> list[tuple[int, int]]:
        return list(enumerate(self.tids))

    def select(self, number: int) -> None:
        if self.fails == "select":
            raise nothing("SetCurrentThreadId")

    def teb(self) -> int:
        return 0x9000

    def read_as(self, machine: int) -> None:
        self.asked.append(f"read as {machine:x}")

    def frames(self, most: int, *start: int) -> list[dbgeng.DEBUG_STACK_FRAME_EX]:
        self.asked.append(f"frames from {start}")
        return self.calls[:most]

    def name(self, pc: int, inline: int = 0) -> tuple[str, int]:
        before = [start for start in self.names if start <= pc]
        if not before:
            raise nothing("GetNameByInlineContextWide")
        return self.names[max(before)], pc - max(before)

    def line(self, pc: int, inline: int = 0) -> tuple[str, int]:
        if pc not in self.lines:
            raise nothing("GetLineByInlineContextWide")
        return self.lines[pc]

    def function(self, pc: int) -> dbgeng.RUNTIME_FUNCTION:
        for begin, end, unwind in self.entries:
            if APP + begin <= pc < APP + end:
                return dbgeng.RUNTIME_FUNCTION(begin, end, unwind)
        raise nothing("GetFunctionEntryByOffset")

    def read(self, address: int, size: int) -> bytes:
        for start, content in self.memory.items():
            if start <= address < start + len(content):
                return content[address - start :][:size]
        raise nothing("ReadVirtual")


def frame(pc: int, *, back: int = 0, inline: int = OUTER) -> dbgeng.DEBUG_STACK_FRAME_EX:
    """A frame as the engine gives it."""
    return dbgeng.DEBUG_STACK_FRAME_EX(InstructionOffset=pc, ReturnOffset=back, InlineFrameContext=inline)


def function(engine: Engine, one: dbgeng.DEBUG_STACK_FRAME_EX, *, first: bool = False) -> str:
    """The function that is told for a frame."""
    return Names(engine, narrow=engine.bits == 32).place(one, first=first)[0]


def test_a_name_that_begins_its_function():
    """An export is believed where the tables for unwinding begin a function too."""
    engine = Engine(names={APP + 0x100: "app!save"}, entries=[(0x100, 0x900, 0)])
    assert function(engine, frame(APP + 0x8F0)) == "save"


def test_the_nearest_name_of_another_function():
    """What lies in a later function than the name's is not that."""
    engine = Engine(names={APP + 0x100: "app!save"}, entries=[(0x100, 0x200, 0), (0x200, 0x300, 0)])
    assert function(engine, frame(APP + 0x210)) == ""
    assert function(engine, frame(APP + 0x200)) == "save", "a return address may lie behind its function"
    assert function(engine, frame(APP + 0x200), first=True) == ""


def test_a_part_that_lies_apart():
    """Compilers put rare code elsewhere; its entry leads to the function's own."""
    engine = Engine(
        names={APP + 0x100: "app!save", APP + 0x800: "app!other"},
        entries=[(0x100, 0x200, 0), (0x900, 0x980, 0xA00)],
        memory={APP + 0xA00: bytes([4 << 3 | 1, 0, 1, 0]) + b"cc.." + struct.pack("<III", 0x100, 0x200, 0)},
    )
    assert function(engine, frame(APP + 0x910)) == "save"


def test_a_chain_without_end():
    """A damaged chain names nothing, and ends."""
    loop = bytes([4 << 3 | 1, 0, 0, 0]) + struct.pack("<III", 0x900, 0x980, 0xA00)
    engine = Engine(
        names={APP + 0x100: "app!save"}, entries=[(0x900, 0x980, 0xA00)], memory={APP + 0xA00: loop}
    )
    assert function(engine, frame(APP + 0x910)) == ""
    assert function(engine, frame(APP + 0x150)) == "save", "near the name, where no table says otherwise"
    assert function(engine, frame(0x5000)) == "", "in no module"


def test_a_name_of_another_build():
    """Exports are looked for in any file of the module's name: without the very file they mean nothing."""
    engine = Engine(names={APP + 0x100: "app!save"}, entries=[(0x100, 0x900, 0)], mapped=False)
    assert function(engine, frame(APP + 0x110)) == ""
    engine.pdb = True
    assert function(engine, frame(APP + 0x110)) == "save", "a PDB is only taken if it is the very one"


def test_a_pdb_is_believed():
    """Where it has a line it knows the function, whatever the tables say."""
    engine = Engine(names={APP + 0x100: "app!save"}, entries=[(0x200, 0x300, 0)], pdb=True)
    assert function(engine, frame(APP + 0x210)) == "", "a public name is but the nearest"
    engine.lines[APP + 0x210] = ("save.c", 7)
    assert Names(engine, narrow=False).place(frame(APP + 0x210), first=False) == ("save", "save.c", 7)


CALL, CALL_AT, JUMP, JUMP_AT = b"\xe8", b"\xff\x15", b"\xe9", b"\xff\x25"
BACK = APP + 0x1006


def narrow(before: bytes, **memory: bytes) -> Engine:
    """A 32-bit program whose low addresses are the app's; the bytes end at ``BACK``."""
    engine = Engine(bits=32, modules_named={0x400000: "app"}, names={0x400100: "app!save"})
    engine.memory = {0x401006 - len(before): before}
    engine.memory |= {int(place.removeprefix("at_"), 16): content for place, content in memory.items()}
    return engine


def far(target: int, end: int = 0x401006) -> bytes:
    """The distance of a call or jump that ends there."""
    return struct.pack("<i", target - end)


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        (narrow(b"\x90" + CALL + far(0x400100)), "save"),
        (narrow(b"\x90" + CALL + far(0x400180)), ""),
        (narrow(b"\x90" + CALL + far(0x400500)), "save"),
        (narrow(CALL_AT + struct.pack("<I", 0x402000), at_402000=struct.pack("<I", 0x400100)), "save"),
        (narrow(CALL_AT + struct.pack("<I", 0x402000)), "save"),
        (narrow(b"\x90" + CALL + far(0x400800), at_400800=JUMP + far(0x400100, 0x400805) + b"\x90"), "save"),
        (
            narrow(
                b"\x90" + CALL + far(0x400800),
                at_400800=JUMP_AT + struct.pack("<I", 0x402000),
                at_402000=struct.pack("<I", 0x400180),
            ),
            "",
        ),
        (narrow(b"\x90" * 6), "save"),
        (narrow(b""), "save"),
    ],
)
def test_the_call_tells_where_a_function_begins(engine: Engine, expected: str):
    """x86 has no tables; the call that led there is looked at, through an import or a jump."""
    assert function(engine, frame(0x400200, back=0x401006)) == expected


def test_far_from_a_name():
    """Where nothing tells, only what is near a name has it."""
    engine = narrow(b"")
    assert function(engine, frame(0x400100 + 0x7FF)) == "save"
    assert function(engine, frame(0x400100 + 0x800)) == ""


def told(engine: Engine, capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """The lines of the reader."""
    dbgeng_reader.read(engine, dbgeng_paths.Places((), ()))
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_trust(capsys):
    """Tables carry on; what follows a call without them is a guess, to the end."""
    engine = Engine(
        calls=[frame(APP + 0x110), frame(APP + 0x120), frame(APP + 0x900), frame(APP + 0x130)],
        entries=[(0x100, 0x200, 0)],
    )
    stack, _ = told(engine, capsys)
    trust = [row[5] for row in stack["frames"]]
    assert trust == ["registers", "unwind tables", "unwind tables", "frame pointer"]


def test_a_leaf_is_trusted(capsys):
    """A function without an entry changes no registers, if its module's code is known at all."""
    engine = Engine(calls=[frame(APP + 0x900), frame(APP + 0x110)])
    assert [row[5] for row in told(engine, capsys)[0]["frames"]] == ["registers", "unwind tables"]
    engine.mapped, engine.memory = False, {APP: b"MZ", APP + 0x900: b"\xc3"}
    assert [row[5] for row in told(engine, capsys)[0]["frames"]] == ["registers", "unwind tables"]
    del engine.memory[APP]
    stack, modules = told(engine, capsys)
    assert [row[5] for row in stack["frames"]] == ["registers", "frame pointer"]
    assert [one["file"] for one in modules["modules"]] == [False, True]


def test_inlined_calls_have_no_registers(capsys):
    """So they are as sure as the call that holds them."""
    engine = Engine(
        calls=[frame(APP + 0x110, inline=INLINED), frame(APP + 0x110), frame(APP + 0x120)],
        entries=[(0x100, 0x200, 0)],
    )
    rows = told(engine, capsys)[0]["frames"]
    assert [(row[4], row[5]) for row in rows] == [
        (True, "registers"),
        (False, "registers"),
        (False, "unwind tables"),
    ]


def test_addresses_of_32_bits(capsys):
    """The engine extends their sign; the program does not."""
    high = 0xFFFFFFFF_80400000
    engine = Engine(bits=32, calls=[frame(high + 0x10)], modules_named={high: "app"})
    stack, modules = told(engine, capsys)
    assert stack["frames"][0][0] == 0x80400010
    assert modules["modules"][0]["ranges"] == [[0x80400000, 0x80400000 + END]]


def test_recursion_and_a_thread_that_fails(capsys):
    """Each thread is told; a long one is cut, one that cannot be read says why."""
    engine = Engine(calls=[frame(APP + 0x110)] * 300, tids=(70, 71))
    first, second, _ = told(engine, capsys)
    assert (first["tid"], second["tid"], len(first["frames"])) == (70, 71, 256)
    assert first["cut"] == "it has 256 frames or more"
    engine.fails = "select"
    first, *_ = told(engine, capsys)
    assert first["frames"] == []
    assert first["cut"].startswith("the debugger engine does not read it: ")


CONTEXT = struct.pack("<I176xIIIII", 0x1007F, 1, 2, 3, 4, 5).ljust(716, b"\0")


def wow64(context: bytes) -> Engine:
    """A 64-bit dump of a 32-bit program."""
    return Engine(
        calls=[frame(0x400110)],
        modules_named={0x400000: "app", 0x77000000: "wow64cpu"},
        memory={0x9000 + 0x1488: struct.pack("<Q", 0x8000), 0x8004: context},
    )


def test_a_64_bit_dump_of_a_32_bit_program(capsys):
    """Its own registers are found where the layer in between keeps them."""
    engine = wow64(CONTEXT)
    stack, _ = told(engine, capsys)
    assert engine.asked == ["read as 14c", "frames from (1, 5, 2)", "read as 8664"]
    assert (stack["frames"][0][0], stack["cut"]) == (0x400110, "")


@pytest.mark.parametrize("context", [CONTEXT[:700], bytes(716), b""])
def test_registers_that_are_not_there(context: bytes, capsys):
    """The layer's own calls are told, and that they are not the program's."""
    engine = wow64(context)
    stack, _ = told(engine, capsys)
    assert engine.asked == ["frames from ()"]
    assert stack["cut"] == "the dump does not hold what its 32-bit part was doing"
    assert not dbgeng_wow64.is_seen(Engine(bits=32))


@pytest.fixture
def dump(tmp_path: Path):
    """A minidump of a program with these modules."""

    def dump(*paths: str) -> Path:
        modules = {path: (0x400000 + 0x10000 * number, 0x1000) for number, path in enumerate(paths)}
        return synth.minidump_file(tmp_path / "app.dmp", Process.usual(modules=modules))

    return dump


def test_folders(dump):
    """The user's first, then beside the dump and the program; Windows' own are known anyway."""
    path = dump(r"C:\app\app.exe", r"C:\app\app.dll", r"D:\lib\lib.dll", r"C:\Windows\System32\ntdll.dll")
    user = {"_NT_SYMBOL_PATH": r"C:\symbols", "_NT_EXECUTABLE_IMAGE_PATH": r"C:\programs"}
    found = dbgeng_paths.places(path, user)
    near = (str(path.parent), r"C:\app", r"D:\lib", r"C:\Windows\SysWOW64")
    assert found.pdbs == (r"C:\symbols", *near)
    assert found.images == (r"C:\programs", *near)


def test_folders_of_a_packed_dump(dump):
    """Where people see the packed one lie, not where it was unpacked to."""
    path = dump(r"C:\app\app.exe")
    found = dbgeng_paths.places(path, {}, path.parent / "store")
    assert found.pdbs[0] == found.images[0] == str(path.parent / "store")
    assert str(path.parent) not in found.pdbs


def test_pdbs_of_another_build(tmp_path: Path):
    """What lies where it belongs and was not taken is told; no share is looked at for it."""
    (tmp_path / "app.pdb").write_bytes(b"of another build")
    places = dbgeng_paths.Places((), (r"\\evil\share", "SRV*x", str(tmp_path)), {1: "app.pdb", 2: "b.pdb"})
    [lack] = dbgeng_paths.strays(places, {1: r"C:\app\app.exe", 2: r"C:\app\b.dll", 3: "c.dll"})
    place = os.path.join(tmp_path, "app.pdb")  # noqa: PTH118 - as it is told
    assert lack == f"{place} is of another build than the app.exe of this dump, so it was not used."


@pytest.mark.parametrize(
    ("user", "allowed"),
    [
        ("", False),
        (r"C:\symbols", False),
        (r"\\server\symbols", True),
        (r"srv*C:\cache*https://example.com/symbols", True),
        (r"C:\symbols;SRV*C:\cache", True),
    ],
)
def test_the_network_only_if_the_user_names_it(dump, user: str, allowed: bool):  # noqa: FBT001
    """No server, and no share, that nobody asked for."""
    found = dbgeng_paths.places(dump(r"C:\app\app.exe"), {"_NT_SYMBOL_PATH": user})
    assert (found.engine == 0) == allowed
    assert found.symbols == 0


def test_shares_that_a_dump_names(dump):
    """A foreign dump makes nobody log in at its author's server."""
    found = dbgeng_paths.places(dump(r"\\evil\share\app.exe", r"C:\app\app.dll"), {})
    assert not any("evil" in folder for folder in (*found.images, *found.pdbs))
    assert found.engine & dbgeng.DEBUG_ENGOPT_DISALLOW_NETWORK_PATHS
    assert found.symbols & dbgeng.SYMOPT_IGNORE_CVREC


def test_folders_of_no_dump(tmp_path: Path):
    """The engine says what is wrong with it."""
    (tmp_path / "a.dmp").write_bytes(b"MDMP")
    assert dbgeng_paths.places(tmp_path / "a.dmp", {}).images[0] == str(tmp_path)


@pytest.mark.linux
def test_what_cannot_be_read_here(capsys, tmp_path: Path):
    """Elsewhere than on Windows the reader says what is lacking, and so does the report."""
    dbgeng_reader.main(str(tmp_path / "a.dmp"))
    told = reading.understood(capsys.readouterr().out.encode().splitlines())
    assert told.lacks[0].startswith("The debugger engine of Windows, dbgeng.dll, cannot be used here (")
    with reader.unwind_minidump(tmp_path / "a.dmp") as told:
        assert told().lacks == (reader.ELSEWHERE,)


def test_libraries_of_windows():
    """By their folder; a program is none, wherever it lies."""
    assert names.is_windows(r"C:\WINDOWS\System32\ntdll.dll")
    assert not names.is_windows(r"C:\Windows\notepad.exe")
    assert not names.is_windows(r"C:\app\ntdll.dll")
    assert not names.is_windows("/usr/lib/libc.so.6")


def test_windows_libraries_are_no_lack():
    """That they have no PDB is only told where a call has no name for it."""
    ranges = [[0x1000, 0x2000]]
    module = {"name": r"C:\Windows\ntdll.dll", "ranges": ranges, "file": True, "debug": False}
    for function, lacks in (("NtReadFile", ()), ("", (reader.NAMELESS,))):
        stack = {"tid": 70, "frames": [[0x1010, function, "", 0, False, "registers"]], "cut": ""}
        lines = [json.dumps(fact).encode() for fact in (stack, {"modules": [module]})]
        found = reader._without_windows(reading.understood(lines))
        assert found.lacks == lacks
        assert found.symbols[0].debug
