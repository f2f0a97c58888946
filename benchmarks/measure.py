"""What all benchmarks share: targets with a heartbeat, tools run on them, and what a run came to."""

from __future__ import annotations

import itertools
import json
import mmap
import os
import platform
import re
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import sysconfig
import time
import venv
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from programs import Program, Workshop, launch, status  # noqa: E402 - found by the line above

MIB, GIB = 1 << 20, 1 << 30
MOST_WARM = 3 * GIB
"""No more memory than this is warmed up: the target has as much as the dump, and others use the machine."""
FILLED = 180.0
"""Seconds that a target of some GiB may take to fill its memory."""
QUIET = 0.5
"""Seconds for which a target's pace at rest is watched."""
PEERS = ("gcore", "lldb")
LLDB = next((name for name in ("lldb-19", "lldb") if shutil.which(name)), "lldb-19")

# What an installer makes of the entry point in pyproject.toml.
SCRIPT = """\
#!{python}
import sys
from tray.__main__ import main
sys.exit(main())
"""

# A small process that starts the tool: a child's peak memory counts what its parent had at the fork.
MEASURED = """
import json, os, subprocess, sys, time
began = time.monotonic()
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, process_group=0)
print(child.pid, flush=True)
talk = child.stderr.read()
_, code, used = os.wait4(child.pid, 0)
print(json.dumps({"wall": time.monotonic() - began, "cpu": used.ru_utime + used.ru_stime,
                  "peak": used.ru_maxrss * 1024, "code": code, "talk": talk.decode(errors="replace")}))
"""


@dataclass(frozen=True)
class Case:
    """One target, and what to run on it.

    Attributes:
        name: What the target is.
        target: Its source in tests/targets, and its arguments.
        tools: What to run: a peer, or a mode of Hangshot's and options of ``dump``.
        idlers: How many idle threads to add.
        writes: How many MiB a thread of the target shall write to all the time.
        limit: Seconds after which a peer is stopped; 0 lets it run.
        once: Tools that run only once, on a target of their own, since they take long or change it.
        need: About how many bytes a dump takes.
    """

    name: str
    target: tuple[str, ...]
    tools: tuple[str, ...]
    need: int
    idlers: int = 0
    writes: int = 0
    limit: float = 0
    once: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """What one run of one tool came to; sizes are bytes, durations seconds.

    Attributes:
        kept: Of what the target writes at rest, the part that it wrote meanwhile; 0 if it does not write.
    """

    wall: float
    on_disk: float
    pause: float
    peak: int
    cpu: float
    size: int
    allocated: int
    tables: int
    kept: float


@dataclass
class Result:
    """All counted runs of one tool on one case.

    Attributes:
        note: Why they are unfinished; empty if they are not. Their figures are then lower bounds,
            and what a stopped tool used is unknown.
    """

    tool: str
    runs: list[Run] = field(default_factory=list)
    note: str = ""

    def median(self, name: str) -> float:
        """Of one figure, over all runs."""
        return statistics.median(getattr(run, name) for run in self.runs)

    def shown(self, name: str, factor: float, digits: int) -> str:
        """Median, least and most of one figure."""
        if self.note and name in ("peak", "cpu"):
            return "?"
        values = [getattr(run, name) * factor for run in self.runs]
        middle = ">" * bool(self.note) + f"{statistics.median(values):.{digits}f}"
        return middle if len(values) == 1 else f"{middle} [{min(values):.{digits}f}-{max(values):.{digits}f}]"


class Heart:
    """The heartbeat of a target."""

    def __init__(self, folder: Path, library: Path, idlers: int, writes: int) -> None:
        self.path = folder / "heartbeat"
        self.path.write_bytes(bytes(mmap.PAGESIZE))
        self.environment = {
            "LD_PRELOAD": str(library),
            "HEARTBEAT": str(self.path),
            "HEARTBEAT_IDLERS": str(idlers),
            "HEARTBEAT_WRITES": str(writes),
        }

    def reset(self) -> None:
        """Forget the longest gap, and wait until the heart beats."""
        with self.path.open("r+b") as file:
            file.write(bytes(8))
        before = self._read()[1]
        deadline = time.monotonic() + 10
        while self._read()[1] < before + 20:
            if time.monotonic() > deadline:
                raise SystemExit("the target's heart has stopped")
            time.sleep(0.005)
        with self.path.open("r+b") as file:
            file.write(bytes(8))

    def longest(self) -> float:
        """The longest gap since, in seconds."""
        before = self._read()[1]
        while self._read()[1] < before + 3:
            time.sleep(0.002)
        return self._read()[0] / 1e9

    def writes(self) -> tuple[float, int]:
        """When it is, in seconds, and how often the target has written by then."""
        return time.monotonic(), self._read()[2]

    def rest(self) -> float:
        """Writes a second while nothing happens; once the memory is filled there are some."""
        deadline = time.monotonic() + FILLED
        while not self._read()[2] and time.monotonic() < deadline:
            time.sleep(0.1)
        before = self.writes()
        time.sleep(QUIET)
        return pace(before, self.writes())

    def _read(self) -> tuple[int, int, int]:
        return struct.unpack("<QQQ", self.path.read_bytes()[:24])


def pace(before: tuple[float, int], after: tuple[float, int]) -> float:
    """Writes a second between two moments."""
    return (after[1] - before[1]) / (after[0] - before[0])


@dataclass
class Bench:
    """What all runs share.

    Attributes:
        folder: For programs and dumps; removed by the caller.
        rounds: Counted ones.
        warm_up: Whether one more comes first, uncounted.
    """

    folder: Path
    rounds: int
    warm_up: bool = True

    def __post_init__(self) -> None:
        self.workshop = Workshop(self.folder)
        self.library = self.folder / "heartbeat.so"
        source = ROOT / "benchmarks" / "heartbeat.c"
        flags = ["-O2", "-shared", "-fPIC", "-pthread"]
        subprocess.run(["gcc", *flags, "-o", self.library, source], check=True)
        self.hangshot = installed(self.folder / "installed")

    @contextmanager
    def target(self, case: Case) -> Iterator[tuple[Program, Heart]]:
        """A running target with its heartbeat."""
        heart = Heart(self.folder, self.library, case.idlers, case.writes)
        name, *arguments = case.target
        command = [*self.workshop.build(name), *arguments]
        program = launch(command, FILLED, env={**os.environ, **heart.environment})
        try:
            yield program, heart
        finally:
            program.end()

    def results(self, case: Case) -> list[Result]:
        """Run one case."""
        found = {tool: Result(tool) for tool in (*case.tools, *case.once)}
        orders = list(itertools.permutations(case.tools))
        with self.target(case) as (program, heart):
            for number in range(0 if self.warm_up else 1, self.rounds + 1):
                for tool in orders[number % len(orders)]:
                    run = self.run(case, tool, program, heart, found[tool])
                    if number:
                        found[tool].runs.append(run)
        for tool in case.once:
            with self.target(case) as (program, heart):
                found[tool].runs.append(self.run(case, tool, program, heart, found[tool]))
        return list(found.values())

    def run(self, case: Case, tool: str, program: Program, heart: Heart, result: Result) -> Run:
        """Run one tool once."""
        print(f"  {case.name}: {tool}", file=sys.stderr)
        command = words(self.hangshot, tool, program.pid, str(self.folder / "dump"))
        limit = case.limit if tool in PEERS else 0
        warm(case.need)
        rest = heart.rest() if case.writes else 0.0
        heart.reset()
        before, written = tables(program.pid), heart.writes()
        used, stopped = measured(command, limit)
        kept = pace(written, heart.writes()) / rest if rest else 0.0
        pause, grown = heart.longest(), tables(program.pid) - before
        if stopped:
            result.note = f"stopped after {limit:.0f} s, unfinished"
        return self._weighed(used, pause, grown, kept)

    def _weighed(self, used: dict, pause: float, grown: int, kept: float) -> Run:
        """A run with the size of its dump, which is then deleted."""
        made = [path for path in self.folder.glob("dump*") if path.suffix != ".json"]
        if len(made) != 1:
            raise SystemExit(f"one dump was expected, not {[path.name for path in made]}: {used}")
        began = time.monotonic()
        with made[0].open("rb") as file:
            os.fsync(file.fileno())
            found = os.fstat(file.fileno())
        synced = time.monotonic() - began
        for path in self.folder.glob("dump*"):
            path.unlink()
        wall, cpu, peak = used["wall"], used["cpu"], used["peak"]
        return Run(wall, wall + synced, pause, peak, cpu, found.st_size, found.st_blocks * 512, grown, kept)


def words(hangshot: Path, tool: str, pid: int, output: str) -> list[str]:
    """The command line of a tool."""
    if tool == "gcore":
        return ["gcore", "-o", output, str(pid)]
    if tool == "lldb":
        save = f"process save-core --style full {output}.lldb"
        return [LLDB, "--batch", "-p", str(pid), "-o", save, "-o", "process detach"]
    mode, *options = tool.split()
    return [
        str(hangshot),
        "dump",
        str(pid),
        "--mode",
        mode,
        *options,
        "--output",
        f"{output}.core",
        "--json",
    ]


def measured(command: list[str], limit: float) -> tuple[dict, bool]:
    """What a command took, and whether it had to be stopped."""
    words = [sys.executable, "-I", "-S", "-c", MEASURED, *command]
    stopped = False
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        group = int(process.stdout.readline())
        try:
            said, _ = process.communicate(timeout=limit or None)
        except subprocess.TimeoutExpired:
            stopped = True
            os.killpg(group, signal.SIGKILL)
            said, _ = process.communicate()
    used = json.loads(said)
    if used["code"] and not stopped:
        raise SystemExit(f"{' '.join(command)} failed:\n{used['talk']}")
    return used, stopped


def installed(folder: Path) -> Path:
    """Hangshot as its users have it: compiled, and in an environment where no developer's tool adds to each start.

    What it depends on is found where it is. Made once for each folder.
    """
    script = folder / "bin/hangshot"
    if script.exists():
        return script
    venv.create(folder, symlinks=True)
    python = folder / "bin/python"
    (packages,) = folder.glob("lib/python*/site-packages")
    shutil.copytree(ROOT / "tray", packages / "tray", ignore=shutil.ignore_patterns("__pycache__"))
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib"))
    compiled = {key: text for key, text in os.environ.items() if key != "PYTHONPYCACHEPREFIX"}
    subprocess.run([python, "-m", "compileall", "-q", packages / "tray"], check=True, env=compiled)
    script.write_text(SCRIPT.format(python=python))
    script.chmod(0o755)
    return script


def warm(size: int) -> None:
    """Bring everything to the disk, and have the machine hold as much free memory as a dump will take."""
    os.sync()
    size = min(size, MOST_WARM)
    subprocess.run([sys.executable, "-I", "-S", "-c", f"b'x' * {size + size // 4}"], check=True)


def tables(pid: int) -> int:
    """Bytes of a process's page tables."""
    return int(status(pid)["VmPTE"].split()[0]) * 1024


def machine(folder: str) -> str:
    """Processor, memory, and the versions that matter."""
    text = Path("/proc/cpuinfo").read_text()
    model = (re.findall(r"model name\s*: (.*)", text) or ["unknown processor"])[0]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    kernel = re.match(r"[\d.]+", platform.release())[0]
    gdb = subprocess.run(["gdb", "--version"], capture_output=True, text=True, check=True).stdout
    gdb = gdb.splitlines()[0].split()[-1]
    lldb = subprocess.run([LLDB, "--version"], capture_output=True, text=True, check=False).stdout
    lldb = (re.findall(r"version (\S+)", lldb) or ["none"])[0]
    version = subprocess.run(
        [sys.executable, "-m", "tray", "--version"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split()[-1]
    return (
        f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB; Linux {kernel}, {filesystem(folder)}, gdb {gdb}, "
        f"lldb {lldb}, Python {platform.python_version()}, Hangshot {version}"
    )


def filesystem(folder: str) -> str:
    """What kind the dumps are written to."""
    command = ["df", "--output=fstype", folder]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]


COLUMNS = ("wall", 1, 2), ("on_disk", 1, 2), ("pause", 1e3, 1), ("peak", 1 / MIB, 1), ("cpu", 1, 2)
HEAD = "tool", "wall s", "on disk s", "pause ms", "peak MiB", "CPU s", "apparent / allocated MiB", "VmPTE KiB"


def table(name: str, results: list[Result]) -> Iterator[str]:
    """One case as Markdown, with the ratios to gcore."""
    yield f"\n### {name}\n"
    yield f"| {' | '.join(HEAD)} | n |"
    yield f"|{'---|' * (len(HEAD) + 1)}"
    for result in results:
        name = shown(result.tool)
        figures = [result.shown(*column) for column in COLUMNS]
        sizes = f"{result.median('size') / MIB:,.1f} / {result.median('allocated') / MIB:,.1f}"
        grown = f"{result.median('tables') / 1024:+,.0f}"
        note = f" ({result.note})" if result.note else ""
        yield f"| {name}{note} | {' | '.join(figures)} | {sizes} | {grown} | {len(result.runs)} |"
    judge = next(result for result in results if result.tool == "gcore")
    for result in results:
        if result.tool in PEERS:
            continue
        ratios = [ratio(result, judge, name, 3 if name == "pause" else 2) for name, _, _ in COLUMNS]
        sizes = " / ".join(ratio(result, judge, name, 3) for name in ("size", "allocated"))
        yield f"| *{shown(result.tool)} ÷ gcore* | {' | '.join(ratios)} | {sizes} | | |"
    if judge.median("kept"):
        kept = [f"{shown(result.tool)} {result.shown('kept', 100, 0)} %" for result in results]
        yield f"\nOf what it writes at rest, the target wrote while the command ran: {', '.join(kept)}."


def shown(tool: str) -> str:
    """A tool's name in a table."""
    if tool in PEERS:
        return tool
    return f"hangshot {tool}".replace("--capture ", "").replace("--compress ", "").replace("--low", "low")


def ratio(result: Result, judge: Result, name: str, digits: int) -> str:
    """One figure's median by the judge's; at most that where the judge did not finish."""
    if judge.note and name in ("peak", "cpu"):
        return "?"
    return "<" * bool(judge.note) + f"{result.median(name) / judge.median(name):.{digits}f}"
