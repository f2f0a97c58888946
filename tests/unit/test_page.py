"""The page about a dump: its words, that nothing foreign gets out of its place, and that it stays small."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import synth
import synth_minidump
from damage import mutations
from synth_page import HOSTILE, hostile, many, subject

from tray import reports
from tray.errors import BadDump
from tray.model import Frame, Gap, Memory, Module, Region, Report, Stack, Target, Thread, Window
from tray.reports import page, redact, threads
from tray.reports.page import style
from tray.reports.page.subject import Subject
from tray.verdicts import Crash, Verdict, VerdictKind, Wait, WaitKind

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = """\
title: app: Deadlock: saver ↔ loader, in save() and load()
p: app · process 70
h1: Deadlock: saver ↔ loader, in save() and load()
p: ✓ The dump proves it
li: saver is in save() at save.c:12
li: loader is in load()
dt: Taken
dd: {taken}
dt: Window
dd: Ein Fenster, was not responding
dt: Stood still for
dd: 250 ms (stop and copy)
dt: Dump
dd: ELF core file, heap, 4.1 kB
dt: Threads
dd: 5
dt: System
dd: Linux
dt: Command line
dd: /opt/app --fast
h2: Who waits for whom
p: Each arrow leads from a thread to the one that holds what it wants. Round the ring nobody ever lets go.
title: A ring of threads that wait for each other
title: saver in save()
text: saver
text: in save()
title: loader in load()
text: loader
text: in load()
title: 2 threads pool
text: 2 threads
text: pool
text: a mutex
text: a mutex
text: a mutex
li: saver waits for a mutex at 0x1000, held by loader
li: loader, pool (73), pool (74) wait for a mutex at 0x2000, held by saver
h2: 5 threads
p: Those that matter come first. The innermost call is at the top; the program's own are set in bold. \
Those with the same calls are folded: there are 4 kinds.
li: Without debug info: app.
summary: saver 71 sleeping in futex_wait in save()
li: 0 pthread_mutex_lock libc.so.6+0x1234
li: 1 save /src/save.c:12 · app
li: 2 main inlined a guess app+0x20
p: … nothing tells who called this
summary: loader 72 sleeping in futex_wait in load()
li: 0 load app+0x30
summary: app 70 running, used 20% of a CPU app+0x40
li: 0 app+0x40
summary: pool 73 2 threads like this sleeping in futex_wait libc.so.6+0x1500
p: pool 73, pool 74
li: 0 libc.so.6+0x1500
h2: Memory
p: The dump holds 29 kB of 1.1 MB of address space in use.
p: in the dump left out, or never touched
th: Kind
th: Size
th: In the dump
th: Stretches
th: Heap and other private
td: 1.1 MB
td: 4.1 kB
td: 2
th: Code
td: 25 kB
td: 4.1 kB
td: 2
th: Stacks
td: 12 kB
td: 12 kB
td: 1
th: Constants of modules
td: 4.1 kB
td: 4.1 kB
td: 1
th: Data of modules
td: 4.1 kB
td: 4.1 kB
td: 1
h2: What the dump holds, and what it lacks
h3: Holds
li: Mode heap: stacks and the app's own memory
li: Registers and stacks of 5 threads
li: 4.1 kB on the disk
h3: Lacks
li: 1 thing that this mode should hold:
li: 9000-a000 /dev/x: device memory (VM_IO) (4.1 kB)
h2: Open it in a debugger
p: A click on a command selects all of it. Run it in the dump's folder.
h3: Whichever is here
code: hangshot open app.core --debugger
h3: gdb
code: gdb /opt/app app.core -ex 'thread apply all bt'
h3: lldb
code: lldb /opt/app --core app.core -o 'thread backtrace all'
h3: elfutils
code: eu-stack --executable /opt/app --core app.core
p: A mini or heap dump needs the same program and libraries on the machine where it is read; a full one brings \
them along. Symbols of a distribution come by themselves where DEBUGINFOD_URLS is set.
h2: 2 modules
p: The build ids are what finds the symbols of these very files.
summary: The list, with build ids
th: Module
th: Build id
th: Address
td: app /opt/
td: a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1
td: 400000-406000
td: libc.so.6 /lib/
td: b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2
td: 7f0000000000-7f0000002000"""

LINES = ("title", "p", "h1", "h2", "h3", "li", "dt", "dd", "th", "td", "summary", "text", "code")
"""Elements that stand on a line of their own in an outline."""


class Outline(HTMLParser):
    """The words of a page, an element a line; and which elements and attributes it has at all."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self._open: list[tuple[str, list[str] | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {(name, value or "") for name, value in attrs}
        if tag in ("meta", "br", "wbr"):
            self._say("" if tag == "wbr" else " ")
            return
        inline = tag == "code" and "pre" not in [name for name, _ in self._open]
        own = tag in LINES or tag in ("style", "desc", "nav")
        self._open.append((tag, [] if own and not inline else None))

    def handle_endtag(self, tag: str) -> None:
        opened, words = self._open.pop()
        assert opened == tag, "elements must be nested"
        if words is None:
            self._say(" " if tag in ("span", "div") else "")
        elif tag in LINES and not {"nav", "footer"} & {name for name, _ in self._open}:
            self.lines += [f"{tag}: {line}"] if (line := " ".join("".join(words).split())) else []

    def handle_data(self, data: str) -> None:
        self._say(data)

    def _say(self, text: str) -> None:
        """Add to the innermost line."""
        for _, words in reversed(self._open):
            if words is not None:
                words.append(text)
                return


def outline(content: bytes) -> Outline:
    """Read a page."""
    found = Outline()
    found.feed(content.decode())
    found.close()
    return found


def test_the_whole_page():
    """All that is known of a dump, in the order in which people ask for it."""
    one = subject()
    taken = one.report.dump.taken.astimezone()
    zone = taken.strftime("%z")
    when = f"{taken:%Y-%m-%d %H:%M:%S} {'UTC' if zone == '+0000' else f'{zone[:3]}:{zone[3:]}'}"
    assert outline(page.drawn(one)).lines == GOLDEN.format(taken=when).splitlines()


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names(text: str):
    """Stay text: the page has the very elements and attributes that it has with harmless names."""
    drawn = page.drawn(hostile(text))
    harmless, found = outline(page.drawn(hostile("name"))), outline(drawn)
    assert found.tags - {"wbr"} == harmless.tags - {"wbr"}  # where a line may break
    assert "script" not in found.tags
    numbers = re.compile(r"[\d.,CML -]+")
    differing = {
        name for name, value in found.attributes ^ harmless.attributes if not numbers.fullmatch(value)
    }
    assert not differing
    assert len(drawn) < 1_000_000
    shown = "".join(found.lines)
    assert not [sign for sign in shown if not (sign.isprintable() or sign == "\ufffd")]


def test_a_file_name_to_be_pasted():
    """Whatever it holds, a command takes it as one word."""
    odd = Path("/dumps/it's a; rm -rf $(x).core")
    one = subject()
    found = outline(page.drawn(replace(one, report=replace(one.report, path=odd)))).lines
    quoted = "'it'\"'\"'s a; rm -rf $(x).core'"
    assert f"code: gdb /opt/app {quoted} -ex 'thread apply all bt'" in found


def test_nothing_private_is_left(tmp_path: Path):
    """In a redacted page there is no user, path, argument or title; build ids, functions and file names stay."""
    path = synth.core_file(tmp_path / "app.core")
    home = "/home/anna bell/My Apps/app"
    one = subject()
    shown = replace(
        one.report.snapshot,
        arguments=f"{home} --password hunter2",
        mappings=(Region(0x1000, 0x2000, path="/home/anna bell/letter to Bob.odt"),),
    )
    module = Module(home, 0x400000, 0x406000, synth.APP_ID)
    frame = Frame(2, "save", home, 0x10, "/home/anna bell/src/save.c", 12)
    report = replace(
        one.report,
        path=path,
        snapshot=shown,
        modules=(module,),
        stacks=(Stack(70, (frame,)),),
        dump=replace(
            one.report.dump,
            path=path,
            target=Target(70, 7, "app", Path(home), Window(70, "Dear Bob", hung=True)),
            gaps=(Gap("5000-6000 /home/anna bell/letter to Bob.odt", "gone"),),
            verdict=Verdict(
                VerdictKind.OUTSIDE,
                "Waiting outside: app reads from /home/anna bell/letter to Bob.odt",
                True,
                (Wait(70, "app", WaitKind.FILE, "reads from /home/anna bell/letter to Bob.odt"),),
            ),
        ),
    )
    text = page.html(report, redact.words(report, "anna")).decode().replace(style.SHEET, "")
    secrets = ("anna", "bell", "My Apps", "letter", "password", "hunter2", "Dear Bob", "/home", str(tmp_path))
    assert [secret for secret in secrets if secret in text] == []
    for word in ("save", "save.c", synth.APP_ID, "app.core", "(left out)", "are left out"):
        assert word in text
    assert "Dear Bob" in page.html(report).decode(), "the test must be able to fail"


@pytest.mark.parametrize("name", ["f", "std::" + "very<long, " * 400])
def test_very_many_threads(name: str):
    """A page of 2,000 threads opens at once: it is cut to size, and says what is not there."""
    content = page.drawn(many(2000, 100, name))
    assert len(content) < 3_500_000
    assert "… 36 more calls" in content.decode()
    assert re.search(
        r"… and \d+ more threads; &#x27;hangshot inspect --json&#x27; has them all", content.decode()
    )


def test_what_cannot_be_told():
    """Without verdict, sidecar, stacks or memory there is still a page."""
    shown = replace(synth.app()[0], memory=(), threads=(Thread(7),), arguments="", name="")
    bare = Report(Path("/x/core"), 1, 1, shown, (), missing=5000)
    found = outline(page.drawn(Subject(bare, None, ()))).lines
    for line in (
        "title: a process: a report of Hangshot",
        "h1: Why it hangs cannot be told from this dump",
        "p: This dump is damaged: 5.0 kB are missing at its end. It was not copied whole.",
        "h2: 1 thread",
        "p: The dump has no registers of it.",
        "p: The dump lists no memory.",
        "li: Its sidecar: nobody knows when and why it was taken, nor what it left out",
        "code: gdb PROGRAM core -ex 'thread apply all bt'",
        "h2: 0 modules",
    ):
        assert line in found


def test_a_packed_dump_is_unpacked():
    """Our own program opens it as it is; for the others it must be unpacked, and has a shorter name then."""
    one = subject()
    found = outline(page.drawn(replace(one, report=replace(one.report, path=Path("/d/app.core.zst"))))).lines
    assert "code: hangshot open app.core.zst --debugger" in found
    assert "code: unzstd app.core.zst" in found
    assert "code: lldb /opt/app --core app.core -o 'thread backtrace all'" in found


def test_a_minidump_is_opened_on_windows():
    """Its commands are those of WinDbg and Visual Studio."""
    one = subject()
    report = replace(one.report, format="minidump", path=Path("app.dmp"), comment="Tool: Hangshot")
    found = outline(page.drawn(replace(one, report=report))).lines
    assert 'code: windbgx -z "app.dmp"' in found
    assert 'code: devenv "app.dmp"' in found
    packed = outline(page.drawn(replace(one, report=replace(report, path=Path("app.dmp.zst"))))).lines
    assert 'code: zstd -d "app.dmp.zst"' in packed
    assert 'code: devenv "app.dmp"' in packed
    assert "li: Its writer's note: Tool: Hangshot" in found
    assert not [line for line in found if line.startswith("code: gdb")]


def test_what_threads_did():
    """State, share of a CPU and place, as far as they are known; folded, at least where it stands."""
    one = subject()
    told = (Thread(70, "a", busy=0.02), Thread(71, "b", "D", "nfs_wait"), Thread(72, "c", "", "poll"))
    stacks = (
        Stack(70, (Frame(1, "NtDelayExecution", "C:\\Windows\\ntdll.dll", 1),)),
        Stack(71, (Frame(2, "", "", 0),)),
        Stack(72),
    )
    shown = replace(one.report.snapshot, threads=tuple(synth.thread(tid) for tid in (70, 71, 72)))
    report = replace(one.report, snapshot=shown, stacks=stacks, dump=replace(one.report.dump, threads=told))
    found = outline(page.drawn(Subject(report, None, ()))).lines
    assert [line for line in found if line.startswith("summary")][:3] == [
        "summary: b 71 cannot be interrupted in nfs_wait 0x2",
        "summary: a 70 used 2% of a CPU in NtDelayExecution()",
        "summary: c 72 in poll",
    ]


def test_a_crash():
    """A dump that a crash handler wrote says what was raised where, and that thread comes first."""
    one = subject()
    crash = Crash(tid=73, code=0xC0000005, pc=0x400010, name="access violation")
    report = replace(one.report, crash=crash, dump=None)
    found = outline(page.drawn(Subject(report, None, (), threads.matter(report)))).lines
    assert "p: Thread 73 raised exception 0xc0000005 (access violation) at app+0x10." in found
    assert next(line for line in found if line.startswith("summary")).startswith("summary: thread 73")


def test_all_is_held():
    """What a mini dump leaves out it does not list, so no bar is light; the page says so."""
    one = subject()
    shown = replace(one.report.snapshot, memory=(Memory(synth.STACK, 4096, 4096),))
    content = page.drawn(replace(one, report=replace(one.report, snapshot=shown)))
    assert (
        "p: The dump lists 4.1 kB and holds all of it; what its mode leaves out it does not list."
        in outline(content).lines
    )
    assert "left out, or never touched" not in content.decode()
    reserved = Memory(0, 1 << 40, 0, "---")
    shown = replace(shown, memory=(reserved, *shown.memory))
    content = page.drawn(replace(one, report=replace(one.report, snapshot=shown))).decode()
    assert "reserved without any use; not to scale" in content
    assert "The dump lists 4.1 kB" in content


def test_waits_in_words():
    """Each as a sentence: who ends, who may hold it, for how long; of very many only so many."""
    one = subject()
    waits = (
        Wait(70, "app", WaitKind.JOIN, "waits for a thread to end", 0x9000, 71, "saver"),
        Wait(71, "saver", WaitKind.RWLOCK, "waits for a reader-writer lock", 0x3000, timed=True),
        Wait(72, "loader", WaitKind.FILE, "reads from /tmp/fifo"),
        *(
            Wait(tid, f"t{tid}", WaitKind.MUTEX, "waits for a mutex", 0x4000, 72, "loader")
            for tid in range(80, 86)
        ),
        *(Wait(tid, f"t{tid}", WaitKind.SEMAPHORE, "waits for a semaphore", tid) for tid in range(100, 150)),
    )
    found = outline(page.drawn(replace(one, waits=waits, matter=(72,)))).lines
    for line in (
        "li: loader reads from /tmp/fifo",
        "li: app waits for a thread to end at 0x9000: saver",
        "li: saver waits for a reader-writer lock at 0x3000, and nobody can tell who holds it, for a limited time",
        "li: t80, t81, t82 and 3 more wait for a mutex at 0x4000, held by loader",
        "li: … and 14 more; 'hangshot inspect --json' has them all.",
    ):
        assert line in found
    lonely = replace(
        one, waits=(Wait(9, "t9", WaitKind.SEMAPHORE, "waits for a semaphore", 0x10),), matter=()
    )
    assert (
        "p: One more thread waits for something that names no owner, as idle ones do: not drawn."
        in outline(page.drawn(lonely)).lines
    )


def test_what_is_held():
    """A mode of a later version, holes, and threads that could not be stopped."""
    one = subject()
    dump = replace(one.report.dump, mode="later", stuck=(Thread(9),), gaps=())
    found = outline(page.drawn(replace(one, report=replace(one.report, dump=dump, size=1 << 30)))).lines
    for line in (
        "li: Mode later",
        "li: 4.1 kB on the disk, 1.1 GB with its holes",
        "li: 1 thread that could not be stopped",
    ):
        assert line in found
    cut = outline(page.drawn(replace(one, report=replace(one.report, missing=5000)))).lines
    assert "li: 5.0 kB at its end: it was not copied whole" in cut
    whole = outline(
        page.drawn(replace(one, report=replace(one.report, dump=replace(dump, stuck=()), lacks=())))
    ).lines
    assert "li: Nothing that this mode should hold" in whole


def test_very_deep_and_very_many():
    """The innermost calls, the first modules; the rest is counted."""
    one = subject()
    frames = tuple(Frame(n, f"f{n}", "/opt/app", n) for n in range(100))
    modules = tuple(Module(f"/lib/{n}.so", n, n + 1) for n in range(700))
    report = replace(one.report, modules=modules, stacks=(Stack(71, frames),))
    found = outline(page.drawn(replace(one, report=report))).lines
    assert "p: … 36 more calls" in found
    assert "p: … and 100 more" in found
    assert "summary: The list" in found


def test_gaps_are_folded():
    """The first few are shown, the rest unfolds, and of very many only the number is told."""
    one = subject()
    gaps = tuple(Gap(f"thread {number}", "gone") for number in range(100))
    report = replace(one.report, dump=replace(one.report.dump, gaps=gaps))
    found = outline(page.drawn(replace(one, report=report))).lines
    assert "li: 100 things that this mode should hold:" in found
    assert "summary: 92 more" in found
    assert "li: … and 40 more, in the sidecar" in found


def test_the_mark():
    """By it an earlier page is known; it must not change, or old pages could not be replaced."""
    assert page.drawn(subject()).startswith(page.MARK)
    assert page.MARK == b"<!doctype html>\n<!-- A report of Hangshot -->\n"


def test_nothing_is_loaded():
    """The page names no address but in words, and its policy comes before anything it would hold."""
    found = outline(page.drawn(subject()))
    addresses = {
        (name, value)
        for name, value in found.attributes
        if name in ("href", "src", "action", "srcset", "data")
    }
    assert all(name == "href" and value.startswith("#") for name, value in addresses)
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & found.tags
    assert not [name for name, _ in found.attributes if name.startswith("on") or name == "style"]
    text = page.drawn(subject()).decode()
    assert text.index("Content-Security-Policy") < text.index("<title>") < text.index("<style>")


@pytest.mark.parametrize("source", [synth.core_file, synth_minidump.minidump_file])
def test_damaged_dumps(tmp_path: Path, source: Callable[[Path], Path]):
    """Either they cannot be read, or there is a page about what can be; nothing else comes of them."""
    path = source(tmp_path / "dump")
    whole, pages = path.read_bytes(), 0
    for content in mutations(whole[:12_000], 200, seed=8):
        path.write_bytes(bytes(content) + whole[12_000:])
        with contextlib.suppress(BadDump):
            assert page.html(reports.make(path, None)).startswith(page.MARK)
            pages += 1
    assert 10 < pages < 200
