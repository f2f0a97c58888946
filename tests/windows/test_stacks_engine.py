"""Call stacks of real minidumps, with WinDbg's own printing as the judge, and an engine that hangs or is missing."""

from __future__ import annotations

import ctypes
import os
import random
import re
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from damage import HEADS, looked_at, mutated
from judges_windbg import stacks, windbg
from synth_wow64 import wide

from tray import packed, reports
from tray.capture.windows import WindowsCapture
from tray.formats import minidump
from tray.model import Report, Stack, Trigger, Trust
from tray.modes import MODES
from tray.reports import reader, render, why
from tray.reports.names import last

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from windows_programs import Inside

    from tray.reports.stacks import Told

PATIENCE = 60.0
"""Seconds that a loaded machine may take for what is quick by itself."""
WIDTHS = [64, 32]
HERE = ctypes.sizeof(ctypes.c_void_p) * 8
PROGRAMS = [
    ("deadlock", "mini"),
    ("deadlock", "heap"),
    ("deadlock", "full"),
    ("deadlock_window", "mini"),
    ("big_heap", "mini"),
    ("calls", "mini"),
    ("many_threads", "mini"),
]
SECONDS = {10: 2.0, 500: 10.0}
"""How long a report may take, by the number of threads."""
STARTERS = {"WinMainCRTStartup", "mainCRTStartup", "atexit"}
"""What the engine names in a program for its start, by the nearest name: it does not know better."""
REPOSITORY = Path(__file__).parents[2]


def python(bits: int) -> str:
    """The Python of a width; a program is dumped by its own."""
    return str(Path(os.environ["HANGSHOT_TESTBED"]) / f"python{bits}" / "python.exe")


def ours(bits: int, *words: object) -> str:
    """What our own command line prints, which must end well."""
    ended = subprocess.run(
        [python(bits), "-m", "tray", *map(str, words)],
        check=False,
        capture_output=True,
        timeout=PATIENCE,
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
    )
    assert ended.returncode == 0, (ended.stdout + ended.stderr).decode(errors="replace")
    return ended.stdout.decode(errors="replace")


@pytest.fixture
def dumped(tmp_path: Path) -> Callable[..., Path]:
    """Dumps a program in its own width: here, or by our command line."""

    def dump(target: Inside, bits: int = 64, mode: str = "mini") -> Path:
        path = tmp_path / f"{mode}.dmp"
        if bits != HERE:
            ours(bits, "dump", target.pid, "--mode", mode, "--output", path)
            return path
        capture = WindowsCapture()
        with path.open("w+b", buffering=0) as file:
            found = capture.target(target.pid)
            capture.write(found, MODES[mode], file, lambda _done, _total: False, Trigger.CLI)
        return path

    return dump


def read(path: Path) -> Report:
    """A report with its stacks."""
    return reports.make(path, None, reader.READERS)


def named(stack: Stack) -> list[tuple[str, str]]:
    """Module and function of each call that has registers of its own."""
    return [(stem(frame.module), frame.function) for frame in stack.frames if not frame.inlined]


def stem(module: str) -> str:
    """A module's name as WinDbg prints it."""
    return last(module).rpartition(".")[0].casefold()


def bare(program: bytes) -> bytes:
    """A program without its table of symbols, its debug record and its exports, as after a strict strip."""
    found = bytearray(program)
    header = struct.unpack_from("<I", program, 0x3C)[0]
    struct.pack_into("<II", found, header + 12, 0, 0)
    for directory in (0, 6):
        struct.pack_into("<II", found, header + 24 + 112 + 8 * directory, 0, 0)
    return bytes(found)


def judged(path: Path, bits: int) -> dict[int, list[tuple[str, str]]]:
    """The same by WinDbg's engine, as it prints it; of its own width, for it finds no other's libraries."""
    printed = windbg(path, "~*k 64", bits=bits)
    split = {tid: [name.partition("!") for name in names] for tid, names in stacks(printed).items()}
    return {
        tid: [(module.casefold(), function) for module, _, function in names] for tid, names in split.items()
    }


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize(("name", "mode"), PROGRAMS)
def test_windbg_names_the_same_calls(program, dumped, name: str, bits: int, mode: str):
    """On every thread; where we give no name, its name is only the nearest that it knows."""
    path = dumped(program(name, "4", bits=bits), bits, mode)
    expected = judged(path, bits)
    report = read(path)
    assert {stack.tid for stack in report.stacks} == set(expected)
    for stack in report.stacks:
        found, other = named(stack), expected[stack.tid]
        assert len(found) == len(other) or (bits == 32 and len(found) < len(other)), (found, other)
        for (module, function), (their_module, theirs) in zip(found, other, strict=False):
            assert module == their_module
            assert function == theirs or (not function and (module != name or theirs in {*STARTERS, ""})), (
                found,
                other,
            )


@pytest.mark.parametrize("bits", WIDTHS)
def test_the_deadlock_is_seen(program, dumped, bits: int):
    """On both threads: the lock call, and above it the program's own frame."""
    target = program("deadlock", bits=bits)
    report = read(dumped(target, bits))
    for stack in report.stacks:
        if stack.tid in map(int, target.words):
            names = [frame.function for frame in stack.frames]
            assert names.index("RtlEnterCriticalSection") + 1 == names.index("take_second"), names
            assert (stack.frames[-2].function == "BaseThreadInitThunk") == (bits == 64)


def test_a_64_bit_dump_of_a_32_bit_program(program, dumped, tmp_path: Path):
    """Its threads have the calls of the 32-bit program, not those of the layer that runs it."""
    target = program("deadlock", bits=32)
    tid = int(target.words[0])
    narrow = dumped(target, 32)
    path = tmp_path / "wide.dmp"
    with minidump.read(narrow) as file:
        path.write_bytes(wide(file, tid))
    [expected] = [stack for stack in read(narrow).stacks if stack.tid == tid]
    [found] = read(path).stacks
    assert [frame.pc for frame in found.frames] == [frame.pc for frame in expected.frames]
    assert [frame.function for frame in found.frames] == [frame.function for frame in expected.frames]
    assert "take_second" in [frame.function for frame in found.frames]


def test_why_a_32_bit_program_hangs_in_a_64_bit_dump(program, dumped, tmp_path: Path):
    """As in a dump of its own width: its locks are read as the program has them."""
    target = program("deadlock", bits=32)
    first, second = map(int, target.words)
    path = tmp_path / "wide.dmp"
    with minidump.read(dumped(target, 32)) as file:
        path.write_bytes(wide(file, first, second))
    said = why.known(read(path))
    assert said
    expected = f"Deadlock: thread {first} ↔ thread {second}, both in take_second()"
    assert (said.sentence, said.certain) == (expected, True)


@pytest.mark.parametrize("bits", WIDTHS)
def test_a_pdb_gives_lines_and_inlined_calls(program, dumped, bits: int):
    """From the PDB that lies beside the program; nothing is said to be lacking there."""
    target = program("calls", bits=bits)
    report = read(dumped(target, bits))
    [stack] = [stack for stack in report.stacks if stack.tid == int(target.words[0])]
    functions = [frame.function for frame in stack.frames]
    place = functions.index("enter")
    inner, outer = stack.frames[place : place + 2]
    text = (REPOSITORY / "tests/windows/targets/calls.c").read_text().splitlines()
    assert (inner.inlined, outer.inlined, outer.function) == (True, False, "save")
    assert last(inner.file) == "calls.c"
    assert "EnterCriticalSection" in text[inner.line - 1]
    assert "calls.exe" not in "".join(report.lacks)
    assert bits == 32 or "enter(&section)" in text[outer.line - 1]


def test_without_a_pdb_the_report_says_so(program, dumped):
    """What is missing and where it belongs; libraries of Windows are not complained about."""
    report = read(dumped(program("deadlock")))
    [lack] = report.lacks
    assert lack.startswith("Without debug info: deadlock.exe. ")
    assert "_NT_SYMBOL_PATH" in lack


def test_the_symbol_path_is_obeyed(dumped, apart, tmp_path: Path, monkeypatch):
    """A PDB that lies elsewhere is found by ``_NT_SYMBOL_PATH``, and only by that."""
    from windows_programs import built

    path, symbols = apart(dumped), tmp_path / "symbols"
    symbols.mkdir()
    (symbols / "apart.pdb").write_bytes(built("calls", 64).with_suffix(".pdb").read_bytes())
    assert "calls.exe" in "".join(read(path).lacks)
    monkeypatch.setenv("_NT_SYMBOL_PATH", str(symbols))
    report = read(path)
    assert any(frame.line for stack in report.stacks for frame in stack.frames)
    assert "calls.exe" not in "".join(report.lacks)


@pytest.fixture
def apart(tmp_path: Path) -> Callable[..., Path]:
    """Dumps ``calls.exe`` from a folder of its own; its PDB is called ``apart.pdb``, and lies nowhere yet."""
    from windows_programs import built, launch

    # Under the name that the linker wrote, the engine would find it where it was built.
    def dump(dumped: Callable[..., Path]) -> Path:
        (tmp_path / "away").mkdir()
        whole = built("calls", 64).read_bytes().replace(b"calls.pdb\0", b"apart.pdb\0")
        (tmp_path / "away" / "calls.exe").write_bytes(whole)
        target = launch(tmp_path / "away" / "calls.exe")
        try:
            return dumped(target)
        finally:
            target.end()

    return dump


def test_a_pdb_beside_a_packed_dump(dumped, apart, tmp_path: Path):
    """It is found where people put it, though the engine reads a copy that lies elsewhere."""
    from windows_programs import built

    path, store = apart(dumped), tmp_path / "store"
    store.mkdir()
    with path.open("rb") as source, (store / "a.dmp.zst").open("wb") as target:
        packed.pack(source, target)
    assert "calls.exe" in "".join(read(store / "a.dmp.zst").lacks)
    (store / "apart.pdb").write_bytes(built("calls", 64).with_suffix(".pdb").read_bytes())
    report = read(store / "a.dmp.zst")
    assert any(frame.line for stack in report.stacks for frame in stack.frames)
    assert "calls.exe" not in "".join(report.lacks)


def test_a_pdb_of_another_build(dumped, apart, tmp_path: Path):
    """It is not used, and that it was not is said: with its age alone changed it looks right to people."""
    from windows_programs import built

    path = apart(dumped)
    program = (tmp_path / "away" / "calls.exe").read_bytes()
    place = program.index(b"RSDS") + 20
    older = program[:place] + struct.pack("<I", 77) + program[place + 4 :]
    dump = path.read_bytes()
    path.write_bytes(dump.replace(program[place - 20 : place + 4], older[place - 20 : place + 4]))
    (tmp_path / "away" / "calls.exe").write_bytes(older)
    (path.parent / "apart.pdb").write_bytes(built("calls", 64).with_suffix(".pdb").read_bytes())
    lacks = read(path).lacks
    said = f"{path.parent / 'apart.pdb'} is of another build than the calls.exe of this dump, so it was not used."
    assert said in lacks
    assert any(lack.startswith("Without debug info: calls.exe. ") for lack in lacks)


def test_a_stripped_program(program, dumped, tmp_path: Path):
    """Nothing names its calls: the report says what to do, and the verdict stands without names."""
    from windows_programs import built, launch

    source = built("waits", 64)
    stripped = tmp_path / "bare.exe"
    stripped.write_bytes(bare(source.read_bytes()))
    target = launch(stripped, "ring2")
    try:
        path = dumped(target)
        report = read(path)
        said = why.known(report)
    finally:
        target.end()
    [lack] = report.lacks
    assert lack.startswith("Without debug info: bare.exe. ")
    assert not any(
        frame.function
        for stack in report.stacks
        for frame in stack.frames
        if last(frame.module) == "bare.exe"
    )
    assert said
    assert re.fullmatch(r"Deadlock: thread \d+ ↔ thread \d+", said.sentence)


@pytest.mark.parametrize("another", [False, True])
def test_a_program_that_is_gone(program, dumped, tmp_path: Path, another: bool):  # noqa: FBT001
    """Without its file, or with another build's, its calls have no names; and a guess is not told as sure."""
    from windows_programs import built, launch

    away = tmp_path / "away"
    away.mkdir()
    (away / "gone.exe").write_bytes(built("deadlock", 64).read_bytes())
    target = launch(away / "gone.exe")
    try:
        path = dumped(target)
    finally:
        target.end()
    (away / "gone.exe").unlink()
    if another:
        (away / "gone.exe").write_bytes(built("big_heap", 64).read_bytes())
    report = read(path)
    assert "Not found on this machine as the target had it: gone.exe." in "".join(report.lacks)
    for stack in report.stacks:
        place = next(number for number, frame in enumerate(stack.frames) if last(frame.module) == "gone.exe")
        assert all(frame.trust is Trust.FRAME_POINTER for frame in stack.frames[place + 1 :])
        assert not any(frame.function for frame in stack.frames if last(frame.module) == "gone.exe")
    (path.parent / "gone.exe").write_bytes(built("deadlock", 64).read_bytes())
    beside = read(path)
    assert "take_second" in [frame.function for stack in beside.stacks for frame in stack.frames]
    assert "Not found" not in "".join(beside.lacks)


@pytest.mark.parametrize("count", SECONDS)
def test_a_report_takes_little_time(program, dumped, count: int):
    """Command and reader together, beyond what the start of two programs takes here; the best of some."""
    path = dumped(program("many_threads", count))
    took, starts = [], []
    while len(took) < 10 and not (took and min(took) < SECONDS[count]):
        began = time.monotonic()
        ours(64, "--version")
        starts.append(time.monotonic() - began)
        printed = ours(64, "inspect", path)
        took.append(time.monotonic() - began - 3 * starts[-1])
        assert f"{count} threads like this" in printed
    print(f"{count} threads: {min(took):.2f} s, and {min(starts):.2f} s for each of two programs to start")
    assert min(took) < SECONDS[count]


def test_the_command_shows_stacks(program, dumped):
    """``inspect`` as a person sees it."""
    target = program("deadlock")
    printed = ours(64, "inspect", dumped(target))
    assert "RtlEnterCriticalSection (ntdll.dll+0x" in printed
    assert "take_second (deadlock.exe+0x" in printed


def test_a_reader_that_hangs(program, dumped):
    """It is ended after its time; the report says so and shows where each thread stood."""
    path = dumped(program("deadlock"))
    forever = [sys.executable, "-c", "import time; time.sleep(3600)"]
    report = reports.make(
        path, None, {"minidump": lambda dump: reader.unwind_minidump(dump, limit=1, command=forever)}
    )
    assert report.lacks[0].startswith("The reader of call stacks was ended after 1 s; 3 of the threads")
    assert all(len(stack.frames) == 1 for stack in report.stacks)
    assert render.text(report)


def told_of(path: Path, command: Sequence[str] = ()) -> Told:
    """What the reader tells of a dump."""
    with reader.unwind_minidump(path, command=command) as told:
        return told()


def test_a_reader_that_crashes(program, dumped):
    """As when the engine itself fails within."""
    path = dumped(program("deadlock"))
    crash = [sys.executable, "-c", "import os; os._exit(-0x3FFFFFFB)"]
    told = told_of(path, command=crash)
    assert "crashed (0xc0000005)" in told.ended


def test_what_is_no_dump(tmp_path: Path):
    """The engine refuses it, and says so in words."""
    path = tmp_path / "a.dmp"
    path.write_bytes(b"MDMP" + bytes(1000))
    told = told_of(path)
    assert not told.ended
    assert told.lacks[0].startswith("The debugger engine of Windows does not read this dump")


def spoiled(whole: bytes, chance: random.Random) -> bytes:
    """A dump with some bytes, or whole numbers, of its streams changed, or cut off."""
    found = mutated(whole, chance, most=8, reach=HEADS)
    return bytes(found[: chance.randrange(len(found))] if chance.random() < 0.1 else found)


def test_damaged_dumps(program, dumped):
    """500 mutations of a real one (10,000 of a made one: ``tests/live``): a report or a clear error, nothing else."""
    path, chance, clear = dumped(program("deadlock")), random.Random(70), 0
    whole = path.read_bytes()
    for _ in range(500):
        path.write_bytes(spoiled(whole, chance))
        clear += not looked_at(path)
    assert 20 < clear < 450, "the damage was too small or too great to tell anything"


def test_damaged_dumps_in_the_engine(program, dumped):
    """Whatever it makes of them, the report is made, or the error is clear; nothing hangs."""
    path, chance = dumped(program("deadlock")), random.Random(71)
    whole, told = path.read_bytes(), []
    for _ in range(12):
        path.write_bytes(spoiled(whole, chance))
        told.append(told_of(path))
    assert all(one.stacks or one.lacks or one.ended for one in told)
    assert not any("was ended after" in one.ended for one in told)
    assert any(one.stacks for one in told)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_dump_that_was_cut(program, dumped, share: float):
    """Whatever is left of it, the reader ends by itself and the threads that it told are kept."""
    path = dumped(program("deadlock"), mode="heap")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    told = told_of(path)
    assert not told.ended
    assert told.stacks or told.lacks
