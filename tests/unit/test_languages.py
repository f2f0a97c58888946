"""Calls of interpreters among native ones, and what is said of those that cannot be had."""

from __future__ import annotations

import json
import os
import re
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import synth

from tray.model import Dump, Frame, Module, Report, Stack, Target, Trigger, Trust
from tray.reports import drgn_reader, names, own, python_calls, runtimes
from tray.store import sidecar

LIBRARY, LIBC = "/usr/lib/libpython3.11.so.1.0", "/lib/x86_64-linux-gnu/libc.so.6"
SLEEP, TIME = Frame(1, "nanosleep", LIBC), Frame(2, "time_sleep", LIBRARY)
LOOP, VECTOR = Frame(3, "_PyEval_EvalFrameDefault", LIBRARY), Frame(4, "_PyEval_Vector", LIBRARY)
SORT, RUN = Frame(5, "list_sort", LIBRARY), Frame(6, "run_mod", LIBRARY)


def calls(*frames: tuple[str, bool]) -> Stack:
    """Python's calls as the reader tells them: name, and whether C called it."""
    return python_calls.stack({"tid": 7, "frames": [[name, "app.py", 1, entry] for name, entry in frames]})


def merged(native: tuple[Frame, ...], *frames: tuple[str, bool]) -> list[str]:
    """The functions of the whole stack."""
    [stack] = python_calls.merged([Stack(7, native)], [calls(*frames)])
    return [frame.function for frame in stack.frames]


def test_calls_take_the_place_of_their_loops() -> None:
    """One run of the loop may serve several calls; its own steps are left out."""
    native = (SLEEP, TIME, LOOP, VECTOR, SORT, LOOP, VECTOR, RUN)
    found = merged(native, ("inner", False), ("key", True), ("save", False), ("<module>", True))
    assert found == ["nanosleep", "time_sleep", "inner", "key", "list_sort", "save", "<module>", "run_mod"]


@pytest.mark.parametrize("native", [(SLEEP, TIME, SORT, RUN), (SLEEP, TIME, LOOP, SORT, LOOP, RUN)])
def test_calls_that_do_not_fit(native: tuple[Frame, ...]) -> None:
    """They stand together, in front of the interpreter: nothing is put where it may not belong."""
    found = merged(native, ("inner", False), ("key", True))
    assert found == ["nanosleep", "inner", "key", *(frame.function for frame in native[1:])]


def test_a_program_that_holds_the_interpreter_itself() -> None:
    """It is known by the loop; of the program's own calls none is left out, whether they have a name or not."""
    own = [replace(one, module="/app") for one in (SLEEP, Frame(9, ""), LOOP, VECTOR, Frame(8, "main"))]
    assert python_calls.is_run([Stack(7, tuple(own))])
    assert not python_calls.is_run([Stack(7, (SLEEP, VECTOR))])
    assert merged(tuple(own), ("inner", False), ("<module>", True)) == [
        "nanosleep", "", "inner", "<module>", "main",
    ]  # fmt: skip
    assert merged(tuple(own), ("inner", True), ("<module>", True))[:4] == [
        "nanosleep", "", "inner", "<module>",
    ]  # fmt: skip


def test_threads_without_python() -> None:
    """Stay as they are."""
    stack = Stack(8, (SLEEP, LOOP))
    assert python_calls.merged([stack], [calls(("inner", True))]) == (stack,)


def test_what_the_reader_says() -> None:
    """Nonsense is left out; a reader that gave up says why in our words."""
    line = json.dumps({"tid": 7, "frames": [["f", "a.py", 3, True]]}).encode()
    found, why = python_calls.understood(b"nonsense\n[1]\n{}\n" + line + b"\n" + line[:20], 0)
    assert (len(found), why) == (1, "")
    assert found[0].frames == (Frame(0, "f", file="a.py", line=3, trust=Trust.INTERPRETER),)
    assert "pip install pystack" in python_calls.understood(b'{"missing": "x"}\n', 0)[1]
    assert "did not find" in python_calls.understood(b"", 1)[1]
    assert "no calls" in python_calls.understood(b'{"done": true}\n', 0)[1]


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (Frame(0, "Store.save", file="/app/store.py"), "Store.save()"),
        (Frame(0, "main.<locals>.inner", file="/app/store.py"), "main.inner()"),
        (Frame(0, "<module>", file="/app/store.py"), "store.py"),
        (Frame(0, "<lambda>", file="/app/store.py"), "<lambda>()"),
        (Frame(0, "wait", file="/usr/lib/python3.11/threading.py"), None),
        (Frame(0, "run", file="<frozen runpy>"), None),
        (Frame(0, "get", file="/x/lib/python3.11/site-packages/requests/api.py"), "get()"),
        (Frame(0, "wait", file=r"C:\Python311\Lib\threading.py"), None),
        (Frame(0, "run", file=r"C:\x\python312.zip\asyncio\base_events.py"), None),
        (Frame(0, "get", file=r"C:\Python311\Lib\site-packages\requests\api.py"), "get()"),
        (Frame(0, "save", file=r"D:\shop\lib\store.py"), "save()"),
    ],
)
def test_the_programs_own_python(frame: Frame, words: str | None) -> None:
    """Not of Python's own library; what runs outside of any function is called by its file."""
    made = replace(frame, trust=Trust.INTERPRETER)
    assert own.places([Stack(7, (made,))]) == ({7: words} if words else {})


def test_python_counts_more_than_what_it_calls() -> None:
    """A program in Python is its Python; the libraries that it loads are not."""
    native = Frame(1, "call", "/x/site-packages/numpy/core.so")
    outer = Frame(0, "__init__", file="/app/store.py", trust=Trust.INTERPRETER)
    assert own.own(Stack(7, (native, outer))) == outer
    assert own.own(Stack(7, (Frame(1, "call", "/usr/lib/python3.11/lib-dynload/_ctypes.so"),))) is None


def report(
    *paths: str, mode: str = "heap", stacks: tuple[Stack, ...] = (), style: str = "elf-core"
) -> Report:
    """A report on a process with these modules."""
    path = Path("/dumps/my app.core")
    taken = datetime(2026, 11, 22, tzinfo=UTC)
    dump = Dump(path.stem, path, style, mode, Trigger.CLI, Target(70, 1, "app"), taken, 0.1, 0.1, "", 0, 0)
    modules = tuple(Module(one, 0x1000 * n, 0x1000 * n + 1) for n, one in enumerate(paths))
    return Report(
        path, 0, 0, synth.snapshot(synth.thread(70)), modules, dump=dump, stacks=stacks, format=style
    )


LINUX = [
    ("/usr/lib/jvm/17/libjvm.so", "Java", "jhsdb jstack --exe '/opt/my exe' --core '/dumps/my app.core'"),
    ("/usr/lib/dotnet/libcoreclr.so", ".NET", "dotnet-dump analyze '/dumps/my app.core' -c 'clrstack -all' -c exit"),
    ("/usr/bin/node", "JavaScript", "llnode '/opt/my exe' -c '/dumps/my app.core' --batch -o 'v8 bt'"),
    ("/usr/lib/libruby-3.1.so.3.1", "Ruby", "rbspy snapshot --pid 70"),
]  # fmt: skip
WINDOWS = [
    (r"C:\Java\bin\server\jvm.dll", "Java", 'jhsdb jstack --exe "C:\\my exe" --core "/dumps/my app.core"'),
    (r"C:\x\CoreCLR.dll", ".NET", 'dotnet-dump analyze "/dumps/my app.core" -c "clrstack -all" -c exit'),
    (r"C:\Windows\clr.dll", ".NET Framework", 'windbg -z "/dumps/my app.core" -c ".loadby sos clr; ~*e !clrstack"'),
    (r"C:\x\mscorwks.dll", ".NET Framework", 'windbg -z "/dumps/my app.core" -c ".loadby sos mscorwks; ~*e !clrstack"'),
    (r"C:\node\node.exe", "JavaScript", "node inspect -p 70"),
    (r"C:\Python\python312.dll", "Python", "py-spy dump --nonblocking --pid 70"),
    (r"C:\Ruby\bin\x64-ucrt-ruby330.dll", "Ruby", "rbspy snapshot --pid 70"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("module", "language", "command", "style"),
    [(*row, "elf-core") for row in LINUX] + [(*row, "minidump") for row in WINDOWS],
)
def test_other_languages(module: str, language: str, command: str, style: str) -> None:
    """The language is named, with the command to paste into a shell of the dump's own system."""
    exe = "/opt/my exe" if style == "elf-core" else r"C:\my exe"
    [lack] = runtimes.added(report(exe, module, style=style, mode="full")).lacks
    assert lack.startswith(f"Its {language} calls are not in these stacks. ")
    assert slashes(lack).endswith(slashes(f": {command}"))


def slashes(text: str) -> str:
    """The same words, whether a path was joined here or there."""
    return text.replace("\\", "/")


@pytest.mark.parametrize(
    ("module", "style", "mode", "wanted"),
    [
        ("/libjvm.so", "elf-core", "mini", "heap"),
        ("/libjvm.so", "elf-core", "heap", ""),
        ("/jvm.dll", "minidump", "heap", "full"),
        ("/jvm.dll", "minidump", "full", ""),
        ("/coreclr.dll", "minidump", "triage", "heap"),
        ("/usr/bin/node", "elf-core", "mini", "heap"),
        ("/node.exe", "minidump", "mini", ""),
        ("/ruby", "elf-core", "mini", ""),
    ],
)
def test_dumps_too_small_for_a_reader(module: str, style: str, mode: str, wanted: str) -> None:
    """What has to be taken anew is said; what asks the process itself needs no other dump."""
    [lack] = runtimes.added(report("/app", module, style=style, mode=mode)).lacks
    found = re.search(r"a dump in (\w+) mode has them", lack)
    assert (found[1] if found else "") == wanted


def test_packed_dumps_are_unpacked_first() -> None:
    """No reader but ours knows them."""
    made = report("/java", "/libjvm.so")
    [lack] = runtimes.added(replace(made, path=Path("/dumps/my app.core.zst"))).lacks
    assert "unpacked by zstd -d '/dumps/my app.core.zst': jhsdb" in slashes(lack)
    assert lack.endswith("my app.core'")


def test_go_is_known_by_its_runtime() -> None:
    """It has no library of its own."""
    stack = Stack(70, (Frame(1, "runtime.futex.abi0", "/app"), Frame(2, "runtime.mcall", "/app")))
    [lack] = runtimes.added(report("/app", stacks=(stack,))).lacks
    assert "| dlv core /app '/dumps/my app.core' --allow" in slashes(lack)
    assert runtimes.added(report("/app", "/lib/x86_64-linux-gnu/libc.so.6")).lacks == ()


def test_go_is_known_by_its_mark(tmp_path: Path) -> None:
    """A program without names, as each is on Windows, still has it; other programs do not."""
    program = tmp_path / "app.exe"
    program.write_bytes(b"MZ" + bytes(30) + b"\xff Go buildinf:\x08")
    [lack] = runtimes.added(report(str(program), style="minidump", mode="heap")).lacks
    assert "a dump in full mode has them" in lack
    assert "by its 'goroutines -t 50': dlv core" in lack
    for content in (b"", b"MZ" + bytes(99), b"MZ, and \xff Go buildinf: in a text"):
        program.write_bytes(content)
        assert runtimes.added(report(str(program))).lacks == ()
    assert runtimes.added(report(str(tmp_path))).lacks == ()


@pytest.mark.linux
def test_a_dump_that_names_a_pipe(tmp_path: Path) -> None:
    """Nobody waits for a program that is none."""
    os.mkfifo(tmp_path / "app")
    assert runtimes.added(report(str(tmp_path / "app"))).lacks == ()


PASTED = [
    ("/opt/my app", "'/opt/my app'", '"/opt/my app"'),
    ("-ex=shell id", "'./-ex=shell id'", '"./-ex=shell id"'),
    ("/a';id", """'/a'"'"';id'""", '"/a\';id"'),
    ('C:\\a"&calc&"', """'C:\\a"&calc&"'""", "PROGRAM"),
    ("C:\\a&b", "'C:\\a&b'", '"C:\\a&b"'),
    ("C:\\$(calc)", "'C:\\$(calc)'", "PROGRAM"),
    ("C:\\a\u201d;calc;\u201d", "'C:\\a\u201d;calc;\u201d'", "PROGRAM"),
    ("C:\\%X%", "'C:\\%X%'", "PROGRAM"),
    ("/a\nid", "PROGRAM", "PROGRAM"),
    ("/a\u202egpj.exe", "PROGRAM", "PROGRAM"),
    ("", "PROGRAM", "PROGRAM"),
]


@pytest.mark.parametrize(("path", "posix", "windows"), PASTED)
def test_a_command_to_paste_does_nothing_else(path: str, posix: str, windows: str) -> None:
    """A path that a dump names is one word, names a file, and is no option, whatever who made the dump chose."""
    assert names.pasted(path, "PROGRAM") == posix
    assert names.pasted(path, "PROGRAM", windows=True) == windows


def test_the_sidecar_keeps_what_the_process_told() -> None:
    """Python's calls survive the way through JSON, and take their places in the report."""
    made = report("/usr/bin/python3.11", mode="mini", stacks=(Stack(7, (TIME, LOOP, RUN)),))
    assert made.dump is not None
    dump = replace(made.dump, calls=(calls(("inner", False), ("<module>", True)),), calls_after=1.23)
    again = sidecar.read(sidecar.text(dump).encode(), dump.path)
    assert again == dump
    found = runtimes.added(replace(made, dump=again))
    assert [frame.function for frame in found.stacks[0].frames] == [
        "time_sleep",
        "inner",
        "<module>",
        "run_mod",
    ]
    assert "1.2 s after the dump" in found.lacks[0]


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("MemTotal: 9 kB\nMemAvailable:    2097152 kB\n", 1 << 30),
        ("MemAvailable: 1024 kB\n", drgn_reader.LEAST_MEMORY),
        ("MemAvailable: 99999999 kB\n", drgn_reader.MOST_MEMORY),
        ("MemAvailable: x kB\n", drgn_reader.MOST_MEMORY),
        ("", drgn_reader.MOST_MEMORY),
    ],
)
def test_a_reader_leaves_memory_to_others(tmp_path: Path, text: str, most: int) -> None:
    """It takes at most half of what there is to spare, but enough to begin with."""
    spare = tmp_path / "meminfo"
    spare.write_text(text)
    assert drgn_reader.allowance(spare) == most
    assert drgn_reader.allowance(tmp_path / "none") == drgn_reader.MOST_MEMORY


def test_a_program_on_a_disk_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file is not waited for: it may hang for that very reason."""
    answers = threading.Event()
    monkeypatch.setattr(runtimes, "_ANSWER", 0.05)
    monkeypatch.setattr(runtimes, "_has_mark", lambda _: answers.wait(30))
    assert not runtimes._is_built_by_go("/mnt/share/app")
    answers.set()
