"""Foreign debuggers as judges of a core file: gdb, lldb, eu-stack and eu-readelf.

Our own reader never judges our own writer alone. Each judge runs with a time
limit and gives plain values; `Verdict` holds what all three say of one file.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

LIMIT = 90
"""Seconds that a judge may take; a minute is for a loaded machine, not for the debugger."""

Stacks = dict[int, list[str | None]]
"""Thread id → its frames' function names, innermost first; None where a debugger has no name."""


def named(stacks: Stacks) -> dict[int, list[str]]:
    """Only the frames that have a name."""
    return {tid: [name for name in names if name] for tid, names in stacks.items()}


@dataclass(frozen=True)
class Gdb:
    """What gdb says of a core file.

    ``real`` is ``stacks`` without the tail calls that gdb infers, and beyond ``main``.
    """

    first: int
    order: list[int]
    stacks: Stacks
    real: Stacks
    auxv: list[str]
    libraries: list[str]
    ymm: dict[int, list[list[int]]]
    memory: bytes | None
    complaints: str


@dataclass(frozen=True)
class Verdict:
    """The frames that each of the three debuggers finds."""

    gdb: Stacks
    lldb: Stacks
    eu_stack: Stacks

    def everywhere(self) -> dict[str, Stacks]:
        """Judge's name → what it found."""
        return {"gdb": self.gdb, "lldb": self.lldb, "eu-stack": self.eu_stack}


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a judge without terminal, colours or downloads."""
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=LIMIT,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def gdb(executable: str, core: Path, *, address: int = 0, size: int = 0, ymm: bool = False) -> Gdb:
    """Open the core in gdb; ``address`` and ``size`` choose memory to read back."""
    wishes = {"address": address, "size": size, "wants_ymm": int(ymm)}
    commands = [word for name, value in wishes.items() for word in ("-ex", f"set ${name} = {value}")]
    script = Path(__file__).with_name("judges_gdb.py")
    settings = ["-iex", "set debuginfod enabled off", "-iex", "set auto-load off"]
    result = run(["gdb", "-batch", "-nx", *settings, executable, str(core), *commands, "-x", str(script)])
    lines = [line for line in result.stdout.splitlines() if line.startswith("JSON ")]
    assert lines, f"gdb gave nothing:\n{result.stdout}\n{result.stderr}"
    seen = json.loads(lines[0].removeprefix("JSON "))
    return Gdb(
        first=seen["first"],
        order=[tid for tid, _ in seen["threads"]],
        stacks=dict(seen["threads"]),
        real=dict(seen["real"]),
        auxv=seen["auxv"],
        libraries=seen["libraries"],
        ymm={int(tid): values for tid, values in seen["ymm"].items()},
        memory=bytes.fromhex(seen["memory"]) if seen["memory"] is not None else None,
        complaints=result.stderr,
    )


def lldb(executable: str, core: Path) -> Stacks:
    """Named frames as lldb finds them."""
    name = next(name for name in ("lldb", "lldb-19", "lldb-16") if shutil.which(name))
    setup = [
        "settings set use-color false",
        "settings set symbols.enable-external-lookup false",
        r'settings set thread-stop-format "THREAD ${thread.id%tid}\n"',
        r'settings set frame-format "FRAME ${function.name-without-args}\n"',
    ]
    options = [word for command in setup for word in ("-O", command)]
    result = run([name, "-x", "-b", *options, "-c", str(core), executable, "-o", "thread backtrace all"])
    stacks: Stacks = {}
    stack: list[str | None] = []
    for line in result.stdout.splitlines():
        if found := re.match(r"[ *]*THREAD (\d+|0x[0-9a-f]+)", line):
            stack = stacks.setdefault(int(found[1], 0), [])
        elif found := re.match(r"[ *]*FRAME ?(.*)", line):
            name = found[1].strip()
            stack.append(None if "___lldb_unnamed" in name else name or None)
    assert stacks, f"lldb gave nothing:\n{result.stdout[-2000:]}\n{result.stderr[-2000:]}"
    return stacks


def eu_stack(executable: str, core: Path) -> Stacks:
    """Named frames as elfutils finds them."""
    result = run(["eu-stack", "-n", "0", "--core", str(core), "--executable", executable])
    stacks: Stacks = {}
    stack: list[str | None] = []
    for line in result.stdout.splitlines():
        if found := re.match(r"TID (\d+):", line):
            stack = stacks.setdefault(int(found[1]), [])
        elif found := re.match(r"#\d+\s+0x[0-9a-f]+(?: - \d+)? *(.*)", line):
            stack.append(found[1] or None)
    assert stacks, f"eu-stack gave nothing:\n{result.stdout[-2000:]}\n{result.stderr[-2000:]}"
    return stacks


def judge(executable: str, core: Path) -> Verdict:
    """Ask all three, side by side."""
    with ThreadPoolExecutor(3) as pool:
        told = pool.submit(gdb, executable, core)
        lldb_told, eu_told = pool.submit(lldb, executable, core), pool.submit(eu_stack, executable, core)
        return Verdict(told.result().stacks, lldb_told.result(), eu_told.result())


def notes(core: Path) -> list[tuple[str, str, int]]:
    """Owner, type and size of each note, as eu-readelf names them."""
    result = run(["eu-readelf", "-n", str(core)])
    assert result.returncode == 0, result.stderr
    rows = re.findall(r"^  (\S+)\s+(\d+)  (\S+)", result.stdout, re.MULTILINE)
    return [(owner, kind, int(size)) for owner, size, kind in rows]


@dataclass(frozen=True)
class Header:
    """A program header: what of the target lies where in the file."""

    kind: str
    offset: int
    address: int
    stored: int
    size: int
    flags: str


def headers(core: Path) -> list[Header]:
    """Program headers as eu-readelf shows them."""
    result = run(["eu-readelf", "-l", str(core)])
    assert result.returncode == 0, result.stderr
    pattern = r"^  ([A-Z_]+)\s+(0x\w+) (0x\w+) 0x\w+ (0x\w+) (0x\w+) ([RWE ]{3})"
    rows = re.findall(pattern, result.stdout, re.MULTILINE)
    return [Header(kind, *(int(number, 16) for number in numbers), flags) for kind, *numbers, flags in rows]


def stored(core: Path, address: int, size: int) -> bytes | None:
    """Bytes of the target that the file itself holds; None where it holds not all of them."""
    for header in headers(core):
        if header.kind == "LOAD" and header.address <= address < header.address + header.stored:
            with core.open("rb") as file:
                file.seek(header.offset + address - header.address)
                return file.read(size) if address + size <= header.address + header.stored else None
    return None


def gcore(pid: int, folder: Path) -> Path:
    """A core of a running process by gdb's own gcore, the yardstick for ours."""
    run(["gcore", "-o", str(folder / "gcore"), str(pid)])
    path = folder / f"gcore.{pid}"
    assert path.exists(), "gcore wrote nothing"
    return path
