"""From registers and memory to waits, chains and one verdict."""

from __future__ import annotations

import json
import struct
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import synth

from tray.ffi import linux as ffi
from tray.formats import core
from tray.model import Captured, Memory, Report, Snapshot, Thread
from tray.reports import calls, futex, verdict, waits, why
from tray.store import reason
from tray.verdicts import Verdict, VerdictKind, Wait, WaitChain, WaitKind

if TYPE_CHECKING:
    from pathlib import Path

PAGE = synth.PAGE
LOCKS, BLOCKS = 0x20000, 0x40000
RESTART = -512
MAIN, A, B, C = 70, 71, 72, 73


def in_call(tid: int, number: int, result: int = RESTART, **values: int) -> Thread:
    """A thread stopped in a system call."""
    block = BLOCKS + (tid - MAIN) * PAGE
    return synth.thread(tid, RAX=result, ORIG_RAX=number, FS_BASE=block, **values)


def wants(tid: int, lock: int, **values: int) -> Thread:
    """A thread that waits for a mutex by its number."""
    return in_call(tid, ffi.FUTEX, RDI=LOCKS + 64 * lock, RSI=0x80, RDX=2, **values)


def locks(*owners: int) -> bytes:
    """A page of mutexes, held by these threads."""
    page = bytearray(PAGE)
    for number, owner in enumerate(owners):
        struct.pack_into("<5I", page, 64 * number, 2, 0, owner, 1, 0)
    return bytes(page)


def blocks(ids: tuple[int, ...]) -> bytes:
    """Thread blocks of glibc, one a page, with the ids by which their threads know themselves."""
    content = bytearray(PAGE * len(ids))
    for number, tid in enumerate(ids):
        place = BLOCKS + number * PAGE
        struct.pack_into("<QQQ", content, number * PAGE, place, 0, place)
        struct.pack_into("<I", content, number * PAGE + futex.TID_AT, tid)
    return bytes(content)


def process(
    *threads: Thread, owners: tuple[int, ...] = (), ids: tuple[int, ...] = (MAIN, A, B, C)
) -> tuple[Snapshot, list[bytes]]:
    """A process of these threads with these mutexes."""
    contents = [locks(*owners), blocks(ids)]
    memory = tuple(
        Memory(start, len(content), len(content))
        for start, content in zip((LOCKS, BLOCKS), contents, strict=True)
    )
    return synth.snapshot(*threads, memory=memory), contents


def reading(contents: list[bytes]):
    """The memory of `process`."""

    def memory(address: int, size: int) -> bytes:
        for start, content in zip((LOCKS, BLOCKS), contents, strict=True):
            if start <= address < start + len(content):
                return content[address - start : address - start + size]
        return b""

    return memory


def judge(snapshot, memory, threads, stuck=()) -> Verdict:
    """Why this process hangs: its waits, and what they come to."""
    told = {thread.tid: thread for thread in threads}
    return verdict.verdict(waits.find(snapshot, memory, told), snapshot.threads, told, stuck)


def judged(
    *threads: Thread,
    owners: tuple[int, ...] = (),
    told: tuple[Thread, ...] = (),
    stuck: tuple[Thread, ...] = (),
    ids: tuple[int, ...] = (MAIN, A, B, C),
) -> Verdict:
    """The verdict about such a process; its threads are called main, a, b and c unless ``told`` says more."""
    snapshot, contents = process(*threads, owners=owners, ids=ids)
    called = dict(zip((MAIN, A, B, C), ("main", "a", "b", "c"), strict=True))
    facts = {one.tid: Thread(one.tid, called[one.tid]) for one in threads}
    facts.update({one.tid: replace(one, name=called[one.tid]) for one in told})
    return judge(snapshot, reading(contents), tuple(facts.values()), stuck)


def paused(tid: int = MAIN) -> Thread:
    """A thread in ``pause``."""
    return in_call(tid, 34)


def test_two_in_a_ring() -> None:
    """Each holds what the other wants; a bystander is no part of it."""
    said = judged(paused(), wants(A, 1), wants(B, 0), wants(C, 0), owners=(A, B))
    assert (said.kind, said.certain, said.sentence) == (VerdictKind.DEADLOCK, True, "Deadlock: a ↔ b")
    assert said.chain == (
        Wait(A, "a", WaitKind.MUTEX, "waits for a mutex", LOCKS + 64, B, "b"),
        Wait(B, "b", WaitKind.MUTEX, "waits for a mutex", LOCKS, A, "a"),
    )


def test_larger_and_smaller_rings() -> None:
    """A ring of three goes once round; one of one is a thread that locks twice."""
    three = judged(paused(), wants(A, 1), wants(B, 2), wants(C, 0), owners=(A, B, C))
    assert three.sentence == "Deadlock: a → b → c → a"
    assert (
        judged(paused(), wants(A, 0), owners=(A,)).sentence
        == "Deadlock: a waits for a mutex that it holds itself"
    )


def test_a_ring_that_ends() -> None:
    """With a time limit somewhere it is no deadlock."""
    said = judged(paused(), wants(A, 1, R10=1), wants(B, 0), owners=(A, B))
    assert (said.kind, said.certain, said.sentence) == (
        VerdictKind.BLOCKED,
        False,
        "Blocked: a ↔ b, until one gives up",
    )


@pytest.mark.parametrize("result", [0, -11, -110, 1])
def test_a_call_that_has_ended_is_no_wait(result: int) -> None:
    """A thread that is about to go on keeps a ring from being one."""
    said = judged(paused(), wants(A, 1), wants(B, 0, result=result), owners=(A, B))
    assert said.sentence == "Blocked: a waits for a mutex held by b"


def test_blocked() -> None:
    """By whom, and what that one does; most waiters come first."""
    said = judged(paused(), wants(A, 0), wants(B, 0), owners=(MAIN,))
    assert said.sentence == "Blocked: a and 1 more wait for a mutex held by main, which waits for a signal"
    assert said.certain
    said = judged(wants(MAIN, 0), wants(A, 1), in_call(B, 35), owners=(A, B))
    assert (
        said.sentence
        == "Blocked: main waits for a mutex held by a, which waits for a mutex held by b, which sleeps"
    )


def test_blocked_by_one_who_is_not_there() -> None:
    """As after a fork: told, but never as certain."""
    said = judged(wants(MAIN, 0), owners=(99,))
    assert said.sentence == "Blocked: main waits for a mutex held by thread 99, which is not in this process"
    assert not said.certain


def test_a_ring_beside_the_chain() -> None:
    """Who waits for a ring from outside is not in it, and finding that ends."""
    ring = [
        Wait(1, "x", WaitKind.MUTEX, "", 1, 2),
        Wait(2, "y", WaitKind.MUTEX, "", 1, 3),
        Wait(3, "z", WaitKind.MUTEX, "", 1, 2),
    ]
    found = WaitChain(tuple(ring)), WaitChain((ring[1], ring[2]), cycle=True)
    assert tuple(waits.chains(ring)) == found


def test_busy() -> None:
    """Only a thread that runs and was measured; the holder of a lock is told so."""
    runs = synth.thread(A, ORIG_RAX=-1)
    assert judged(paused(), runs).kind is VerdictKind.IDLE
    assert judged(paused(), runs, told=(Thread(A, busy=0.1),)).kind is VerdictKind.IDLE
    said = judged(paused(), runs, told=(Thread(A, busy=0.97),))
    assert (said.kind, said.certain) == (VerdictKind.BUSY, False)
    assert said.sentence == "Busy: a used a whole CPU just before the dump"
    said = judged(wants(MAIN, 0), runs, owners=(A,), told=(Thread(A, busy=0.97),))
    assert said.sentence == "Blocked: main waits for a mutex held by a, which computes"
    said = judged(synth.thread(MAIN, ORIG_RAX=-1), wants(A, 0), owners=(B,), told=(Thread(MAIN, busy=0.7),))
    assert said.sentence == "Busy: main used 70% of a CPU just before the dump"


def test_stuck() -> None:
    """What the kernel does not even stop is outside."""
    said = judged(paused(), stuck=(Thread(A, "a", "D", "nfs_wait_bit_killable"),))
    assert said.sentence == "Waiting outside: a waits for a network share (NFS) and cannot be interrupted"
    assert said.kind is VerdictKind.OUTSIDE


@pytest.mark.parametrize(
    ("number", "link", "does"),
    [
        (0, "pipe:[5]", "reads from a pipe (descriptor 3)"),
        (47, "socket:[5]", "receives from a socket (descriptor 3)"),
        (0, "/dev/pts/4", "reads from the terminal /dev/pts/4"),
        (0, "anon_inode:[eventfd]", "reads from eventfd (descriptor 3)"),
        (1, "/mnt/x\n", "writes to /mnt/x?"),
        (74, "", "waits for the disk to take descriptor 3"),
        (61, "", "waits for a child process to end"),
        (2, "", "opens a file"),
        (999, "", "waits in the kernel (system call 999)"),
    ],
)
def test_outside(number: int, link: str, does: str) -> None:
    """The system call, and the file as it was when the dump was taken."""
    said = judged(in_call(MAIN, number, RDI=3), told=(Thread(MAIN, waits_on=link),))
    assert (said.kind, said.sentence) == (VerdictKind.OUTSIDE, f"Waiting outside: main {does}")


def test_stopped() -> None:
    """A program that a signal stopped hangs for that, whatever its threads waited for; a deadlock counts more."""
    still = Thread(MAIN, state="T", slept=70.0)
    said = judged(in_call(MAIN, 34), told=(still,))
    assert (said.kind, said.certain) == (VerdictKind.STOPPED, True)
    assert said.sentence == (
        "Stopped: main was stopped by a signal, as Ctrl+Z sends one (for 70 s); 'kill -CONT 70' lets it go on"
    )
    for place in ("do_freezer_trap", "get_signal"):
        frozen = judged(in_call(MAIN, 34), told=(Thread(MAIN, state="S", waits_in=place),))
        assert (frozen.kind, frozen.sentence[:38]) == (
            VerdictKind.STOPPED,
            "Stopped: main was frozen with its cont",
        )
    frozen = judged(in_call(MAIN, 34), stuck=(Thread(MAIN, "main", "D", "__refrigerator"),))
    assert frozen.kind is VerdictKind.STOPPED
    ring = wants(MAIN, 0), wants(A, 1)
    assert judged(*ring, owners=(A, MAIN), told=(still,)).kind is VerdictKind.DEADLOCK
    assert judged(in_call(MAIN, 34), told=(replace(still, state="t"),)).kind is VerdictKind.IDLE


def test_a_path_from_memory() -> None:
    """A thread that opens a file has its path in memory."""
    snapshot, contents = process(in_call(MAIN, 257, RSI=LOCKS))
    contents[0] = b"/mnt/share/file\0".ljust(PAGE, b"x")
    said = judge(snapshot, reading(contents), ())
    assert said.sentence == "Waiting outside: thread 70 opens /mnt/share/file"


def test_without_owner() -> None:
    """A wait of which nobody can tell whose turn it is."""
    said = judged(in_call(MAIN, ffi.FUTEX, RDI=LOCKS, RSI=0x89, RDX=2), owners=(MAIN,))
    assert (said.kind, said.certain) == (VerdictKind.WAITING, False)
    assert said.sentence == "Waiting: main waits for a lock or event that names no owner"


def test_nothing_wrong() -> None:
    """Programs that wait for events or sleep are idle; so is one of unknown operation, or that just runs."""
    assert judged(in_call(MAIN, 232, result=-4)).sentence == "Nothing wrong seen: main waits for events"
    assert judged(in_call(MAIN, 230)).sentence == "Nothing wrong seen: main sleeps"
    assert judged(in_call(MAIN, ffi.FUTEX, RSI=1)).sentence == "Nothing wrong seen: main was running"
    assert judged(synth.thread(MAIN, ORIG_RAX=-1)).sentence == "Nothing wrong seen: main was running"


def join(tid: int, whom: int) -> Thread:
    """A thread in ``pthread_join``."""
    place = BLOCKS + (whom - MAIN) * PAGE + futex.TID_AT
    return in_call(tid, ffi.FUTEX, RDI=place, RSI=0x109, RDX=whom)


def test_joins_are_followed() -> None:
    """What counts is what the joined thread does; a ring through a join is one."""
    assert judged(join(MAIN, A), in_call(A, 35)).sentence == "Nothing wrong seen: a sleeps"
    said = judged(join(MAIN, A), wants(A, 0), in_call(B, 35), owners=(B,))
    assert said.sentence == "Blocked: a waits for a mutex held by b, which sleeps"
    said = judged(join(MAIN, A), wants(A, 0), owners=(MAIN,))
    assert said.sentence == "Deadlock: main ↔ a"
    said = judged(wants(MAIN, 0), join(A, B), in_call(B, 35), owners=(A,))
    assert (
        said.sentence
        == "Blocked: main waits for a mutex held by a, which waits for a thread to end (b), which sleeps"
    )


def test_a_call_that_goes_on() -> None:
    """After an earlier stop the number is lost; the kernel function tells, or an operation no other call has."""
    again = in_call(MAIN, 219, -516, RDI=LOCKS, RSI=0x80, RDX=2)
    assert judged(again, paused(A), owners=(A,)).kind is VerdictKind.BLOCKED
    elsewhere = (Thread(MAIN, waits_in="hrtimer_nanosleep"),)
    assert judged(again, paused(A), owners=(A,), told=elsewhere).sentence == "Nothing wrong seen: main sleeps"
    inside = (Thread(MAIN, waits_in="futex_wait_queue"),)
    assert judged(again, paused(A), owners=(A,), told=inside).kind is VerdictKind.BLOCKED
    other = in_call(MAIN, 219, -516, RSI=1)
    assert judged(other).sentence == "Nothing wrong seen: main waits for some time"
    yet_to_go_on = (Thread(MAIN, waits_in="do_syscall_64"),)
    assert judged(other, told=yet_to_go_on).sentence == "Nothing wrong seen: main waits for some time"
    assert judged(again, paused(A), owners=(A,), told=yet_to_go_on).kind is VerdictKind.BLOCKED


def test_in_a_container() -> None:
    """A process that counts its threads by itself means others by its numbers than we do."""
    said = judged(paused(), wants(A, 1), wants(B, 0), owners=(2, 3), ids=(1, 2, 3))
    assert (said.sentence, [one.owner for one in said.chain]) == ("Deadlock: a ↔ b", [B, A])
    said = judged(paused(), wants(A, 1), wants(B, 0), owners=(2, 3), ids=(1, 2, 2))
    assert said.kind is VerdictKind.BLOCKED
    assert not said.certain


def test_another_c_library() -> None:
    """Where blocks are none of glibc's, numbers are taken as they are."""
    snapshot, contents = process(paused(), wants(A, 1), wants(B, 0), owners=(A, B), ids=(1, 2, 3))
    contents[1] = b"m" * len(contents[1])
    assert judge(snapshot, reading(contents), ()).sentence == "Deadlock: thread 71 ↔ thread 72"


def test_names() -> None:
    """Tell threads apart, and hide what could upset a terminal."""
    threads = [Thread(1, "w"), Thread(2, "w"), Thread(3), Thread(4, "x\x1b")]
    assert waits.names(threads, {}) == {1: "w (1)", 2: "w (2)", 3: "thread 3", 4: "x?"}


def test_a_crowd_at_one_lock() -> None:
    """All 300 wait for the same, which is read once for all of them; its owner, who waits too, is told apart."""
    tids = range(MAIN, MAIN + 300)
    snapshot, contents = process(*(wants(tid, 0) for tid in tids), owners=(MAIN,), ids=(*tids,))
    read, looked = reading(contents), []

    def memory(address: int, size: int) -> bytes:
        looked.append(address)
        return read(address, size)

    found = waits.find(snapshot, memory, {})
    assert {(wait.kind, wait.owner, wait.does) for wait in found} == {
        (WaitKind.MUTEX, MAIN, "waits for a mutex")
    }
    assert [wait.tid for wait in found] == [*tids]
    assert len([address for address in looked if LOCKS - PAGE < address < LOCKS + PAGE]) <= 4
    assert verdict.verdict(found, snapshot.threads, {}).kind is VerdictKind.DEADLOCK


def test_it_gives_up() -> None:
    """So many threads that it would take too long cost no dump."""
    snapshot, contents = process(paused())
    with pytest.raises(TimeoutError):
        waits.find(snapshot, reading(contents), {}, time.monotonic() - 1)


def written(path: Path) -> Path:
    """A core file of a deadlock."""
    snapshot, contents = process(paused(), wants(A, 1), wants(B, 0), join(C, A), owners=(A, B))
    return synth.core_file(path, snapshot, contents)


def test_at_once(tmp_path: Path, expected_warnings) -> None:
    """From the file just written; what is of another format, or damaged, has no verdict and raises nothing."""
    captured = Captured("elf-core", tuple(Thread(tid, f"t{tid}") for tid in (MAIN, A, B, C)), 0.1, "")
    with written(tmp_path / "a.core").open("rb") as file:
        said = why.at_once(file, captured)
        assert said is not None
        assert said.verdict.sentence == "Deadlock: t71 ↔ t72"
        assert why.at_once(file, replace(captured, format="minidump")) is None
    (tmp_path / "b.core").write_bytes(b"\x7fELF")
    with (tmp_path / "b.core").open("rb") as file:
        assert why.at_once(file, captured) is None
    assert len(expected_warnings.messages) == 2


def report(path: Path, **fields: object) -> Report:
    """The report of `written`."""
    with core.read(path) as file:
        shown = file.snapshot
    dump = synth.dump(path, shown, threads=tuple(Thread(t, f"t{t}") for t in (MAIN, A, B, C)), **fields)
    return Report(path, 1, 1, shown, (), dump=dump)


def test_section(tmp_path: Path) -> None:
    """The verdict, then who waits for whom."""
    made = report(written(tmp_path / "a.core"))
    assert why.section(made)[:4] == [
        "Deadlock: t71 ↔ t72",
        "  t71 → t72: waits for a mutex at 0x20040",
        "  t72 → t71: waits for a mutex at 0x20000",
        "  t73 → t71: waits for a thread to end",
    ]
    assert why.section(replace(made, dump=None))[0] == "Deadlock: thread 71 ↔ thread 72"
    assert why.section(replace(made, path=tmp_path / "gone")) == []


def test_many_that_wait_for_the_same(tmp_path: Path) -> None:
    """Stand on one line."""
    snapshot, contents = process(*(wants(tid, 0) for tid in range(70, 80)), owners=(80,), ids=(70,))
    path = synth.core_file(tmp_path / "many.core", snapshot, contents)
    lines = why.section(Report(path, 1, 1, snapshot, ()))
    assert lines[1].startswith(
        "  thread 70, thread 71, thread 72 and 7 more → thread 80, which is not in this process"
    )


def test_what_a_sidecar_said_stays(tmp_path: Path) -> None:
    """It knew more than the dump alone tells; one that is not certain says so."""
    said = Verdict(VerdictKind.BUSY, "Busy: x", certain=False)
    made = report(written(tmp_path / "a.core"), verdict=said)
    assert why.section(made)[0] == "Busy: x (likely, not proven)"
    assert why.as_json(made)["verdict"] == {
        "kind": "busy",
        "sentence": "Busy: x",
        "certain": False,
        "chain": (),
    }


def test_for_programs(tmp_path: Path) -> None:
    """The verdict and every wait; nothing from what cannot be read."""
    made = report(written(tmp_path / "a.core"))
    fields = why.as_json(replace(made, dump=None))
    assert fields["verdict"]["kind"] == "deadlock"
    assert [(one["tid"], one["owner"]) for one in fields["waits"]] == [(MAIN, None), (A, B), (B, A), (C, A)]
    assert why.as_json(replace(made, path=tmp_path / "gone")) == {"verdict": None, "waits": []}


def test_json_and_back() -> None:
    """A verdict survives its sidecar; one that makes no sense is none."""
    said = judged(paused(), wants(A, 1), wants(B, 0), owners=(A, B))
    told = json.loads(reason.text(said))
    assert reason.from_json(told) == said
    assert reason.text(None) is None
    assert reason.from_json(None) is None
    assert reason.from_json({"kind": "odd"}) is None
    assert reason.from_json({**told, "chain": [{}]}) is None


def test_places_in_the_kernel() -> None:
    """A name that is not known is told as it is."""
    assert calls.place("io_schedule") == (WaitKind.FILE, "waits for the disk")
    assert calls.place("odd") == (WaitKind.KERNEL, "waits in the kernel, in odd")


IN = {MAIN: "draw()", A: "save()", B: "load()", C: "save()"}


@pytest.mark.parametrize(
    ("threads", "owners", "sentence"),
    [
        ((wants(A, 1), wants(B, 0)), (A, B), "Deadlock: a ↔ b, in save() and load()"),
        ((wants(A, 1), wants(C, 0)), (A, C), "Deadlock: a ↔ c, both in save()"),
        (
            (wants(A, 1), wants(B, 2), wants(C, 0)),
            (A, B, C),
            "Deadlock: a → b → c → a, in save(), load() and save()",
        ),
        ((wants(A, 0),), (A,), "Deadlock: a waits for a mutex that it holds itself, in save()"),
        (
            (wants(A, 0), wants(B, 0)),
            (MAIN,),
            "Blocked: a in save() and 1 more wait for a mutex held by main in draw(), which waits for a signal",
        ),
        (
            (wants(A, 0), wants(B, 1)),
            (B, MAIN),
            (
                "Blocked: a in save() waits for a mutex held by b in load(), "
                "which waits for a mutex held by main in draw(), which waits for a signal"
            ),
        ),
    ],
)
def test_functions_in_the_sentence(
    threads: tuple[Thread, ...], owners: tuple[int, ...], sentence: str
) -> None:
    """Each thread is followed by where it is; a ring by all of them, in turn."""
    snapshot, contents = process(paused(), *threads, owners=owners)
    told = dict(zip((MAIN, A, B, C), map(Thread, (MAIN, A, B, C), ("main", "a", "b", "c")), strict=True))
    found = waits.find(snapshot, reading(contents), told)
    said = verdict.verdict(found, snapshot.threads, told, places=IN)
    assert said.sentence == sentence
    assert [wait.function for wait in said.chain] == [IN[wait.tid] for wait in said.chain]


def test_a_ring_of_which_not_all_is_known() -> None:
    """Half the functions would be taken for the wrong threads'."""
    snapshot, contents = process(wants(A, 1), wants(B, 0), owners=(A, B))
    found = waits.find(snapshot, reading(contents), {})
    said = verdict.verdict(found, snapshot.threads, {}, places={A: "save()"})
    assert "save" not in said.sentence


@pytest.mark.parametrize(
    ("slept", "words"),
    [
        ((12.2, 9.4), " (for 9 s)"),
        ((200.0, 190.0), " (for 3 min)"),
        ((9000.0, 7300.0), " (for 2 h)"),
        ((2.9, 100.0), ""),
        ((None, 5.0), " (for 5 s)"),
        ((None, None), ""),
    ],
)
def test_for_how_long(slept: tuple[float | None, float | None], words: str) -> None:
    """A ring is as old as its youngest wait; a blink is not worth a word."""
    told = tuple(Thread(tid, slept=one) for tid, one in zip((A, B), slept, strict=True))
    said = judged(paused(), wants(A, 1), wants(B, 0), owners=(A, B), told=told)
    assert said.sentence == f"Deadlock: a ↔ b{words}"


def test_for_how_long_it_is_blocked() -> None:
    """As long as the first one waits; that nothing is wrong lasts no time."""
    told = (Thread(A, slept=60.0), Thread(MAIN, slept=5.0))
    assert judged(wants(A, 0), paused(), owners=(MAIN,), told=told).sentence.endswith(" (for 60 s)")
    assert (
        judged(paused(), told=(Thread(MAIN, slept=60.0),)).sentence
        == "Nothing wrong seen: main waits for a signal"
    )
