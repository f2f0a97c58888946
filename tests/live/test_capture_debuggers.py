"""Our dumps in gdb, lldb and eu-stack, beside gcore's core of the same process."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dumping
import judges
import pytest
from programs import MARKER, Program, Workshop, launch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.linux, pytest.mark.ptrace, pytest.mark.gdb]

MODES = ["mini", "heap", "full"]
WAYS = [*((mode, "stop") for mode in MODES), ("heap", "snapshot")]
"""Each mode, and how memory is read for it."""
TARGETS = [
    "threads",
    "many_threads",
    "deadlock",
    "cpp_program",
    "python_program",
    "static_pie",
    "busy",
    pytest.param("JavaProgram", marks=pytest.mark.java),
]


@dataclass(frozen=True)
class Reference:
    """A running target, and what the debuggers say of gcore's core of it."""

    program: Program
    verdict: judges.Verdict
    core: judges.Gdb


@dataclass(frozen=True)
class Ours:
    """A dump of ours of that target, and what the debuggers say of it."""

    mode: str
    outcome: dumping.Outcome
    verdict: judges.Verdict
    core: judges.Gdb


@pytest.fixture(scope="module", params=TARGETS)
def reference(
    request: pytest.FixtureRequest, workshop: Workshop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Reference]:
    """Each target once, dumped by gcore."""
    program = launch(workshop.build(request.param))
    try:
        if request.param not in ("busy", "JavaProgram"):
            program.settle()
            program.remember()
        core = judges.gcore(program.pid, tmp_path_factory.mktemp("gcore"))
        verdict = judges.judge(program.executable, core)
        told = judges.gdb(program.executable, core, address=program.marker, size=8 if program.marker else 0)
        core.unlink()
        yield Reference(program, verdict, told)
    finally:
        program.end()


@pytest.fixture(scope="module", params=WAYS, ids="-".join)
def ours(
    request: pytest.FixtureRequest, reference: Reference, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ours]:
    """That target dumped by us in each mode and way, unharmed."""
    mode, how = request.param
    program = reference.program
    outcome = dumping.dump(program.pid, mode, tmp_path_factory.mktemp("ours"), how)
    assert outcome.last["method"].startswith("stop" if how == "stop" else "snapshot")
    program.assert_unharmed()
    verdict = judges.judge(program.executable, outcome.core)
    size = 8 if program.marker else 0
    core = judges.gdb(program.executable, outcome.core, address=program.marker, size=size)
    yield Ours(mode, outcome, verdict, core)
    outcome.core.unlink()


def differing(seen: dict[int, list[str]], expected: dict[int, list[str]]) -> dict[int, object]:
    """Threads whose frames are not the same, with both sides."""
    return {
        tid: (seen.get(tid), expected.get(tid))
        for tid in seen.keys() | expected.keys()
        if seen.get(tid) != expected.get(tid)
    }


def is_cut_at_jit(pair: tuple[list[str], list[str]]) -> bool:
    """Whether a stack ends where Java's own code begins.

    A mini dump has no code that a JIT made, and lldb reads code to get past it.
    """
    seen, expected = pair
    rest = expected[len(seen) :]
    return bool(seen) and expected[: len(seen)] == seen and rest[0].startswith("JavaCalls::")


@pytest.mark.parametrize("judge", ["gdb", "lldb", "eu_stack"])
def test_every_thread_has_the_frames_that_gcore_shows(reference: Reference, ours: Ours, judge: str) -> None:
    """Every debugger names the same frames of every thread in our dump as in gcore's full core."""
    expected = judges.named(getattr(reference.verdict, judge))
    wrong = differing(judges.named(getattr(ours.verdict, judge)), expected)
    if reference.program.executable.endswith("java") and ours.mode == "mini":
        wrong = {tid: pair for tid, pair in wrong.items() if not is_cut_at_jit(pair)}
    assert wrong == {}
    assert any(expected.values()), "nothing was compared"


def test_main_thread_comes_first(reference: Reference, ours: Ours) -> None:
    """A debugger opens the dump at the main thread."""
    assert ours.core.first == reference.program.pid
    assert ours.core.order[0] == reference.program.pid


def test_libraries_are_listed(reference: Reference, ours: Ours) -> None:
    """Gdb lists the same shared libraries, at the same addresses, with their symbols."""
    assert ours.core.libraries == reference.core.libraries


def test_auxiliary_vector_is_listed(reference: Reference, ours: Ours) -> None:
    """Gdb lists the same auxiliary vector."""
    assert not ours.core.auxv[0].startswith("error"), ours.core.auxv
    assert [line.split()[:2] for line in ours.core.auxv] == [line.split()[:2] for line in reference.core.auxv]


def test_marker_reads_back(reference: Reference, ours: Ours) -> None:
    """A global that the program wrote is read back from every mode that keeps globals."""
    if ours.mode != "mini" and reference.program.marker:
        assert ours.core.memory is not None
        assert int.from_bytes(ours.core.memory, "little") == MARKER


def test_gdb_has_nothing_new_to_complain_of(reference: Reference, ours: Ours) -> None:
    """What gdb warns of in our dump it warns of in gcore's as well."""
    warnings = [line for line in ours.core.complaints.splitlines() if "warning" in line]
    assert [line for line in warnings if line not in reference.core.complaints] == []


def test_last_line_tells_of_the_dump(reference: Reference, ours: Ours) -> None:
    """The last JSON line has all that a script needs."""
    last = ours.outcome.last
    assert last["schema"] == 1
    assert (last["format"], last["mode"]) == ("elf-core", ours.mode)
    assert last["target"]["pid"] == reference.program.pid
    assert last["size"] == ours.outcome.core.stat().st_size
    assert last["allocated"] == ours.outcome.core.stat().st_blocks * 512
    assert 0 < last["frozen_seconds"] <= last["seconds"]


def known_calls(stacks: dict[int, list[str]]) -> list[list[str]]:
    """The known functions of each thread, innermost first."""
    known = {
        "level_a",
        "level_b",
        "level_c",
        "main_waits",
        "main",
        "in_read",
        "in_poll",
        "in_epoll",
        "in_sem",
    }
    known |= {"in_nanosleep", "in_mutex", "in_cond", "in_pause"}
    return [[name for name in names if name in known] for _, names in sorted(stacks.items())]


@pytest.mark.parametrize(("mode", "how"), WAYS)
def test_known_backtraces(target, tmp_path: Path, mode: str, how: str) -> None:
    """All three debuggers show the very calls that each thread made, so gcore is not the only witness."""
    program = target("threads")
    verdict = judges.judge(program.executable, dumping.dump(program.pid, mode, tmp_path, how).core)
    for judge, stacks in verdict.everywhere().items():
        found = known_calls(judges.named(stacks))
        assert found[0] == ["main_waits", "main"], judge
        assert len(found) == 9, judge
        assert all(names[-3:] == ["level_c", "level_b", "level_a"] for names in found[1:]), (judge, found)


@pytest.mark.parametrize(("mode", "how"), WAYS)
def test_avx_registers(target, tmp_path: Path, mode: str, how: str) -> None:
    """The upper halves of the YMM registers are right, of a thread that computes and of one that sleeps."""
    program = target("avx", settle=False)
    if program.words == ["no-avx"]:
        pytest.skip("this processor has no AVX")
    core = dumping.dump(program.pid, mode, tmp_path, how).core
    seen = list(judges.gdb(program.executable, core, ymm=True).ymm.values())
    for base in (0xA0000000, 0xA1000000):
        assert [[base + register * 256 + lane for lane in range(4)] for register in range(16)] in seen


@pytest.fixture
def library(workshop: Workshop, tmp_path: Path) -> Path:
    """A library that a target may delete."""
    return shutil.copy(workshop.build("library")[0], tmp_path / "library.so")


@pytest.mark.parametrize("mode", MODES)
def test_deleted_library(target, library: Path, tmp_path: Path, mode: str) -> None:
    """A library whose file is gone is in the dump itself, so that elfutils can walk through it."""
    program = target("deleted_library", library)
    core = dumping.dump(program.pid, mode, tmp_path).core
    inner, text = (int(word, 16) for word in program.words)
    assert judges.stored(core, inner, 16) is not None
    assert judges.stored(core, text, 28) == b"TEXT OF THE DELETED LIBRARY\0"
    stacks = judges.named(judges.eu_stack(program.executable, core))
    assert stacks[program.pid][:2] == ["pause", "main"]
    assert stacks[max(stacks)][:3] == ["pause", "calls_library", "body"]
    assert any(str(library) in line for line in judges.gdb(program.executable, core).libraries)


@pytest.mark.parametrize("mode", MODES)
def test_deleted_library_that_is_back(
    target, workshop: Workshop, library: Path, tmp_path: Path, mode: str
) -> None:
    """With the file put back at its old path, every debugger names the frames inside it."""
    program = target("deleted_library", library)
    core = dumping.dump(program.pid, mode, tmp_path).core
    shutil.copy(workshop.build("library")[0], library)
    for judge, stacks in judges.judge(program.executable, core).everywhere().items():
        names = judges.named(stacks)[max(stacks)]
        assert names[1:5] == ["library_inner", "library_outer", "calls_library", "body"], judge


def test_notes_are_those_of_a_kernel_core(target, tmp_path: Path) -> None:
    """Elfutils understands every note: one PRPSINFO, AUXV and FILE, and registers for each thread."""
    program = target("threads")
    kinds = [kind for _, kind, _ in judges.notes(dumping.dump(program.pid, "mini", tmp_path).core)]
    for once in ("PRPSINFO", "AUXV", "FILE"):
        assert kinds.count(once) == 1, once
    for each in ("PRSTATUS", "FPREGSET", "X86_XSTATE"):
        assert kinds.count(each) == len(program.tids), each
