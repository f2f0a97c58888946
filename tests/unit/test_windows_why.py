"""Why Windows programs hang, from made-up minidumps: above all what Wine cannot show."""

from __future__ import annotations

import itertools
import struct
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import synth_minidump
from synth_hang import APP, LOCKS, STACKS, Hang, files, place
from synth_wow64 import wide

from tray.formats import minidump, minidump_wow64
from tray.model import Thread
from tray.reports import critical_section, verdict, windows_calls, windows_waits
from tray.verdicts import Asked, Party, Verdict, Wait, WaitKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Judge = Callable[..., tuple[Verdict, dict[int, Wait]]]

MAIN, A, B, C, FOREIGN = 4, 8, 12, 16, 400
FIRST, SECOND = LOCKS, LOCKS + 0x100
TAKEN, WAITED = -2, -6
"""Lock counts of Windows since Vista: held, and held with one waiter."""
ONE, MANY, EXIT = "NtWaitForSingleObject", "NtWaitForMultipleObjects", "NtDelayExecution"
POINTERS = pytest.mark.parametrize("pointer", [8, 4])
NAMES = {MAIN: "main", A: "a", B: "b", C: "c"}


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """The verdict of a hang, and each thread's wait."""

    def judge(hang: Hang, asked: Asked | None = None, busy: dict[int, float] | None = None):
        told = {tid: Thread(tid, NAMES.get(tid, ""), busy=(busy or {}).get(tid)) for tid in hang.threads}
        with hang.opened(tmp_path / "a.dmp") as (dump, names):
            found = windows_waits.find(dump, names, told, asked)
            return verdict.verdict(found, dump.snapshot.threads, told), {wait.tid: wait for wait in found}

    return judge


def sleeper(pointer: int = 8) -> Hang:
    """A program whose main thread sleeps."""
    return Hang(pointer).thread(MAIN, EXIT, "Sleep", APP)


def mutexes(*rest: int) -> Asked:
    """Two mutexes: a holds the first, b the second."""
    handles = {0x50: Party("Mutant", 70, A, ""), 0x54: Party("Mutant", 70, B, "")}
    return Asked(handles, resting=frozenset(rest))


def waits_for(hang: Hang, tid: int, handle: int) -> Hang:
    """Add a thread that waits for a handle, which its caller has kept."""
    calls = (ONE, "WaitForSingleObjectEx", APP)
    if hang.pointer == 4:
        return hang.thread(tid, *calls, arguments=(handle, 0, 0))
    return hang.thread(tid, *calls, rcx=handle, rdi=handle)


# ---- critical sections


@POINTERS
def test_a_ring_of_sections(judge: Judge, pointer: int) -> None:
    """Proven by memory alone."""
    hang = sleeper(pointer).section(FIRST, A, WAITED).section(SECOND, B, WAITED)
    said, waits = judge(hang.enters(A, SECOND).enters(B, FIRST))
    assert (said.sentence, said.certain) == ("Deadlock: a ↔ b", True)
    assert (waits[A].address, waits[B].address) == (SECOND, FIRST)


@POINTERS
@pytest.mark.parametrize("count", [1, 0])
def test_as_wine_counts(judge: Judge, pointer: int, count: int) -> None:
    """There, and before Vista, the count is one less than the number of entries; without waiters there is no wait."""
    hang = sleeper(pointer).section(FIRST, MAIN, count).enters(A, FIRST)
    said, waits = judge(hang)
    assert (waits[A].owner == MAIN) == bool(count)
    assert (said.kind == "blocked") == bool(count)


@pytest.mark.parametrize(
    ("count", "recursions", "owner", "waiters"),
    [
        (-6, 1, A, 1),
        (-10, 3, A, 2),
        (-4, 1, A, 1),  # one waiter, which is being woken
        (-8, 1, A, 2),
        (-5, 0, 0, 1),  # just left
        (3, 1, A, 3),
        (3, 3, A, 1),
    ],
)
def test_lock_counts(count: int, recursions: int, owner: int, waiters: int) -> None:
    """How many wait, as each Windows counts."""
    hang = Hang().section(FIRST, owner, count, recursions=recursions)
    section = critical_section.at(FIRST, lambda address, _: hang.memory.get(address, b""), 8)
    assert section == (FIRST, owner, waiters)


@pytest.mark.parametrize(
    "fields",
    [
        {"count": -2},  # nobody waits
        {"count": -1, "recursions": 0, "owner": 0},
        {"recursions": 0},  # held, and yet not entered
        {"owner": 0},
        {"owner": A + 1},  # no thread id
        {"recursions": 1 << 20},
        {"spins": 1 << 40},
        {"debug": 7},  # no pointer
        {"debug": SECOND},  # points back at another
        {"debug": LOCKS + 0x5000, "owner": 0, "recursions": 0, "count": -5},  # nothing speaks for it
    ],
)
def test_what_is_no_section(fields: dict[str, int]) -> None:
    """One doubt is enough."""
    hang = Hang().section(FIRST, **{"owner": A, "count": WAITED, **fields})
    hang.memory[SECOND + 8] = (FIRST + 8).to_bytes(8, "little")
    assert critical_section.at(FIRST, lambda address, _: hang.memory.get(address, b""), 8) is None


def test_a_section_with_a_debug_record() -> None:
    """It points back."""
    hang = Hang().section(FIRST, A, WAITED, debug=SECOND)
    hang.memory[SECOND + 8] = FIRST.to_bytes(8, "little")
    assert critical_section.at(FIRST, lambda address, _: hang.memory.get(address, b""), 8)
    assert critical_section.at(FIRST + 4, lambda _, size: bytes(size), 8) is None


def test_two_sections_in_sight(judge: Judge) -> None:
    """With more than one that could be meant, none is."""
    hang = sleeper().section(FIRST, MAIN, WAITED).section(SECOND, B, WAITED)
    said, waits = judge(hang.enters(A, FIRST, rsi=SECOND))
    assert waits[A].owner is None
    assert said.kind == "idle"


def test_a_pointer_into_the_section(judge: Judge) -> None:
    """Its waiters may have kept only where the semaphore is."""
    _, waits = judge(sleeper().section(FIRST, MAIN, WAITED).enters(A, FIRST + 24))
    assert (waits[A].owner, waits[A].address) == (MAIN, FIRST)


def test_more_waiters_than_the_section_counts(judge: Judge) -> None:
    """Then one of them waits for something else, and nobody knows which."""
    hang = sleeper().section(FIRST, MAIN, WAITED).enters(A, FIRST).enters(B, FIRST)
    said, waits = judge(hang)
    assert waits[A].owner is waits[B].owner is None
    assert said.kind == "idle"


def test_a_section_of_its_own(judge: Judge) -> None:
    """A thread never waits for what it is in."""
    _, waits = judge(sleeper().section(FIRST, A, WAITED).enters(A, FIRST))
    assert waits[A].owner is None


@POINTERS
def test_stale_pointers(judge: Judge, pointer: int) -> None:
    """A section in sight of a thread that waits elsewhere is no wait."""
    hang = sleeper(pointer).section(FIRST, MAIN, WAITED)
    keeps = {"rbx": FIRST, "rdi": FIRST} if pointer == 8 else {}
    hang.thread(
        A, "NtWaitForAlertByThreadId", "RtlSleepConditionVariableSRW", APP, keeps=(FIRST, FIRST), **keeps
    )
    hang.thread(B, "NtDelayExecution", "Sleep", APP, keeps=(FIRST,), **keeps)
    said, waits = judge(hang)
    assert (waits[A].kind, waits[B].kind) == (WaitKind.CONDITION, WaitKind.SLEEP)
    assert waits[A].owner is waits[B].owner is None
    assert said.kind == "idle"


@POINTERS
def test_the_loader_lock(judge: Judge, pointer: int) -> None:
    """Known by where the PEB points."""
    hang = sleeper(pointer).loader_lock(FIRST).section(FIRST, MAIN, WAITED).enters(A, FIRST)
    assert (
        "waits for the loader lock, which guards the loading of libraries, held by main"
        in judge(hang)[0].sentence
    )


def test_an_owner_that_has_ended(judge: Judge) -> None:
    """It is said, and not as certain."""
    said, _ = judge(sleeper().section(FIRST, 96, WAITED).enters(A, FIRST))
    assert (
        said.sentence
        == "Blocked: a waits for a critical section held by thread 96, which is not in this process"
    )
    assert not said.certain


def test_no_memory_of_the_section(judge: Judge) -> None:
    """The wait is known, not for whom."""
    said, waits = judge(Hang().enters(MAIN, FIRST))
    assert waits[MAIN] == Wait(MAIN, "main", WaitKind.MUTEX, "waits for a critical section")
    assert said.sentence == "Waiting: main waits for a critical section"


# ---- mutexes, threads, processes: by handle


@POINTERS
def test_a_ring_of_mutexes(judge: Judge, pointer: int) -> None:
    """The owners were asked for while the program ran; those who did not run since hold them still."""
    hang = waits_for(waits_for(sleeper(pointer), A, 0x54), B, 0x50)
    said, _ = judge(hang, mutexes(A, B))
    assert said.sentence == "Deadlock: a ↔ b"
    # On x86-64 nobody knows whether there was a time limit.
    assert said.certain == (pointer == 4)


@POINTERS
@pytest.mark.parametrize("rest", [(), (A,), (B,)])
def test_mutexes_that_may_have_changed_hands(judge: Judge, pointer: int, rest: tuple[int, ...]) -> None:
    """No deadlock: who has run since may hold nothing any more."""
    hang = waits_for(waits_for(sleeper(pointer), A, 0x54), B, 0x50)
    said, _ = judge(hang, mutexes(*rest))
    assert said.kind == "blocked"
    assert not said.certain or rest


def listed(owners: dict[int, tuple[int, int]], pointer: int = 8) -> dict[int, tuple[object, ...]]:
    """Mutexes as the dump's own list has them."""
    form = "<QQ" if pointer == 8 else "<II"
    return {
        handle: ("Mutant", rf"\BaseNamedObjects\m{handle}", (3, struct.pack(form, *party)))
        for handle, party in owners.items()
    }


@POINTERS
def test_mutexes_by_the_dumps_own_list(judge: Judge, pointer: int) -> None:
    """It was written while the threads stood still, so nobody asks whether they ran since."""
    hang = waits_for(waits_for(sleeper(pointer), A, 0x54), B, 0x50)
    hang.handles = listed({0x50: (70, A), 0x54: (70, B)}, pointer)
    said, waits = judge(hang, Asked({0x50: Party("Mutant", 70, C)}, stopped=True))
    assert said.sentence == "Deadlock: a ↔ b"
    assert waits[A].sure
    # A dump of a snapshot may list them a moment later; and so may any other tool's.
    for asked in (Asked(), None):
        said, waits = judge(hang, asked)
        assert (said.kind, said.certain, waits[A].owner) == ("blocked", False, B)


def test_a_mutex_that_is_free_by_the_list(judge: Judge) -> None:
    """Whoever held it before: it is about to be taken, and its name is told."""
    hang = waits_for(sleeper(4), A, 0x50)
    hang.handles = listed({0x50: (0, 0)}, 4)
    wait = judge(hang, Asked({0x50: Party("Mutant", 70, B)}, resting=frozenset({A, B})))[1][A]
    assert (wait.owner, wait.does) == (None, "waits for a mutex (m80)")


@POINTERS
def test_a_mutex_of_another_process_by_the_list(judge: Judge, pointer: int) -> None:
    """The list has its id; its name is what was asked for before, if that was of the same process."""
    hang = waits_for(Hang(pointer), MAIN, 0x50)
    hang.handles = listed({0x50: (99, FOREIGN)}, pointer)
    for pid, name in ((99, "b.exe"), (98, "process")):
        wait = judge(hang, Asked({0x50: Party("Mutant", pid, FOREIGN, "b.exe")}, stopped=True))[1][MAIN]
        assert (wait.kind, wait.does) == (WaitKind.PROCESS, f"waits for a mutex held by {name} (99)")


def test_what_the_list_says_of_others(judge: Judge) -> None:
    """Threads and kinds are as good from there; where it does not tell, what was asked before counts."""
    rows = {"Thread": (1, bytes(16) + struct.pack("<QQ", 70, B) + bytes(16)), "Event": (6, bytes(8))}
    for kind, expected in (("Thread", WaitKind.JOIN), ("Event", WaitKind.FUTEX)):
        hang = waits_for(Hang(), MAIN, 0x50).thread(B, EXIT, "Sleep", APP)
        hang.handles = {0x50: (kind, "", rows[kind])}
        wait = judge(hang)[1][MAIN]
        assert (wait.kind, wait.owner) == (expected, B if kind == "Thread" else None)
    hang.handles = {0x50: ("Thread", "")}
    assert judge(hang, Asked({0x50: Party("Thread", 70, B)}))[1][MAIN].owner == B
    assert judge(hang, Asked({0x50: Party("Event")}))[1][MAIN].kind is WaitKind.JOIN
    hang.handles = {0x50: ("", "")}
    assert judge(hang, Asked({0x50: Party("Thread", 70, B)}))[1][MAIN].owner == B


# ---- files


def reads(pointer: int, handle: int) -> Hang:
    """A program that reads from a handle."""
    calls = ("NtReadFile", "ReadFile", APP)
    if pointer == 4:
        return Hang(4).thread(MAIN, *calls, arguments=(handle, 0))
    return Hang().thread(MAIN, *calls, rcx=handle, rdi=handle)


@POINTERS
@pytest.mark.parametrize(
    ("name", "does"),
    [
        (r"\Device\NamedPipe\mojo.1", r"reads from \\.\pipe\mojo.1"),
        (r"\Device\NamedPipe\Win32Pipes.0.1", "reads from a file or pipe"),
        (r"\Device\Mup\server\share\a b.txt", r"reads from \\server\share\a b.txt"),
        (r"\Device\Mup\;LanmanRedirector\;Z:0\server\a", r"reads from \\server\a"),
        (r"\??\C:\a.txt", r"reads from C:\a.txt"),
        (r"\??\UNC\server\a", r"reads from \\server\a"),
        (r"\Device\HarddiskVolume3\a.txt", r"reads from \Device\HarddiskVolume3\a.txt"),
        ("", "reads from a file or pipe"),
    ],
)
def test_files_by_name(judge: Judge, pointer: int, name: str, does: str) -> None:
    """As people call them, where a tool has put their names into the dump."""
    hang = reads(pointer, 0x50)
    hang.handles = {0x50: ("File", name)}
    assert judge(hang)[1][MAIN].does == does


@POINTERS
def test_standard_streams(judge: Judge, pointer: int) -> None:
    """By the handles that the process was started with; what is no handle is no stream."""
    assert (
        judge(reads(pointer, 0x50).streams(0x50, 0x54, 0x58))[1][MAIN].does == "reads from its standard input"
    )
    assert (
        judge(reads(pointer, 0x58).streams(0x50, 0x54, 0x58))[1][MAIN].does == "reads from its standard error"
    )
    assert judge(reads(pointer, 0x50).streams(0x50, 0x50))[1][MAIN].does == "reads from its standard streams"
    assert judge(reads(pointer, 3).streams(3, 7))[1][MAIN].does == "reads from a file or pipe"
    assert judge(reads(pointer, 0x50))[1][MAIN].does == "reads from a file or pipe"


# ---- slim locks


def slim(pointer: int, state: int, *, mutex: tuple[int, int, int] | None = None) -> Hang:
    """Threads a and b that wait for a slim lock; perhaps one of a C++ mutex with type, owner and count."""
    hang = sleeper(pointer)
    hang.memory[FIRST] = state.to_bytes(pointer, "little")
    if mutex:
        before, after = (16, 56) if pointer == 8 else (8, 32)
        whole = struct.pack("<i", mutex[0]).ljust(before, b"\0") + hang.memory.pop(FIRST)
        hang.memory[FIRST - before] = whole + bytes(after - pointer) + struct.pack("<II", *mutex[1:])
    for tid in (A, B):
        if pointer == 4:
            hang.entered[STACKS + tid * 0x1000, 0] = FIRST
            hang.thread(tid, "NtWaitForAlertByThreadId", "RtlAcquireSRWLockExclusive", APP)
        else:
            hang.thread(
                tid, "NtWaitForAlertByThreadId", "RtlpWait", "RtlAcquireSRWLockExclusive", APP, rcx=FIRST
            )
    return hang


ON_A_STACK = STACKS + A * 0x1000 + 0x20


@POINTERS
@pytest.mark.parametrize(
    ("state", "address", "more"),
    [
        (ON_A_STACK | 3, FIRST, ""),  # of Windows: held, waited for
        (ON_A_STACK | 0xB, FIRST, " that readers hold"),
        (ON_A_STACK | 6, FIRST, ""),  # just left
        (ON_A_STACK | 1, 0, ""),  # nobody waits
        (0x30000000 | 3, 0, ""),  # no stack
        (0x00010003, FIRST, ""),  # of Wine: a writer, and another who waits
        (0x00020002, FIRST, " that readers hold"),
        (0x00020003, 0, ""),  # two writers
        (0x00000002, 0, ""),  # nobody has it
        (0, 0, ""),
    ],
)
def test_slim_locks(judge: Judge, pointer: int, state: int, address: int, more: str) -> None:
    """Known by their state, as Windows or as Wine has it; those who wait for one are together."""
    said, waits = judge(slim(pointer, state))
    assert said.kind == "idle"
    assert {waits[tid].address for tid in (A, B)} == {address}
    assert waits[A].does == f"waits for a slim reader-writer lock{more}"


@POINTERS
@pytest.mark.parametrize(
    ("mutex", "owner"),
    [
        ((2, MAIN, 1), MAIN),
        ((0x102, MAIN, 2), MAIN),
        ((2, A, 1), None),  # nobody waits for a mutex of its own
        ((3, MAIN, 1), None),  # no such type
        ((2, MAIN, 0), None),
        ((2, 0xFFFFFFFF, 1), None),
        ((2, 96, 1), None),  # of no thread
    ],
)
def test_mutexes_of_cpp(judge: Judge, pointer: int, mutex: tuple[int, int, int], owner: int | None) -> None:
    """Microsoft's library keeps who has one beside its slim lock; one doubt, and it is a slim lock like others."""
    for state in (ON_A_STACK | 3, 0x00010003):
        said, waits = judge(slim(pointer, state, mutex=mutex))
        assert (waits[A].owner, waits[A].address) == (owner, FIRST)
        assert waits[A].does == ("waits for a C++ mutex" if owner else "waits for a slim reader-writer lock")
        if owner:
            assert said.sentence == "Blocked: a and 1 more wait for a C++ mutex held by main, which sleeps"
            assert said.certain


def test_two_slim_locks_in_sight(judge: Judge) -> None:
    """With more than one that could be meant, none is."""
    hang = slim(8, 0x00010003)
    hang.memory[SECOND] = hang.memory[FIRST]
    hang.thread(
        A,
        "NtWaitForAlertByThreadId",
        "RtlpWait",
        "RtlAcquireSRWLockExclusive",
        APP,
        rcx=FIRST,
        keeps=(SECOND,),
    )
    assert judge(hang)[1][A].address == 0


def test_a_crowd_before_a_slim_lock(judge: Judge) -> None:
    """The sentence counts them."""
    hang = slim(8, 0x00010003).thread(
        MAIN, "NtWaitForAlertByThreadId", "RtlAcquireSRWLockExclusive", APP, rcx=FIRST
    )
    assert judge(hang)[0].sentence == "Waiting: main and 2 more wait for a slim reader-writer lock"


def test_a_mutex_with_a_time_limit(judge: Judge) -> None:
    """Such a ring comes apart by itself."""
    hang = sleeper(4)
    for tid, handle in ((A, 0x54), (B, 0x50)):
        hang.thread(tid, ONE, "WaitForSingleObjectEx", APP, arguments=(handle, 0, LOCKS))
    said, _ = judge(hang, mutexes(A, B))
    assert (said.sentence, said.certain) == ("Blocked: a ↔ b, until one gives up", False)


def test_a_section_and_a_mutex(judge: Judge) -> None:
    """Locks of two kinds in one ring."""
    hang = waits_for(sleeper(4).section(FIRST, B, WAITED).enters(A, FIRST), B, 0x50)
    assert judge(hang, mutexes(A, B))[0].sentence == "Deadlock: a ↔ b"


def test_a_handle_that_only_the_system_had(judge: Judge) -> None:
    """On x86-64 the argument's register counts only if the caller has the same value."""
    hang = sleeper().thread(A, ONE, "WaitForSingleObjectEx", APP, rcx=0x50)
    assert judge(hang, mutexes())[1][A].does == "waits for an object of the system"
    hang = sleeper().thread(A, ONE, "WaitForSingleObjectEx", APP, rcx=0x50, keeps=(1, 0x50))
    assert judge(hang, mutexes())[1][A].kind == WaitKind.MUTEX


OBJECTS = {
    0x10: (Party("Thread", 70, B), WaitKind.JOIN, "waits for a thread to end", B),
    0x14: (
        Party("Thread", 99, FOREIGN, "b.exe"),
        WaitKind.PROCESS,
        "waits for a thread to end in b.exe (99)",
        None,
    ),
    0x18: (Party("Process", 99, 0, "b.exe"), WaitKind.PROCESS, "waits for b.exe (99) to end", None),
    0x1C: (
        Party("Mutant", 99, FOREIGN, "b.exe"),
        WaitKind.PROCESS,
        "waits for a mutex held by b.exe (99)",
        None,
    ),
    0x20: (Party("Mutant", 0, 0, "Once"), WaitKind.MUTEX, "waits for a mutex (Once)", None),
    0x24: (Party("Event"), WaitKind.FUTEX, "waits for an event", None),
    0x28: (Party("Semaphore"), WaitKind.SEMAPHORE, "waits for a semaphore", None),
    0x2C: (Party("Timer"), WaitKind.SLEEP, "waits for a timer", None),
    0x30: (Party("File"), WaitKind.FILE, "waits for a file, pipe or device", None),
    0x34: (Party("Unheard-of"), WaitKind.FUTEX, "waits for an object of the system", None),
}


@POINTERS
@pytest.mark.parametrize("handle", OBJECTS)
def test_objects(judge: Judge, pointer: int, handle: int) -> None:
    """What a handle leads to says what is waited for."""
    party, kind, does, owner = OBJECTS[handle]
    hang = waits_for(Hang(pointer), MAIN, handle).thread(B, EXIT, "Sleep", APP)
    wait = judge(hang, Asked({handle: party}))[1][MAIN]
    assert (wait.kind, wait.does, wait.owner) == (kind, does, owner)


@POINTERS
@pytest.mark.parametrize(("late", "timed"), [(0, False), (STACKS, True)])
def test_arrays_of_handles(judge: Judge, pointer: int, late: int, timed: bool) -> None:  # noqa: FBT001
    """One handle in an array is as good as one alone; of several only the number is told."""
    asked = Asked({0x10: Party("Thread", 70, B), 0x24: Party("Event")})
    for handles in ((0x10,), (0x10, 0x24)):
        count = len(handles)
        hang = Hang(pointer).thread(B, EXIT, "Sleep", APP)
        hang.memory[LOCKS] = b"".join(one.to_bytes(pointer, "little") for one in handles)
        calls = (MANY, "WaitForSingleObjectEx", APP)
        if pointer == 8:
            hang.thread(MAIN, *calls, rdx=LOCKS, r14=LOCKS, rdi=count, keeps=(0, 0, 0, 0, late))
        else:
            hang.thread(MAIN, *calls, arguments=(count, LOCKS, 1, 0, late))
        wait = judge(hang, asked)[1][MAIN]
        assert wait.timed is timed
        assert wait.owner == (B if count == 1 else None)
        assert (wait.does == "waits for 2 objects of the system") == (count == 2)


def test_an_array_of_which_nothing_is_certain(judge: Judge) -> None:
    """No handles are read where the caller does not know them, nor where two counts are possible."""
    asked = Asked({0x10: Party("Thread", 70, B), 0x24: Party("Event")})
    for registers in ({"rdx": LOCKS, "rdi": 1}, {"rdx": LOCKS, "r14": LOCKS, "rdi": 1, "rsi": 2}):
        hang = Hang().thread(MAIN, MANY, "WaitForSingleObjectEx", APP, **registers)
        hang.memory[LOCKS] = (0x10).to_bytes(8, "little") + (0x24).to_bytes(8, "little")
        assert judge(hang, asked)[1][MAIN].does == "waits for objects of the system"


# ---- windows


@POINTERS
@pytest.mark.parametrize("call", ["SendMessageW", "SendMessageTimeoutW"])
def test_messages(judge: Judge, pointer: int, call: str) -> None:
    """Who has sent one waits for the thread of the window."""
    hang = Hang(pointer).thread(A, EXIT, "Sleep", APP)
    fields = {"rcx": 0x30052, "rsi": 0x30052} if pointer == 8 else {"arguments": (0x30052, 1024, 0, 0)}
    hang.thread(MAIN, "NtUserMessageCall", call, APP, **fields)
    hang.threads = dict(sorted(hang.threads.items()))
    said, waits = judge(hang, Asked(windows={0x30052: Party("Window", 70, A)}))
    assert said.sentence == "Blocked: main waits for an answer from a window of a, which sleeps"
    assert waits[MAIN].timed == ("Timeout" in call)
    said, _ = judge(hang, Asked(windows={0x30052: Party("Window", 99, FOREIGN, "b.exe")}))
    assert said.sentence == "Waiting outside: main waits for an answer from a window of b.exe (99)"
    assert judge(hang)[0].sentence == "Waiting: main waits for an answer from a window"


def test_a_message_and_a_section(judge: Judge) -> None:
    """Main holds what the window's thread wants before it can answer."""
    hang = Hang(4).section(FIRST, MAIN, WAITED).enters(A, FIRST)
    hang.thread(MAIN, "NtUserMessageCall", "SendMessageW", APP, arguments=(0x30052,))
    said, _ = judge(hang, Asked(windows={0x30052: Party("Window", 70, A)}))
    assert (said.sentence, said.certain) == ("Deadlock: a ↔ main", True)


# ---- wait chains


def test_a_chain_names_the_owner(judge: Judge) -> None:
    """Where memory does not, and only for who did not run since."""
    hang = sleeper().thread(A, ONE, "WaitForSingleObjectEx", APP)
    chains = {A: Party("Mutex", 70, MAIN)}
    assert judge(hang, Asked(chains=chains, resting=frozenset({A})))[1][A].owner == MAIN
    assert judge(hang, Asked(chains=chains))[1][A].owner is None
    assert judge(hang, Asked(chains={A: Party("Unknown")}, resting=frozenset({A})))[1][A].owner is None


def test_a_chain_gives_way_to_what_is_seen(judge: Judge) -> None:
    """A thread that sleeps now does not wait for what it waited for before."""
    asked = Asked(
        chains={MAIN: Party("Mutex", 70, A), A: Party("CriticalSection", 70, B)}, resting=frozenset({MAIN, A})
    )
    hang = sleeper().section(FIRST, MAIN, WAITED).enters(A, FIRST)
    waits = judge(hang, asked)[1]
    assert (waits[MAIN].kind, waits[A].owner) == (WaitKind.SLEEP, MAIN)


@pytest.mark.parametrize(
    ("party", "sentence"),
    [
        (Party("Mutex", 99, FOREIGN, "b.exe"), "main waits for a mutex held by b.exe (99)"),
        (Party("ALPC", 99, FOREIGN, "b.exe"), "main waits for the answer to a request (ALPC) of b.exe (99)"),
        (Party("COM", 99, FOREIGN, "b.exe"), "main waits for the answer to a COM call of b.exe (99)"),
        (Party("ProcessWait", 99, 0, "b.exe"), "main waits for b.exe (99) to end"),
        (Party("SocketIo"), "main waits for a connection to another machine"),
        (Party("SmbIo"), "main waits for a network share (SMB)"),
    ],
)
def test_chains_that_lead_outside(judge: Judge, party: Party, sentence: str) -> None:
    """To another program, by name and process id, or to another machine."""
    hang = Hang().thread(MAIN, "NtAlpcSendWaitReceivePort", APP)
    said, _ = judge(hang, Asked(chains={MAIN: party}, resting=frozenset({MAIN})))
    assert (said.sentence, said.certain) == (f"Waiting outside: {sentence}", True)


def test_a_deadlock_across_processes(judge: Judge) -> None:
    """The other process's thread takes part by its name; one that has run since breaks the ring."""
    hang = sleeper().thread(A, ONE, "WaitForSingleObjectEx", APP)
    chains = {A: Party("Mutex", 99, FOREIGN, "b.exe"), FOREIGN: Party("SendMessage", 70, A, "app.exe")}
    said, waits = judge(hang, Asked(chains=chains, resting=frozenset({A, FOREIGN})))
    assert said.sentence == "Deadlock: a ↔ thread 400 of b.exe (99)"
    assert [wait.owner_name for wait in said.chain] == ["thread 400 of b.exe (99)", "a"]
    assert waits[FOREIGN].does == "waits for an answer from a window"
    said, _ = judge(hang, Asked(chains=chains, resting=frozenset({A})))
    assert said.kind != "deadlock"


def test_a_chain_that_does_not_come_back(judge: Judge) -> None:
    """Rings of others, however long the way there, are not ours."""
    ring = {FOREIGN + 4 * n: Party("Mutex", 99, FOREIGN + 4 * ((n + 1) % 3), "b.exe") for n in range(3)}
    asked = Asked(
        chains={MAIN: Party("ALPC", 99, FOREIGN, "b.exe"), **ring}, resting=frozenset({MAIN, *ring})
    )
    said, waits = judge(Hang().thread(MAIN, "NtAlpcSendWaitReceivePort", APP), asked)
    assert said.kind == "outside"
    assert set(waits) == {MAIN}


# ---- the rest


@POINTERS
@pytest.mark.parametrize(
    ("calls", "kind"),
    [
        (("NtDelayExecution", "Sleep", APP), WaitKind.SLEEP),
        (("NtReadFile", "ReadFile", APP), WaitKind.FILE),
        (("NtUserGetMessage", "GetMessageW", APP), WaitKind.EVENTS),
        ((ONE, "WaitForSingleObjectEx", "recv", APP), WaitKind.FILE),
        (("NtWaitForAlertByThreadId", "RtlAcquireSRWLockExclusive", APP), WaitKind.RWLOCK),
        (("NtWaitForAlertByThreadId", APP), WaitKind.FUTEX),
        (("NtAlpcSendWaitReceivePort", APP), WaitKind.KERNEL),
    ],
)
def test_calls(judge: Judge, pointer: int, calls: tuple[str, ...], kind: WaitKind) -> None:
    """The outermost of the system's own calls that says more."""
    assert judge(Hang(pointer).thread(MAIN, *calls))[1][MAIN].kind == kind


def test_the_programs_callers_do_not_count(judge: Judge) -> None:
    """A window's procedure that sleeps does not wait for messages."""
    hang = Hang().thread(MAIN, "NtDelayExecution", "Sleep", APP, "GetMessageW", APP)
    assert judge(hang)[1][MAIN].kind == WaitKind.SLEEP


def test_a_system_call_that_is_not_known_to_block(judge: Judge) -> None:
    """It counts as running, unless the thread did not run for some time."""
    hang = Hang().thread(MAIN, "NtSetEvent", APP)
    assert judge(hang)[0].sentence == "Nothing wrong seen: main was running"
    said, _ = judge(hang, Asked(resting=frozenset({MAIN})))
    assert (said.sentence, said.certain) == (
        "Waiting outside: main waits in the system, in NtSetEvent",
        False,
    )


def test_a_thread_that_burns_cpu(judge: Judge) -> None:
    """It does not wait, wherever it stood in that instant."""
    said, waits = judge(sleeper(), busy={MAIN: 0.95})
    assert said.sentence == "Busy: main used a whole CPU just before the dump"
    assert not waits


def test_a_thread_that_runs(judge: Judge) -> None:
    """It stands in no system call; or right behind something that only looks like one."""
    hang = sleeper()
    hang.memory[place(EXIT) + 0x12] = b"\x90\x90"
    assert not judge(hang)[1]
    hang = sleeper()
    hang.threads[MAIN] = b""
    assert not judge(hang)[1]


@POINTERS
def test_a_dump_without_code(judge: Judge, pointer: int) -> None:
    """The library's file has it."""
    hang = sleeper(pointer)
    del hang.memory[place(EXIT) + 0x12]
    assert judge(hang)[1][MAIN].kind == WaitKind.SLEEP


def test_only_libraries_of_the_system_are_opened(tmp_path: Path) -> None:
    """The program's own may lie on the network share that it hangs on, and so may a library by a system's name."""
    asked: list[str] = []

    def opened(path: str):
        asked.append(path)
        return files(wide=True)(path)

    with sleeper().opened(tmp_path / "a.dmp") as (dump, _):
        modules = tuple(dump.modules())
        moved = tuple(
            replace(one, path=one.path.replace("C:\\Windows", r"\\\\server\\share")) for one in modules
        )
        with windows_calls.Names(moved, dump.times, opened) as names:
            assert not names.tell()
        with windows_calls.Names(modules, dump.times, opened) as names:
            found = windows_calls.calls(dump.snapshot.threads[0], dump.memory, names, 8)
        other = files(wide=True, missing=["kernelbase.dll"])
        with windows_calls.Names(modules, dump.times, other) as names:
            cut = windows_calls.calls(dump.snapshot.threads[0], dump.memory, names, 8)
    assert {path.rpartition("\\")[2] for path in asked} == {"ntdll.dll", "kernelbase.dll"}
    assert [call.module for call in found] == ["ntdll.dll", "kernelbase.dll", "app.exe"]
    assert [call.name for call in cut] == [EXIT, ""]


def test_a_time_limit(tmp_path: Path) -> None:
    """Of looking."""
    with (
        sleeper().opened(tmp_path / "a.dmp") as (dump, names),
        pytest.raises(TimeoutError),
    ):
        windows_waits.find(dump, names, {}, limit=0)


@POINTERS
def test_calls_with_a_broken_stack(tmp_path: Path, pointer: int) -> None:
    """What cannot be walked is not guessed at: the calls end there."""
    hang = sleeper(pointer)
    sp = STACKS + MAIN * 0x1000
    whole = hang.memory[sp]
    lengths = []
    for size in range(0, len(whole) + 1, pointer):
        hang.memory[sp] = whole[:size] or b"\0"
        with hang.opened(tmp_path / "a.dmp") as (dump, names):
            lengths.append(len(windows_calls.calls(dump.snapshot.threads[0], dump.memory, names, pointer)))
    assert lengths == sorted(lengths)
    assert (lengths[0], lengths[-1]) == (0, 3)


def test_registers_that_calls_have_kept(tmp_path: Path) -> None:
    """Those of the outer calls are found where the inner ones put them."""
    hang = Hang().thread(
        MAIN, "NtDelayExecution", "RtlpWait", APP, keeps=(0, 0, 0, 0, 0, 0, FIRST), rbx=SECOND
    )
    frame = STACKS + A * 0x1000 + 8
    hang.thread(A, "NtDelayExecution", "Framed", APP, keeps=(0, 0, FIRST, 0, 0, 0, SECOND), rbp=frame + 0x20)
    with hang.opened(tmp_path / "a.dmp") as (dump, names):
        for thread, (rbx, rbp) in zip(dump.snapshot.threads, [(FIRST, 0), (FIRST, SECOND)], strict=True):
            found = windows_calls.calls(thread, dump.memory, names, 8)
            assert [call.name for call in found] == ["NtDelayExecution", found[1].name, ""]
            assert (found[2].registers[3], found[2].registers[5]) == (rbx, rbp)


def test_frames_that_lead_round_in_circles(tmp_path: Path) -> None:
    """A chain of frames only ever goes up."""
    hang = sleeper(4)
    sp = STACKS + MAIN * 0x1000
    hang.memory[sp] = hang.memory[sp][:4] + (sp + 4).to_bytes(4, "little") + hang.memory[sp][8:]
    with hang.opened(tmp_path / "a.dmp") as (dump, names):
        found = windows_calls.calls(dump.snapshot.threads[0], dump.memory, names, 4)
    assert [call.above for call in found] == sorted({call.above for call in found})


def test_whether_calls_can_be_told(tmp_path: Path) -> None:
    """Not without the very same ntdll, nor in a 64-bit view of a 32-bit program."""
    with sleeper().opened(tmp_path / "a.dmp") as (dump, names):
        assert names.tell()
        modules = tuple(dump.modules())
        for opened in (files(wide=True, missing=["ntdll.dll"]), files(wide=False)):
            with windows_calls.Names(modules, dict.fromkeys(dump.times, 5), opened) as others:
                assert not others.tell()
    with Hang(extra=("wow64.dll",)).thread(MAIN, EXIT, APP).opened(tmp_path / "b.dmp") as (_, names):
        assert not names.tell()


def test_a_32_bit_program_in_a_64_bit_dump(tmp_path: Path) -> None:
    """Its own registers and libraries are found in what the layer keeps; a thread without them is left alone."""
    hang = sleeper(4).section(FIRST, A, WAITED).section(SECOND, B, WAITED).enters(A, SECOND).enters(B, FIRST)
    with hang.opened(tmp_path / "narrow.dmp") as (narrow, _):
        (tmp_path / "wide.dmp").write_bytes(wide(narrow, A, B))
    with minidump.read(tmp_path / "wide.dmp") as dump:
        assert dump.pointer == 8
        program = minidump_wow64.inside(dump)
        assert program.pointer == 4
        with windows_calls.Names(tuple(program.modules()), program.times, files(wide=False)) as names:
            assert names.tell()
            waits = windows_waits.find(program, names, {})
            said = verdict.verdict(waits, program.snapshot.threads, {})
    assert (said.sentence, said.certain) == ("Deadlock: thread 8 ↔ thread 12", True)
    whole = (tmp_path / "wide.dmp").read_bytes()
    (tmp_path / "wide.dmp").write_bytes(whole.replace(struct.pack("<I", 0x1003F), struct.pack("<I", 0x3F)))
    with minidump.read(tmp_path / "wide.dmp") as dump:
        assert not any(thread.registers for thread in minidump_wow64.inside(dump).snapshot.threads)


def test_modules_of_both_widths(tmp_path: Path) -> None:
    """Of two libraries with one name the program's is in the folder for 32 bit; those beyond 4 GiB are not its own."""
    system, narrow = "C:\\Windows\\System32\\", "C:\\Windows\\SysWOW64\\"
    modules = {
        "C:\\app.exe": (0x400000, 0x1000),
        f"{system}ntdll.dll": (0x77000000, 0x1000),
        f"{system}wow64.dll": (0x76000000, 0x1000),
        f"{system}wow64cpu.dll": (0x75000000, 0x1000),
        f"{narrow}ntdll.dll": (0x74000000, 0x1000),
        f"{system}kernel32.dll": (0x73000000, 0x1000),
        f"{system}user32.dll": (0x7FF000000, 0x1000),
    }
    path = synth_minidump.minidump_file(tmp_path / "a.dmp", synth_minidump.Process(modules=modules))
    with minidump.read(path) as dump:
        found = [module.path for module in minidump_wow64.inside(dump).modules()]
    assert found == ["C:\\app.exe", f"{narrow}ntdll.dll", f"{system}kernel32.dll"]


def test_a_32_bit_library_seen_from_64_bits(tmp_path: Path) -> None:
    """Its path names the folder of the other width; the right file is found all the same."""
    asked: list[str] = []

    def opened(path: str):
        asked.append(path)
        return files(wide=False)(path if "syswow64" in path else "missing")

    with (
        sleeper(4).opened(tmp_path / "a.dmp") as (dump, _),
        windows_calls.Names(tuple(dump.modules()), dump.times, opened) as names,
    ):
        assert names.tell()
        assert names.tell()
    assert asked == ["C:\\Windows\\System32\\ntdll.dll", "c:\\windows\\syswow64\\ntdll.dll"]


@pytest.mark.parametrize("seed", range(40))
def test_healthy_threads_are_no_deadlock(judge: Judge, seed: int) -> None:
    """Whatever waits are mixed: without a ring of owners that is proven there is none."""
    calls = list(
        itertools.islice(itertools.cycle([ONE, MANY, "NtWaitForAlertByThreadId", EXIT]), seed, seed + 3)
    )
    hang = Hang(8 if seed % 2 else 4).section(FIRST, A, WAITED).section(SECOND, B, TAKEN)
    hang.thread(MAIN, EXIT, "Sleep", APP)
    for tid, call in zip((A, B, C), calls, strict=True):
        words = {"rbx": FIRST, "rcx": 0x50, "rdi": 0x54} if hang.pointer == 8 else {}
        hang.thread(tid, call, "WaitForSingleObjectEx", APP, keeps=(FIRST, SECOND, 0x50, 0x54), **words)
    assert judge(hang, mutexes(A, C))[0].kind != "deadlock"
