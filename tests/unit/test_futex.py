"""Which lock a futex wait belongs to: told only if every field of it makes sense."""

from __future__ import annotations

import struct

import pytest

from tray.reports import futex
from tray.reports.futex import Call, Lock, Threads
from tray.verdicts import WaitKind

AT = 0x10000
BLOCK = 0x50000
THREADS = Threads({71: BLOCK, 72: BLOCK + 0x1000})
WAIT, BITSET, PI = 0x80, 0x189, 0x86


def told(words: dict[int, int], op: int = WAIT, value: int = 2, *, timed: bool = False, at: int = AT) -> Lock:
    """What thread 71 waits for at ``at``, where memory holds these 32-bit words by their offset from it."""
    page = bytearray(0x200)
    for offset, word in words.items():
        struct.pack_into("<I", page, 0x100 + offset, word)

    def memory(address: int, size: int) -> bytes:
        start = address - at + 0x100
        return bytes(page[max(start, 0) : max(start, 0) + size])

    return futex.lock(Call(71, at, op, value, timed), THREADS, memory)


def mutex(owner: int = 72, kind: int = 0, users: int = 1, word: int = 2) -> dict[int, int]:
    """The words of a ``pthread_mutex_t``."""
    return {0: word, 4: 0, 8: owner, 12: users, 16: kind}


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 0x80, 0x81, 0x100, 0x200, 0x203])
def test_a_mutex(kind: int) -> None:
    """Of every plain type, shared or not, with and without elision."""
    lock = told(mutex(kind=kind))
    assert (lock.kind, lock.address, lock.owner) == (WaitKind.MUTEX, AT, 72)


@pytest.mark.parametrize(
    "words",
    [
        mutex(word=1),
        mutex(word=0),
        mutex(owner=0),
        mutex(owner=1 << 23),
        mutex(users=0),
        mutex(users=1 << 23),
        mutex(kind=0x400),
        mutex(kind=4),
        mutex(kind=0x20),
        mutex(owner=71, kind=1),
        mutex(owner=71, kind=2),
        mutex(owner=99, kind=1),
    ],
    ids=str,
)
def test_no_mutex(words: dict[int, int]) -> None:
    """Free by now, without users or owner, of no known type, or one that its owner would not wait for."""
    assert told(words).owner is None


def test_a_mutex_of_nobody() -> None:
    """Its owner is not in the process; it is told all the same, and never part of a cycle."""
    assert told(mutex(owner=99)).owner == 99


def test_a_mutex_needs_its_own_call() -> None:
    """Rust waits with another operation, and what follows its futex is data; glibc uses that only with a limit."""
    assert told(mutex(), 0x89).owner is None
    assert told(mutex(), 0x89, timed=True).owner == 72
    assert told(mutex(), WAIT, 3).owner is None
    assert told(mutex(), 0x81).kind is WaitKind.FUTEX


def test_memory_that_is_missing() -> None:
    """A wait of which the dump has no memory names no owner."""
    lock = futex.lock(Call(71, 4, WAIT, 2, timed=False), THREADS, lambda _address, _size: b"")
    assert (lock.kind, lock.owner) == (WaitKind.FUTEX, None)


def test_a_robust_mutex() -> None:
    """Its word and its owner field must agree."""
    word = 72 | 1 << 31
    assert told(mutex(kind=0x10, word=word), value=word).owner == 72
    assert told(mutex(kind=0x11, owner=71, word=71 | 1 << 31), value=71 | 1 << 31).owner is None
    assert told(mutex(owner=71, kind=0x10, word=word), value=word).owner is None
    assert told(mutex(kind=0x10, word=word), value=72).owner is None
    assert told(mutex(kind=0x30, word=word), value=word).owner is None


@pytest.mark.parametrize("op", [0x86, 0x8D, 6, 13])
def test_a_priority_mutex(op: int) -> None:
    """The kernel reads the owner from the word, so that is enough; it may be in another process."""
    assert told({0: 72 | 1 << 31}, op).owner == 72
    assert told({0: 99}, op).owner == 99
    assert told({0: 1 << 31}, op).owner is None


def test_a_join() -> None:
    """Waits at the thread's id in that very thread's block."""
    block = BLOCK + 0x1000 + futex.TID_AT
    lock = told({0: 72}, 0x109, 72, at=block)
    assert (lock.kind, lock.owner) == (WaitKind.JOIN, 72)
    assert told({0: 72}, 0x109, 72, at=block + 8).owner is None
    assert told({0: 72}, WAIT, 72, at=block).owner is None
    assert told({0: 71}, 0x109, 71, at=BLOCK + futex.TID_AT).owner is None


def test_a_stream() -> None:
    """Its owner is a thread block, not an id."""
    words = {0: 2, 4: 1, 8: BLOCK + 0x1000}
    assert told(words).kind is WaitKind.STREAM
    assert told(words).owner == 72
    assert told({**words, 8: BLOCK}).owner is None
    assert told({**words, 8: 0x77000}).owner is None
    assert told({**words, 4: 0}).owner is None


@pytest.mark.parametrize("base", [-8, -12])
def test_a_lock_that_a_writer_holds(base: int) -> None:
    """Whether a reader or a writer waits for it."""
    words = {base: 3, base + 4: 1, base + 24: 72, 0: 3}
    lock = told(words, BITSET, 3)
    assert (lock.kind, lock.address, lock.owner) == (WaitKind.RWLOCK, AT + base, 72)
    wrong = (
        {base + 24: 99},
        {base + 24: 71},
        {base: 1},
        {base + 28: 2},
        {base + 48: 3},
        {base + 4: 9},
        {base + 16: 1},
    )
    for change in wrong:
        assert told({**words, **change}, BITSET, 3).owner is None, change
    assert told(words, BITSET, 2).owner is None
    assert told(words, WAIT, 3).owner is None


def test_a_lock_that_readers_hold() -> None:
    """Readers are only counted."""
    words = {-8: 1 << 3 | 2, -4: 0, 0: 2}
    assert told(words, BITSET, 2).words == "a reader-writer lock that a reader holds"
    assert told({**words, -8: 2 << 3 | 2}, BITSET, 2).words == "a reader-writer lock that 2 readers hold"
    assert told({**words, -8: 3 << 3 | 2}, BITSET, 2).kind is not WaitKind.RWLOCK


@pytest.mark.parametrize("group", [0, 1])
def test_a_condition(group: int) -> None:
    """Counts those who wait, in all and in its group; it has no owner."""
    base = -40 - 4 * group
    words = {base: 2, base + 16 + 4 * group: 2, base + 36: 8}
    at = AT + 4 * group
    lock = told(words, BITSET, 0, at=at)
    assert (lock.kind, lock.address, lock.owner) == (WaitKind.CONDITION, at + base, None)
    assert told({**words, base + 36: 0}, BITSET, 0, at=at).kind is not WaitKind.CONDITION
    assert told(words, BITSET, 0, at=at + 4).kind is not WaitKind.CONDITION, "it would begin where none can"


def test_a_semaphore_behind_the_size_of_its_memory() -> None:
    """What malloc writes before it, and whatever lies before that, is no condition variable."""
    assert told({4: 1, -8: 0x21, -24: 2, -44: 2}, BITSET, 0).kind is WaitKind.SEMAPHORE


def test_a_semaphore() -> None:
    """Is at 0 and has waiters; it has no owner."""
    assert told({4: 1}, BITSET, 0).kind is WaitKind.SEMAPHORE
    for words in ({4: 9}, {4: 1, 8: 5}, {0: 1, 4: 1}, {}):
        assert told(words, BITSET, 0).kind is WaitKind.FUTEX


def musl(kind: int = 1, waiters: int = 1, owner: int = 72) -> dict[int, int]:
    """The words of a mutex of musl: kind, owner with a flag, how many wait."""
    return {-4: kind, 0: owner | 1 << 31, 4: waiters}


@pytest.mark.parametrize(
    ("kind", "words"), [(1, "a recursive mutex"), (2, "a mutex"), (0x81, "a recursive mutex")]
)
def test_a_mutex_of_musl(kind: int, words: str) -> None:
    """Recursive and error-checking ones hold their owner in the word."""
    lock = told(musl(kind), value=72 | 1 << 31)
    assert (lock.kind, lock.owner, lock.words, lock.address) == (WaitKind.MUTEX, 72, words, AT - 4)


@pytest.mark.parametrize(
    "words",
    [
        musl(kind=0),
        musl(kind=3),
        musl(kind=0x101),
        musl(waiters=0),
        musl(waiters=99),
        musl(owner=99),
        musl(71),
    ],
)
def test_no_mutex_of_musl(words: dict[int, int]) -> None:
    """A plain one does not know its owner; and nobody waits for what he holds himself."""
    assert told(words, value=words[0]).owner is None
