"""What Windows' kernel tells dbghelp of handles and Wine's does not: how many there are, and who holds a mutex.

Microsoft's dbghelp asks for both, and what it makes of the answers is in the dump. So only
the two answers are ours; all else is Wine's, and the dump as that dbghelp writes it. It looks
the kernel's functions up once, so this is a program of its own: ``why`` runs it.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from ctypes import POINTER, c_int32, c_size_t, c_uint32, c_void_p
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judges_windbg import imports

from tray.ffi.windows_waits import Waits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from windows_programs import Inside

HANDLE_COUNT, OWNER = 20, 1
READ_WRITE = 4
KEPT: list[object] = []
"""What dbghelp may yet call, kept alive."""


def why(target: Inside, path: Path, mode: str, owners: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    """The verdict of a fresh dump, and the waits, where Windows tells who holds these mutexes; see `answer`."""
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, __file__, str(target.pid), str(path), mode, json.dumps(owners)],
        capture_output=True, stdin=subprocess.DEVNULL, check=False, cwd=root, timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ["PYTHONPATH"]])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def answer(owners: Mapping[str, tuple[int, int]]) -> None:
    """Have the dumps of this process list the handles, and who holds these mutexes.

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
    _put(slot, ctypes.cast(hook, c_void_p).value)


def _put(slot: int, value: int | None) -> None:
    """Write a pointer where a module keeps an imported function."""
    protect = ctypes.WinDLL("kernel32").VirtualProtect
    protect.argtypes = [c_void_p, c_size_t, c_uint32, POINTER(c_uint32)]
    assert protect(slot, ctypes.sizeof(c_void_p), READ_WRITE, ctypes.byref(c_uint32()))
    c_void_p.from_address(slot).value = value


def main(pid: str, path: str, mode: str, owners: str) -> None:
    """Dump a process and tell why it hangs; runs in the process that answers."""
    from windows_why import found

    answer(json.loads(owners))
    told = found(int(pid), Path(path), mode)
    print(json.dumps({"verdict": asdict(told.verdict), "waits": [asdict(wait) for wait in told.waits]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
