"""Call stacks of real dumps, with gdb as the judge, and a reader that hangs, crashes or finds nothing."""

from __future__ import annotations

import json
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import dumping
import judges
import pytest
from damage import battered, looked_at
from programs import SOURCES, Program, Workshop, launch, wait_until

from tray import reports
from tray.errors import BadDump
from tray.model import Report, Stack, Trust
from tray.reports import drgn_reader, python_calls, reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tray.reports.stacks import Told

pytestmark = [pytest.mark.linux, pytest.mark.ptrace, pytest.mark.gdb]

TARGETS = ["threads", "deadlock", "cpp_program", "python_program", "many_threads", "static_pie"]
SECONDS = {"threads": 1.0, "many_threads": 10.0}
"""How much work a report may be: 10 threads, 500 threads."""


def read(core: Path) -> Report:
    """A report with its stacks."""
    return reports.make(core, None, reader.READERS)


def names(stack: Stack) -> list[str]:
    """Its functions, innermost first."""
    return [frame.function for frame in stack.frames]


def plain(name: str | None) -> str:
    """A name without what differs between equal ones: glibc's aliases, and how brackets close."""
    return re.sub(r"^_+(GI_+)?(libc_)?", "", name or "").replace("> >", ">>")


def named(found: list[Stack], word: str) -> Stack:
    """The one stack that has this function on it."""
    [stack] = [stack for stack in found if word in names(stack)]
    return stack


@pytest.fixture(scope="module", params=TARGETS)
def program(request: pytest.FixtureRequest, workshop: Workshop) -> Iterator[Program]:
    """Each target, once."""
    program = launch(workshop.build(request.param))
    try:
        program.settle()
        yield program
    finally:
        program.end()


@pytest.fixture
def special(tmp_path: Path) -> Iterator[Callable[..., tuple[Path, Program]]]:
    """Builds a target with other compiler flags, and starts it: its file, and the program."""
    started: list[Program] = []

    def build(name: str, *flags: str) -> tuple[Path, Program]:
        source, output = SOURCES / name, tmp_path / "special"
        compiler = "g++" if source.suffix == ".cpp" else "gcc"
        command = [compiler, "-pthread", str(source), "-o", str(output), *flags]
        subprocess.run(command, check=True, timeout=120)
        started.append(launch([str(output)]))
        started[0].settle()
        return output, started[0]

    yield build
    for program in started:
        program.end()


@pytest.mark.parametrize("mode", ["mini", "heap", "full"])
def test_gdb_names_the_same_calls(
    program: Program, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Every thread has the calls that gdb finds, none more and none less; of Python's own gdb knows nothing."""
    monkeypatch.setattr(python_calls, "is_python", lambda _: False)
    monkeypatch.setattr(python_calls, "is_run", lambda _: False)
    core = dumping.dump(program.pid, mode, tmp_path).core
    expected = {
        tid: [plain(name) for name in stack]
        for tid, stack in judges.gdb(program.executable, core).real.items()
    }
    found = {stack.tid: [plain(name) for name in names(stack)] for stack in read(core).stacks}
    assert {tid: (found.get(tid), stack) for tid, stack in expected.items() if found.get(tid) != stack} == {}
    assert found.keys() == expected.keys()
    assert any(expected.values()), "nothing was compared"


def spent() -> float:
    """Seconds of a processor that ended children took, and theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@pytest.mark.parametrize("name", SECONDS)
def test_a_report_takes_little_time(target: Callable[..., Program], name: str, tmp_path: Path):
    """Command and reader together, in time of a processor: other programs may use it too; the best of three."""
    core = dumping.dump(target(name).pid, "mini", tmp_path).core
    took = []
    for _ in range(3):
        began = spent()
        assert dumping.outcome(dumping.start(dumping.command("inspect", core, "--json"), tmp_path)).code == 0
        took.append(spent() - began)
    assert min(took) < SECONDS[name]


def test_inspect_prints_them(target: Callable[..., Program], tmp_path: Path):
    """As text and as JSON, by the public command line."""
    core = dumping.dump(target("threads").pid, "mini", tmp_path).core
    done = dumping.start(dumping.command("inspect", core), tmp_path)
    text, talk = done.communicate(timeout=dumping.LIMIT)
    assert done.returncode == 0, talk
    assert re.search(
        r"  reader \(\d+\)  S in \S+\n    #0  \S*read.*\n(    #.*\n)*?    #\d+ +in_read \(threads\+0x", text
    )
    told = dumping.outcome(dumping.start(dumping.command("inspect", core, "--json"), tmp_path)).last
    [frames] = [one["frames"] for one in told["threads"] if one["name"] == "locker"]
    assert "level_a" in [frame["function"] for frame in frames]


def test_lines_and_inlined_calls(special: Callable[..., tuple[Path, Program]], tmp_path: Path):
    """With debug info each call has its source line, also one that the compiler put into its caller."""
    _, program = special("threads.c", "-g", "-O2")
    core = dumping.dump(program.pid, "mini", tmp_path).core
    frames = {frame.function: frame for frame in named(list(read(core).stacks), "in_read").frames}
    source = (SOURCES / "threads.c").read_text().splitlines()
    for caller, call in {"in_read": "read(", "level_c": "s->call()", "level_b": "level_c(s)"}.items():
        assert Path(frames[caller].file).name == "threads.c"
        assert call in source[frames[caller].line - 1]


def test_cpp_with_debug_info(special: Callable[..., tuple[Path, Program]], tmp_path: Path):
    """Names are whole where debug info has only their last part."""
    _, program = special("cpp_program.cpp", "-g", "-O2")
    found = read(dumping.dump(program.pid, "mini", tmp_path).core).stacks
    [*_, stack] = [stack for stack in found if "shop::Customer::operator()(int) const" in names(stack)]
    frame = stack.frames[names(stack).index("shop::Customer::operator()(int) const")]
    assert Path(frame.file).name == "cpp_program.cpp"
    assert any(frame.inlined for frame in stack.frames)


@pytest.mark.symbols
def test_a_stripped_program(special: Callable[..., tuple[Path, Program]], tmp_path: Path):
    """Its calls are modules and offsets that gdb finds the same functions at; the stack is whole."""
    path, program = special("threads.c", "-O2", "-g")
    whole = tmp_path / "whole"
    shutil.copy(path, whole)
    found = read(dumping.dump(program.pid, "mini", tmp_path).core).stacks
    expected = [frame.offset for frame in named(list(found), "in_read").frames if frame.module == str(path)]
    program.end()
    subprocess.run(["strip", str(path)], check=True)
    program = launch([str(path)])
    try:
        program.settle()
        report = read(dumping.dump(program.pid, "mini", tmp_path).core)
    finally:
        program.end()
    own = [[frame for frame in stack.frames if frame.module == str(path)] for stack in report.stacks]
    assert expected in [[frame.offset for frame in frames] for frames in own]
    assert not any(frame.function for frames in own for frame in frames)
    assert "Without debug info: special." in "\n".join(report.lacks)


@pytest.mark.symbols
def test_without_unwind_tables(special: Callable[..., tuple[Path, Program]], tmp_path: Path):
    """The frame pointer leads on, and the frames it leads to are called guesses."""
    flags = ("-O1", "-fno-omit-frame-pointer", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables")
    _, program = special("threads.c", *flags)
    stack = named(list(read(dumping.dump(program.pid, "mini", tmp_path).core).stacks), "in_read")
    trust = {frame.function: frame.trust for frame in stack.frames}
    assert trust["in_read"] is Trust.TABLES
    assert trust["level_b"] is trust["level_a"] is trust["start_thread"] is Trust.FRAME_POINTER


@pytest.mark.symbols
@pytest.mark.parametrize("mode", ["mini", "heap"])
def test_a_missing_executable(special: Callable[..., tuple[Path, Program]], mode: str, tmp_path: Path):
    """The libraries' calls keep their names, the rest is module and offset, and the report says why."""
    path, program = special("threads.c", "-O2")
    core = dumping.dump(program.pid, mode, tmp_path).core
    program.end()
    path.unlink()
    report = read(core)
    assert "Not found on this machine as the target had it: special." in "\n".join(report.lacks)
    for stack in report.stacks:
        inside = [frame for frame in stack.frames if frame.module == str(path)]
        assert stack.frames[0].function
        assert not any(frame.function for frame in inside)
        assert stack.cut
        assert all(frame.module for frame in stack.frames), "nonsense was shown"


def test_another_build_at_the_same_place(special: Callable[..., tuple[Path, Program]], tmp_path: Path):
    """Is not taken for the one in the dump: no names are better than wrong ones."""
    path, program = special("threads.c", "-O2")
    core = dumping.dump(program.pid, "mini", tmp_path).core
    program.end()
    subprocess.run(["gcc", "-O0", "-pthread", str(SOURCES / "threads.c"), "-o", str(path)], check=True)
    report = read(core)
    assert not any(
        frame.function for stack in report.stacks for frame in stack.frames if frame.module == str(path)
    )
    assert "special" in "\n".join(report.lacks)


def test_ten_thousand_damaged_dumps(target: Callable[..., Program], tmp_path: Path):
    """Each gives a report or a clear error."""
    whole = dumping.dump(target("deadlock").pid, "mini", tmp_path).core.read_bytes()
    path, clear = tmp_path / "damaged.core", 0
    for content in battered(whole, 10_000, seed=4):
        path.write_bytes(content)
        clear += not looked_at(path)
    assert 1000 < clear < 9000, "the damage was too small or too great to tell anything"


def test_damaged_dumps_in_the_reader(target: Callable[..., Program], tmp_path: Path):
    """Whatever it makes of them, every thread is in the report, and soon."""
    whole = dumping.dump(target("threads").pid, "mini", tmp_path).core.read_bytes()
    path = tmp_path / "damaged.core"
    for content in battered(whole, 24, seed=4):
        path.write_bytes(content)
        began = time.monotonic()
        try:
            report = read(path)
        except BadDump:
            continue
        assert [stack.tid for stack in report.stacks] == [thread.tid for thread in report.snapshot.threads]
        assert not any("Traceback" in lack for lack in report.lacks)
        assert time.monotonic() - began < 2 * reader.LIMIT


GOOD = """
import json, os, signal, sys, time
print(json.dumps({"tid": 70, "frames": [[1, "f", "", 0, False, "registers"]], "cut": ""}), flush=True)
"""


def told_by(path: Path, *command: str, limit: float = 60.0) -> Told:
    """What a reader tells of a file."""
    with reader.unwind(path, limit=limit, command=command) as told:
        return told()


def ask(script: str, limit: float = 60.0) -> Told:
    """What a reader that is this script tells."""
    return told_by(Path("/nowhere.core"), sys.executable, "-c", script, limit=limit)


def test_a_reader_that_hangs(tmp_path: Path):
    """Is ended in time; what it told is kept."""
    note = tmp_path / "pid"
    script = f"open({str(note)!r}, 'w').write(str(__import__('os').getpid())){GOOD}signal.pause()"
    began = time.monotonic()
    told = ask(script, limit=1.0)
    assert time.monotonic() - began < 10
    assert [stack.tid for stack in told.stacks] == [70]
    assert told.ended == "The reader of call stacks was ended after 1 s"
    assert not Path(f"/proc/{note.read_text()}").exists()


def test_a_reader_that_nobody_waits_for(tmp_path: Path):
    """Is ended when the block is left, as by Ctrl+C."""
    note = tmp_path / "pid"
    script = f"open({str(note)!r}, 'w').write(str(__import__('os').getpid())){GOOD}signal.pause()"
    with reader.unwind(Path("/nowhere.core"), command=[sys.executable, "-c", script]):
        wait_until(lambda: note.exists() and note.read_text(), "the reader runs")
    assert not Path(f"/proc/{note.read_text()}").exists()


def test_a_reader_that_crashes():
    """Costs only what it had not told yet."""
    told = ask(GOOD + "os.kill(os.getpid(), signal.SIGKILL)")
    assert [stack.tid for stack in told.stacks] == [70]
    assert told.ended == f"The reader of call stacks crashed ({signal.SIGKILL.name})"


def test_a_reader_that_cannot_be_started():
    """Is told like any other end."""
    told = told_by(Path("/nowhere.core"), "/nowhere/reader")
    assert told.ended == "The reader of call stacks cannot be started (No such file or directory)"


def test_a_reader_of_no_dump(tmp_path: Path):
    """The error of drgn is told in one line."""
    path = tmp_path / "no.core"
    path.write_bytes(b"nothing")
    told = told_by(path)
    assert told.ended.startswith("The reader of call stacks gave up (")
    assert told.stacks == ()


@pytest.mark.parametrize("server", ["https://symbols.invalid", ""])
def test_symbol_servers_that_do_not_answer(monkeypatch: pytest.MonkeyPatch, server: str):
    """Are left out in a second try; without servers there is none."""
    monkeypatch.setenv(reader.SERVERS, server)
    script = f"import os\nif {reader.SERVERS!r} in os.environ:\n    __import__('signal').pause()\n" + GOOD
    told = ask(script, limit=2.0)
    assert [stack.tid for stack in told.stacks] == ([70] if server else [])
    assert bool(told.ended) is not bool(server)
    assert [reader.SERVERS in lack for lack in told.lacks] == ([True] if server else [])


def test_without_drgn(target: Callable[..., Program], tmp_path: Path):
    """Every thread still has the place it stood at, and the report says how to get the rest."""
    core = dumping.dump(target("deadlock").pid, "mini", tmp_path).core
    script = "import sys; sys.modules['drgn'] = None\n"
    script += "from tray.reports import drgn_reader; drgn_reader.main(sys.argv[1])"
    command = [sys.executable, "-c", script]
    report = reports.make(core, None, {"elf-core": lambda path: reader.unwind(path, command=command)})
    assert all(len(stack.frames) == 1 for stack in report.stacks)
    [lack] = report.lacks
    assert "pip install drgn" in lack


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("_ZNK4shop8CustomerclEi", "shop::Customer::operator()(int) const"),
        ("_ZN4core3fmt5write17h0123456789abcdefE", "core::fmt::write"),
        ("_RNvNtCs9ltgdHTiPiY_3std2rt10lang_start", "std::rt::lang_start"),
        ("_Znothing", "_Znothing"),
    ],
)
def test_names_of_authors(symbol: str, name: str):
    """C++ and both manglings of Rust; what is neither stays as it is."""
    assert drgn_reader.namer()(symbol) == name


def test_inspect_loads_drgn_in_another_process(target: Callable[..., Program], tmp_path: Path):
    """Nothing that drgn does can harm the report."""
    core = dumping.dump(target("deadlock").pid, "mini", tmp_path).core
    script = f"""
import contextlib, io, json, sys
from tray.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    main(["inspect", {str(core)!r}])
print(json.dumps([name for name in sys.modules if name.partition(".")[0] == "drgn"]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
