"""Call stacks: what a reader tells, seen against the dump, folded, and word for word."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import synth

from tray import reports
from tray.model import Dump, Frame, Memory, Module, Report, Stack, Target, Thread, Trust, Window
from tray.reports import own, reading, stacks, threads
from tray.reports.reading import understood
from tray.reports.stacks import Symbols, Told
from tray.verdicts import Verdict, VerdictKind, Wait, WaitKind

APP, LIBC = "/opt/app", "/lib/libc.so.6"
MODULES = (Module(APP, synth.CODE, synth.CODE + 0x6000), Module(LIBC, synth.LIBRARY, synth.LIBRARY + 0x2000))
WAIT = Frame(synth.LIBRARY + 0x1234, "futex_wait", file="futex.h", line=146, inlined=True)
LOCK = Frame(synth.LIBRARY + 0x1234, "lock", file="lock.c", line=49)
SAVE = Frame(synth.CODE + 0x1010, "save", trust=Trust.TABLES)
LOST = Frame(synth.CODE + 0x1500, trust=Trust.TABLES)
GUESS = Frame(synth.CODE + 0x1600, "main", trust=Trust.FRAME_POINTER)
WILD = Frame(0x44, trust=Trust.FRAME_POINTER)
FOUND = (
    Symbols(APP, synth.CODE, synth.CODE + 0x6000, file=True, debug=True),
    Symbols(LIBC, synth.LIBRARY, synth.LIBRARY + 0x2000, file=True, debug=True),
)


def read(
    told: Told, *tids: int, memory: tuple[Memory, ...] = ()
) -> tuple[tuple[Stack, ...], tuple[str, ...]]:
    """What is made of a reader's words, for a process of these threads."""
    snapshot = synth.snapshot(*(synth.thread(tid, pc=synth.LIBRARY + 0x10) for tid in tids), memory=memory)
    return stacks.read(told, snapshot, MODULES)


def one(*frames: Frame, symbols: tuple[Symbols, ...] = FOUND, memory: tuple[Memory, ...] = ()) -> Stack:
    """What is made of one thread's frames."""
    [stack], _ = read(Told((Stack(70, frames),), symbols), 70, memory=memory)
    return stack


def lacks(*symbols: Symbols, frames: tuple[Frame, ...] = (LOCK, SAVE)) -> str:
    """What is said to be lacking."""
    return "\n".join(read(Told((Stack(70, frames),), symbols), 70)[1])


def test_frames_get_their_modules():
    """By their addresses; the end of a module is no longer in it."""
    outside = Frame(synth.CODE + 0x6000, trust=Trust.TABLES)
    stack = one(WAIT, LOCK, SAVE, outside)
    assert [(frame.module, frame.offset) for frame in stack.frames] == [
        (LIBC, 0x1234),
        (LIBC, 0x1234),
        (APP, 0x1010),
        ("", 0),
    ]
    assert not stack.cut


def test_a_module_that_only_the_reader_knows():
    """The kernel's own code has no file, so the dump does not list it."""
    vdso = Symbols("linux-vdso.so.1", 0x7000, 0x9000, file=True, debug=True)
    assert one(Frame(0x7010), symbols=(vdso,)).frames[0].module == "linux-vdso.so.1"


def test_what_the_dump_lists_wins():
    """A library's name in the dump is the path it was loaded from; the reader's may be a link."""
    assert one(SAVE, symbols=(replace(FOUND[0], module="/opt/link"),)).frames[0].module == APP


def test_a_guess_that_is_no_code_ends_the_stack():
    """Nonsense is not shown, nor what was found by it."""
    stack = one(LOCK, SAVE, GUESS, WILD, GUESS)
    assert [frame.function for frame in stack.frames] == ["lock", "save", "main"]
    assert stack.cut


def test_a_guess_is_held_against_the_memory_that_is_code():
    """A JIT's code lies in no module; a module's data is no code."""
    jit = Frame(0x9010, trust=Trust.FRAME_POINTER)
    memory = (Memory(0x9000, 0x1000, 0, "r-x"), Memory(synth.CODE + 0x1000, 0x600, 0, "r-x"))
    assert one(SAVE, jit, memory=memory).frames == (*one(SAVE).frames, jit)
    assert len(one(SAVE, GUESS, memory=memory).frames) == 1


def test_a_module_whose_code_the_dump_does_not_list():
    """As in a mini dump: it may be anywhere in the module, whatever other code is listed."""
    vdso = (Memory(0x9000, 0x1000, 0x1000, "r-x"),)
    assert len(one(SAVE, GUESS, memory=vdso).frames) == 2


def test_tables_are_believed():
    """What unwind tables give is shown wherever it leads."""
    nowhere = Frame(0x44, trust=Trust.TABLES)
    assert one(SAVE, nowhere).frames[-1] == nowhere


def test_a_stack_that_ends_in_a_missing_file_says_so():
    """Without the file there are no unwind tables."""
    assert one(LOCK, LOST, symbols=(replace(FOUND[0], file=False), FOUND[1])).cut


def test_a_thread_that_the_reader_did_not_get_to():
    """Shows where it stood."""
    found, said = read(Told((Stack(70, (LOCK,)), Stack(71)), FOUND, "The reader was ended"), 70, 71, 72)
    assert [[frame.offset for frame in stack.frames] for stack in found] == [[0x1234], [0x10], [0x10]]
    assert said == ("The reader was ended; 2 of the threads show only where they stood.",)


def test_an_end_that_cost_nothing():
    """Is told all the same."""
    assert read(Told((Stack(70, (LOCK,)),), FOUND, "It crashed"), 70)[1] == (
        "It crashed, after the last stack.",
    )


def test_nothing_lacks():
    """Then nothing is said."""
    assert lacks(*FOUND) == ""


def test_a_missing_file_lacks():
    """Its name, and what to do."""
    text = lacks(replace(FOUND[0], file=False, debug=False), FOUND[1])
    assert text.startswith("Not found on this machine as the target had it: app. ")
    assert "put the same build where it was" in text
    assert "Without debug info" not in text


def test_missing_debug_info_lacks():
    """Only of modules that are on a stack."""
    bare = [replace(symbols, debug=False) for symbols in FOUND]
    assert lacks(*bare, frames=(SAVE,)).startswith("Without debug info: app. ")


def test_a_module_that_the_reader_did_not_find_lacks():
    """As in a dump that was cut off."""
    assert "so these are not read: libc.so.6." in lacks(FOUND[0])


def test_many_modules_are_counted():
    """A sentence stays a sentence."""
    names = [f"/lib/{letter}" for letter in "abcdefg"]
    assert stacks._names(names) == "a, b, c, d, e and 2 more"


def test_folding():
    """The same calls at the same addresses; a stack that ends early is another kind."""
    alike = [Stack(tid, (LOCK, SAVE)) for tid in (1, 2, 4)]
    other, cut = Stack(3, (WAIT, LOCK, SAVE)), Stack(5, (LOCK, SAVE), "cut")
    folded = stacks.fold([alike[0], alike[1], other, alike[2], cut])
    assert [[stack.tid for stack in kind] for kind in folded] == [[1, 2, 4], [3], [5]]


def test_the_programs_own_call():
    """Is neither the C library's nor in a header of C++; a module without a name is a JIT's."""
    header = Frame(1, "lock_guard", APP, 1, "/usr/include/c++/12/bits/std_mutex.h", 229, inlined=True)
    libc, nameless = replace(LOCK, module=LIBC), replace(LOST, module=APP)
    assert own.own(Stack(70, (libc, header, nameless, SAVE, GUESS))) == SAVE
    assert own.own(Stack(70, (libc,))) is None


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (LOCK, "lock at lock.c:49"),
        (replace(LOCK, module=LIBC), "lock at lock.c:49 (libc.so.6)"),
        (replace(WAIT, module=LIBC), "futex_wait at futex.h:146 (libc.so.6, inlined)"),
        (replace(SAVE, module=APP, offset=0x1010), "save (app+0x1010)"),
        (replace(GUESS, module=APP, offset=0x1600), "main (app+0x1600, a guess)"),
        (replace(LOST, module=APP, offset=0x1500), "app+0x1500"),
        (Frame(0x44), "0x44"),
        (WILD, "0x44 (a guess)"),
        (
            replace(SAVE, function=f"f({threads._STRING} const&)", module=APP),
            "f(std::string const&) (app+0x0)",
        ),
    ],
)
def test_calls(frame: Frame, words: str):
    """One line says name, place, and how sure that is."""
    assert threads.call(frame) == words


def dumped(*told: Thread, window: int | None = None) -> Dump:
    """A dump of these threads."""
    seen = Window(70, thread=window) if window else None
    return synth.dump(Path("/dumps/app.core"), threads=told, target=Target(70, 7, "app", window=seen))


def report(*found: Stack, dump: Dump | None = None) -> Report:
    """A report of these stacks."""
    snapshot = synth.snapshot(*(synth.thread(stack.tid) for stack in found))
    return Report(Path("/dumps/app.core"), 1, 1, snapshot, MODULES, dump=dump, stacks=found)


def test_the_section():
    """Kinds of threads, each with its calls, then what is lacking."""
    found = (
        Stack(70, (replace(SAVE, module=APP, offset=0x1010),)),
        Stack(71, (LOCK,), "cut off"),
        Stack(72, (LOCK,), "cut off"),
    )
    dump = dumped(Thread(70, "app", "S", "poll"), Thread(71, "one", "S"), Thread(72, "two", "S"))
    text = "\n".join(threads.lines(replace(report(*found, dump=dump), lacks=("A thing.",))))
    assert (
        text
        == """\
3 threads

  app (70)  S in poll
    #0  save (app+0x1010)

  2 threads like this: one (71), two (72)  S
    #0  lock at lock.c:49
    …   cut off

  A thing."""
    )


def test_the_order():
    """Those that matter, as they are given; the window's; the awake; the main one; the odd before the many."""
    tids = range(70, 78)
    found = [Stack(tid, (Frame(0x5000 if tid in {71, 72} else tid),)) for tid in tids]
    states = {74: "D"}
    dump = dumped(*(Thread(tid, "", states.get(tid, "S")) for tid in tids), window=75)
    order = [kind.threads[0].tid for kind in threads.kinds(report(*found, dump=dump), (77, 76))]
    assert order == [77, 76, 75, 74, 70, 73, 71]


def test_the_verdicts_threads():
    """Come first, and the report says where in the program each is."""
    chain = (
        Wait(71, "one", WaitKind.MUTEX, "waits"),
        Wait(70, "app", WaitKind.MUTEX, "waits"),
        Wait(9, "gone", WaitKind.MUTEX, "waits"),
    )
    dump = replace(dumped(), verdict=Verdict(VerdictKind.DEADLOCK, "Deadlock", certain=True, chain=chain))
    frame = replace(SAVE, module=APP, offset=0x1010)
    made = report(Stack(70, (replace(LOCK, module=LIBC),)), Stack(71, (frame,)), dump=dump)
    assert threads.matter(made) == (71, 70, 9)
    assert threads.where(made) == ["  one is in save (app+0x1010)"]
    assert threads.where(report(Stack(70))) == []


def test_who_holds_it_all_up_matters():
    """The last in the chain waits for it; it comes after those that wait, and once round a ring nobody twice."""
    for owner, expected in ((75, (71, 75)), (71, (71,)), (None, (71,))):
        chain = (Wait(71, "one", WaitKind.MUTEX, "waits", owner=owner),)
        said = Verdict(VerdictKind.BLOCKED, "Blocked", certain=True, chain=chain)
        assert threads.matter(report(Stack(70)), said) == expected


def test_a_busy_thread_matters():
    """The verdict names it and has no waits; another one whose name begins the same is not meant."""
    dump = dumped(Thread(70, "app"), Thread(71, "app-2"))
    for name, tids in (("app", (70,)), ("app-2", (71,)), ("ap", ())):
        said = Verdict(VerdictKind.BUSY, f"Busy: {name} in spin() used a whole CPU", certain=False)
        made = report(Stack(70), Stack(71), dump=replace(dump, verdict=said))
        assert threads.matter(made) == tids


def test_a_very_deep_stack():
    """Its innermost calls are shown, the others counted."""
    lines = threads.lines(report(Stack(70, (LOCK,) * 100)))
    assert lines[-1] == "    …   40 more calls"
    assert len(lines) == 64


def test_json():
    """Every frame with all that is known of it."""
    [thread] = threads.as_json(report(Stack(70, (replace(SAVE, module=APP, offset=0x1010),), "why")))
    assert thread["cut"] == "why"
    assert json.loads(json.dumps(thread["frames"])) == [
        {
            "pc": SAVE.pc,
            "function": "save",
            "module": APP,
            "offset": 0x1010,
            "file": "",
            "line": 0,
            "inlined": False,
            "trust": "unwind tables",
        }
    ]


def said(*facts: object) -> list[bytes]:
    """A reader's lines."""
    return [json.dumps(fact).encode() + b"\n" for fact in facts]


def test_what_a_reader_says():
    """Its lines become stacks and symbols."""
    frame = [LOCK.pc, "lock", "lock.c", 49, False, "registers"]
    module = {"name": APP, "ranges": [[1, 2], [3, 4]], "file": "/there", "debug": None}
    lines = said({"modules": [module]}, {"tid": 70, "frames": [frame], "cut": ""}, {"done": True})
    assert understood(lines) == Told(
        (Stack(70, (LOCK,)),),
        (Symbols(APP, 1, 2, file=True, debug=False), Symbols(APP, 3, 4, file=True, debug=False)),
    )


def test_threads_with_the_calls_of_another():
    """They share them: whatever is made of one serves for all. Those of a thread that nobody told say nothing."""
    first = {"tid": 70, "frames": [[LOCK.pc, "lock", "", 0, False, "registers"]], "cut": "early"}
    one, two = understood(said(first, {"tid": 71, "like": 70}, {"tid": 72, "like": 7})).stacks
    assert one.frames is two.frames
    assert (two.tid, two.cut) == (71, "early")
    [same, again], _ = read(Told((one, two), FOUND), 70, 71)
    assert same.frames is again.frames
    assert same.frames[0].module == LIBC


def test_the_kernels_own_code_lacks_nothing():
    """It lies in the dump itself, and nobody has debug info for it."""
    module = {"name": "linux-vdso.so.1", "ranges": [[1, 2]], "file": "[vdso]", "debug": None}
    assert understood(said({"modules": [module]})).symbols[0].debug


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b'{"tid": 70, "fra',
        b"[]",
        b"7",
        b'{"tid": 70}',
        b'{"modules": [{}]}',
        b"\xff\xfe",
        b'{"tid":1,"frames":[[1]],"cut":""}',
    ],
)
def test_a_line_that_makes_no_sense_says_nothing(line: bytes):
    """As the last one of a reader that was ended."""
    good = said({"tid": 71, "frames": [], "cut": ""})
    assert understood([*good, line]) == Told((Stack(71),))


def test_without_drgn():
    """The report says what is missing and how to get it."""
    [lack] = understood(said({"missing": "No module named 'drgn'"})).lacks
    assert "No module named 'drgn'" in lack
    assert "pip install drgn" in lack


@pytest.mark.parametrize(
    ("code", "talk", "end"),
    [
        (0, b"noise", ""),
        (-11, b"", "The reader of call stacks crashed (SIGSEGV)"),
        (-99, b"", "The reader of call stacks gave up (exit code -99)"),
        (
            1,
            b"Traceback\nValueError: not a core\n",
            "The reader of call stacks gave up (ValueError: not a core)",
        ),
        (2, b"", "The reader of call stacks gave up (exit code 2)"),
    ],
)
def test_how_a_reader_ends(code: int, talk: bytes, end: str):
    """Crashes and errors are told in a few words."""
    assert reading.end(code, talk) == end


def test_reports_without_a_reader_have_no_stacks(tmp_path: Path):
    """Nor does a format that no reader knows."""
    path = synth.core_file(tmp_path / "app.core")
    assert reports.make(path, None).stacks == ()
    assert reports.make(path, None, {"other": lambda _: nullcontext(Told)}).stacks == ()


def test_reports_with_a_reader(tmp_path: Path):
    """Have a stack for each thread, and tell what is lacking."""
    path = synth.core_file(tmp_path / "app.core")
    made = reports.make(
        path, None, {"elf-core": lambda _: nullcontext(lambda: Told(lacks=("Nothing here.",)))}
    )
    assert [stack.tid for stack in made.stacks] == [70, 71, 72, 73]
    assert made.lacks == ("Nothing here.",)
