"""WinDbg's own engine as the judge of a minidump, and udmp-parser as the second; Windows only.

The engine is run in a process of its own: it brings another dbghelp than the
one under test, and a process can have only one.
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT = UUID("27fe5639-8407-4f47-8364-ee118fb08ac8")
CONTROL = UUID("5182e668-105e-416e-ad92-24ef800424ba")
QUERY_INTERFACE, OPEN_DUMP_FILE = 0, 19  # of IDebugClient
OPEN_LOG_FILE, CLOSE_LOG_FILE, EXECUTE, WAIT_FOR_EVENT = 8, 9, 66, 93  # of IDebugControl
OWN_FOLDER_FIRST = 0x8  # LOAD_WITH_ALTERED_SEARCH_PATH
FILE_MAP_COPY, FILE_MAP_READ, PAGE_READWRITE = 1, 4, 4
THREAD = re.compile(r"\bId: [0-9a-f]+\.([0-9a-f]+) ")
FRAME = re.compile(r"[0-9a-f`]{8,17} [0-9a-f`]{8,17} (\S.*)")
KEPT: list[object] = []
"""Functions that foreign code may call, kept alive."""
PATIENCE = 60_000
"""Milliseconds for the engine to open a dump."""


def windbg(dump: Path, *commands: str, bits: int | None = None) -> str:
    """What WinDbg's engine prints about a dump, as for ``.lastevent``, ``~*k``, ``lm``.

    ``bits`` chooses the engine's own width, 32 or 64; without it that of this process.
    """
    python = sys.executable
    if bits:
        python = str(Path(os.environ["HANGSHOT_TESTBED"]) / f"python{bits}" / "python.exe")
    judge = subprocess.run(
        [python, __file__, str(dump), *commands],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=2 * PATIENCE / 1000,
    )
    assert judge.returncode == 0, f"dbgeng refuses {dump}: {judge.stderr.decode(errors='replace')}"
    return judge.stdout.decode(errors="replace").replace("\r\n", "\n")


def stacks(printed: str) -> dict[int, list[str]]:
    """Thread id → its functions, innermost first, from what ``~*k`` printed."""
    found: dict[int, list[str]] = {}
    frames: list[str] = []
    for line in printed.splitlines():
        if thread := THREAD.search(line):
            frames = found.setdefault(int(thread[1], 16), [])
        elif frame := FRAME.match(line):
            frames.append(frame[1].partition("+")[0])
    return found


def accepted(dump: Path) -> dict[int, int]:
    """Thread id → its suspend count, by udmp-parser, which must find the file in order."""
    import udmp_parser

    parser = udmp_parser.UserDumpParser()
    assert parser.Parse(str(dump)), f"udmp-parser refuses {dump}"
    return {tid: thread.SuspendCount for tid, thread in parser.Threads().items()}


def folder() -> Path:
    """Where the engine of this process's width is."""
    return Path(os.environ["HANGSHOT_TESTBED"]) / f"debuggers{ctypes.sizeof(ctypes.c_void_p) * 8}"


def _method(thing: ctypes.c_void_p, slot: int, *kinds: type):
    """One method of a COM object; a failure is an OSError."""
    table = ctypes.cast(thing, ctypes.POINTER(ctypes.POINTER(ctypes.c_void_p)))[0]
    function = ctypes.WINFUNCTYPE(ctypes.HRESULT, ctypes.c_void_p, *kinds)(table[slot])
    return lambda *arguments: function(thing, *arguments)


def imports(module: int) -> Iterator[tuple[bytes, int]]:
    """Names of the functions that a loaded module imports, each with the address of its slot."""

    def number(address: int, kind: type = ctypes.c_uint32) -> int:
        return kind.from_address(address).value

    pointer = ctypes.sizeof(ctypes.c_void_p)
    header = module + number(module + 0x3C)
    entry = module + number(header + (0x90 if pointer == 8 else 0x80))
    while number(entry + 12):
        names, slots = module + number(entry), module + number(entry + 16)
        for index in range(sys.maxsize):
            name = number(names + index * pointer, ctypes.c_size_t)
            if not name:
                break
            if not name >> (pointer * 8 - 1):  # otherwise an ordinal
                yield ctypes.string_at(module + name + 2), slots + index * pointer
        entry += 20


def _map_copies(module: int) -> None:
    """Have a module map files copy-on-write where it asks for read-only.

    The engine maps a program's file read-only and then asks for copy-on-write
    pages. Wine refuses that (Windows does not), and a dump without code in it,
    as a mini dump is, would get neither names nor a way to unwind.
    """
    kernel = ctypes.WinDLL("kernel32")
    mapped = kernel.MapViewOfFile
    kind = ctypes.WINFUNCTYPE(
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_size_t
    )
    mapped.restype, mapped.argtypes = ctypes.c_void_p, kind._argtypes_

    def copied(section, access, high, low, size):
        return mapped(section, FILE_MAP_COPY if access == FILE_MAP_READ else access, high, low, size)

    KEPT.append(kind(copied))
    old = ctypes.c_ulong()
    for name, slot in imports(module):
        if name == b"MapViewOfFile":
            kernel.VirtualProtect(
                ctypes.c_void_p(slot), ctypes.c_size_t(8), PAGE_READWRITE, ctypes.byref(old)
            )
            ctypes.c_void_p.from_address(slot).value = ctypes.cast(KEPT[-1], ctypes.c_void_p).value


def _opened(dump: str) -> ctypes.c_void_p:
    """The engine's IDebugControl, with the dump open."""
    engine = ctypes.WinDLL(str(folder() / "dbgeng.dll"), winmode=OWN_FOLDER_FIRST)
    _map_copies(engine._handle)
    create = engine.DebugCreate
    create.restype = ctypes.HRESULT
    client, control = ctypes.c_void_p(), ctypes.c_void_p()
    create(CLIENT.bytes_le, ctypes.byref(client))
    _method(client, OPEN_DUMP_FILE, ctypes.c_char_p)(dump.encode("mbcs"))
    query = _method(client, QUERY_INTERFACE, ctypes.c_char_p, ctypes.c_void_p)
    query(CONTROL.bytes_le, ctypes.byref(control))
    _method(control, WAIT_FOR_EVENT, ctypes.c_ulong, ctypes.c_ulong)(0, PATIENCE)
    return control


def main(dump: str, *commands: str) -> None:
    """Print what the engine says; runs in the judge's process."""
    control = _opened(dump)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        log = Path(scratch) / "log"
        _method(control, OPEN_LOG_FILE, ctypes.c_char_p, ctypes.c_int)(str(log).encode("mbcs"), 0)
        execute = _method(control, EXECUTE, ctypes.c_ulong, ctypes.c_char_p, ctypes.c_ulong)
        for command in commands:
            execute(0, command.encode(), 0)
        _method(control, CLOSE_LOG_FILE)()
        sys.stdout.buffer.write(log.read_bytes())


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)  # the engine's own threads take their time to end
